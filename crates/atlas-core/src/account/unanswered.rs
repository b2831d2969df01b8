//! A create whose answer was lost (rules C8, P3, P15): look, wait, look again, while its sender still has the keys.

use std::time::Duration;

use super::Account;
use crate::{ComputeId, Effect, Error, Intent, Rentable, Result};

/// The longest time in which what was made without an answer is looked for. What lands later is for `reap` to find.
const LONGEST: Duration = Duration::from_secs(20);

/// The shortest: where reads are authoritative, what is still under way may land a moment later all the same.
const SHORTEST: Duration = Duration::from_secs(3);

/// The first pause between two looks, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(4));

/// What one create made.
#[derive(Debug)]
pub(super) struct Made<T> {
    /// What was answered, or else the oldest that was found.
    pub(super) first: T,
    /// What else was found to bear the create's token.
    pub(super) others: Vec<ComputeId>,
}

impl Account {
    /// What `answer` names; where the answer was lost, what `look` finds of it. The error of a create of which nothing was
    /// found leaves its intent open, unless provably nothing came of it.
    ///
    /// `look` gives all that bears the token of `intent`, what is gone excepted. Nothing is sent here, so whoever drops
    /// this leaves an open intent behind, as if there had been no look.
    pub(super) async fn made_by<T, Look>(
        &self,
        intent: &Intent,
        answer: Result<T>,
        look: impl Fn() -> Look,
    ) -> Result<Made<T>>
    where
        T: Rentable,
        Look: Future<Output = Result<Vec<T>>>,
    {
        let error = match answer {
            Ok(first) => return Ok(Made { first, others: Vec::new() }),
            Err(error) => error,
        };
        // What a cloud names as left over it will not hand out.
        if error.effect() != Effect::Unknown || !error.leftovers().is_empty() {
            return Err(self.failed(intent, error).await);
        }
        let bound = self.time_to_look(intent);
        let mut found = look_again(bound, look).await;
        found.sort_by_key(|made| age(made));
        let mut found = found.into_iter();
        match found.next() {
            Some(first) => Ok(Made { first, others: found.map(|other| other.rented().id).collect() }),
            None => Err(self.failed(intent, not_found(intent, bound, error)).await),
        }
    }

    /// Ends what else a create made beside `kept`, of which nobody was told (rule P3). One that will not go is recorded as
    /// being ended, is told by `reap`, and is no reason to lose the machine that is handed out.
    ///
    /// Where machines move, a late listing may show one under its old id and its new one: then none is ended unless the one
    /// that is kept stands by a read of its own. What is left alone so is told as any plain machine.
    pub(super) async fn end_twins(&self, intent: &Intent, kept: &ComputeId, twins: &[ComputeId]) {
        if twins.is_empty() || (self.provider.traits().migrates && !self.stands(intent, kept).await) {
            return;
        }
        let why = Error::unknown("its cloud made several machines of one create, and the oldest is kept");
        let _ = self.undo(intent, twins, why).await;
    }

    /// Whether a read by this id shows that it lives, within a moment.
    async fn stands(&self, intent: &Intent, id: &ComputeId) -> bool {
        let reading = async {
            loop {
                match self.read(intent.kind, id).await {
                    Ok(rented) => return rented.bears(intent.token()) && !rented.is_gone(),
                    // It may only be new, or hard to reach just now.
                    Err(_) => tokio::time::sleep(PAUSES.0).await,
                }
            }
        };
        tokio::time::timeout(LONGEST, reading).await.unwrap_or(false)
    }

    /// How long to look: as long as the cloud may need to show it, within bounds and within what is left of the call.
    fn time_to_look(&self, intent: &Intent) -> Duration {
        let window = self.provider.traits().settle_window.clamp(SHORTEST, LONGEST);
        let left = self.context.timeout().map(|call| call.saturating_sub(self.now().since(intent.opened_at)));
        left.map_or(window, |left| left.min(window))
    }
}

/// Looks, waits and looks again until something is found, at most for `bound`.
async fn look_again<T, Look>(bound: Duration, look: impl Fn() -> Look) -> Vec<T>
where
    Look: Future<Output = Result<Vec<T>>>,
{
    if bound.is_zero() {
        return Vec::new();
    }
    let looking = async {
        let (mut pause, longest) = PAUSES;
        loop {
            // A look that fails says nothing; the next one may.
            match look().await {
                Ok(found) if !found.is_empty() => return found,
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    };
    tokio::time::timeout(bound, looking).await.unwrap_or_default()
}

/// The oldest first, as every search orders them (rule P3).
fn age<T: Rentable>(made: &T) -> (Option<atlas_auth::Timestamp>, ComputeId) {
    let rented = made.rented();
    (rented.created_at, rented.id)
}

/// The loss of the answer, with what was done about it and what is left to do.
fn not_found(intent: &Intent, bound: Duration, error: Error) -> Error {
    let (kind, token) = (intent.kind, intent.token());
    let looked = match bound {
        Duration::ZERO => format!("no time was left to look for the {kind}"),
        bound => format!("no {kind} of it was seen within {}", crate::duration::rounded(bound)),
    };
    error.context(format!("what came of it is not known: {looked}, and its record {token} stays for `atlas reap`"))
}
