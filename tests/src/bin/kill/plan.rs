//! What happens in which round: all of it follows from the seed.

use std::fmt;
use std::time::Duration;

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    /// `atlas demo --stay`.
    Demo,
    /// The orchestrator child of a demo.
    Orchestrator,
    /// The example `gpu_per_user`.
    Backend,
    /// `atlas spawn`.
    Spawn,
}

pub(crate) const VICTIMS: [Victim; 4] = [Victim::Demo, Victim::Orchestrator, Victim::Backend, Victim::Spawn];

/// What becomes of the store and the intents after the kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Books {
    Kept,
    Lost,
}

/// One run of one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) number: u32,
    pub(crate) victim: Victim,
    pub(crate) books: Books,
    pub(crate) chance: Chance,
}

/// `count` rounds over all victims in turn.
pub(crate) fn rounds(seed: u64, count: u32, books: Books) -> Vec<Round> {
    (1..=count)
        .zip(VICTIMS.iter().cycle())
        // The same moments whether the books are kept or lost.
        .map(|(number, victim)| Round { number, victim: *victim, books, chance: Chance::new(seed, number) })
        .collect()
}

/// Numbers that look random and follow from the seed and the round (SplitMix64).
#[derive(Debug, Clone)]
pub(crate) struct Chance {
    state: u64,
}

impl Chance {
    fn new(seed: u64, round: u32) -> Self {
        let mut chance = Self { state: seed };
        let mixed = chance.next();
        Self { state: mixed ^ u64::from(round).wrapping_mul(0xd134_2543_de82_ef95) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// A moment before `end`.
    pub(crate) fn moment(&mut self, end: Duration) -> Duration {
        const PARTS: u32 = 1 << 20;
        end * self.below(PARTS) / PARTS
    }

    /// A moment in the life of something whose start takes `span`: mostly within the start or soon after, where most
    /// happens; sometimes while it just goes on.
    pub(crate) fn moment_of_life(&mut self, span: Duration) -> Duration {
        const GOING_ON: Duration = Duration::from_secs(6);
        if self.below(4) == 0 { span + self.moment(GOING_ON) } else { self.moment(span * 13 / 10) }
    }

    /// One of several.
    pub(crate) fn pick<T: Copy, const N: usize>(&mut self, of: [T; N]) -> T {
        let index = self.below(u32::try_from(N).unwrap_or(u32::MAX));
        of[usize::try_from(index).unwrap_or(0)]
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Demo => "demo",
            Self::Orchestrator => "orchestrator",
            Self::Backend => "backend",
            Self::Spawn => "spawn",
        })
    }
}

impl fmt::Display for Books {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kept => "books kept",
            Self::Lost => "books lost",
        })
    }
}
