//! A configuration that cannot be right: the line and column, exit 2, nothing spent.

use crate::home::{Home, Ran};

fn list(text: &str) -> (Home, Ran) {
    let home = Home::new();
    home.configure(text);
    let ran = home.run(&["spawn", "--provider", "local", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.out, "");
    assert_eq!(ran.error()["kind"], "config", "{ran:?}");
    home.assert_nothing_spent();
    (home, ran)
}

#[track_caller]
fn assert_says(text: &str, place: &str, word: &str) {
    let (home, ran) = list(text);
    let message = ran.error()["message"].as_str().expect("text").to_owned();
    assert!(message.starts_with(&format!("{}:{place}: ", home.path().join("atlas.yaml").display())), "{message}");
    assert!(message.contains(word), "{message}");
}

#[test]
fn a_misspelt_key() {
    assert_says("deployment: a\ndefault_provder: local\n", "2:1", "default_provider");
}

#[test]
fn a_tab() {
    assert_says("providers:\n\tlocal: {}\n", "2:1", "tab");
}

#[test]
fn a_key_twice() {
    assert_says("deployment: a\nstate_dir: x\ndeployment: b\n", "3:1", "twice");
}

#[test]
fn a_missing_variable_is_an_error_of_the_entry_that_is_used() {
    let (_, ran) = list("providers:\n  local: { price_per_hour: \"${PRICE}\" }\n");
    assert!(ran.err.contains("PRICE"), "{ran:?}");
    // Another entry can be used all the same.
    let home = Home::new();
    home.configure("providers:\n  dear: { kind: local, price_per_hour: \"${PRICE}\" }\n");
    assert_eq!(home.run(&["get", "--provider", "local", "m-nobody"]).code, 3);
    assert_eq!(home.run(&["get", "--provider", "dear", "m-nobody"]).code, 2);
}

#[test]
fn a_setting_of_another_kind() {
    let (_, ran) = list("providers:\n  local: { ssh_key_name: me }\n");
    assert!(ran.err.contains("ssh_key_name"), "{ran:?}");
}

#[test]
fn a_kind_that_is_not_built_in() {
    let home = Home::new();
    home.configure("providers:\n  mine: { kind: cloudy }\n");
    let ran = home.run(&["spawn", "--provider", "mine"]);
    assert_eq!(ran.code, 2);
    assert!(ran.complaint().contains("cloudy"), "{ran:?}");
    home.assert_nothing_spent();
}

#[test]
fn a_file_that_is_not_there() {
    let home = Home::new();
    for named in ["nowhere.yaml", "."] {
        let ran = home.run(&["spawn", "--provider", "local", "--config", named, "--json"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert_eq!(ran.error()["kind"], "config");
    }
    home.assert_nothing_spent();
}

#[test]
fn a_misspelt_variable() {
    let home = Home::new();
    let mut command = home.command(&["spawn", "--provider", "local"]);
    let ran = Ran::from(command.env("ATLAS_PROVIDERS__LOCAL__PRIZE", "1").output().expect("it starts"));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.complaint().contains("ATLAS_PROVIDERS__LOCAL__PRIZE"), "{ran:?}");
    home.assert_nothing_spent();
}

#[test]
fn the_default_account_comes_from_variable_before_file() {
    let home = Home::new();
    home.configure("default_provider: mock\n");
    let from_file = home.run(&["get", "m-nobody", "--json"]);
    assert_eq!(from_file.error()["provider"], "mock");
    let mut command = home.command(&["get", "m-nobody", "--json"]);
    let ran = Ran::from(command.env("ATLAS_DEFAULT_PROVIDER", "local").output().expect("it starts"));
    assert_eq!(ran.error()["provider"], "local");
    assert_eq!(home.run(&["get", "m-nobody", "--provider", "local", "--json"]).error()["provider"], "local");
}

/// Runs with one more variable, which must be refused before anything is spent.
#[track_caller]
fn assert_variable_is_refused(name: &str, value: impl AsRef<std::ffi::OsStr>, word: &str) {
    let home = Home::new();
    let mut command = home.command(&["spawn", "--provider", "local", "--json"]);
    let ran = Ran::from(command.env(name, value).output().expect("it runs"));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{ran:?}");
    assert_eq!(ran.error()["kind"], "config", "{ran:?}");
    let message = ran.error()["message"].as_str().expect("text").to_owned();
    assert!(message.contains(name) && message.contains(word), "{message}");
    home.assert_nothing_spent();
}

#[test]
fn a_variable_of_a_misspelt_account() {
    assert_variable_is_refused("ATLAS_PROVIDERS__LOCL__PRICE_PER_HOUR", "1", "no kind of cloud is called \"locl\"");
    // A kind that this program lacks is nobody's slip, and a kind that is given makes an account of any name.
    let home = Home::new();
    let mut command = home.command(&["get", "--provider", "dear", "m-nobody"]);
    command.env("ATLAS_PROVIDERS__DEAR__KIND", "local").env("ATLAS_PROVIDERS__RUNPOD__BASE_URL", "https://example.com");
    assert_eq!(Ran::from(command.output().expect("it runs")).code, 3);
}

#[test]
fn a_variable_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let value = std::ffi::OsStr::from_bytes(b"/tmp/\xff");
    for name in ["ATLAS_STATE_DIR", "ATLAS_CONFIG", "ATLAS_PROVIDERS__LOCAL__PRICE_PER_HOUR"] {
        assert_variable_is_refused(name, value, "no UTF-8 text");
    }
}

#[test]
fn an_account_to_look_for_aliens_at_that_does_not_exist() {
    let (_, ran) = list("orchestrator:\n  reap_providers: [nope]\n");
    assert!(ran.err.contains("nope") && ran.err.contains("atlas.yaml:2:"), "{ran:?}");
}

#[test]
fn a_store_that_this_version_does_not_keep() {
    let home = Home::new();
    home.configure("store: postgres://somewhere/atlas\n");
    let ran = home.run(&["reap", "--json"]);
    // What stands in files is looked at all the same.
    assert_eq!((ran.code, ran.error()["kind"].as_str()), (5, Some("unsupported")), "{ran:?}");
    assert!(!ran.err.contains("somewhere"), "{ran:?}");
}

#[test]
fn two_documents() {
    let (_, ran) = list("deployment: a\n---\ndeployment: b\n");
    assert!(ran.err.contains("second document"), "{ran:?}");
}

#[test]
fn limits_of_an_account_are_checked_hold_and_are_not_raised() {
    for (setting, says) in [
        ("open_files: -1", "open_files must be a whole number from 16"),
        ("open_files: 1e3", "open_files must be a whole number from 16"),
        ("log_mb: 0", "log_mb must be a whole number from 1"),
        ("address_space_mb: 99999999999", "address_space_mb must be a whole number from 64"),
        ("processor_seconds: 1h", "processor_seconds must be a whole number from 1"),
        ("processes: 5", "there is no key `processes`"),
    ] {
        let home = Home::new();
        home.configure(&format!("providers: {{ local: {{ {setting} }} }}\n"));
        let ran = home.run(&["spawn", "--provider", "local", "--json"]);
        assert_eq!((ran.code, ran.error()["kind"].as_str()), (2, Some("config")), "{setting}: {ran:?}");
        assert!(ran.error()["message"].as_str().expect("text").contains(says), "{setting}: {ran:?}");
        home.assert_nothing_spent();
    }

    let home = Home::new();
    home.configure("providers:\n  local: { open_files: 100 }\n");
    let more = home.run(&["spawn", "--provider", "local", "--opt", "open_files=101", "--json"]);
    assert_eq!((more.code, more.error()["kind"].as_str()), (2, Some("validation")), "{more:?}");
    let other = home.run(&["spawn", "--provider", "local", "--opt", "processes=9", "--json"]);
    assert_eq!((other.code, other.error()["kind"].as_str()), (5, Some("unsupported")), "{other:?}");
    home.assert_nothing_spent();

    for (words, says) in [(&[][..], "100\n"), (&["--opt", "open_files=50"][..], "50\n")] {
        let machine = home.spawn(&[words, &["--", "sh", "-c", "ulimit -n"]].concat());
        let id = machine["id"].as_str().expect("text");
        assert_eq!(home.good(&["logs", "--provider", "local", "--follow", id]).out, says);
        home.good(&["terminate", "--provider", "local", id]);
    }
    home.assert_nothing_spent();
}
