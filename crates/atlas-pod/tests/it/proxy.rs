//! The proxy before a command: what passes, byte by byte, when either side does what HTTP allows and few do.
//!
//! The test itself stands behind the port, where the command would, so that it decides each byte of the answer.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use atlas_auth::{BearerToken, SystemEntropy};
use atlas_pod::{PROXY_BROKEN, PROXY_HEADER, PROXY_REFUSED, PortSpec, launch};

use crate::bench::{Bench, PATIENCE, connect};

/// Far more than the kernel and the proxy may hold between them for one stream.
const FLOOD: usize = 96 << 20;

/// How long a stream must stand still to count as held back.
const STILL: Duration = Duration::from_secs(1);

/// A pod whose command leaves its port to the test.
struct Front {
    _bench: Bench,
    public: u16,
    inner: TcpListener,
}

impl Front {
    async fn new() -> Self {
        Self::with(None).await
    }

    async fn with(token: Option<&BearerToken>) -> Self {
        let bench = Bench::new();
        let mut spec = bench.spec(1).port(PortSpec::http(8000)).command(["sleep", "1000"]);
        if let Some((name, value)) = token.map(BearerToken::env) {
            spec = spec.env(name, value);
        }
        let port = launch(&spec).await.unwrap().ports[0];
        let inner = TcpListener::bind(("127.0.0.1", port.inner)).unwrap();
        Self { _bench: bench, public: port.public, inner }
    }

    /// A client's connection on which `head` was sent, each line without its end.
    fn send(&self, head: &[&str]) -> TcpStream {
        let mut client = connect(self.public);
        let host = format!("Host: 127.0.0.1:{}", self.public);
        let lines = [&head[..1], &[host.as_str()], &head[1..]].concat();
        client.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).unwrap();
        client
    }

    /// The next request that comes through, with its head.
    fn receive(&self) -> (TcpStream, String) {
        let (mut stream, _) = self.inner.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").to_ascii_lowercase();
        (stream, head)
    }

    /// What a client gets for a plain question that is answered by `answer`.
    fn exchange(&self, question: &[&str], answer: &str) -> String {
        let mut client = self.send(question);
        let (mut machine, _) = self.receive();
        machine.write_all(answer.as_bytes()).unwrap();
        drop(machine);
        read_all(&mut client)
    }
}

fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut byte = [0];
        // Also goes on where a signal comes between, such as that of a launcher that is gone.
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error}, before {end:?}: {text}"));
        text.push(char::from(byte[0]));
    }
    text
}

/// Up to the end, or to where the connection breaks.
fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(text).unwrap(),
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn who_has_said_all_still_gets_the_answer() {
    let front = Front::new().await;
    let mut client = front.send(&["POST / HTTP/1.1", "Content-Length: 4"]);
    client.write_all(b"ping").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut machine, _) = front.receive();
    assert_eq!(read_until(&mut machine, "ping"), "ping");
    // In two pieces, so that the end of the question is long known when the second comes.
    machine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npong").unwrap();
    assert!(read_until(&mut client, "\r\n\r\npong").starts_with("HTTP/1.1 200"));
    machine.write_all(b"pong").unwrap();
    assert_eq!(read_all(&mut client), "pong");
}

#[tokio::test]
async fn who_has_gone_is_noticed_as_the_answer_comes() {
    let front = Front::new().await;
    let client = front.send(&["GET / HTTP/1.1"]);
    let (mut machine, _) = front.receive();
    drop(client);
    machine.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    machine.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut written = 0;
    let piece = vec![b'x'; 1 << 16];
    while machine.write_all(&piece).is_ok() {
        written += piece.len();
        assert!(written < FLOOD, "the answer goes on for nobody");
    }
}

#[tokio::test]
async fn a_command_is_told_of_who_broke_off_before_it_answers() {
    let front = Front::new().await;
    let client = front.send(&["GET / HTTP/1.1"]);
    let (mut machine, _) = front.receive();
    // As the system of a browser does that closes a page: the connection is broken, not only closed.
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(read_all(&mut machine), "", "the command's connection ends");

    // The same after it said that it has said all.
    let client = front.send(&["GET / HTTP/1.1"]);
    let (mut machine, _) = front.receive();
    client.shutdown(Shutdown::Write).unwrap();
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
    drop(client);
    assert_eq!(read_all(&mut machine), "");
}

