//! Ctrl-C, SIGTERM, and SIGHUP: a terminal that was closed. The first asks the command to undo what it began; the second leaves at once, naming what may be
//! left.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use atlas::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::output::Output;

/// Hears of signals. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    asked: watch::Receiver<bool>,
    left: Arc<Mutex<Option<Error>>>,
}

impl Interrupt {
    /// Listens from now on, in a task of its own: it must hear the second signal whatever the command waits for.
    #[expect(
        clippy::disallowed_methods,
        reason = "signals are heard whatever the command waits for, and the second leaves at once"
    )]
    pub(crate) fn listen(runtime: &Handle, output: Output) -> io::Result<Self> {
        let (ask, asked) = watch::channel(false);
        let left: Arc<Mutex<Option<Error>>> = Arc::default();
        let named = left.clone();
        let _inside = runtime.enter();
        let mut signals = Signals::new()?;
        runtime.spawn(async move {
            signals.next().await;
            // Nobody listens any more where the command is just about to end by itself.
            let _ = ask.send(true);
            signals.next().await;
            let failure = failure(&named);
            failure.say(output);
            std::process::exit(i32::from(failure.kind().exit()));
        });
        Ok(Self { asked, left })
    }

    /// Returns when the first signal has come.
    pub(crate) async fn requested(&self) {
        let mut asked = self.asked.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            // The listening task lives as long as the runtime: there is nothing more to wait for.
            std::future::pending::<()>().await;
        }
    }

    /// Whether the first signal has come.
    pub(crate) fn is_requested(&self) -> bool {
        *self.asked.borrow()
    }

    /// Sets the words for what may be left if the command were to end at once.
    pub(crate) fn may_leave(&self, words: impl Into<String>) {
        self.may_leave_what(Error::unknown(words));
    }

    /// The same, with whatever else is known of it.
    pub(crate) fn may_leave_what(&self, left: Error) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
    }

    /// Does `work`, unless a signal comes first; then it is dropped, and what was said of it is the failure.
    pub(crate) async fn unless<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = work => done,
            () = self.requested() => Err(failure(&self.left)),
        }
    }
}

/// The end by a signal, with the words for what may be left.
fn failure(left: &Mutex<Option<Error>>) -> Failure {
    match left.lock().unwrap_or_else(PoisonError::into_inner).clone() {
        Some(left) => Failure::from_interrupt(left),
        None => Failure::interrupted("interrupted"),
    }
}

/// The signals that ask a program to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    /// `None` where whoever started this said that it shall go on without its terminal, as `nohup` does.
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if hangup_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored. Where that is not told, it was not.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    let status = atlas::files::read(std::path::Path::new("/proc/self/status")).ok().flatten().unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The lowest bit is that of signal 1.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
