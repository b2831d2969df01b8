//! A simulated RunPod in this process, and configurations that lead the program there.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use atlas::mock::server::{Pace, Running, RunpodConfig, Server, Timing};
use tokio::runtime::Runtime;

use crate::home::{Home, Ran};

/// A cloud that listens.
pub(crate) struct Cloud {
    // Before the runtime, on whose threads it lives.
    running: Option<Running>,
    runtime: Runtime,
}

impl Cloud {
    /// One in which everything happens at once.
    pub(crate) fn new() -> Self {
        Self::at(Pace::Real)
    }

    /// The same, where only [`Running::advance`] lets time pass.
    pub(crate) fn by_hand() -> Self {
        Self::at(Pace::ByHand)
    }

    fn at(pace: Pace) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("the system gives threads");
        let server = Server::builder().clock(pace).timing(Timing::at_once());
        let running = runtime.block_on(server.start()).expect("loopback has free ports");
        Self { running: Some(running), runtime }
    }

    /// The truth about it.
    pub(crate) fn server(&self) -> &Running {
        self.running.as_ref().expect("it was not ended")
    }

    /// Ends it: whoever asks it from now on finds nobody.
    pub(crate) fn end(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }

    /// Writes an `atlas.yaml` whose default account is one of this cloud, with this key.
    pub(crate) fn configure(&self, home: &Home, key: Option<&str>) {
        home.configure(&configuration(&self.server().config(), key));
    }

    /// The same with the key that may do everything.
    pub(crate) fn lead(&self, home: &Home) {
        self.configure(home, Some(&self.server().config().api_key));
    }

    /// A call that no provider makes, with the key that may do everything; its status and body.
    pub(crate) fn call(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let (host, key) = (self.server().address(), self.server().config().api_key);
        let mut stream = TcpStream::connect(host).expect("it listens");
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n");
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n");
        write!(stream, "{head}\r\n{body}").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it speaks HTTP");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, body)
    }

    /// Nothing was ever rented here but `volumes` network volumes, and nothing is at work.
    #[track_caller]
    pub(crate) fn assert_nothing_spent(&self, volumes: usize) {
        let ledger = self.server().ledger();
        assert_eq!(ledger.rents.len(), volumes, "{ledger:?}");
    }
}

/// What leads an account of its own to a cloud.
fn configuration(config: &RunpodConfig, key: Option<&str>) -> String {
    let key = key.map(|key| format!("    api_key: \"{key}\"\n")).unwrap_or_default();
    format!(
        "default_provider: runpod\nproviders:\n  runpod:\n    base_url: \"{}\"\n    runtime_url: \"{}\"\n    \
         graphql_url: \"{}\"\n    proxy_url: \"{}\"\n{key}",
        config.base_url, config.runtime_url, config.graphql_url, config.proxy_url
    )
}

/// A place where a cloud could listen, and where nobody answers: it only knows whether anybody came.
pub(crate) struct Nobody(TcpListener);

impl Nobody {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        listener.set_nonblocking(true).expect("it can be set");
        Self(listener)
    }

    /// Writes an `atlas.yaml` whose default account is to be asked here.
    pub(crate) fn lead(&self, home: &Home, key: Option<&str>) {
        let at = self.0.local_addr().expect("it has one");
        let key = key.map(|key| format!("    api_key: \"{key}\"\n")).unwrap_or_default();
        home.configure(&format!(
            "default_provider: runpod\nproviders:\n  runpod:\n    base_url: \"http://{at}/v2\"\n    runtime_url: \
             \"http://{at}/rt/v2\"\n    graphql_url: \"http://{at}/graphql\"\n{key}"
        ));
    }

    /// Nobody came: nothing was sent.
    #[track_caller]
    pub(crate) fn assert_not_asked(&self) {
        let came = self.0.accept().map(|_| ());
        assert_eq!(came.map_err(|cause| cause.kind()), Err(std::io::ErrorKind::WouldBlock), "somebody came");
    }
}

/// Words that cannot be right, the exit code that they are worth, and a part of what is said.
pub(crate) type Row<'a> = (&'a [&'a str], i32, &'a str);

/// Runs a row, which must fail as it says, in words and as JSON, with nothing on stdout. Gives it as a person reads it.
#[track_caller]
pub(crate) fn refused(home: &Home, (words, code, says): Row<'_>, effect: &str) -> String {
    let ran = home.run(words);
    assert_refused(&ran, words, code, says);
    assert!(home.intents().iter().all(|phase| phase == "closed"), "{words:?}: {:?}", home.intents());
    let json = home.run(&[&["--json"], words].concat());
    // What lists, and what takes several ids, gives the list of what there is.
    assert!(json.code == code && matches!(json.out.as_str(), "" | "[]\n"), "{words:?}: {json:?}");
    assert_eq!(json.error()["effect"], effect, "{words:?}: {json:?}");
    let shown: Vec<_> = words
        .iter()
        .map(|word| if word.contains([' ', '{']) { format!("'{word}'") } else { (*word).to_owned() })
        .collect();
    format!("$ atlas {}\n{}exit {code}\n", shown.join(" "), ran.err)
}

#[track_caller]
pub(crate) fn assert_refused(ran: &Ran, words: &[&str], code: i32, says: &str) {
    assert_eq!(ran.code, code, "{words:?}: {ran:?}");
    assert_eq!(ran.out, "", "{words:?}");
    assert!(ran.complaint().contains(says), "{words:?}: no {says:?} in {ran:?}");
    // Progress may come before it, and at most one hint after it.
    let errors = ran.err.lines().filter(|line| line.starts_with("error: ")).count();
    let after = ran.err.lines().skip_while(|line| !line.starts_with("error: ")).skip(1);
    assert_eq!(errors, 1, "{words:?}: {ran:?}");
    assert!(after.clone().count() <= 1 && after.clone().all(|line| line.starts_with("hint: ")), "{words:?}: {ran:?}");
}
