//! What a cloud is like (rule C13): what the orchestrator must know of it to count money and to judge evidence.

use std::time::Duration;

use serde::Serialize;

use crate::{Capabilities, Capability, RentalKind};

/// What a cloud declares of itself: its kind, its capabilities, and how far its answers can be trusted.
///
/// The defaults are the careful ones, so that a provider which forgets a word is slow rather than wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Traits {
    /// The provider's kind, such as `runpod`: its name in configuration.
    pub kind: &'static str,
    /// What works. Declared exactly when it does (C2).
    pub capabilities: Capabilities,
    /// How long a create or a delete may stay invisible to reads; zero for a cloud whose reads are authoritative.
    #[serde(serialize_with = "crate::duration::serialize")]
    pub settle_window: Duration,
    /// Whether the cloud refuses a second live machine of the same name, so that the same create sent again
    /// makes no second one. Nothing in this version sends one again; that a name is taken is understood as the work of
    /// whoever forwarded the create twice, for no two creates have the same name.
    pub unique_names: bool,
    /// What proves that a machine is gone.
    pub gone: GoneRule,
    /// Whether a stopped machine is billed.
    pub stopped_bills: Billing,
    /// How many machines may be asked for within which time; `None` for no known limit. Sessions wait for their turn.
    pub launch_pace: Option<Pace>,
    /// Whether the cloud may move a machine to a new id while it lives: then it is gone only if a search for its mark finds
    /// it under no other, and is counted as the same machine under the new one.
    pub migrates: bool,
    /// The longest machine name that the cloud keeps whole.
    pub name_limit: usize,
    /// How an answer of the cloud's proxy is told from one of the machine behind it.
    pub proxy: ProxySigns,
}

impl Traits {
    /// A cloud of this kind with the careful defaults: nothing declared, answers settle within two minutes.
    pub fn new(kind: &'static str, capabilities: Capabilities) -> Self {
        Self {
            kind,
            capabilities,
            settle_window: Duration::from_mins(2),
            unique_names: false,
            gone: GoneRule::default(),
            stopped_bills: Billing::Unknown,
            launch_pace: None,
            migrates: false,
            name_limit: 63,
            proxy: ProxySigns::default(),
        }
    }

    /// What proves that something of this kind is gone. The rule is of machines and their reads; of anything else there is
    /// only a listing, without a status, and it may be as late as any answer of the cloud. So the careful default holds
    /// there, unless all that the cloud answers is authoritative.
    pub fn gone_rule(&self, kind: RentalKind) -> GoneRule {
        match (kind, self.gone) {
            (RentalKind::Machine, rule) => rule,
            (_, GoneRule::NotFound) if self.settle_window.is_zero() => GoneRule::NotFound,
            _ => GoneRule::default(),
        }
    }

    /// Whether `capability` is declared.
    pub fn has(&self, capability: Capability) -> bool {
        self.capabilities.has(capability)
    }
}

/// What proves that a machine is gone, beside a read that says `terminated`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum GoneRule {
    /// One not-found suffices: the cloud's reads are authoritative.
    NotFound,
    /// Two not-founds under the same scope, `apart` from each other, and a complete listing without the machine.
    TwoNotFounds {
        /// The least time between the two.
        #[serde(serialize_with = "crate::duration::serialize")]
        apart: Duration,
    },
    /// Only a read that says `terminated`; a not-found never proves anything.
    StatusOnly,
}

impl Default for GoneRule {
    fn default() -> Self {
        Self::TwoNotFounds { apart: Duration::from_secs(10) }
    }
}

/// Whether something is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Billing {
    /// It is not.
    Free,
    /// It is, at the price that the cloud reports for it.
    Billed,
    /// Not known: counted as if it cost what it cost while running.
    Unknown,
}

/// So many creates within so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pace {
    /// How many.
    pub creates: u32,
    /// Within how long.
    #[serde(serialize_with = "crate::duration::serialize")]
    pub within: Duration,
}

impl Pace {
    /// `creates` in each span of `within`.
    pub const fn new(creates: u32, within: Duration) -> Self {
        Self { creates, within }
    }
}

/// How an answer of a cloud's proxy is told from one of the machine behind it (rule P12).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct ProxySigns {
    /// Statuses that only the proxy gives while the machine does not answer.
    pub statuses: Vec<u16>,
    /// Headers (lower case) that only the proxy's own answers carry.
    pub headers: Vec<&'static str>,
}

impl ProxySigns {
    /// The proxy answers for an absent machine with one of `statuses`, or with one of `headers` set.
    pub fn new(statuses: &[u16], headers: &[&'static str]) -> Self {
        Self { statuses: statuses.to_vec(), headers: headers.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p4_what_is_no_machine_is_gone_at_one_look_only_where_every_answer_is_authoritative() {
        let mut traits = Traits::new("x", Capabilities::NONE);
        let strict = GoneRule::TwoNotFounds { apart: Duration::from_mins(1) };
        let all = |traits: &Traits| RentalKind::ALL.map(|kind| traits.gone_rule(kind));
        let default = GoneRule::default();
        for (gone, window, expected) in [
            (GoneRule::NotFound, 0, [GoneRule::NotFound; 3]),
            (GoneRule::NotFound, 1, [GoneRule::NotFound, default, default]),
            (GoneRule::StatusOnly, 0, [GoneRule::StatusOnly, default, default]),
            (strict, 0, [strict, default, default]),
        ] {
            (traits.gone, traits.settle_window) = (gone, Duration::from_secs(window));
            assert_eq!(all(&traits), expected, "{gone:?} {window}");
        }
    }
}
