//! The ports: who is let in, and that everything passes as it comes.

use std::io::{Read, Write};
use std::time::Duration;

use atlas_auth::{BearerToken, Clock, DEFAULT_KEY_ID, Secret, SystemClock, SystemEntropy, UrlSigner};
use atlas_pod::{PROXY_BROKEN, PROXY_HEADER, PROXY_REFUSED, PROXY_STARTING, PortKind, PortSpec, launch};

use crate::bench::{Bench, ask, connect, until_up};

#[tokio::test]
async fn the_service_answers_who_has_the_key() {
    let bench = Bench::new();
    let token = BearerToken::mint(&SystemEntropy);
    let (name, value) = token.env();
    let report = launch(&bench.spec(1).port(PortSpec::http(8000)).env(name, value)).await.unwrap();
    let port = report.ports[0].public;
    assert!(report.ports[0].guarded);
    let with_key = format!("Bearer {}", token.expose());
    let key = [("authorization", with_key.as_str())];

    let answer = until_up(port, &key).await;
    assert_eq!(answer.status, 200);
    let about: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(about["compute_id"], "one");
    assert!(!answer.head.contains(PROXY_HEADER), "this answer is the machine's own");

    assert_eq!(ask(port, "GET", "/", &[]).status, 401);
    assert_eq!(ask(port, "GET", "/", &[("authorization", "Bearer wrong")]).status, 401);
    assert_eq!(ask(port, "GET", "/nothing", &key).status, 404);

    // A browser on another page: asks first, then with the key.
    let asking = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let preflight = ask(port, "OPTIONS", "/", &asking);
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-origin:"), "{}", preflight.head);

    // Refusals never reach the machine.
    let first: serde_json::Value = serde_json::from_str(&ask(port, "GET", "/count", &key).body).unwrap();
    ask(port, "GET", "/", &[]);
    let second: serde_json::Value = serde_json::from_str(&ask(port, "GET", "/count", &key).body).unwrap();
    assert_eq!(second["count"].as_u64().unwrap(), first["count"].as_u64().unwrap() + 1);
}

#[tokio::test]
async fn a_signed_url_is_let_in_until_it_is_changed() {
    let bench = Bench::new();
    let key = Secret::new("0123456789abcdef0123456789abcdef");
    let spec = bench.spec(1).port(PortSpec::http(8000)).env("ATLAS_SIGNING_KEY", key.clone());
    let port = launch(&spec).await.unwrap().ports[0].public;
    let signer = UrlSigner::new(DEFAULT_KEY_ID, key).unwrap();
    let url = signer
        .sign("GET", &format!("http://127.0.0.1:{port}/"), SystemClock.now().plus(Duration::from_mins(1)))
        .unwrap();
    let target = url.expose().split_once(&format!(":{port}")).unwrap().1.to_owned();
    assert_eq!(ask(port, "GET", "/", &[]).status, 401);
    let answer = crate::bench::eventually("the service", || {
        Some(ask(port, "GET", &target, &[])).filter(|answer| answer.status != 502)
    })
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(ask(port, "GET", &target.replacen('/', "/echo", 1), &[]).status, 403);
}

#[tokio::test]
async fn chunks_pass_both_ways_as_they_come() {
    let bench = Bench::new();
    let report = launch(&bench.spec(1).port(PortSpec::http(8000))).await.unwrap();
    let port = report.ports[0].public;
    assert!(!report.ports[0].guarded, "without a key it is open");
    until_up(port, &[]).await;

    let mut stream = connect(port);
    let head = format!("POST /echo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut received = Vec::new();
    for part in ["first", "second", "third"] {
        stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).unwrap();
        // The next part is only sent when this one has come back.
        while !String::from_utf8_lossy(&received).contains(part) {
            received.push(read_byte(&mut stream));
        }
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    while !received.ends_with(b"0\r\n\r\n") {
        received.push(read_byte(&mut stream));
    }
}

/// The next byte, also where a signal comes between.
fn read_byte(stream: &mut std::net::TcpStream) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("the answer goes on");
    byte[0]
}

