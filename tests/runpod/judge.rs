//! Judges a history by what the cloud's ledger says, whatever anybody was told meanwhile: nothing outlives its session,
//! nothing is rented twice, nobody is ended early.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, SpawnToken};
use atlas_orchestrator::{Reason, SessionId};
use atlas_sim::{Ledger, Rent};

/// One session as its user knows it.
#[derive(Debug, Clone)]
pub(crate) struct Tale {
    pub(crate) session: String,
    /// How long it may go untouched.
    pub(crate) ttl: Duration,
    /// Under which tokens it rented, by the orchestrator's own records.
    pub(crate) tokens: BTreeSet<SpawnToken>,
    /// Which pod its user was sent to, and when.
    pub(crate) handed: Vec<(Timestamp, ComputeId)>,
    /// The last touch that was answered, and is promised to be remembered.
    pub(crate) touched: Option<Timestamp>,
    /// When its user asked for its end.
    pub(crate) asked: Option<Timestamp>,
    /// When it ended, and why, by its receipt.
    pub(crate) over: Option<(Timestamp, Reason)>,
    /// When it was said that nothing of it is left.
    pub(crate) gone: Option<Timestamp>,
}

/// What was done against a promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// It bills when all is over.
    StillBills { pod: ComputeId },
    /// It bears the mark of no session.
    Nobodys { pod: ComputeId },
    /// It billed after its session was said to have nothing left.
    Outlived { session: String, pod: ComputeId },
    /// Two creates of one token acted.
    TokenTwice { session: String, token: String },
    /// Two pods of one session billed at once.
    TwoAtOnce { session: String, pods: [ComputeId; 2] },
    /// The user was sent to a pod that was not the session's only one.
    SentAstray { session: String, to: ComputeId, rented: Vec<ComputeId> },
    /// A pod went before its user was silent for long enough, or asked.
    EndedEarly { session: String, pod: ComputeId },
    /// A session was called over for a reason that was none.
    NoReason { session: String, reason: String },
}

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

fn bills_at(rent: &Rent, hour: Timestamp) -> bool {
    rent.started_at <= hour && rent.ended_at.is_none_or(|ended| ended > hour)
}

impl Tale {
    /// Of a session that was just entered.
    pub(crate) fn new(session: &SessionId, ttl: Duration) -> Self {
        Self {
            session: session.to_string(),
            ttl,
            tokens: BTreeSet::new(),
            handed: Vec::new(),
            touched: None,
            asked: None,
            over: None,
            gone: None,
        }
    }

    /// From when on it may be ended: by its user's own word, or after so long a silence.
    fn may_end(&self) -> Option<Timestamp> {
        let since_ready = self.handed.iter().map(|(at, _)| *at).min();
        let silent = since_ready.max(self.touched).map(|last| last.plus(self.ttl));
        match (self.asked, silent) {
            (Some(asked), Some(silent)) => Some(asked.min(silent)),
            (asked, silent) => asked.or(silent),
        }
    }

    fn judge(&self, ledger: &Ledger, wrongs: &mut Vec<Wrong>) {
        let session = || self.session.clone();
        let is_ours = |rent: &&Rent| rent.token.is_some_and(|token| self.tokens.contains(&token));
        let ours: Vec<&Rent> = ledger.rents.iter().filter(is_ours).collect();
        if let Some(gone) = self.gone {
            let outlived = ours.iter().filter(|rent| rent.ended_at.is_none_or(|ended| ended > gone));
            wrongs.extend(outlived.map(|rent| Wrong::Outlived { session: session(), pod: rent.id.clone() }));
        }
        for token in &self.tokens {
            if ledger.of(*token).count() > 1 {
                wrongs.push(Wrong::TokenTwice { session: session(), token: token.to_string() });
            }
        }
        for (index, one) in ours.iter().enumerate() {
            for other in ours.iter().skip(index + 1).filter(|other| bills_at(one, other.started_at)) {
                wrongs.push(Wrong::TwoAtOnce { session: session(), pods: [one.id.clone(), other.id.clone()] });
            }
        }
        for (at, to) in &self.handed {
            let rented: Vec<_> = ours.iter().filter(|rent| bills_at(rent, *at)).map(|rent| rent.id.clone()).collect();
            if rented != [to.clone()] {
                wrongs.push(Wrong::SentAstray { session: session(), to: to.clone(), rented });
            }
        }
        let handed: BTreeSet<_> = self.handed.iter().map(|(_, pod)| pod).collect();
        for rent in ours.iter().filter(|rent| handed.contains(&rent.id)) {
            if rent.ended_at.zip(self.may_end()).is_some_and(|(ended, may_end)| ended < may_end) {
                wrongs.push(Wrong::EndedEarly { session: session(), pod: rent.id.clone() });
            }
        }
        if let Some((at, reason)) = self.over {
            let is_good = match reason {
                Reason::Asked => self.asked.is_some(),
                Reason::Idle => self.may_end().is_some_and(|may_end| at >= may_end),
                _ => false,
            };
            if !is_good {
                wrongs.push(Wrong::NoReason { session: session(), reason: reason.to_string() });
            }
        }
    }
}

/// All that was done against the promises, when everything should be over.
pub(crate) fn judge(ledger: &Ledger, tales: &[Tale]) -> Vec<Wrong> {
    let mut wrongs: Vec<_> = ledger.open().map(|rent| Wrong::StillBills { pod: rent.id.clone() }).collect();
    let known = |rent: &Rent| tales.iter().any(|tale| rent.token.is_some_and(|token| tale.tokens.contains(&token)));
    let strangers = ledger.rents.iter().filter(|rent| !known(rent));
    wrongs.extend(strangers.map(|rent| Wrong::Nobodys { pod: rent.id.clone() }));
    for tale in tales {
        tale.judge(ledger, &mut wrongs);
    }
    wrongs
}
