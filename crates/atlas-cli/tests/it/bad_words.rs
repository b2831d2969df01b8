//! Words that cannot be right: a clear line, the right exit code, nothing spent.

use crate::home::Home;

/// Each with its exit code and a word that the line must hold.
const BAD: &[(&[&str], i32, &str)] = &[
    (&["--provider", "nope"], 2, "known are local, mock"),
    (&["--provider", "No!"], 2, "no provider name"),
    (&["--provider", "local", "--gpu", "h100"], 5, "gpu"),
    (&["--provider", "mock", "--gpu", "h999"], 2, "h999"),
    (&["--provider", "mock", "--gpu", ""], 2, "gpu"),
    (&["--provider", "local", "--image", "me/app"], 5, "image"),
    (&["--provider", "local", "--port", "8000"], 2, "8000/http"),
    (&["--provider", "local", "--port", "8000/htp"], 2, "8000/http"),
    (&["--provider", "local", "--port", "0/http"], 2, "1 to 65535"),
    (&["--provider", "local", "--port", "65536/http"], 2, "1 to 65535"),
    (&["--provider", "local", "--port", "-1/http"], 2, "1 to 65535"),
    (&["--provider", "local", "--port", "+80/http"], 2, "1 to 65535"),
    (&["--provider", "local", "--port", "80/http", "--port", "80/tcp"], 2, "twice"),
    (&["--provider", "local", "--region", "mars"], 2, "mars"),
    (&["--provider", "local", "--name", "two words"], 2, "no machine name"),
    (&["--provider", "local", "--name", "-x"], 2, "no machine name"),
    (&["--provider", "local", "--name", ""], 2, "no machine name"),
    (&["--provider", "local", "--name", "été"], 2, "no machine name"),
    (&["--provider", "local", "--name", "atlas-a-abcdef-abcdefghijklmnopqrstuvwxyz"], 2, "reads as a mark"),
    (&["--provider", "local", "--cpus", "-2"], 2, "-2"),
    (&["--provider", "local", "--cpus", "0"], 2, "cpus is 0"),
    (&["--provider", "local", "--cpus", "99999999999999999999"], 2, "--cpus"),
    (&["--provider", "local", "--memory-mb", "1e9"], 2, "1e9"),
    (&["--provider", "mock", "--gpu", "h100", "--gpu-count", "1000"], 2, "from 1 to 64"),
    (&["--provider", "mock", "--gpu", "h100", "--gpu-count", "-1"], 2, "-1"),
    (&["--provider", "local", "--gpu-count", "1"], 2, "--gpu"),
    (&["--provider", "local", "--disk-gb", "0"], 2, "container_disk_gb is 0"),
    (&["--provider", "local", "--cloud-type", "nice"], 2, "any, secure or community"),
    (&["--provider", "local", "--auth", "password"], 2, "bearer"),
    (&["--provider", "local", "--env", "NOVALUE"], 2, "NAME=VALUE"),
    (&["--provider", "local", "--env", "1A=x"], 2, "variable name"),
    (&["--provider", "local", "--env", "ATLAS_PRESHARED_KEY=x"], 2, "Atlas's own"),
    (&["--provider", "local", "--env-file", "nowhere"], 2, "nowhere"),
    (&["--provider", "local", "--opt", "a=b"], 2, "JSON"),
    (&["--provider", "local", "--timeout", "5m"], 2, "--wait"),
    (&["--provider", "local", "--wait", "--timeout", "5"], 2, "unit"),
    (&["--provider", "local", "--wait", "--timeout", "-5s"], 2, "unit"),
    (&["--provider", "local", "--wait", "--timeout", "0s"], 2, "at least one second"),
    (&["--provider", "local", "--env", "PORT=99", "--port", "8000/http", "--", "sleep", "9"], 2, "PORT"),
    (&["--provider", "local", "--keep"], 2, "--wait"),
    (&["--provider", "local", "--prefer", "price"], 5, "--prefer order"),
    (&["--provider", "local", "--prefer", "speed"], 2, "speed"),
    (&["--provider", "local", "stray"], 2, "stray"),
    (&["--provider", "local", "--", ""], 2, "program is empty"),
    (&[], 2, "--provider"),
];

