//! A pod to try things on, which is gone with everything that it started when the test is over, however that ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use atlas_pod::{LaunchSpec, Pod, PodProgram, PodReport, PodState, launch};
use tempfile::TempDir;

/// Nothing that is waited for here takes longer on a machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_atlas-pod");

/// A directory with a pod in it.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) pod: Pod,
    _home: Option<TempDir>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let home = TempDir::new().unwrap();
        Self { pod: Pod::new(home.path().join("pod")), _home: Some(home) }
    }

    pub(crate) fn at(directory: &Path) -> Self {
        Self { pod: Pod::new(directory), _home: None }
    }

    pub(crate) fn spec(&self, run: u64) -> LaunchSpec {
        self.pod.prepare(run).unwrap();
        LaunchSpec::new(PodProgram::new(PROGRAM), self.pod.path(), run).compute_id("one")
    }

    /// A first run of a shell script.
    pub(crate) async fn script(&self, script: &str) -> PodReport {
        launch(&self.spec(1).command(["sh", "-c", script])).await.unwrap()
    }

    pub(crate) async fn until(&self, what: impl Fn(&PodState) -> bool) -> PodState {
        eventually("the pod's state", || self.pod.inspect().ok().filter(|state| what(state))).await
    }

    /// Waits for a number that the command writes into its working directory.
    pub(crate) async fn number(&self, name: &str) -> i32 {
        let path = self.pod.work_directory().join(name);
        eventually(name, || std::fs::read_to_string(&path).ok()?.trim_end_matches('\n').parse().ok()).await
    }

    pub(crate) async fn log(&self) -> String {
        let mut reader = self.pod.read_log().unwrap();
        let mut text = Vec::new();
        while let Some(chunk) = reader.next().await.unwrap() {
            text.extend_from_slice(&chunk);
        }
        String::from_utf8(text).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let pod = self.pod.clone();
        let ended = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(pod.end(Duration::ZERO)).map(drop)
        })
        .join();
        if let Ok(Err(error)) = ended
            && !matches!(error, atlas_pod::PodError::Missing { .. })
        {
            eprintln!("the pod could not be cleared away: {error}");
        }
    }
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The fields of `/proc/PID/stat` behind the name: the state first.
pub(crate) fn stat(pid: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

pub(crate) fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
}

pub(crate) fn children(pid: i32) -> Vec<i32> {
    processes().into_iter().filter(|other| stat(*other).is_some_and(|fields| fields[1] == pid.to_string())).collect()
}

pub(crate) fn processes() -> Vec<i32> {
    let names = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}

pub(crate) fn kill(pid: i32, signal: rustix::process::Signal) {
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Kills a supervisor together with the keeper that would clear up after it.
pub(crate) fn kill_both(report: &PodReport) {
    kill(report.keeper.unwrap().pid, rustix::process::Signal::KILL);
    kill(report.pid, rustix::process::Signal::KILL);
}

/// An answer, its body as text.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks one question with a connection of its own.
pub(crate) fn ask(port: u16, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = connect(port);
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head ends in an empty line");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until the machine itself answers.
pub(crate) async fn until_up(port: u16, headers: &[(&str, &str)]) -> Answer {
    eventually("the machine's answer", || Some(ask(port, "GET", "/", headers)).filter(|answer| answer.status != 502))
        .await
}