#[tokio::test]
async fn many_headers_pass_both_ways() {
    let front = Front::new().await;
    let many: Vec<String> = (0..600).map(|number| format!("X-Number-{number}: {number}")).collect();
    let lines: Vec<&str> = ["GET / HTTP/1.1"].into_iter().chain(many.iter().map(String::as_str)).collect();
    let mut client = front.send(&lines);
    let (mut machine, head) = front.receive();
    assert_eq!(head.matches("x-number-").count(), 600);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n{}\r\n\r\n", many.join("\r\n"));
    machine.write_all(answer.as_bytes()).unwrap();
    let head = read_until(&mut client, "\r\n\r\n");
    assert_eq!(status(&head), "200");
    assert_eq!(head.matches("x-number-").count(), 600);
}

#[tokio::test]
async fn an_answer_that_cannot_be_passed_on_says_why() {
    let front = Front::new().await;
    let many = "X-Number: 1\r\n".repeat(1001);
    let large = format!("X-Large: {}\r\n", "x".repeat(1 << 20));
    for (answer, why) in [
        (format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n"), "more than 1000 headers"),
        (format!("HTTP/1.1 200 OK\r\n{large}Content-Length: 0\r\n\r\n"), "a head too large"),
        ("SSH-2.0-server\r\n\r\n".to_owned(), "is not HTTP/1.1"),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\nConnection: upgrade\r\n\r\nraw".to_owned(), "switched"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(), "switched"),
        (String::new(), "gave no answer"),
        ("HTTP/1.1 200 OK\r\nContent-".to_owned(), "gave no answer"),
    ] {
        let mut client = front.send(&["GET / HTTP/1.1", "Connection: close"]);
        let (mut machine, _) = front.receive();
        // The proxy may have had enough before the end.
        let _ = machine.write_all(answer.as_bytes());
        drop(machine);
        let got = read_all(&mut client).to_ascii_lowercase();
        assert_eq!(status(&got), "502", "{why}: {got}");
        assert!(got.contains(&format!("{PROXY_HEADER}: {PROXY_BROKEN}")), "{why}: {got}");
        assert!(got.contains(&why.to_ascii_lowercase()), "{why}: {got}");
    }
}

#[tokio::test]
async fn early_hints_do_not_stand_for_the_answer() {
    let front = Front::new().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let got = front.exchange(
        &["GET / HTTP/1.1", "Connection: close"],
        &format!("{hints}{hints}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone"),
    );
    assert!(got.contains("HTTP/1.1 200 OK"), "{got}");
    assert!(got.ends_with("\r\n\r\ndone"), "{got}");
}

#[tokio::test]
async fn an_answer_that_was_cut_off_is_not_passed_on_as_whole() {
    let front = Front::new().await;
    let asked = ["GET / HTTP/1.1", "Connection: close"];
    let got = front.exchange(&asked, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(got.to_ascii_lowercase().contains("content-length: 10"), "{got}");
    assert!(!got.contains("halfhalf"), "{got}");
    let got = front.exchange(&asked, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    assert!(!got.ends_with("0\r\n\r\n"), "the end of the chunks was made up: {got}");
    // Where only the end of the connection ends the answer, that is no cut.
    let got = front.exchange(&asked, "HTTP/1.0 200 OK\r\n\r\nall of it");
    assert!(got.contains("all of it") && got.ends_with("0\r\n\r\n"), "{got}");
}

#[tokio::test]
async fn trailers_pass_both_ways_to_who_takes_them() {
    let front = Front::new().await;
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n\
                  4\r\npong\r\n0\r\nX-Sum: 99\r\n\r\n";
    for takes in [true, false] {
        let te = if takes { "TE: trailers" } else { "X-Other: 1" };
        let chunked = ["POST / HTTP/1.1", "Transfer-Encoding: chunked", "Trailer: X-Sum", "Connection: close", te];
        let mut client = front.send(&chunked);
        client.write_all(b"4\r\nping\r\n0\r\nX-Sum: 42\r\n\r\n").unwrap();
        let (mut machine, head) = front.receive();
        assert_eq!(head.contains("te: trailers"), takes, "{head}");
        let body = read_until(&mut machine, "\r\n\r\n").to_ascii_lowercase();
        assert_eq!(body, "4\r\nping\r\n0\r\nx-sum: 42\r\n\r\n");
        machine.write_all(answer.as_bytes()).unwrap();
        let got = read_all(&mut client).to_ascii_lowercase();
        assert!(got.contains("4\r\npong\r\n0\r\n"), "{got}");
        assert_eq!(got.ends_with("0\r\nx-sum: 99\r\n\r\n"), takes, "{got}");
    }
}

#[tokio::test]
async fn a_body_is_only_called_for_from_who_is_let_in() {
    let token = BearerToken::mint(&SystemEntropy);
    let front = Front::with(Some(&token)).await;
    let expecting = ["POST / HTTP/1.1", "Content-Length: 4", "Expect: 100-continue", "Connection: close"];
    let refused = read_all(&mut front.send(&expecting));
    assert_eq!(status(&refused), "401", "{refused}");

    let key = format!("Authorization: Bearer {}", token.expose());
    let mut client = front.send(&[&expecting[..], &[key.as_str()]].concat());
    let (mut machine, head) = front.receive();
    assert!(!head.contains("expect"), "{head}");
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n")), "100");
    client.write_all(b"ping").unwrap();
    assert_eq!(read_until(&mut machine, "ping"), "ping");
    machine.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(status(&read_all(&mut client)), "201");
}

#[tokio::test]
async fn the_answer_to_head_has_its_length_and_no_body() {
    let front = Front::new().await;
    let mut client = front.send(&["HEAD / HTTP/1.1"]);
    let (mut machine, head) = front.receive();
    assert!(head.starts_with("head / http/1.1"), "{head}");
    machine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n").unwrap();
    let got = read_until(&mut client, "\r\n\r\n").to_ascii_lowercase();
    assert_eq!(status(&got), "200");
    assert!(got.contains("content-length: 12345"), "{got}");
    // The connection is good for the next question: nothing is missing in it.
    client.write_all(b"GET /next HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let (mut machine, head) = front.receive();
    assert!(head.starts_with("get /next http/1.1"), "{head}");
    machine.write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 12345\r\n\r\n").unwrap();
    let got = read_all(&mut client);
    assert!(got.starts_with("HTTP/1.1 304") && got.ends_with("\r\n\r\n"), "{got}");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_question_passes() {
    let front = Front::new().await;
    let mut client = front.send(&["POST / HTTP/1.1", "Content-Length: 1000000"]);
    client.write_all(b"the beginning").unwrap();
    let (mut machine, _) = front.receive();
    machine.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n")), "413");
}

#[tokio::test]
async fn upgrades_are_refused_or_ignored() {
    let front = Front::new().await;
    let websocket = ["GET / HTTP/1.1", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: a"];
    let mut client = front.send(&websocket);
    let refused = read_until(&mut client, "upgraded connections\n").to_ascii_lowercase();
    assert_eq!(status(&refused), "501", "{refused}");
    assert!(refused.contains(&format!("{PROXY_HEADER}: {PROXY_REFUSED}")), "{refused}");

    let mut client = connect(front.public);
    client.write_all(b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n").unwrap();
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n")), "501");

    // Any other upgrade is an offer that a server may pass over.
    let mut client =
        front.send(&["GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"]);
    let (mut machine, head) = front.receive();
    assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{head}");
    machine.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n")), "200");
}

/// Writes until nothing more is taken, which must come long before [`FLOOD`]. How much was taken.
fn write_until_still(stream: &mut TcpStream) -> usize {
    stream.set_write_timeout(Some(STILL)).unwrap();
    let piece = vec![b'x'; 1 << 16];
    let mut taken = 0;
    loop {
        match stream.write(&piece[..piece.len().min(FLOOD - taken)]) {
            Ok(0) => panic!("all {taken} bytes were taken, and nobody read one"),
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return taken,
            Err(error) => panic!("{error}"),
        }
    }
}

fn write_rest(stream: &mut TcpStream, taken: usize) {
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&vec![b'x'; FLOOD - taken]).unwrap();
}

fn read_flood(mut stream: TcpStream) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        let mut read = 0;
        while read < FLOOD {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
            }
        }
        read
    })
}

#[tokio::test]
async fn a_slow_client_holds_the_machine_back() {
    let front = Front::new().await;
    let mut client = front.send(&["GET / HTTP/1.1"]);
    let (mut machine, _) = front.receive();
    machine.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {FLOOD}\r\n\r\n").as_bytes()).unwrap();
    let taken = write_until_still(&mut machine);
    read_until(&mut client, "\r\n\r\n");
    let reader = read_flood(client);
    write_rest(&mut machine, taken);
    assert_eq!(reader.join().unwrap(), FLOOD, "and once it reads, it gets all");
}

#[tokio::test]
async fn a_slow_machine_holds_the_client_back() {
    let front = Front::new().await;
    let mut client = front.send(&["PUT / HTTP/1.1", &format!("Content-Length: {FLOOD}")]);
    let (mut machine, _) = front.receive();
    let taken = write_until_still(&mut client);
    let reader = read_flood(machine.try_clone().unwrap());
    write_rest(&mut client, taken);
    assert_eq!(reader.join().unwrap(), FLOOD);
    machine.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(status(&read_until(&mut client, "\r\n\r\n")), "204");
}
