//! Judging a session that is served: idle, lifetime, start time-out. No cloud is asked (rule P7).

use std::sync::Arc;
use std::time::Duration;

use super::Held;
use crate::Result;
use crate::activity::Cell;
use crate::books::{Expect, Read};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::leaving::Leave;
use crate::session::{Reason, Receipt, SessionRecord};

/// What a look at the clocks says of a session. Pure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It must end. With the touch that was judged, if it is for want of touches.
    End { reason: Reason, evidence: String, judged: Option<u64> },
    /// It must be warned: it ends in so long. With the touch since which nobody has touched it, if it is for that.
    Warn { reason: Reason, left: Duration, judged: Option<u64> },
    /// Its machine has stayed ready for long enough: its start succeeded.
    Prove,
    /// Nothing before so long.
    Wait(Duration),
}

/// What is known of a session when it is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// How long until its lifetime is over; `None` for never, zero for now.
    pub(crate) life_left: Option<Duration>,
    /// How long it has tried to become ready, and how long it may; `None` if it is ready or stopped.
    pub(crate) starting: Option<(Duration, Duration)>,
    /// How long its machine must stay ready until its start has succeeded; `None` if it has, or is not ready.
    pub(crate) unproven: Option<Duration>,
    /// Its silence, if that may end it.
    pub(crate) silence: Option<Silence>,
    /// The touch for which it was warned.
    pub(crate) warned_of: Option<u64>,
    /// How long before the end of its lifetime it is warned; `None` if it was.
    pub(crate) lifetime_warning: Option<Duration>,
}

/// A session that nobody touches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Silence {
    /// For want of touches, or because its user left.
    pub(crate) reason: Reason,
    pub(crate) lasted: Duration,
    pub(crate) may_last: Duration,
    /// The touch since which it lasts.
    pub(crate) judged: u64,
    /// How long before its end a warning is given.
    pub(crate) warning: Duration,
}

/// How long a machine must stay ready until its start counts as a success: an image that answers and then breaks is a
/// failed start (history 19).
const PROVEN_AFTER: Duration = Duration::from_mins(1);

/// How often a session without any deadline is looked at.
const NO_DEADLINE: Duration = Duration::from_hours(1);

pub(crate) fn verdict(facts: &Facts) -> Verdict {
    let words = atlas_core::duration::format;
    if facts.life_left == Some(Duration::ZERO) {
        return Verdict::End { reason: Reason::Lifetime, evidence: "its lifetime is over".to_owned(), judged: None };
    }
    let mut wait = facts.life_left.unwrap_or(NO_DEADLINE).min(NO_DEADLINE);
    if let (Some(left), Some(warning)) = (facts.life_left, facts.lifetime_warning) {
        if left <= warning {
            return Verdict::Warn { reason: Reason::Lifetime, left, judged: None };
        }
        wait = wait.min(left.saturating_sub(warning));
    }
    if let Some((tried, may)) = facts.starting {
        if tried >= may {
            let evidence = format!("not ready after {}", words(may));
            return Verdict::End { reason: Reason::StartTimeout, evidence, judged: None };
        }
        wait = wait.min(may.saturating_sub(tried));
    }
    if let Some(Silence { reason, lasted, may_last, judged, warning }) = facts.silence {
        if lasted >= may_last {
            let evidence = match reason {
                Reason::Left => Leave::evidence(may_last),
                _ => format!("no touch for {}", words(Duration::from_secs(may_last.as_secs()))),
            };
            return Verdict::End { reason, evidence, judged: Some(judged) };
        }
        let left = may_last.saturating_sub(lasted);
        if left <= warning && facts.warned_of != Some(judged) {
            return Verdict::Warn { reason, left, judged: Some(judged) };
        }
        let until_warning = left.saturating_sub(warning);
        wait = wait.min(if until_warning.is_zero() { left } else { until_warning });
    }
    // Last: on a full disk this cannot be written, and endings must not wait for it.
    match facts.unproven {
        Some(Duration::ZERO) => return Verdict::Prove,
        Some(left) => wait = wait.min(left),
        None => {}
    }
    Verdict::Wait(wait)
}

