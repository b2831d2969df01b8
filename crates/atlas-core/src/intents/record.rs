//! What one file of [`FileIntents`](super::FileIntents) says: pure, so that every change can be judged by eye.

use std::fmt;

use atlas_auth::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Intent, Proof, RentalKind};
use crate::proof::Absence;
use crate::{ComputeId, Money, Rented, SpawnToken};

/// The newest form of the file that this version reads.
pub(super) const FORMAT: u16 = 2;

/// The form in which a record of this kind is written: the earliest whose readers take it for what it is.
///
/// A reader of format 1 knows no kind but machines. It would ask for a volume as for a machine, not find it, and forget what
/// bills; or, after a lost answer, never find it at all. So it must not read it: it tells of the file and leaves it alone.
const fn format_of(kind: RentalKind) -> u16 {
    match kind {
        RentalKind::Machine => 1,
        RentalKind::Volume | RentalKind::Endpoint => 2,
    }
}

/// Which record. Each create has one; a cloud's duplicate or a human's clone bears the same token, and gets one of its
/// own when it is to be ended, so that the first one's is not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    pub(super) token: SpawnToken,
    pub(super) twin: u16,
}

impl RecordKey {
    /// The create that it is about.
    pub const fn token(&self) -> SpawnToken {
        self.token
    }
}

impl From<SpawnToken> for RecordKey {
    fn from(token: SpawnToken) -> Self {
        Self { token, twin: 0 }
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.twin {
            0 => write!(formatter, "{}", self.token),
            twin => write!(formatter, "{}-{twin}", self.token),
        }
    }
}

/// How far a rental without a store has come. What is said of machines holds for volumes and endpoints too: the intent
/// says which [kind](super::RentalKind) the id is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
#[non_exhaustive]
pub enum IntentPhase {
    /// The create may happen, or may have happened.
    Open,
    /// It became this machine.
    Bound {
        /// The machine.
        compute: ComputeId,
    },
    /// This machine is being ended, and must be until its end is proven.
    Releasing {
        /// The machine.
        compute: ComputeId,
        /// Since when.
        since: Timestamp,
        /// Why, and who asked.
        why: String,
    },
    /// Nothing of it is left.
    Closed {
        /// How that is known.
        proof: Proof,
        /// Since when.
        at: Timestamp,
    },
}

/// A machine that was seen although its record had been closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sighting {
    /// The machine.
    pub compute: ComputeId,
    /// When it was first seen.
    pub at: Timestamp,
}

/// How a machine looked: what tells it, where it bears no mark, from one that was given its id later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SeenAs {
    /// Its name.
    pub name: Option<String>,
    /// When its cloud says that it was made.
    pub created_at: Option<Timestamp>,
}

impl SeenAs {
    /// Whether nothing that both tell speaks against its being the same machine.
    fn may_be(&self, compute: &Rented) -> bool {
        let names = self.name.as_ref().zip(compute.name.as_ref());
        let births = self.created_at.zip(compute.created_at);
        names.is_none_or(|(before, now)| before == now) && births.is_none_or(|(before, now)| before == now)
    }
}

/// One file's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IntentRecord {
    format: u16,
    #[serde(default)]
    twin: u16,
    /// What was to be made.
    pub intent: Intent,
    /// How far it has come.
    pub phase: IntentPhase,
    /// What speaks for its absence.
    pub absence: Absence,
    /// The machine that it became, kept after it is closed.
    #[serde(default)]
    pub compute: Option<ComputeId>,
    /// When its create was answered with this machine; `None` for one of which nobody ever heard.
    #[serde(default)]
    pub bound_at: Option<Timestamp>,
    /// Other machines that bore its token while it was there to be seen, on a cloud that moves machines: it has become none
    /// of them. `None` while nobody has looked.
    #[serde(default)]
    pub copies: Option<Vec<ComputeId>>,
    /// Whether a read ever showed the machine: before that, a not-found may only mean that it is new (rule P4).
    #[serde(default)]
    pub read_back: bool,
    /// Whether the machine does not bear its mark, so that it is known by its id alone.
    #[serde(default)]
    pub unmarked: bool,
    /// Whether it bore no mark any more when it was last read, under a name that was not its own: an operator must say
    /// whose it is, and nothing is ended that is not seen.
    #[serde(default)]
    pub unclear: bool,
    /// How the machine looked when it was last read.
    #[serde(default)]
    pub seen_as: Option<SeenAs>,
    /// Whether no create of this record made the machine: it was there, and was to be ended.
    #[serde(default)]
    pub taken_over: bool,
    /// Why it was ended, or stopped by force, and who asked, kept after it is closed; `None` while nobody has asked.
    #[serde(default)]
    pub receipt: Option<String>,
    /// The machine of it that was first seen after it had been closed.
    #[serde(default)]
    pub seen_after_close: Option<Sighting>,
}

/// Whose machine it is that answers to a recorded id. Clouds use ids again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The record's.
    Ours,
    /// Somebody else's: it bears another token, so the record's is gone.
    Strangers,
    /// It has a name without any mark: a stranger's, or ours under another name.
    Unclear,
}

impl IntentRecord {
    pub(crate) fn new(intent: Intent, phase: IntentPhase, compute: Option<ComputeId>) -> Self {
        Self {
            format: format_of(intent.kind),
            twin: 0,
            intent,
            phase,
            absence: Absence::new(),
            compute,
            bound_at: None,
            copies: None,
            read_back: false,
            unmarked: false,
            unclear: false,
            seen_as: None,
            taken_over: false,
            receipt: None,
            seen_after_close: None,
        }
    }

