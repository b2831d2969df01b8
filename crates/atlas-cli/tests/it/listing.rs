//! What `list` shows: every account in use, every filter, and rentals of which no machine is known.

use std::fs;

use serde_json::Value;

use crate::home::Home;

fn names(computes: &Value) -> Vec<&str> {
    let mut names: Vec<_> = computes
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|compute| compute["name"].as_str()?.rsplit('-').next())
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn nothing_is_an_empty_list_and_a_word() {
    let home = Home::new();
    let ran = home.good(&["list"]);
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("--provider"), "{ran:?}");
    assert_eq!(home.good(&["list", "--json"]).out, "[]\n");
    assert!(!home.state().exists(), "looking makes nothing");
}

/// An empty catalog would say that nothing can be rented.
#[test]
fn a_catalog_of_nobody_is_an_error_that_says_how_to_name_somebody() {
    let home = Home::new();
    for words in [&["gpus"][..], &["gpus", "--gpu", "l4"]] {
        let ran = home.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
        assert!(ran.complaint().contains("no provider is configured"), "{ran:?}");
        assert!(ran.err.contains("--provider") && ran.err.contains("default_provider"), "{ran:?}");
    }
    assert!(!home.state().exists(), "looking makes nothing");
}

#[test]
fn every_account_with_a_rental_here_is_asked() {
    let home = Home::new();
    home.configure("providers:\n  cheap: { kind: local, price_per_hour: \"0.10\" }\n");
    home.spawn(&["--name", "one"]);
    home.good(&["spawn", "--provider", "cheap", "--name", "two"]);
    let listed = home.good(&["list", "--json"]).json();
    assert_eq!(names(&listed), ["one", "two"]);
    home.scrub().bind(|| {
        insta::assert_snapshot!(home.good(&["list", "--name", "two"]).out, @"
    ID            NAME  PROVIDER  STATUS   FOR    GPU  PRICE/H  ADDRESS
    [id]  two   cheap     running  plain  -    $0.10    http://127.0.0.1:[port]/
    ");
    });
    // The records are lost, and the machines are found all the same.
    fs::remove_dir_all(home.state().join("intents")).expect("it can be removed");
    assert_eq!(names(&home.good(&["list", "--json"]).json()), ["one", "two"]);
    let id =
        listed.as_array().expect("a list").iter().find(|compute| compute["provider"] == "cheap").expect("it is there");
    home.good(&["terminate", "--provider", "cheap", id["id"].as_str().expect("text")]);
}

#[test]
fn filters() {
    let home = Home::new();
    home.spawn(&["--name", "one"]);
    let two = home.spawn(&["--name", "two"]);
    home.good(&["stop", "--provider", "local", two["id"].as_str().expect("text")]);
    let listed = |words: &[&str]| {
        let all = home.good(&[&["list", "--provider", "local", "--json"], words].concat()).json();
        names(&all).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["one", "two"], "stopped ones are shown");
    assert_eq!(listed(&["--status", "stopped"]), ["two"]);
    assert_eq!(listed(&["--status", "stopped,running"]), ["one", "two"]);
    assert_eq!(listed(&["--name", "one"]), ["one"]);
    assert_eq!(listed(&["--region", "mars"]), Vec::<String>::new());
    assert_eq!(listed(&["--gpu", "h100"]), Vec::<String>::new());
}

/// Rule O1: the file is the rental's only record until it is closed.
#[test]
fn rule_o1_a_rental_without_a_machine_is_named() {
    let home = Home::new();
    let spawned = home.spawn(&["--name", "lost"]);
    let id = spawned["id"].as_str().expect("text").to_owned();
    let intents = home.state().join("intents");
    let path = fs::read_dir(&intents)
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.extension().is_some_and(|kind| kind == "json"))
        .expect("the spawn has a record");
    let record: Value = serde_json::from_slice(&fs::read(&path).expect("it is there")).expect("it is JSON");

    // As a kill in mid-create leaves it.
    let mut open = record.clone();
    open["phase"] = serde_json::json!({ "is": "open" });
    fs::write(&path, open.to_string()).expect("it can be written");
    let ran = home.good(&["list", "--json"]);
    assert_eq!(ran.json()[0]["id"], id.as_str(), "the machine itself is found by its mark");
    assert_eq!(ran.err, "", "and nothing is left to say");

    fs::write(&path, record.to_string()).expect("it can be written");
    home.good(&["terminate", "--provider", "local", &id]);
    fs::write(&path, open.to_string()).expect("it can be written");
    let ran = home.good(&["list", "--json"]);
    assert_eq!(ran.out, "[]\n");
    home.scrub().bind(|| insta::assert_snapshot!(ran.err, @"note: local: a create of [time] has no answer yet, so a machine may exist (rental [rental]); `atlas reap` finds out"));

    let mut releasing = record.clone();
    releasing["phase"] =
        serde_json::json!({ "is": "releasing", "compute": id, "since": "2026-11-24T09:30:00.000Z", "why": "asked" });
    fs::write(&path, releasing.to_string()).expect("it can be written");
    home.scrub().bind(|| insta::assert_snapshot!(home.good(&["list"]).err, @"note: local: machine [id] is being ended since [time] (asked) and not proven gone; `atlas terminate` or `atlas reap` carries it on"));
    home.good(&["terminate", "--provider", "local", &id]);
    assert_eq!(home.good(&["list"]).err.matches(&id).count(), 0, "terminate carried it on");
    home.assert_nothing_spent();
}

/// Twins bear one token: what became of one says nothing of the other.
#[test]
fn p3_a_closed_twin_does_not_mislabel_the_machine_that_lives() {
    let home = Home::new();
    let id = home.spawn(&["--name", "one"])["id"].as_str().expect("text").to_owned();
    let path = fs::read_dir(home.state().join("intents"))
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.extension().is_some_and(|kind| kind == "json"))
        .expect("the spawn has a record");
    let text = fs::read_to_string(&path).expect("text");
    let record: Value = serde_json::from_str(&text).expect("it is JSON");
    let closed = serde_json::json!({ "is": "closed", "proof": "gone", "at": record["intent"]["opened_at"] });

    let mut twin = record.clone();
    twin["twin"] = 1.into();
    twin["taken_over"] = true.into();
    twin["compute"] = "m-gonegonego".into();
    twin["phase"] = closed.clone();
    let name = path.file_stem().expect("a name").to_str().expect("text");
    let beside = path.with_file_name(format!("{name}-1.json"));
    fs::write(&beside, twin.to_string()).expect("it can be written");
    assert_eq!(home.good(&["list"]).err, "");
    fs::remove_file(&beside).expect("it can be removed");

    let mut wrong = record;
    wrong["phase"] = closed;
    fs::write(&path, wrong.to_string()).expect("it can be written");
    assert!(home.good(&["list"]).err.contains("is there although it was closed"), "this one is mislabelled by itself");
    fs::write(&path, text).expect("it can be written");
    home.good(&["terminate", "--provider", "local", &id]);
    home.assert_nothing_spent();
}

#[test]
fn an_account_that_cannot_be_asked_hides_no_other() {
    let home = Home::new();
    home.spawn(&["--name", "one"]);
    home.configure("providers:\n  broken: { kind: local, price_per_hour: \"${PRICE}\" }\n");
    let ran = home.run(&["list", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(names(&ran.json()), ["one"]);
    assert_eq!(ran.error()["kind"], "config");
}
