//! The one owner of repetition. Nobody above or below repeats anything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Entropy};

use super::limit::told_wait;
use super::{Repeat, Request, Response, Transport};
use crate::{Error, ErrorKind, ProviderId, Result};

/// How often a request is repeated unless the call says otherwise.
pub(crate) const RETRIES: u32 = 3;

/// The longest pause before the first repetition; it doubles each time. Each pause is drawn between nothing and this, so
/// that many callers that failed together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// No pause of our own is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Repeats what may be repeated.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) inner: Arc<dyn Transport>,
    pub(crate) default: u32,
    pub(crate) provider: ProviderId,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

#[async_trait]
impl Transport for Retry {
    async fn send(&self, mut request: Request) -> Result<Response> {
        let retries = request.terms.retries.unwrap_or(self.default);
        loop {
            let error = match self.inner.send(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let attempt = request.terms.attempt;
            if attempt > retries || !may_repeat(&error, request.repeatable()) {
                return Err(error);
            }
            let pause = match error.retry_after() {
                // A wait that the call has no time for is its caller's to decide about, and it is told now.
                Some(wait) if request.terms.is_over_after(wait, self.clock.monotonic()) => return Err(error),
                Some(wait) => wait,
                None => drawn(longest_pause(attempt), &*self.entropy),
            };
            told_wait(&self.provider, request.operation(), pause);
            tokio::time::sleep(pause).await;
            request.terms.attempt += 1;
        }
    }
}

/// Whether a request that ended in `error` may be sent again.
fn may_repeat(error: &Error, repeat: Repeat) -> bool {
    let passes = match error.kind() {
        ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::Provider => true,
        // Want of capacity is a fact about the cloud: another machine may be asked for, not the same again at once.
        ErrorKind::NoCapacity
        | ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Unsupported
        | ErrorKind::Validation
        | ErrorKind::Unknown
        | ErrorKind::Conflict
        | ErrorKind::Decode
        | ErrorKind::Quota => false,
    };
    let harmless = match repeat {
        Repeat::Safe | Repeat::Keyed => true,
        Repeat::Unsafe => error.is_safe_to_resend(),
    };
    passes && harmless
}

fn longest_pause(attempt: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

/// Somewhere between nothing and `longest`.
fn drawn(longest: Duration, entropy: &dyn Entropy) -> Duration {
    let mut random = [0; 4];
    entropy.fill(&mut random);
    longest.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    //! The rule of repetition as a table.

    use super::*;
    use crate::Effect;

    #[test]
    fn a_create_is_repeated_only_when_the_first_provably_did_nothing() {
        let refused = |kind| Error::new(kind, "x").with_effect(Effect::Rejected);
        let unsent = |kind| Error::new(kind, "x").with_effect(Effect::NotSent);
        for kind in ErrorKind::ALL {
            let passes = matches!(
                kind,
                ErrorKind::RateLimited | ErrorKind::Timeout | ErrorKind::Transport | ErrorKind::Provider
            );
            assert!(!may_repeat(&Error::new(kind, "x"), Repeat::Unsafe), "{kind}: may have acted");
            assert_eq!(may_repeat(&refused(kind), Repeat::Unsafe), passes, "{kind}: refused");
            assert_eq!(may_repeat(&unsent(kind), Repeat::Unsafe), passes, "{kind}: never sent");
            assert_eq!(may_repeat(&Error::new(kind, "x"), Repeat::Safe), passes, "{kind}: safe");
            assert_eq!(may_repeat(&Error::new(kind, "x"), Repeat::Keyed), passes, "{kind}: keyed");
        }
        let left = refused(ErrorKind::Provider).with_leftover(crate::ComputeId::new("m1"));
        assert!(!may_repeat(&left, Repeat::Unsafe), "something is left");
    }

    #[test]
    fn pauses_double_and_end_somewhere() {
        let pauses: Vec<_> = (1..9).map(|attempt| longest_pause(attempt).as_millis()).collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(longest_pause(u32::MAX), LONGEST_PAUSE);
        let entropy = atlas_auth::SeededEntropy::new(1);
        assert!((0..100).all(|_| drawn(LONGEST_PAUSE, &entropy) <= LONGEST_PAUSE));
    }
}
