//! A state directory that cannot be used: a clear line, nothing spent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::home::{Home, Ran};

#[test]
fn a_file_in_its_place() {
    let home = Home::new();
    fs::write(home.state(), "not a folder").expect("it can be written");
    for words in [&["spawn", "--provider", "local"][..], &["list"], &["terminate", "--provider", "local", "x"]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 1, "{words:?}: {ran:?}");
        assert!(ran.complaint().contains(home.state().to_str().expect("plain")), "{ran:?}");
    }
    assert_eq!(fs::read_to_string(home.state()).expect("it is still there"), "not a folder");
    assert!(home.processes().is_empty());
}

#[test]
fn a_state_that_is_corrupt() {
    let home = Home::new();
    home.good(&["list", "--provider", "local"]);
    fs::write(home.state().join("installation"), "???").expect("it can be written");
    let ran = home.run(&["spawn", "--provider", "local"]);
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.complaint().contains("installation"), "{ran:?}");
    fs::remove_file(home.state().join("installation")).expect("it can be removed");
    home.assert_nothing_spent();
}

#[test]
fn p14_a_record_that_cannot_be_read_is_told_and_stands_in_nobodys_way() {
    let home = Home::new();
    let one = home.spawn(&["--name", "one"]);
    let two = home.spawn(&["--name", "two"]);
    let file = |compute: &serde_json::Value| {
        let files = fs::read_dir(home.state().join("intents")).expect("it is there");
        let id = compute["id"].as_str().expect("text").to_owned();
        let mut paths = files.map(|entry| entry.expect("it can be read").path());
        let is_its = |path: &std::path::PathBuf| fs::read_to_string(path).expect("text").contains(&id);
        paths.find(is_its).expect("it is recorded")
    };
    let path = file(&one);
    let newer = fs::read_to_string(&path).expect("text").replace("\"format\": 1", "\"format\": 99");
    for content in [newer.as_str(), "{ half a rec"] {
        fs::write(&path, content).expect("it can be written");
        for words in [&["list", "--json"][..], &["reap"], &["reap", "--dry-run"]] {
            let ran = home.good(words);
            let name = path.file_name().expect("a name").to_str().expect("text");
            assert!(ran.err.contains(name) && ran.err.contains("left untouched"), "{words:?}: {ran:?}");
        }
        let listed = home.good(&["list", "--json"]).json();
        assert_eq!(listed.as_array().map(Vec::len), Some(2), "its machine is shown by its mark: {listed}");
        assert_eq!(fs::read_to_string(&path).expect("text"), content);
    }
    for compute in [&one, &two] {
        home.good(&["terminate", "--provider", "local", compute["id"].as_str().expect("text")]);
    }
    assert_eq!(home.good(&["list", "--provider", "local", "--json"]).json(), serde_json::json!([]));
    fs::remove_file(&path).expect("it can be removed");
    home.assert_nothing_spent();
}

#[test]
fn p6_a_lost_master_key_is_never_remade_and_keeps_nobody_from_ending_machines() {
    let home = Home::new();
    let key = home.state().join("master.key");
    let ids: Vec<_> =
        ["one", "two"].map(|name| home.spawn(&["--name", name])["id"].as_str().unwrap().to_owned()).into();
    home.good(&["stop", "--provider", "local", &ids[1]]);
    let right = fs::read(&key).expect("it was made before the first record");
    fs::remove_file(&key).expect("it can be removed");

    for words in [&["spawn", "--provider", "local"][..], &["start", "--provider", "local", &ids[1]]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert!(ran.complaint().contains("master.key is missing"), "{words:?}: {ran:?}");
    }
    assert_eq!(home.good(&["list", "--json"]).json().as_array().map(Vec::len), Some(2));
    home.good(&["reap"]);
    home.good(&["terminate", "--provider", "local", &ids[0]]);
    // The machine left is a record of its own, even where all others are lost.
    fs::remove_dir_all(home.state().join("intents")).expect("it can be removed");
    home.run(&["spawn", "--provider", "local"]);
    fs::remove_dir_all(home.state().join("intents")).expect("it can be removed");
    home.good(&["list"]);
    assert!(!key.exists(), "a new key would lock every user out");

    fs::write(&key, right).expect("it can be written");
    home.good(&["start", "--provider", "local", &ids[1]]);
    fs::remove_file(&key).expect("it can be removed");
    home.good(&["terminate", "--provider", "local", &ids[1]]);
    home.assert_nothing_spent();
}

/// Root ignores file modes, so this runs as somebody else: through `setpriv` where the tests run as root.
#[test]
fn a_folder_that_may_not_be_written() {
    let home = Home::new();
    fs::create_dir(home.state()).expect("it can be made");
    set_mode(&home.state(), 0o555);
    set_mode(home.path(), 0o755);
    let spawn = ["spawn", "--provider", "local", "--json"];
    let mut command = if rustix::process::geteuid().is_root() {
        // Whoever it is, they must be able to reach the program.
        let program = home.path().join("atlas");
        fs::copy(env!("CARGO_BIN_EXE_atlas"), &program).expect("it can be copied");
        let original = home.command(&[]);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(spawn);
        command.current_dir(home.path()).env_clear();
        command.envs(original.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    } else {
        home.command(&spawn)
    };
    let ran = match command.output() {
        Ok(output) => Ran::from(output),
        Err(cause) => {
            eprintln!("SKIPPED a_folder_that_may_not_be_written: root without setpriv ({cause})");
            return;
        }
    };
    assert_eq!(ran.code, 1, "{ran:?}");
    let message = ran.error()["message"].as_str().expect("text").to_owned();
    assert!(message.contains(home.state().to_str().expect("plain")) && message.contains("state_dir"), "{message}");
    assert_eq!(ran.error()["effect"], "not_sent");
    assert_eq!(fs::read_dir(home.state()).expect("it can be read").count(), 0);
    assert!(home.processes().is_empty());
    set_mode(&home.state(), 0o755);
}

#[test]
fn what_is_open_to_others_is_told_and_stands_in_nobodys_way() {
    let home = Home::new();
    let ran = home.good(&["list", "--provider", "local"]);
    assert!(!ran.err.contains("chmod"), "made as it should be: {ran:?}");
    set_mode(&home.state(), 0o777);
    set_mode(&home.state().join("master.key"), 0o644);
    for words in [&["list", "--provider", "local", "--json"][..], &["reap", "--json"], &["list", "--provider", "local"]]
    {
        let ran = home.good(words);
        let told: Vec<_> = ran.err.lines().filter(|line| line.starts_with("note: ")).collect();
        assert_eq!(told.len(), 2, "{words:?}: {ran:?}");
        let state = home.state();
        assert!(told[0].ends_with(&format!("chmod 700 {}", state.display())), "{told:?}");
        assert!(told[1].ends_with(&format!("chmod 600 {}/master.key", state.display())), "{told:?}");
    }
    // An error is still the last line.
    let ran = home.run(&["get", "--provider", "local", "m-aaaaaaaaaa", "--json"]);
    assert_eq!((ran.code, ran.error()["kind"].as_str()), (3, Some("not_found")), "{ran:?}");
    set_mode(&home.state(), 0o700);
    set_mode(&home.state().join("master.key"), 0o600);
    assert!(!home.good(&["list", "--provider", "local"]).err.contains("chmod"));
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its owner may");
}
