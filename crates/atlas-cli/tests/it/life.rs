//! One machine's life, as a person types it and as a script reads it.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::home::{Home, start, wait_until};

/// Asks a machine's port as a browser would.
pub(crate) fn ask(url: &str, key: Option<&str>) -> u16 {
    let address = url.strip_prefix("http://").expect("it is on loopback");
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let mut stream = TcpStream::connect(host).expect("it listens");
    let header = key.map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it speaks HTTP")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text: {value}"))
}

#[test]
fn one_machine_from_spawn_to_its_end() {
    let home = Home::new();
    let spawned = home.spawn(&["--port", "8000/http", "--auth", "bearer", "--name", "try", "--wait"]);
    let (id, url) = (text(&spawned, "id"), text(&spawned["ports"][0], "url"));
    let key = text(&spawned["auth"], "token");
    assert_eq!(spawned["auth"]["kind"], "bearer");
    assert_eq!(spawned["status"], "running");
    assert_eq!(spawned["cost_per_hour"], "0.000000");
    assert_eq!(ask(url, Some(key)), 200);
    assert_eq!(ask(url, None), 401);
    assert_eq!(ask(url, Some("guessed")), 401);

    let shown = home.good(&["get", "--provider", "local", id, "--json"]);
    assert_eq!(shown.json()["id"], id);
    assert!(shown.json().get("auth").is_none(), "only spawn answers with keys");
    assert!(!shown.out.contains(key));
    home.scrub().bind(|| {
        insta::assert_snapshot!(home.good(&["get", "--provider", "local", id]).out, @"
        id        [id]
        name      try
        provider  local
        status    running
        for       plain
        region    local
        price/h   $0.00
        created   [time]
        port      8000/http  http://127.0.0.1:[port]/
        ");
        insta::assert_snapshot!(home.good(&["list", "--provider", "local"]).out, @"
        ID            NAME  PROVIDER  STATUS   FOR    GPU  PRICE/H  ADDRESS
        [id]  try   local     running  plain  -    $0.00    http://127.0.0.1:[port]/
        ");
    });

    assert_eq!(home.good(&["stop", "--provider", "local", id, "--json"]).json()["status"], "stopped");
    assert_eq!(home.good(&["list", "--provider", "local", "--json"]).json()[0]["status"], "stopped");
    let started = home.good(&["start", "--provider", "local", id, "--json"]).json();
    assert_eq!(started["status"], "running");
    let url = text(&started["ports"][0], "url");
    wait_until("it answers again", || ask(url, Some(key)) == 200);

    let ended = home.good(&["terminate", "--provider", "local", id, "--json"]);
    assert_eq!(ended.json(), serde_json::json!([{ "id": id, "provider": "local", "status": "terminated" }]));
    assert_eq!(home.run(&["get", "--provider", "local", id]).code, 3);
    // A rental here knows it, and the cloud does not.
    home.good(&["terminate", "--provider", "local", id]);
    home.assert_nothing_spent();
}

/// Beside the fields of every machine, and only where a command is over.
#[test]
fn a_command_that_is_over_tells_its_code() {
    let home = Home::new();
    let spawned = home.spawn(&["--", "sh", "-c", "sleep 1; exit 7"]);
    assert!(spawned.get("exit_code").is_none(), "{spawned}");
    let get = || home.good(&["get", "--provider", "local", text(&spawned, "id"), "--json"]).json();
    wait_until("it is over", || get()["status"] == "exited");
    assert_eq!(get()["exit_code"], 7);
    home.good(&["terminate", "--provider", "local", text(&spawned, "id")]);
}

#[test]
fn the_words_for_people() {
    let home = Home::new();
    let bearer = home.good(&["spawn", "--provider", "local", "--port", "8000/http", "--auth", "bearer", "--wait"]);
    home.scrub().bind(|| {
        insta::assert_snapshot!(bearer.out, @"
        id        [id]
        provider  local
        status    running
        for       plain
        region    local
        price/h   $0.00
        created   [time]
        port      8000/http  http://127.0.0.1:[port]/
        key       [key]
        try       curl -H 'Authorization: Bearer [key]' http://127.0.0.1:[port]/
        ");
        insta::assert_snapshot!(bearer.err, @"
        renting on local
        machine [id] is there; waiting until it answers, at most 10m
        ");
    });
    let signed = home.good(&["spawn", "--provider", "local", "--port", "8000/http", "--auth", "signed-url", "-q"]);
    assert_eq!(signed.err, "");
    home.scrub().bind(|| {
        insta::assert_snapshot!(signed.out, @"
    id        [id]
    provider  local
    status    running
    for       plain
    region    local
    price/h   $0.00
    created   [time]
    port      8000/http  http://127.0.0.1:[port]/
    url       http://127.0.0.1:[port]/?atlas-expires=[seconds]&atlas-key=1&atlas-signature=[key]  (until [time])
    ");
    });
}

#[test]
fn a_signed_url_opens_the_machine_and_nothing_else_does() {
    let home = Home::new();
    let spawned = home.spawn(&["--port", "8000/http", "--auth", "signed-url", "--wait"]);
    let signed = &spawned["auth"]["urls"][0];
    assert_eq!(spawned["auth"]["kind"], "signed_url");
    assert_eq!(signed["container_port"], 8000);
    assert!(text(signed, "expires_at").ends_with('Z'));
    assert_eq!(ask(text(signed, "url"), None), 200);
    assert!(matches!(ask(text(&spawned["ports"][0], "url"), None), 401 | 403));
}

#[test]
fn logs_are_what_the_machine_wrote() {
    let home = Home::new();
    let script = "printf 'one\\ntwo\\n'; printf 'half a line'; sleep 600";
    let spawned = home.spawn(&["--", "sh", "-c", script]);
    let id = text(&spawned, "id");
    let logs = ["logs", "--provider", "local", id];
    wait_until("it has written", || home.good(&logs).out.ends_with("half a line"));
    assert!(home.good(&logs).out.contains("one\ntwo\nhalf a line"));
    let lines = home.good(&[&logs[..], &["--json"]].concat()).out;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("each is JSON")).collect();
    assert_eq!(lines.last(), Some(&serde_json::json!({ "line": "half a line" })));

    let mut following = start(&mut home.command(&[&logs[..], &["--follow"]].concat()));
    home.good(&["terminate", "--provider", "local", id]);
    wait_until("following ends with the machine", || following.try_wait().expect("it can be asked").is_some());
}

#[test]
fn following_ends_with_who_reads() {
    let home = Home::new();
    let spawned = home.spawn(&["--", "sh", "-c", "while :; do echo tick; sleep 0.05; done"]);
    let mut following = start(&mut home.command(&["logs", "--provider", "local", text(&spawned, "id"), "-f"]));
    let mut some = [0; 5];
    following.stdout.take().expect("it is piped").read_exact(&mut some).expect("it ticks");
    wait_until("a closed pipe ends it", || following.try_wait().expect("it can be asked").is_some());
    let output = following.wait_with_output().expect("it has ended");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

#[test]
fn several_are_ended_and_the_worst_counts() {
    let home = Home::new();
    let (one, two) = (home.spawn(&[]), home.spawn(&[]));
    let words = ["terminate", "--provider", "local", "--json", text(&one, "id"), "m-nobody", text(&two, "id")];
    let ran = home.run(&words);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json().as_array().map(Vec::len), Some(2));
    assert_eq!(ran.error()["kind"], "not_found");
    home.assert_nothing_spent();
}

#[test]
fn not_waiting_returns_at_once() {
    let home = Home::new();
    let spawned = home.spawn(&["--port", "8000/http"]);
    let id = text(&spawned, "id");
    let stop = home.good(&["stop", "--provider", "local", id, "--no-wait", "--json"]).json();
    assert_eq!(stop, serde_json::json!({ "id": id, "provider": "local", "status": "stopping" }));
    wait_until("it stops", || home.good(&["get", "--provider", "local", id, "--json"]).json()["status"] == "stopped");
    home.good(&["start", "--provider", "local", id, "--no-wait"]);
    let ended = home.good(&["terminate", "--provider", "local", id, "--no-wait", "--json"]).json();
    assert_eq!(ended[0]["status"], "terminating");
    wait_until("it goes", || home.machines().is_empty());
}

#[test]
fn rule_o6_a_machine_of_another_deployment_is_left_alone() {
    let home = Home::new();
    home.configure("deployment: theirs\n");
    let theirs = home.spawn(&[]);
    let id = text(&theirs, "id");
    home.configure("deployment: ours\n");
    assert_eq!(home.good(&["list", "--provider", "local", "--json"]).json(), serde_json::json!([]));
    assert_eq!(home.good(&["list", "--provider", "local", "--all", "--json"]).json()[0]["id"], id);
    for verb in ["stop", "terminate"] {
        let ran = home.run(&[verb, "--provider", "local", id]);
        assert_eq!(ran.code, 2, "{verb}: {ran:?}");
        assert!(ran.complaint().contains("--foreign"), "{ran:?}");
    }
    assert_eq!(home.good(&["get", "--provider", "local", id, "--json"]).json()["status"], "running");
    home.good(&["terminate", "--provider", "local", id, "--foreign"]);
    home.assert_nothing_spent();
}
