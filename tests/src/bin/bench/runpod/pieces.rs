//! A runtime whose every job has given the same before it is asked: ten thousand pieces, so many at each look. What a look
//! finds at a cloud depends on when it comes, and then no two clients would do the same work.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use atlas_tests::Outcome;
use serde_json::{Value, json};

/// How many pieces a job gives, and how many a look shows.
pub(crate) const PIECES: usize = 10_000;
pub(crate) const A_LOOK: usize = 10;

/// How often each job was looked at.
type Looks = Arc<Mutex<HashMap<String, usize>>>;

/// Child: says where it is, and serves until standard input ends.
pub(crate) fn serve() -> Outcome<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("http://{}", listener.local_addr()?);
    let looks = Looks::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let looks = Arc::clone(&looks);
            // A client that breaks off ends its own connection alone.
            std::thread::spawn(move || answer(&stream, &looks));
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Answers one connection's requests, none of which has a body.
fn answer(stream: &TcpStream, looks: &Looks) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
        while !line.trim().is_empty() {
            line.clear();
            lines.read_line(&mut line)?;
        }
        let body = if path.contains("/status/") {
            json!({"id": "job", "status": "IN_PROGRESS", "workerId": "worker"}).to_string()
        } else {
            look(&path, looks).to_string()
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        let mut out = stream;
        out.write_all((head + &body).as_bytes())?;
    }
}

/// What the next look at a job shows.
fn look(path: &str, looks: &Looks) -> Value {
    let mut looks = looks.lock().unwrap_or_else(PoisonError::into_inner);
    let seen = looks.entry(path.to_owned()).or_default();
    let from = *seen * A_LOOK;
    *seen += 1;
    let status = if from < PIECES { "IN_PROGRESS" } else { "COMPLETED" };
    let shown = (from..PIECES.min(from + A_LOOK)).map(|piece| json!({"output": {"token": "word", "piece": piece}}));
    json!({"status": status, "stream": shown.collect::<Vec<_>>()})
}
