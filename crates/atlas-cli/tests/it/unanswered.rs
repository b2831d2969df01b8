//! A create whose answer is lost, as the person sees it who sent it: what came of it is printed with its key, or else
//! whether something may exist all the same is told first.

use atlas::mock::{Fault, Operation, Rule};

use crate::cloud::Cloud;
use crate::home::{Home, Ran};
use crate::life::ask;

const SPAWN: &[&str] = &["spawn", "--gpu", "l4", "--image", "me/app:1"];
const VOLUME: &[&str] = &["volume", "create", "--region", "EU-RO-1", "--size-gb", "50"];

/// A cloud, and a home that does not look long for what may appear: nobody has time for that here.
pub(crate) fn hasty() -> (Home, Cloud) {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    let written = std::fs::read_to_string(home.path().join("atlas.yaml")).expect("the configuration is there");
    home.configure(&format!("{}\n    settle_window: 1s\n", written.trim_end()));
    (home, cloud)
}

#[track_caller]
fn assert_may_exist(ran: &Ran, what: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.err.contains(&format!("hint: a {what} may exist, and bill: `atlas reap` finds out")), "{ran:?}");
}

#[test]
fn a_machine_whose_answer_was_lost_is_printed_and_its_key_opens_it() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    for (number, fault) in [Fault::LosesAnswer, Fault::ActsThenErrs].into_iter().enumerate() {
        cloud.server().inject(Rule::on(Operation::Spawn, fault));
        let words = ["--port", "8000/http", "--auth", "bearer", "--wait", "--json"];
        let spawned = home.good(&[SPAWN, &words].concat()).json();
        let (id, url) = (spawned["id"].as_str().unwrap(), spawned["ports"][0]["url"].as_str().unwrap());
        assert_eq!((ask(url, spawned["auth"]["token"].as_str()), ask(url, None)), (200, 401));
        assert_eq!(cloud.server().ledger().rents.len(), number + 1, "it was made once");
        home.good(&["terminate", "--no-wait", id]);
        assert_eq!(cloud.server().ledger().open().count(), 0);
    }
}

#[test]
fn a_volume_whose_answer_was_lost_is_printed() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    cloud.server().inject(Rule::on(Operation::CreateVolume, Fault::LosesAnswer));
    let made = home.good(&[VOLUME, &["--json"]].concat()).json();
    let listed = home.good(&["volume", "list", "--json"]).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &made["id"]));
    assert_eq!(home.intents(), ["bound"]);
}

/// Whether something may exist all the same is the first thing that whoever reads this must know.
#[test]
fn an_answer_that_is_lost_says_that_a_machine_a_volume_or_a_job_may_exist() {
    let (home, cloud) = hasty();
    let endpoint = cloud.server().endpoint_id();
    let mut told = String::new();
    for (words, what, create, list) in [
        (SPAWN, "machine", Operation::Spawn, Operation::List),
        (VOLUME, "volume", Operation::CreateVolume, Operation::ListVolumes),
    ] {
        for (fault, look) in [(Fault::ActsThenErrs, Some(Fault::Errs)), (Fault::Errs, None)] {
            cloud.server().inject(Rule::on(create, fault));
            // What came of it is seen by no look in time.
            if let Some(fault) = look {
                cloud.server().inject(Rule::on(list, fault).always());
            }
            let ran = home.run(words);
            cloud.server().heal();
            assert_may_exist(&ran, what);
            told += &ran.err;
        }
    }
    cloud.server().inject(Rule::on(Operation::RunJob, Fault::LosesAnswer));
    let ran = home.run(&["job", "run", "--endpoint", &endpoint, "--input", "{\"a\":1}"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    told += &ran.err;
    assert_eq!(home.intents(), ["open"; 4]);
    home.good(&["reap"]);
    let mut phases = home.intents();
    phases.sort();
    assert_eq!(phases, ["bound", "bound", "open", "open"], "what landed is found");
    let mut scrub = home.scrub();
    scrub.add_filter(&endpoint, "[endpoint]");
    scrub.bind(|| insta::assert_snapshot!(told));
}
