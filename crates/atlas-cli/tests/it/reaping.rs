//! What `reap` tells: each thing once, what cannot be looked at with its remedy, and nothing of what never was.

use atlas::mock::server::Reach;
use atlas::mock::{Fault, Operation, Rule};
use serde_json::Value;

use crate::cloud::Cloud;
use crate::home::Home;
use crate::unanswered::hasty;

const SPAWN: &[&str] = &["spawn", "--gpu", "l4", "--image", "me/app:1"];
const VOLUME: &[&str] = &["volume", "create", "--region", "EU-RO-1", "--size-gb", "50"];

#[test]
fn p14_an_account_that_cannot_be_used_keeps_nobody_from_the_others() {
    let home = Home::new();
    let machine = home.spawn(&[]);
    let id = machine["id"].as_str().expect("text");
    home.configure(
        "providers:\n  odd: { kind: cumulus }\n  keyless: { kind: local, price_per_hour: \"${NO_SUCH}\" }\n",
    );
    home.good(&["terminate", "--provider", "local", "--no-wait", id]);
    let ran = home.run(&["reap"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    for name in ["odd", "NO_SUCH"] {
        assert_eq!(
            ran.err.lines().filter(|line| line.starts_with("error: ") && line.contains(name)).count(),
            1,
            "told once: {ran:?}"
        );
    }
    let ran = home.run(&["reap", "--json"]);
    assert_eq!((ran.code, ran.json().as_array().map(Vec::len)), (2, Some(0)), "{ran:?}");
    assert_eq!(home.intents(), ["closed"]);
    assert!(home.machines().is_empty());
    home.configure("");
    home.good(&["reap"]);
}

/// What a cloud refused was never made, whichever key is used afterwards.
#[test]
fn o3_a_key_that_was_mistyped_once_is_forgotten() {
    let (home, cloud) = (Home::new(), Cloud::new());
    for words in [SPAWN, VOLUME] {
        cloud.configure(&home, Some("rpa_mistyped"));
        assert_eq!(home.run(words).code, 4);
    }
    cloud.lead(&home);
    for words in [&["reap", "--dry-run"][..], &["reap"], &["reap", "--json"]] {
        let ran = home.good(words);
        assert!(!ran.err.contains("error"), "{ran:?}");
    }
    assert_eq!(home.intents(), ["closed", "closed"]);
}

/// With the key of another account nothing can be said of a machine: told with the remedy, by the dry run too.
#[test]
fn o3_what_another_account_rented_is_told_once_with_its_remedy() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.server().add_key("rpa_other", "other", Reach::All);
    cloud.lead(&home);
    home.good(SPAWN);
    cloud.configure(&home, Some("rpa_other"));
    let mut told = Vec::new();
    for words in [&["reap", "--dry-run"][..], &["reap"]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 1, "{ran:?}");
        told.push(ran.complaint().to_owned());
    }
    assert_eq!(told[0], told[1]);
    home.scrub().bind(|| insta::assert_snapshot!(told[0]));
    cloud.lead(&home);
    home.good(&["reap"]);
}

/// The lines of a run that is good.
fn lines(home: &Home, words: &[&str]) -> Vec<Value> {
    let told = home.good(&[words, &["--json"]].concat()).json();
    told.as_array().expect("a list").clone()
}

/// Its ending is recorded, and the cloud, which has forgotten the word, shows it all the same.
#[test]
fn what_is_being_ended_is_told_and_priced_once() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    cloud.server().inject(Rule::on(Operation::Terminate, Fault::Ignores).always());
    cloud.server().inject(Rule::on(Operation::DeleteVolume, Fault::Ignores).always());
    let machine = home.good(&[SPAWN, &["--json"]].concat()).json();
    let volume = home.good(&[VOLUME, &["--json"]].concat()).json();
    home.good(&["terminate", "--no-wait", machine["id"].as_str().unwrap()]);
    home.good(&["volume", "delete", "--no-wait", volume["id"].as_str().unwrap()]);
    for words in [&["reap", "--dry-run"][..], &["reap"]] {
        let told = lines(&home, words);
        let told: Vec<_> = told.iter().map(|line| (&line["kind"], &line["compute"], &line["is"])).collect();
        let (one, two, ending) = ("machine".into(), "volume".into(), "ending".into());
        assert_eq!(told, [(&one, &machine["id"], &ending), (&two, &volume["id"], &ending)], "{words:?}");
    }
}

/// Nobody has learnt yet what came of it, and the listing shows it.
#[test]
fn what_an_unanswered_create_made_is_told_once_with_its_price() {
    let (home, cloud) = hasty();
    for (words, create, list) in
        [(SPAWN, Operation::Spawn, Operation::List), (VOLUME, Operation::CreateVolume, Operation::ListVolumes)]
    {
        cloud.server().inject(Rule::on(create, Fault::LosesAnswer));
        cloud.server().inject(Rule::on(list, Fault::Errs).always());
        assert_eq!(home.run(words).code, 1);
        cloud.server().heal();
    }
    let dry = lines(&home, &["reap", "--dry-run"]);
    assert_eq!(dry.len(), 2, "{dry:?}");
    assert!(dry.iter().all(|line| line["is"] == "may_land" && line["compute"].is_string()), "{dry:?}");
    assert_eq!(dry.iter().filter(|line| line["cost_per_hour"].is_string()).count(), 1, "a pod has a price: {dry:?}");
    let told = lines(&home, &["reap"]);
    let ids = |lines: &[Value]| {
        let mut ids: Vec<_> = lines.iter().map(|line| line["compute"].to_string()).collect();
        ids.sort();
        ids
    };
    assert!(told.iter().all(|line| line["is"] == "plain"), "{told:?}");
    assert_eq!(ids(&told), ids(&dry));
}
