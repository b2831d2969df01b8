//! Paused time over real sockets: it would leap ahead whenever the runtime waits for one, so it is held and moved in
//! small steps, each after a moment in which sockets are served.

use std::time::Duration;

use tokio::task::JoinHandle;

/// How much passes in one step.
const STEP: Duration = Duration::from_millis(50);

/// How long a step takes outside: while it does, tokio lets no time pass by itself.
const MOMENT: Duration = Duration::from_millis(1);

/// Time hurries on until this is dropped. For tests that began with time paused.
pub(crate) struct Hurry(JoinHandle<()>);

impl Hurry {
    pub(crate) fn begin() -> Self {
        Self(tokio::spawn(async {
            loop {
                tokio::task::spawn_blocking(|| std::thread::sleep(MOMENT)).await.unwrap();
                tokio::time::advance(STEP).await;
            }
        }))
    }
}

impl Drop for Hurry {
    fn drop(&mut self) {
        self.0.abort();
    }
}