pub(crate) async fn judge(inner: &Arc<Inner>, held: &Held, session: Read<SessionRecord>) -> Result<()> {
    let cell = inner.activity.enter(session.record.id, inner.idle.stamp(), 0);
    let facts = facts(inner, &session.record, &cell);
    match verdict(&facts) {
        Verdict::End { reason, evidence, judged } => {
            let receipt = Receipt::new(reason, evidence, "atlas", inner.now());
            end(inner, held, session, receipt, &cell, judged).await
        }
        Verdict::Warn { reason, left, judged } => {
            let Read { mut record, version } = session;
            match judged {
                Some(judged) => record.warned_of = Some(judged),
                None => record.warned_of_lifetime = true,
            }
            let now = inner.now();
            let warning = What::EndingSoon { reason, seconds: left.as_secs() };
            inner
                .books
                .change()
                .under(&held.key, held.fence)
                .event(&Event::of_session(now, record.id, warning))
                .session(&record, Expect::At(version), Some(now))
                .commit()
                .await?;
            Ok(())
        }
        Verdict::Prove => {
            let Read { mut record, version } = session;
            record.is_proven = true;
            record.refusals = 0;
            record.failed_starts = 0;
            let change = inner.books.change().under(&held.key, held.fence);
            change.session(&record, Expect::At(version), Some(inner.now())).commit().await?;
            inner.note_success(&record).await
        }
        Verdict::Wait(wait) => {
            let due = inner.now().plus(wait);
            inner
                .books
                .change()
                .under(&held.key, held.fence)
                .session(&session.record, Expect::At(session.version), Some(due))
                .commit()
                .await?;
            Ok(())
        }
    }
}

fn facts(inner: &Inner, session: &SessionRecord, cell: &Cell) -> Facts {
    let now = inner.now();
    Facts {
        life_left: session.max_lifetime.map(|lifetime| session.created_at.plus(lifetime).since(now)),
        starting: session
            .starting_since
            .filter(|_| !session.stopped)
            .map(|since| (now.since(since), session.start_timeout)),
        unproven: session
            .ready_since
            .filter(|_| session.starting_since.is_none() && !session.stopped && !session.is_proven)
            .map(|since| since.plus(PROVEN_AFTER).since(now)),
        silence: silence(inner, session, cell),
        warned_of: session.warned_of,
        lifetime_warning: session
            .max_lifetime
            .filter(|_| !session.warned_of_lifetime)
            .map(|lifetime| inner.policy.warning(lifetime)),
    }
}

fn silence(inner: &Inner, session: &SessionRecord, cell: &Cell) -> Option<Silence> {
    let silence = |reason, lasted, may_last, judged| {
        let warning = inner.policy.warning(may_last);
        Silence { reason, lasted, may_last, judged, warning }
    };
    let ready = session.starting_since.is_none() && !session.stopped;
    let idle = session.idle_ttl.filter(|_| ready).and_then(|ttl| {
        let last = cell.last()?;
        let idle_now = inner.idle.now(inner.clock.monotonic());
        Some(silence(Reason::Idle, Duration::from_millis(idle_now.saturating_sub(last)), ttl, last))
    });
    let leave = inner.leave_of(session, cell);
    let left = leave.map(|leave| silence(Reason::Left, leave.lasted, leave.grace, leave.left));
    // Both silences are the same one: whichever may last less.
    [idle, left].into_iter().flatten().min_by_key(|silence| silence.may_last)
}

/// Ends a session. For want of touches only if nobody touched it since it was judged: a touch in time always wins.
async fn end(
    inner: &Arc<Inner>,
    held: &Held,
    session: Read<SessionRecord>,
    receipt: Receipt,
    cell: &Cell,
    judged: Option<u64>,
) -> Result<()> {
    let last = match judged {
        Some(judged) if cell.begin_ending(judged, receipt.reason) => Some(judged),
        Some(_) => {
            // Touched in this very moment: judge anew at once.
            inner.books.release(&held.key, held.fence).await?;
            inner.books.agenda().note(&crate::books::sessions_queue(), inner.now());
            return Ok(());
        }
        None => cell.force_ending(receipt.reason),
    };
    let failed = receipt.reason == Reason::StartTimeout;
    let written = write_end(inner, held, session, receipt.clone()).await;
    match (&written, last) {
        (Err(_), Some(last)) => cell.take_back(last),
        (Ok(record), _) => {
            inner.after_ending(record);
            if failed {
                inner.note_failure(record, &receipt.evidence).await?;
            }
        }
        (Err(_), None) => {}
    }
    written.map(|_| ())
}

