//! A user's browser, in as few words of HTTP as will do towards programs of our own on this machine.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;
use crate::reap::text;

/// Longer than the backend lets a page wait.
const LIMIT: Duration = Duration::from_secs(20);

/// An answer: status, header lines, body.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Where a user's machine is, with what it opens, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) machine: String,
    url: String,
    token: String,
}

/// One user. What fails because the backend is dead is no error: there is just no answer.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    name: &'static str,
    cookie: Option<String>,
    /// What the backend gave last.
    pub(crate) opened: Option<Opened>,
    /// When it was heard last, in the time that the backend has been running for in all its lives.
    pub(crate) heard: Duration,
}

impl Browser {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, cookie: None, opened: None, heard: Duration::ZERO }
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// What the page does when it is opened: logs in if need be, and asks until it has its machine. Gives whether it has.
    pub(crate) fn open(&mut self, backend: &str) -> Outcome<bool> {
        if self.cookie.is_none() {
            let body = serde_json::json!({ "name": self.name }).to_string();
            let Some(answer) = ask("POST", &format!("{backend}/login"), &["content-type: application/json"], &body)
            else {
                return Ok(false);
            };
            let cookie = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
            self.cookie = Some(cookie.ok_or_else(|| format!("no cookie came: {answer:?}"))?.to_owned());
        }
        loop {
            let Some(answer) = self.send(backend, "POST", "/session") else { return Ok(false) };
            match answer.status {
                200 => break self.take(&answer.body),
                202 => {}
                // A machine whose creator was killed between making and starting it has failed, and the session of a
                // user who was waiting for it says so. Who had it already must never hear this.
                409 if self.opened.is_none() && answer.body.contains("(failed)") => {}
                _ => return Err(format!("{} gets no machine: {answer:?}", self.name)),
            }
        }
    }

    fn take(&mut self, body: &str) -> Outcome<bool> {
        let value: Value = serde_json::from_str(body).map_err(|error| format!("{error} in {body}"))?;
        let (Some(url), Some(token)) = (text(&value, "url"), text(&value, "token")) else {
            return Err(format!("no machine is in {body}"));
        };
        let about = visit(&url, &token)
            .ok_or_else(|| format!("the machine of {} at {url} does not answer, and it was handed out", self.name))?;
        let machine = text(&about, "compute_id").unwrap_or_default();
        let opened = Opened { machine, url, token };
        // Nobody here is silent for long enough to lose what they had.
        match self.opened.replace(opened.clone()) {
            Some(before) if before != opened => {
                Err(format!("{} came back and has {opened:?} instead of {before:?}", self.name))
            }
            _ => Ok(true),
        }
    }

    /// The heartbeat. `None` if the backend is dead.
    pub(crate) fn beat(&self, backend: &str) -> Option<u16> {
        self.send(backend, "POST", "/heartbeat").map(|answer| answer.status)
    }

    /// Whether its machine answers to its key, and is the same one.
    pub(crate) fn has_its_machine(&self) -> Outcome {
        let Some(opened) = &self.opened else { return Ok(()) };
        match visit(&opened.url, &opened.token) {
            Some(about) if text(&about, "compute_id").as_ref() == Some(&opened.machine) => Ok(()),
            Some(about) => Err(format!("{} was served by another machine than {}: {about}", self.name, opened.machine)),
            None => Err(format!("machine {} of {} does not answer to its key", opened.machine, self.name)),
        }
    }

    fn send(&self, backend: &str, method: &str, path: &str) -> Option<Answer> {
        let cookie = format!("cookie: {}", self.cookie.as_deref().unwrap_or_default());
        ask(method, &format!("{backend}{path}"), &[&cookie], "")
    }
}

/// The machines that these users were given.
pub(crate) fn machines_of(browsers: &[Browser]) -> BTreeSet<String> {
    browsers.iter().filter_map(|browser| Some(browser.opened.as_ref()?.machine.clone())).collect()
}

/// What the machine at this address says of itself to who has its key; `None` if it says anything else.
pub(crate) fn visit(url: &str, token: &str) -> Option<Value> {
    let answer = ask("GET", url, &[&format!("authorization: Bearer {token}")], "")?;
    (answer.status == 200).then(|| serde_json::from_str(&answer.body).ok()).flatten()
}

fn ask(method: &str, url: &str, headers: &[&str], body: &str) -> Option<Answer> {
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    let length = format!("content-length: {}", body.len());
    let lines = [&[format!("host: {host}").as_str(), "connection: close", &length], headers].concat().join("\r\n");
    stream.write_all(format!("{method} /{path} HTTP/1.1\r\n{lines}\r\n\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let head = head.to_owned();
    // A body in chunks is one chunk here: its size stands on a line before it.
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body.split_once("\r\n")?.1.split("\r\n0\r\n").next()?
    } else {
        body
    };
    Some(Answer { status, head, body: body.to_owned() })
}
