//! Serverless jobs beyond their plain life: how long they may take, who is told of their end, and their output as it comes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::home::{Home, Ran, start, wait_until};

/// A cloud whose hour only the test moves, and a home that leads there.
fn ground() -> (Home, Cloud, String) {
    let (home, cloud) = (Home::new(), Cloud::by_hand());
    cloud.lead(&home);
    let endpoint = cloud.server().endpoint_id();
    (home, cloud, endpoint)
}

fn queued(home: &Home, endpoint: &str, words: &[&str]) -> String {
    let queued = home.good(&[&["job", "run", "--endpoint", endpoint, "--json"], words].concat()).json();
    queued["id"].as_str().expect("a job has an id").to_owned()
}

fn read(home: &Home, endpoint: &str, job: &str) -> Value {
    home.good(&["job", "get", "--endpoint", endpoint, job, "--json"]).json()
}

#[test]
fn the_policy_bounds_the_job() {
    let (home, cloud, endpoint) = ground();
    let long = r#"{"seconds":3600}"#;
    let bounded = queued(&home, &endpoint, &["--input", long, "--policy", r#"{"execution_timeout":"2m"}"#]);
    cloud.server().advance(Duration::from_mins(1));
    assert_eq!(read(&home, &endpoint, &bounded)["status"], "running");
    // The endpoint's own bound of ten minutes is not over yet.
    cloud.server().advance(Duration::from_secs(70));
    let ended = read(&home, &endpoint, &bounded);
    assert_eq!(ended["status"], "timed_out", "{ended}");
    assert!((120_000..=130_000).contains(&ended["execution_ms"].as_u64().expect("it ran")), "{ended}");

    // A policy in a file is read as one on the command line.
    std::fs::write(home.path().join("policy.json"), r#"{"ttl":"10s","low_priority":true}"#).expect("it can be written");
    let words = ["--input", long, "--policy", "@policy.json"];
    let brief = queued(&home, &endpoint, &words);
    let words = ["job", "get", "--endpoint", endpoint.as_str(), brief.as_str()];
    assert_eq!(home.run(&words).code, 0);
    cloud.server().advance(Duration::from_secs(11));
    let over = home.run(&words);
    // What has outlived its time is forgotten, at work or not.
    assert!(over.code == 3 && over.err.contains("not beyond its ttl"), "{over:?}");
}

/// Answers calls with 200 and gives what each said: its first line, and its body.
fn next_call(listener: &TcpListener) -> (String, Value) {
    let (mut stream, _) = listener.accept().expect("somebody calls");
    let (head, body) = message(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("it listens");
    (head.lines().next().unwrap_or_default().to_owned(), serde_json::from_slice(&body).expect("it is JSON"))
}

fn message(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut reader, mut head) = (BufReader::new(stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).expect("it is text"), 0, "it breaks off: {head}");
    }
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).map(|(_, value)| value);
    let mut body = vec![0; length.next_back().and_then(|value| value.parse().ok()).expect("its length is told")];
    reader.read_exact(&mut body).expect("the whole body comes");
    (head, body)
}

/// By an argument, and by a file where the address holds a secret. The call really arrives, and tells of that job.
#[test]
fn a_webhook_is_told_when_the_job_is_over() {
    let (home, cloud, endpoint) = ground();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let address = listener.local_addr().expect("it has one");
    std::fs::write(home.path().join("hook"), format!("http://{address}/over?secret=s3cret\n"))
        .expect("it can be written");
    let plain = format!("http://{address}/plain");
    for (webhook, path) in [(plain.as_str(), "/plain"), ("@hook", "/over?secret=s3cret")] {
        let input = json!({ "seconds": 5, "echo": path }).to_string();
        let ran =
            home.good(&["job", "run", "--endpoint", &endpoint, "--input", &input, "--webhook", webhook, "--json"]);
        assert!(!format!("{ran:?}").contains("s3cret"), "{ran:?}");
        let job = ran.json()["id"].clone();
        cloud.server().advance(Duration::from_secs(6));
        let (first, body) = next_call(&listener);
        assert_eq!(first, format!("POST {path} HTTP/1.1"));
        let told = (&body["id"], &body["status"], &body["output"]);
        assert_eq!(told, (&job, &json!("COMPLETED"), &json!(path)), "{body}");
    }
}

/// A command whose output is read while it runs.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Following {
    fn start(home: &Home, words: &[&str]) -> Self {
        let mut child = start(&mut home.command(words));
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, lines }
    }

    /// Waits for the next line of its output.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("it is text");
        line
    }

    /// The rest of it.
    fn end(mut self) -> Ran {
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("it is text");
        Ran { out: rest, ..Ran::from(self.child.wait_with_output().expect("it ends")) }
    }
}

/// Each piece is on standard output before the next one is even made; what is said beside it is on standard error.
#[test]
fn a_stream_gives_its_pieces_as_they_come() {
    let (home, cloud, endpoint) = ground();
    let input = r#"{"seconds":30,"chunks":3,"echo":"hello"}"#;
    let run = ["job", "run", "--endpoint", &endpoint, "--input", input, "--mode", "stream", "--json"];
    let ran = followed(&home, &cloud, &run, json);
    assert!(ran.err.starts_with("job "), "{ran:?}");

    for form in [json, text] {
        let job = queued(&home, &endpoint, &["--input", input]);
        let mut words = vec!["job", "stream", "--endpoint", &endpoint, &job];
        words.extend((form(0) == json(0)).then_some("--json"));
        let ran = followed(&home, &cloud, &words, form);
        assert!(ran.err.contains(&job), "{ran:?}");
    }
}

fn json(index: u64) -> Value {
    json!({ "index": index, "output": text(index) })
}

fn text(index: u64) -> Value {
    json!({ "index": index, "echo": "hello" })
}

/// Follows a job of three pieces, one every ten seconds of the cloud's; each has this form. What is said is kept.
fn followed(home: &Home, cloud: &Cloud, words: &[&str], form: fn(u64) -> Value) -> Ran {
    let before = cloud.server().jobs().len();
    let mut following = Following::start(home, words);
    if words[1] == "run" {
        wait_until("the job is there", || cloud.server().jobs().len() > before);
    }
    for index in 0..3 {
        cloud.server().advance(Duration::from_secs(10));
        let line = following.line();
        assert_eq!(serde_json::from_str::<Value>(&line).ok(), Some(form(index)), "{words:?}: {line}");
    }
    let ran = following.end();
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    ran
}