    /// The record of a machine that its create left over, made where the disk takes none.
    pub(crate) fn of_leftover(intent: Intent, compute: &ComputeId, at: Timestamp) -> Self {
        let mut record = Self::new(intent, IntentPhase::Open, None);
        record.bind(compute, at);
        record.unmarked = true;
        record
    }

    /// The record of a further machine of a create, before its ending is written into it.
    pub(super) fn twin(intent: Intent, key: RecordKey) -> Self {
        let mut record = Self::new(intent, IntentPhase::Open, None);
        record.twin = key.twin;
        record
    }

    /// Before it is written: one of an earlier form goes on in its own kind's.
    pub(super) fn in_its_form(mut self) -> Self {
        self.format = self.format.max(format_of(self.intent.kind));
        self
    }

    /// Which record this is.
    pub fn key(&self) -> RecordKey {
        RecordKey { token: self.intent.token(), twin: self.twin }
    }

    /// Whether something of it may be left.
    pub fn is_living(&self) -> bool {
        !matches!(self.phase, IntentPhase::Closed { .. })
    }

    /// Whether something of this kind and id is what became of it and may be left, under whatever name.
    pub fn tells_of(&self, kind: RentalKind, id: &ComputeId) -> bool {
        self.is_living() && !self.taken_over && self.intent.kind == kind && self.compute.as_ref() == Some(id)
    }

    /// Whether the record alone says whose its machine is: one that was made under it, or is being ended already, or was.
    /// The receipt for a stranger's machine is no permission to end it.
    pub(crate) fn goes_by_its_word(&self) -> bool {
        !(self.taken_over && matches!(self.phase, IntentPhase::Bound { .. }))
    }

    /// From when on its settle window counts.
    pub(crate) fn made_at(&self) -> Timestamp {
        self.bound_at.unwrap_or(self.intent.opened_at)
    }

    /// Whose machine a read under the recorded id shows.
    pub(crate) fn whose(&self, compute: &Rented) -> Whose {
        // In its name or elsewhere: what was pasted into one of them makes it nobody else's, nor gone.
        if compute.bears(self.intent.token()) {
            return Whose::Ours;
        }
        match compute.mark() {
            Some(_) => Whose::Strangers,
            // Known by its id alone, as long as it looks as it did: clouds use ids again.
            None if self.unmarked || compute.name.is_none() => match &self.seen_as {
                Some(seen) if !seen.may_be(compute) => Whose::Unclear,
                _ => Whose::Ours,
            },
            None => Whose::Unclear,
        }
    }

    /// Whether a machine that bears its token is what it was opened for. All of a create that was never answered is. Once it
    /// was, another machine of the token can only be a copy: its maker may be using it.
    pub(crate) fn stands_for(&self, compute: &ComputeId) -> bool {
        self.bound_at.is_none() || self.compute.as_ref() == Some(compute)
    }

    /// A read showed its machine: whatever spoke for its absence is void.
    pub(crate) fn sees(&mut self, compute: &Rented) {
        self.absence.seen();
        self.read_back = true;
        self.unclear = false;
        self.seen_as = Some(SeenAs { name: compute.name.clone(), created_at: compute.created_at });
        // A stopped machine may show no price, and may bill all the same when it goes on.
        let reported = compute.cost_per_hour.filter(|price| *price > Money::ZERO);
        self.intent.price = reported.or(self.intent.price);
        if compute.mark().is_some() {
            self.unmarked = false;
        }
    }

    pub(super) fn bind(&mut self, compute: &ComputeId, at: Timestamp) {
        if self.phase == IntentPhase::Open {
            self.phase = IntentPhase::Bound { compute: compute.clone() };
            self.compute = Some(compute.clone());
            self.bound_at = Some(at);
            self.absence = Absence::new();
        }
    }

    pub(super) fn release(&mut self, compute: &ComputeId, why: &str, since: Timestamp) {
        self.phase = IntentPhase::Releasing { compute: compute.clone(), since, why: why.to_owned() };
        self.compute = Some(compute.clone());
        self.receipt = Some(why.to_owned());
        self.absence = Absence::new();
        self.seen_after_close = None;
    }

    /// As [`release`](Self::release), unless it is being ended already: the first reason stands.
    pub(super) fn release_for(&mut self, compute: &ComputeId, why: &str, since: Timestamp) {
        if !matches!(self.phase, IntentPhase::Releasing { .. }) {
            self.release(compute, why, since);
        }
    }

    /// Its ending was refused, and is no word any more: it is kept until somebody asks again.
    pub(super) fn keep(&mut self) {
        if let IntentPhase::Releasing { compute, .. } = &self.phase {
            self.phase = IntentPhase::Bound { compute: compute.clone() };
            self.receipt = None;
        }
    }

    /// The cloud moved the machine to another id, or shows again what seemed to be gone.
    pub(super) fn follow(&mut self, compute: &ComputeId, at: Timestamp) {
        match &mut self.phase {
            IntentPhase::Bound { compute: known } | IntentPhase::Releasing { compute: known, .. } => {
                known.clone_from(compute);
            }
            IntentPhase::Closed { .. } if self.receipt.is_none() => {
                self.phase = IntentPhase::Bound { compute: compute.clone() };
                // From now on others of its token are copies.
                self.bound_at.get_or_insert(at);
            }
            IntentPhase::Open | IntentPhase::Closed { .. } => return,
        }
        self.compute = Some(compute.clone());
        self.absence = Absence::new();
        self.read_back = true;
        self.seen_after_close = None;
    }
}