async fn write_end(
    inner: &Arc<Inner>,
    held: &Held,
    session: Read<SessionRecord>,
    receipt: Receipt,
) -> Result<SessionRecord> {
    let Read { mut record, version } = session;
    let mut rentals = inner.rentals_of(&record).await?;
    let change = inner.books.change().urgent().under(&held.key, held.fence);
    let change = inner.add_ending(change, &mut record, &mut rentals, &[], receipt);
    let due = inner.session_due(&record);
    change.session(&record, Expect::At(version), due).commit().await?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn facts() -> Facts {
        Facts {
            life_left: Some(SECOND * 3600),
            starting: None,
            unproven: None,
            silence: None,
            warned_of: None,
            lifetime_warning: Some(SECOND * 60),
        }
    }

    fn silence(reason: Reason, seconds: u32) -> Silence {
        let (lasted, may_last) = (SECOND * seconds, SECOND * 600);
        Silence { reason, lasted, may_last, judged: 7, warning: SECOND * 60 }
    }

    #[test]
    fn p7_an_idle_session_is_warned_once_and_then_ended() {
        let idle = |seconds: u32| Some(silence(Reason::Idle, seconds));
        assert_eq!(verdict(&Facts { silence: idle(0), ..facts() }), Verdict::Wait(SECOND * 540));
        let warned = verdict(&Facts { silence: idle(540), ..facts() });
        assert_eq!(warned, Verdict::Warn { reason: Reason::Idle, left: SECOND * 60, judged: Some(7) });
        let waiting = verdict(&Facts { silence: idle(550), warned_of: Some(7), ..facts() });
        assert_eq!(waiting, Verdict::Wait(SECOND * 50));
        let ended = verdict(&Facts { silence: idle(600), warned_of: Some(7), ..facts() });
        assert!(matches!(ended, Verdict::End { reason: Reason::Idle, judged: Some(7), .. }));
    }

    #[test]
    fn p12_before_ready_only_the_start_timeout_counts() {
        let starting = Facts { starting: Some((SECOND * 5, SECOND * 20)), ..facts() };
        assert_eq!(verdict(&starting), Verdict::Wait(SECOND * 15));
        let late = Facts { starting: Some((SECOND * 20, SECOND * 20)), ..facts() };
        assert!(matches!(verdict(&late), Verdict::End { reason: Reason::StartTimeout, judged: None, .. }));
    }

    #[test]
    fn p10_a_start_succeeded_when_the_machine_has_stayed_ready_for_a_while() {
        let young = Facts { unproven: Some(SECOND * 20), ..facts() };
        assert_eq!(verdict(&young), Verdict::Wait(SECOND * 20));
        assert_eq!(verdict(&Facts { unproven: Some(Duration::ZERO), ..facts() }), Verdict::Prove);
    }

    #[test]
    fn a_lifetime_ends_even_who_is_in_use() {
        let over = Facts { life_left: Some(Duration::ZERO), silence: Some(silence(Reason::Idle, 0)), ..facts() };
        assert!(matches!(verdict(&over), Verdict::End { reason: Reason::Lifetime, judged: None, .. }));
    }

    #[test]
    fn p13_the_end_of_a_lifetime_is_warned_of_once() {
        let near = Facts { life_left: Some(SECOND * 50), ..facts() };
        assert_eq!(verdict(&near), Verdict::Warn { reason: Reason::Lifetime, left: SECOND * 50, judged: None });
        let warned = Facts { lifetime_warning: None, ..near };
        assert_eq!(verdict(&warned), Verdict::Wait(SECOND * 50));
        assert_eq!(verdict(&facts()), Verdict::Wait(SECOND * 3540));
    }

    #[test]
    fn a_session_without_deadlines_is_still_looked_at() {
        let endless = Facts { life_left: None, ..facts() };
        assert_eq!(verdict(&endless), Verdict::Wait(NO_DEADLINE));
    }
}