#[test]
fn words_that_cannot_be_right_cost_nothing() {
    let home = Home::new();
    for (words, code, says) in BAD {
        let ran = home.run(&[&["spawn"], *words].concat());
        assert_eq!(ran.code, *code, "{words:?}: {ran:?}");
        assert!(ran.err.contains(says), "{words:?}: {ran:?}");
        assert_eq!(ran.out, "", "{words:?}");
        assert!(!ran.complaint().contains('\n'));
    }
    home.assert_nothing_spent();
}

#[test]
fn the_same_as_json() {
    let home = Home::new();
    for (words, code, says) in BAD {
        // What follows `--` is the command's own.
        let ran = home.run(&[&["--json", "spawn"], *words].concat());
        assert_eq!(ran.code, *code, "{words:?}: {ran:?}");
        let error = ran.error();
        let kind = if *code == 5 { "unsupported" } else { "validation" };
        assert_eq!(error["kind"], kind, "{words:?}");
        assert_eq!(error["effect"], "not_sent", "{words:?}");
        let all = error.to_string();
        assert!(says.is_empty() || all.contains(&says.replace('"', "\\\"")), "{words:?}: {all}");
    }
    home.assert_nothing_spent();
}

#[test]
fn a_usage_error_has_the_json_form_too() {
    let home = Home::new();
    for words in [&["--json"][..], &["frobnicate", "--json"], &["get", "--json"], &["list", "--json", "--stat"]] {
        let ran = home.run(words);
        assert_eq!(ran.code, 2, "{words:?}");
        assert_eq!(ran.out, "");
        assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
        assert_eq!(ran.error()["kind"], "validation");
    }
    insta::assert_snapshot!(home.run(&["get", "--json"]).err, @r#"{"error":{"effect":"not_sent","job":null,"kind":"validation","leftovers":[],"message":"the following required arguments were not provided: <ID>","operation":null,"provider":null,"request_id":null,"retry_after":null,"status":null}}"#);
    insta::assert_snapshot!(home.run(&["get"]).err, @"
    error: the following required arguments were not provided: <ID>
    hint: usage: atlas get <ID>
    ");
}

/// Two lines at the most: what is wrong, and how it is used. Only who names no command at all is shown all of them.
#[test]
fn a_usage_error_is_one_line_and_a_hint() {
    let home = Home::new();
    for words in [
        &["get"][..],
        &["lst"],
        &["list", "--stat"],
        &["stop", "x", "--timeout", "1m", "--no-wait"],
        &["job", "run"],
        &["token", "verify"],
    ] {
        let ran = home.run(words);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{words:?}: {ran:?}");
        let heads: Vec<_> = ran.err.lines().map(|line| line.split_once(": ").map_or(line, |(head, _)| head)).collect();
        assert_eq!(heads, ["error", "hint"], "{words:?}: {ran:?}");
    }
    for words in [&["spawn", "--port", "x"], &["spawn", "--auth", "password"], &["sim", "--listen", "nowhere"]] {
        let ran = home.run(words);
        assert_eq!((ran.code, ran.err.lines().count()), (2, 1), "the line says it all: {ran:?}");
    }
    let bare = home.run(&[]);
    assert_eq!((bare.code, bare.out.as_str()), (2, ""));
    assert!(bare.err.contains("Commands:"), "{bare:?}");
}

#[test]
fn an_unknown_machine_is_not_found() {
    let home = Home::new();
    for verb in ["get", "stop", "start", "terminate", "logs"] {
        let ran = home.run(&[verb, "--provider", "local", "m-nobody", "--json"]);
        assert_eq!(ran.code, 3, "{verb}: {ran:?}");
        assert_eq!(ran.error()["kind"], "not_found");
        assert_eq!(ran.error()["provider"], "local");
    }
    let hostile = home.run(&["get", "--provider", "local", "../../../etc"]);
    assert_eq!(hostile.code, 3, "{hostile:?}");
}

#[test]
fn no_provider_lists_the_known_ones() {
    let home = Home::new();
    insta::assert_snapshot!(home.run(&["get", "x"]).err, @"
    error: no provider is named and no default is configured; known are local, mock, runpod
    hint: name one with --provider, or set ATLAS_DEFAULT_PROVIDER
    ");
}

#[test]
fn a_status_that_does_not_exist() {
    let home = Home::new();
    let ran = home.run(&["list", "--status", "running,bogus"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.complaint().contains("\"bogus\" is no status; known are starting, running"), "{ran:?}");
}

#[test]
fn ids_may_begin_with_a_hyphen() {
    let home = Home::new();
    let one = |verb| vec![verb, "-x-1", "--provider", "local", "--json"];
    // Where several ids are taken, flags may stand between them: the dashes say that only ids follow.
    let several = vec!["terminate", "--provider", "local", "--json", "--", "-x-1"];
    for words in ["get", "stop", "start", "logs"].map(one).into_iter().chain([several]) {
        let ran = home.run(&words);
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.error()["message"].as_str().is_some_and(|text| text.contains("-x-1")), "{ran:?}");
    }
}

/// Ids that no cloud gives: each command says so, touches nothing outside its folder, and asks for no machine with no name.
#[test]
fn ids_that_are_none_lead_nowhere() {
    let home = Home::new();
    let outside = home.path().join("x");
    std::fs::create_dir(&outside).expect("it can be made");
    std::fs::write(outside.join("machine.json"), "{}").expect("it can be written");
    let machine = home.spawn(&["--", "sleep", "600"]);
    let inside = format!("{}/../../../../x", machine["id"].as_str().expect("text"));
    for command in ["get", "stop", "start", "terminate", "logs"] {
        for id in
            ["../x", "..", ".", "/", "../../x", "m-aaaaaaaaaa/..", "lock", "identity", ".new-m-aaaaaaaaaa", &inside]
        {
            let ran = home.run(&[command, "--provider", "local", id]);
            assert_eq!(ran.code, 3, "{command} {id}: {ran:?}");
            assert!(ran.complaint().contains(&format!("no machine {id} here")), "{command} {id}: {ran:?}");
        }
        for id in ["", " ", "a b", "a\nb", "a\u{1b}[31m", &"x".repeat(300)] {
            let ran = home.run(&[command, "--provider", "local", id]);
            assert_eq!(ran.code, 2, "{command} {id:?}: {ran:?}");
            assert!(!ran.err.contains('\u{1b}'), "{command}: {ran:?}");
            let ran = home.run(&[command, "--provider", "local", "--json", id]);
            assert_eq!((ran.code, ran.error()["kind"].as_str()), (2, Some("validation")), "{command} {id:?}: {ran:?}");
        }
        let ran = home.run(&[command, "--provider", "local", "--json", "--", "-id"]);
        assert_eq!((ran.code, ran.error()["kind"].as_str()), (3, Some("not_found")), "{command}: {ran:?}");
        assert!(ran.error()["message"].as_str().expect("text").contains("-id"), "{command}: {ran:?}");
    }
    // One among several that is none does not keep the others from their end.
    let ran =
        home.run(&["terminate", "--provider", "local", machine["id"].as_str().expect("text"), "--", "-id", "../x"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(std::fs::read_to_string(outside.join("machine.json")).expect("it is still there"), "{}");
    home.assert_nothing_spent();
}

#[test]
fn a_port_that_another_program_has_is_told_as_such() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = taken.local_addr().expect("a listener has an address").to_string();
    let ran = Home::new().run(&["sim", "--listen", &address]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("another program has this port; name another one"), "{ran:?}");
}
