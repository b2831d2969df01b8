//! Keys that do not open, or not this door: told as such, before money is spent.

use atlas::mock::server::Reach;

use crate::cloud::{Cloud, Nobody, refused};
use crate::home::Home;

const SPAWN: &[&str] = &["spawn", "--gpu", "l4", "--image", "me/app:1"];

#[test]
fn without_a_key_nobody_is_asked() {
    let (home, nobody) = (Home::new(), Nobody::new());
    nobody.lead(&home, None);
    let says = "no key is configured: set api_key, or the variable RUNPOD_API_KEY";
    let mut told = String::new();
    for words in [SPAWN, &["list"], &["gpus"], &["get", "x"], &["job", "run", "--endpoint", "e", "--input", "1"]] {
        told += &refused(&home, (words, 4, says), "not_sent");
    }
    nobody.lead(&home, Some("rpa two\\nlines"));
    told += &refused(&home, (SPAWN, 2, "the key holds characters"), "not_sent");
    // A variable that the file names and nobody has set is an error of the file.
    nobody.lead(&home, Some("${NOBODYS_KEY}"));
    told += &refused(&home, (SPAWN, 2, "needs the variable NOBODYS_KEY, which is not set"), "not_sent");
    nobody.assert_not_asked();
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

#[test]
fn keys_that_do_not_open_this_door() {
    let (home, cloud) = (Home::new(), Cloud::new());
    let endpoint = cloud.server().endpoint_id();
    let job = ["job", "run", "--endpoint", &endpoint, "--input", "{\"a\":1}"];
    let sync = [&job[..], &["--mode", "sync"]].concat();
    for (key, reach) in [
        ("rpa_reads", Reach::ReadOnly),
        ("rpa_nothing", Reach::Nothing),
        ("rpa_elsewhere", Reach::Endpoints(vec!["another".to_owned()])),
    ] {
        cloud.server().add_key(key, "main", reach);
    }
    let (unknown, forbidden) = ("does not know this key", "this key may not");
    let mut told = String::new();
    for (key, words, says) in [
        ("rpa_wrong", SPAWN, unknown),
        ("rpa_wrong", &["list"], unknown),
        ("rpa_wrong", &["gpus"], unknown),
        ("rpa_wrong", &["get", "x"], unknown),
        ("rpa_wrong", &["terminate", "x"], unknown),
        ("rpa_wrong", &job, unknown),
        ("rpa_reads", SPAWN, "this key may not rent"),
        ("rpa_reads", &job, "the key may not use this endpoint"),
        ("rpa_reads", &sync, "the key may not use this endpoint"),
        ("rpa_nothing", SPAWN, "this key may not rent"),
        ("rpa_nothing", &["list"], forbidden),
        ("rpa_elsewhere", SPAWN, "this key may not rent"),
        ("rpa_elsewhere", &["list"], forbidden),
        ("rpa_elsewhere", &job, "the key may not use this endpoint"),
    ] {
        cloud.configure(&home, Some(key));
        let row = refused(&home, (words, 4, says), "rejected");
        told.extend(["# with the key ", key, "\n", &row]);
        assert!(!row.contains(key), "a key is shown to nobody: {row}");
    }
    cloud.assert_nothing_spent(0);
    let mut scrub = home.scrub();
    scrub.add_filter(&endpoint, "[endpoint]");
    scrub.bind(|| insta::assert_snapshot!(told));
}

/// A key that is revoked while a machine is rented with it: the machine stays on record, and the next key ends it.
#[test]
fn a_key_that_is_revoked_while_a_machine_is_rented() {
    let (home, cloud) = (Home::new(), Cloud::new());
    for key in ["rpa_first", "rpa_second"] {
        cloud.server().add_key(key, "main", Reach::All);
    }
    cloud.configure(&home, Some("rpa_first"));
    let spawned = home.good(&[SPAWN, &["--json"]].concat()).json();
    let id = spawned["id"].as_str().expect("text");
    assert_eq!(cloud.call("DELETE", "/admin/keys/rpa_first", "").0, 204);
    for words in [&["get", id][..], &["list"], &["stop", id], &["terminate", id], &["logs", id], SPAWN] {
        let ran = home.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (4, ""), "{words:?}: {ran:?}");
        assert!(ran.complaint().contains("does not know this key"), "{words:?}: {ran:?}");
    }
    let ran = home.run(&["reap"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(!ran.out.contains("nothing to reconcile"), "{ran:?}");
    assert_eq!(ran.err.lines().filter(|line| line.contains("does not know this key")).count(), 1, "{ran:?}");
    let ledger = cloud.server().ledger();
    assert_eq!(
        (ledger.rents.len(), ledger.open().count()),
        (1, 1),
        "nobody ended it, nobody rented another: {ledger:?}"
    );

    cloud.configure(&home, Some("rpa_second"));
    let listed = home.good(&["list", "--json"]).json();
    assert_eq!(listed[0]["id"], id, "it is known by its mark");
    home.good(&["terminate", id]);
    assert_eq!(cloud.server().ledger().open().count(), 0);
    assert!(home.intents().iter().all(|phase| phase == "closed"), "{:?}", home.intents());
}