#[tokio::test]
async fn the_proxys_own_answers_say_so() {
    let bench = Bench::new();
    let spec = bench.spec(1).port(PortSpec::http(8000)).command(["sleep", "1000"]);
    let port = launch(&spec).await.unwrap().ports[0].public;
    let starting = ask(port, "GET", "/", &[]);
    assert_eq!(starting.status, 502);
    assert!(starting.head.contains(&format!("{PROXY_HEADER}: {PROXY_STARTING}")), "{}", starting.head);
    let refused = ask(port, "GET", "/", &[("upgrade", "websocket"), ("sec-websocket-version", "13")]);
    assert_eq!(refused.status, 501);
    assert!(refused.head.contains(&format!("{PROXY_HEADER}: {PROXY_REFUSED}")), "{}", refused.head);
}

#[tokio::test]
async fn a_machine_that_hangs_up_is_no_starting_machine() {
    let bench = Bench::new();
    let hangs_up = "import socket,os\ns=socket.create_server(('127.0.0.1',int(os.environ['PORT'])))\n\
                    while True: s.accept()[0].close()";
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no python3 to hang up with");
        return;
    }
    let spec = bench.spec(1).port(PortSpec::http(8000)).command(["python3", "-c", hangs_up]);
    let port = launch(&spec).await.unwrap().ports[0].public;
    crate::bench::eventually("the broken answer", || {
        let answer = ask(port, "GET", "/", &[]);
        assert_eq!(answer.status, 502);
        answer.head.contains(&format!("{PROXY_HEADER}: {PROXY_BROKEN}")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_tcp_port_is_the_commands_own() {
    let bench = Bench::new();
    let spec =
        bench.spec(1).port(PortSpec::tcp(5432)).port(PortSpec::http(80)).command(["sh", "-c", "env; sleep 1000"]);
    let report = launch(&spec).await.unwrap();
    let [tcp, http] = report.ports.as_slice() else { panic!("two ports were asked for") };
    assert_eq!((tcp.kind, tcp.public), (PortKind::Tcp, tcp.inner));
    assert_ne!(http.public, http.inner);
    // Nobody but the command listens there.
    assert!(std::net::TcpListener::bind(("127.0.0.1", tcp.public)).is_ok());
    drop(bench.pod.end(Duration::ZERO).await.unwrap());
    let environment = bench.log().await;
    for line in [
        format!("ATLAS_PORT_5432={}", tcp.inner),
        format!("ATLAS_PORT_80={}", http.inner),
        format!("PORT={}", http.inner),
        "ATLAS_COMPUTE_ID=one".to_owned(),
        format!("ATLAS_POD_RUN={}", report.marker),
        format!("HOME={}", bench.pod.work_directory().display()),
    ] {
        assert!(environment.lines().any(|one| one == line), "{line} is missing in {environment}");
    }
    assert!(!environment.contains("CARGO"), "nothing else of the owner's environment is handed on: {environment}");
}

#[tokio::test]
async fn pods_do_not_share_ports() {
    let benches: Vec<Bench> = (0..6).map(|_| Bench::new()).collect();
    let mut launches = tokio::task::JoinSet::new();
    for bench in &benches {
        let spec = bench.spec(1).port(PortSpec::http(1)).port(PortSpec::tcp(2)).command(["sleep", "1000"]);
        launches.spawn(async move { launch(&spec).await });
    }
    let mut numbers = Vec::new();
    while let Some(report) = launches.join_next().await {
        for port in report.unwrap().unwrap().ports {
            numbers.push(port.public);
            if port.kind == PortKind::Http {
                numbers.push(port.inner);
            }
        }
    }
    let count = numbers.len();
    assert_eq!(count, 18);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), count);
}

#[tokio::test]
async fn a_port_that_is_taken_starts_nothing() {
    let bench = Bench::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let number = taken.local_addr().unwrap().port();
    for port in [PortSpec::http(80).public(number), PortSpec::tcp(80).public(number)] {
        let error = launch(&bench.spec(1).port(port)).await.unwrap_err();
        assert!(error.nothing_runs());
        assert_eq!(
            error.to_string(),
            format!("the pod did not start: port {number} on 127.0.0.1 is in use; end what uses it or ask for another")
        );
    }
    drop(taken);
    let report = launch(&bench.spec(1).port(PortSpec::http(80).public(number))).await.unwrap();
    assert_eq!(report.ports[0].public, number);
}
