//! Two ways to do the same, compared by the processor time of this process, the system's part included.

use atlas_tests::Outcome;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::numbers::median;

/// So many rounds of each, in turn.
const ROUNDS: usize = 15;

/// Processor time in microseconds: the median of the rounds.
pub(crate) struct Compared {
    pub(crate) ours: f64,
    pub(crate) bare: f64,
}

impl Compared {
    pub(crate) fn ratio(&self) -> f64 {
        self.ours / self.bare
    }

    /// Both, for one of so many things that a round does.
    pub(crate) fn each(&self, things: f64) -> String {
        format!("{:.1} µs each, by hand {:.1} µs", self.ours / things, self.bare / things)
    }
}

/// Takes both in turn, so that a busy moment strikes both alike. The first round of each only warms up.
pub(crate) async fn compare(
    mut ours: impl AsyncFnMut() -> Outcome<()>,
    mut bare: impl AsyncFnMut() -> Outcome<()>,
) -> Outcome<Compared> {
    let (mut spans_of_ours, mut spans_of_bare) = (Vec::new(), Vec::new());
    ours().await?;
    bare().await?;
    for _ in 0..ROUNDS {
        let begun = used()?;
        ours().await?;
        let between = used()?;
        bare().await?;
        spans_of_ours.push(between - begun);
        spans_of_bare.push(used()? - between);
    }
    Ok(Compared { ours: median(&spans_of_ours), bare: median(&spans_of_bare) })
}

/// What this process has used so far, in microseconds.
fn used() -> Outcome<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = |time: TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    Ok(f64::from(u32::try_from(micros(usage.user_time()) + micros(usage.system_time()))?))
}
