//! A user's home for one test: a state directory of its own, and an end to everything that was started from it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with nothing in it, and the `atlas` command run from there with no other environment.
pub(crate) struct Home {
    folder: TempDir,
}

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("atlas-cli-").tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    /// Writes `atlas.yaml`.
    pub(crate) fn configure(&self, text: &str) {
        fs::write(self.path().join("atlas.yaml"), text).expect("the folder can be written");
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_atlas"));
        command.args(words).current_dir(self.path()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path()).env("ATLAS_STATE_DIR", self.state());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::from(self.command(words).output().expect("the program starts"))
    }

    /// Runs and expects success.
    pub(crate) fn good(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
        ran
    }

    pub(crate) fn run_with_input(&self, words: &[&str], input: &[u8]) -> Ran {
        let mut child = start(self.command(words).stdin(Stdio::piped()));
        child.stdin.take().expect("it is piped").write_all(input).expect("the program reads");
        Ran::from(child.wait_with_output().expect("the program ends"))
    }

    /// Spawns on `local` and gives the answer.
    pub(crate) fn spawn(&self, words: &[&str]) -> Value {
        self.good(&[&["spawn", "--provider", "local", "--json"], words].concat()).json()
    }

    /// The folders of machines on the local provider: the truth about what is rented there.
    pub(crate) fn machines(&self) -> Vec<PathBuf> {
        let entries = |path: PathBuf| {
            fs::read_dir(path)
                .into_iter()
                .flatten()
                .filter_map(Result::ok)
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        };
        let accounts = entries(self.state().join("local"));
        accounts.into_iter().flat_map(entries).filter(|path| path.is_dir()).collect()
    }

    /// The phases of the recorded intents.
    pub(crate) fn intents(&self) -> Vec<String> {
        let files = fs::read_dir(self.state().join("intents")).into_iter().flatten().filter_map(Result::ok);
        let records =
            files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "json"));
        records
            .map(|path| {
                let record: Value =
                    serde_json::from_slice(&fs::read(path).expect("it can be read")).expect("it is JSON");
                record["phase"]["is"].as_str().expect("it has a phase").to_owned()
            })
            .collect()
    }

    /// The processes that run below the state directory, or name it among their arguments.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let state = self.state();
        let named = state.as_os_str().as_encoded_bytes().to_vec();
        let of_us = |process: &Path| {
            let inside = fs::read_link(process.join("cwd")).is_ok_and(|folder| folder.starts_with(&state));
            let words = fs::read(process.join("cmdline")).unwrap_or_default();
            inside || words.windows(named.len()).any(|window| window == named)
        };
        let processes = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        processes
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
            .filter(|(_, path)| of_us(path))
            .map(|(number, _)| number)
            .collect()
    }

    /// Nothing was spent: no machine, no process, no intent that could still become one.
    #[track_caller]
    pub(crate) fn assert_nothing_spent(&self) {
        assert_eq!(self.machines(), Vec::<PathBuf>::new());
        assert!(self.intents().iter().all(|phase| phase == "closed"), "{:?}", self.intents());
        // A supervisor that was ended takes a moment to go.
        wait_until("no process is left", || self.processes().is_empty());
    }

    /// Texts without what differs from run to run.
    pub(crate) fn scrub(&self) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(&regex_of(self.path()), "[home]");
        settings.add_filter(r"\bm-[a-z2-7]{10}\b", "[id]");
        settings.add_filter(r"atlas-default-[a-z2-7]{6}-[a-z2-7]{26}", "[mark]");
        settings.add_filter(r"\b[a-z2-7]{26}\b", "[rental]");
        settings.add_filter(r"127\.0\.0\.1:\d+", "127.0.0.1:[port]");
        settings.add_filter(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]");
        settings.add_filter(r"atlas-expires=\d+", "atlas-expires=[seconds]");
        settings.add_filter(r"\b[0-9a-f]{64}\b", "[hash]");
        settings.add_filter(r"[A-Za-z0-9_-]{43}", "[key]");
        settings
    }
}

impl Drop for Home {
    /// Ends whatever a test left, even one that failed: without the program, which may be what failed.
    fn drop(&mut self) {
        for _ in 0..50 {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for number in processes {
                let number = i32::try_from(number).ok().and_then(Pid::from_raw);
                let _ = number.map(|number| kill_process(number, Signal::KILL));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Ran {
    /// The result.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error, as the last line of stderr gives it.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.err.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        value["error"].clone()
    }

    /// The line for people.
    #[track_caller]
    pub(crate) fn complaint(&self) -> &str {
        let line = self.err.lines().find_map(|line| line.strip_prefix("error: "));
        line.unwrap_or_else(|| panic!("no error is named: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("no signal ended it"),
            out: String::from_utf8(output.stdout).expect("results are text"),
            err: String::from_utf8(output.stderr).expect("errors are text"),
        }
    }
}

/// Starts a program whose output is read later.
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

/// A program that runs, and what it has said so far on stderr.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = start(command);
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, stderr, said: String::new() }
    }

    /// Waits until it says so.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, words: &str) {
        while !self.said.contains(words) {
            let read = self.stderr.read_line(&mut self.said).expect("it is text");
            assert_ne!(read, 0, "it ended without {words:?}: {}", self.said);
        }
    }

    pub(crate) fn send(&self, signal: Signal) {
        let number = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("it has a number");
        kill_process(number, signal).expect("it runs");
    }

    /// Its end, by an exit code or else by a signal.
    pub(crate) fn end(mut self) -> Result<Ran, ExitStatus> {
        self.stderr.read_to_string(&mut self.said).expect("it is text");
        let output = self.child.wait_with_output().expect("it ends");
        if output.status.code().is_none() {
            return Err(output.status);
        }
        Ok(Ran { err: self.said, ..Ran::from(output) })
    }
}

/// Waits for something that another process does.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn regex_of(path: &Path) -> String {
    let text = path.to_str().expect("temporary folders have plain names");
    text.chars().flat_map(|letter| if letter.is_alphanumeric() { vec![letter] } else { vec!['\\', letter] }).collect()
}
