//! Bad input on RunPod: a clear line, the right exit code, no money spent. What the program can judge by itself reaches
//! no cloud at all.

use std::fs;

use crate::cloud::{Cloud, Nobody, Row, refused};
use crate::home::Home;

const KEY: &str = "rpa_somebodys";

/// The words of a create that would be right.
const GOOD: [&str; 5] = ["spawn", "--gpu", "l4", "--image", "me/app:1"];

fn flags<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&GOOD[..], words].concat()
}

fn job<'a>(endpoint: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    [&["job", "run", "--endpoint", endpoint], words].concat()
}

/// Runs rows against a place where nobody may come.
fn judged_alone(home: &Home, rows: &[(Vec<&str>, i32, &str)]) -> String {
    let nobody = Nobody::new();
    nobody.lead(home, Some(KEY));
    let told: String = rows.iter().map(|(words, code, says)| refused(home, (words, *code, says), "not_sent")).collect();
    nobody.assert_not_asked();
    told
}

#[test]
fn ports_beyond_limits() {
    let home = Home::new();
    let ports: Vec<_> = (0..11).map(|number| format!("{}/http", 8000 + number)).collect();
    let many: Vec<_> = ports.iter().flat_map(|port| ["--port", port]).collect();
    let rows = [
        (flags(&many), 2, "11 http ports are asked for; RunPod opens at most 10"),
        (flags(&["--port", "0/http"]), 2, "1 to 65535"),
        (flags(&["--port", "65536/tcp"]), 2, "1 to 65535"),
        (flags(&["--port", "53/udp"]), 2, "8000/http or 22/tcp"),
        (flags(&["--port", "8000/http", "--port", "8000/http"]), 2, "twice"),
        (flags(&["--port", "8000/http", "--port", "8000/tcp"]), 2, "twice"),
        (flags(&["--opt", "symmetric_ports=0"]), 2, "symmetric_ports"),
    ];
    let told = judged_alone(&home, &rows);
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

#[test]
fn machines_that_runpod_has_not() {
    let home = Home::new();
    let many: Vec<_> = (0..60).map(|number| format!("V{number}=x")).collect();
    fs::write(home.path().join("many.env"), many.join("\n")).unwrap();
    fs::write(home.path().join("long.env"), format!("LONG={}\n", "x".repeat(110_000))).unwrap();
    let rows = [
        (vec!["spawn", "--gpu", "l4"], 2, "image"),
        (flags(&["--spot"]), 5, "no longer sells spot"),
        (flags(&["--gpu-count", "0"]), 2, "gpu_count is 0"),
        (flags(&["--volume-gb", "5"]), 2, "at least 10 gigabytes"),
        (flags(&["--volume-gb", "20", "--network-volume", "abc"]), 2, "mounts one of them"),
        (flags(&["--network-volume", "abc", "--cloud-type", "community"]), 2, "secure cloud"),
        (flags(&["--network-volume", "../abc"]), 2, "no network volume id"),
        (flags(&["--template", "a/b"]), 2, "no template id"),
        (flags(&["--registry-auth", "hunter 2"]), 2, "id of registry credentials"),
        (flags(&["--env-file", "many.env"]), 2, "at most 50"),
        (flags(&["--env-file", "long.env"]), 2, "RunPod takes 102400"),
        (vec!["spawn", "--image", "me/app:1", "--cpus", "3"], 2, "2, 4, 8"),
        (vec!["spawn", "--image", "me/app:1", "--cpus", "2", "--volume-gb", "20"], 2, "needs a GPU"),
    ];
    let told = judged_alone(&home, &rows);
    assert!(!told.contains("error: hunter") && !told.contains("xxxx"), "{told}");
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

#[test]
fn jobs_that_cannot_be_right() {
    let home = Home::new();
    let input = |name: &str, bytes: usize| {
        fs::write(home.path().join(name), format!("{{\"text\":\"{}\"}}", "x".repeat(bytes))).unwrap();
    };
    input("11mb.json", 11_000_000);
    input("21mb.json", 21_000_000);
    fs::write(home.path().join("torn.json"), "{\"a\":").unwrap();
    let with = |words: &[&'static str]| job("abcdefghijklmn", &[&["--input", "{\"a\":1}"], words].concat());
    let of = |words: &[&'static str]| job("abcdefghijklmn", words);
    let rows = [
        (of(&["--input", "@11mb.json"]), 2, "RunPod takes 10000000 of a job that is not waited for"),
        (of(&["--input", "@11mb.json", "--mode", "stream"]), 2, "RunPod takes 10000000"),
        (of(&["--input", "@21mb.json", "--mode", "sync"]), 2, "RunPod takes 20000000 of a job that is waited for"),
        (of(&["--input", "{\"a\":"]), 2, "--input is no JSON"),
        (of(&["--input", "@torn.json"]), 2, "--input is no JSON"),
        (of(&["--input", "@nowhere.json"]), 2, "there is no such file"),
        (of(&["--input", "{}"]), 2, "input is empty"),
        (of(&["--input", "null"]), 2, "input is empty"),
        (with(&["--policy", "{\"ttl\":\"9s\"}"]), 2, "ttl is 9s; RunPod takes 10s to 7days"),
        (with(&["--policy", "{\"ttl\":\"8days\"}"]), 2, "RunPod takes 10s to 7days"),
        (with(&["--policy", "{\"execution_timeout\":\"1s\"}"]), 2, "execution_timeout is 1s; RunPod takes 5s to 7days"),
        (with(&["--policy", "{\"execution_timeout\":\"99d\"}"]), 2, "RunPod takes 5s to 7days"),
        (with(&["--policy", "{\"execution_timeout\":\"soon\"}"]), 2, "unit"),
        (with(&["--policy", "{\"execution_timeout\":60}"]), 2, "\"10m\""),
        (with(&["--policy", "{\"timeout\":\"1m\"}"]), 2, "execution_timeout"),
        (with(&["--policy", "60"]), 2, "no JSON object"),
        (with(&["--webhook", "me.example/hook"]), 2, "no http or https address"),
        (with(&["--webhook", "ftp://me.example/hook"]), 2, "no http or https address"),
        (with(&["--webhook", ""]), 2, "no http or https address"),
        (with(&["--timeout", "0s"]), 2, "more than zero"),
        (with(&["--mode", "sync", "--timeout", "10"]), 2, "unit"),
        (with(&["--mode", "later"]), 2, "async, sync, stream"),
        (job("../other", &["--input", "1"]), 2, "no endpoint id"),
        (job("", &["--input", "1"]), 2, "no endpoint id"),
        (vec!["job", "run", "--input", "1"], 2, "--endpoint"),
        (vec!["job", "get", "--endpoint", "abcdefghijklmn", "a/b"], 2, "no job id"),
        (vec!["job", "stream", "--endpoint", "a b", "j1"], 2, "no endpoint id"),
    ];
    let told = judged_alone(&home, &rows);
    home.scrub().bind(|| insta::assert_snapshot!(told));
}

/// What only the cloud knows: its catalog is read, and nothing is made.
#[test]
fn things_that_this_cloud_has_not() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    let volume = r#"{"name":"data","size":10,"dataCenter":"EU-RO-1"}"#;
    let (status, made) = cloud.call("POST", "/v2/network-volumes", volume);
    assert_eq!(status, 201, "{made}");
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let volume = made["id"].as_str().unwrap();
    let rows = [
        (vec!["spawn", "--gpu", "h999", "--image", "me/app:1"], 2, "\"h999\" is no GPU of RunPod", "not_sent"),
        (vec!["spawn", "--gpu", "l4,h999", "--image", "me/app:1"], 2, "\"h999\" is no GPU of RunPod", "not_sent"),
        (flags(&["--gpu-count", "9"]), 6, "no machine with 9 of NVIDIA L4", "not_sent"),
        (flags(&["--region", "XX-1"]), 2, "no data centre of RunPod", "not_sent"),
        (flags(&["--region", "mars"]), 2, "no region of RunPod", "not_sent"),
        (flags(&["--region", "zz"]), 2, "no data centre in ZZ", "not_sent"),
        (flags(&["--network-volume", volume, "--region", "US-KS-2"]), 2, "stands in EU-RO-1", "not_sent"),
        (flags(&["--network-volume", volume, "--region", "us"]), 2, "stands in EU-RO-1", "not_sent"),
        (flags(&["--network-volume", "nosuchvolume"]), 3, "network volume nosuchvolume", "not_sent"),
        (flags(&["--template", "nosuchtempl"]), 3, "template nosuchtempl", "rejected"),
        (flags(&["--registry-auth", "nosuchregistry"]), 3, "the registry's credentials", "rejected"),
        (flags(&["--opt", "nonsense=7"]), 2, "'nonsense' not allowed", "rejected"),
        (
            vec!["spawn", "--image", "me/app:1", "--cpus", "2", "--memory-mb", "999999"],
            2,
            "no flavour of 2 virtual CPUs",
            "not_sent",
        ),
        (vec!["get", "nosuchmachine"], 3, "machine nosuchmachine", "rejected"),
        (vec!["start", "nosuchmachine"], 3, "machine nosuchmachine", "rejected"),
        (vec!["stop", "nosuchmachine"], 3, "machine nosuchmachine", "rejected"),
        (vec!["terminate", "nosuchmachine"], 3, "machine nosuchmachine", "rejected"),
        (vec!["logs", "nosuchmachine"], 3, "machine nosuchmachine", "rejected"),
    ];
    let told: String =
        rows.iter().map(|(words, code, says, effect)| refused(&home, (words, *code, says), effect)).collect();
    cloud.assert_nothing_spent(1);
    let mut scrub = home.scrub();
    scrub.add_filter(volume, "[volume]");
    scrub.bind(|| insta::assert_snapshot!(told));
}

/// Endpoints that are not there, or not this account's: no worker is started.
#[test]
fn endpoints_and_jobs_that_are_not_there() {
    let (home, cloud) = (Home::new(), Cloud::new());
    let theirs = cloud.server().endpoint_id();
    cloud.server().add_key(KEY, "another", atlas::mock::server::Reach::All);
    cloud.configure(&home, Some(KEY));
    let input = ["--input", "{\"a\":1}"];
    let sync = ["--input", "{\"a\":1}", "--mode", "sync"];
    let stream = ["--input", "{\"a\":1}", "--mode", "stream"];
    let mut told = String::new();
    for (endpoint, what) in [("nosuchendpoint", "endpoint nosuchendpoint: "), (theirs.as_str(), "endpoint ")] {
        for words in [&input[..], &sync, &stream] {
            told += &refused(&home, (&job(endpoint, words), 3, what), "rejected");
        }
        for verb in ["get", "cancel", "stream"] {
            let words = ["job", verb, "--endpoint", endpoint, "nosuchjob"];
            told += &refused(&home, (&words, 3, "job nosuchjob of endpoint"), "rejected");
        }
    }
    cloud.lead(&home);
    for verb in ["get", "cancel", "stream"] {
        let row: Row<'_> = (&["job", verb, "--endpoint", &theirs, "nosuchjob"], 3, "job nosuchjob of endpoint");
        told += &refused(&home, row, "rejected");
    }
    cloud.assert_nothing_spent(0);
    let mut scrub = home.scrub();
    scrub.add_filter(&theirs, "[endpoint]");
    scrub.bind(|| insta::assert_snapshot!(told));
}

/// More than a job that is not waited for may hold, and less than one that is: it arrives whole.
#[test]
fn what_runpod_takes_is_sent() {
    let (home, cloud) = (Home::new(), Cloud::new());
    cloud.lead(&home);
    let endpoint = cloud.server().endpoint_id();
    let text = "x".repeat(11_000_000);
    fs::write(home.path().join("11mb.json"), format!("{{\"text\":\"{text}\"}}")).unwrap();
    let words = job(&endpoint, &["--input", "@11mb.json", "--mode", "sync", "--json"]);
    let done = home.good(&words).json();
    assert_eq!((&done["status"], &done["output"]["text"]), (&"completed".into(), &text.into()));
}
