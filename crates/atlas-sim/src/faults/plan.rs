//! When faults happen: rules that are asked at each call, and use themselves up.

use std::time::Duration;

use atlas_auth::{Entropy, Timestamp};
use atlas_core::ComputeId;

use super::{Fault, Operation};

/// How long a rule holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Next(u32),
    Always,
    /// So many times in a thousand.
    Chance(u16),
    For(Duration),
    Until(Timestamp),
}

/// One fault, in one operation, so and so often. Without more words: at the next such call, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    operation: Operation,
    fault: Fault,
    times: Times,
    compute: Option<ComputeId>,
    skip: u32,
}

impl Rule {
    /// `fault` at the next `operation`, once.
    ///
    /// # Panics
    /// If that fault cannot happen in that operation ([`Fault::suits`]): a test that asked for it would prove nothing.
    #[track_caller]
    pub fn on(operation: Operation, fault: Fault) -> Self {
        assert!(fault.suits(operation), "the fault {fault} cannot happen in {operation}");
        Self { operation, fault, times: Times::Next(1), compute: None, skip: 0 }
    }

    /// At the next `count` such calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Times::Next(count);
        self
    }

    /// At each such call.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.times = Times::Always;
        self
    }

    /// At so many such calls in a thousand, as the seed decides.
    #[must_use]
    pub fn chance(mut self, in_a_thousand: u16) -> Self {
        self.times = Times::Chance(in_a_thousand);
        self
    }

    /// At each such call until so much time of the cloud has passed.
    #[must_use]
    pub fn during(mut self, span: Duration) -> Self {
        self.times = Times::For(span);
        self
    }

    /// Only for this machine, volume or job (an endpoint where jobs are sent): calls that name it, and its place in
    /// listings.
    #[must_use]
    pub fn only(mut self, compute: &ComputeId) -> Self {
        self.compute = Some(compute.clone());
        self
    }

    /// Only after so many such calls have passed unharmed.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// In which operation.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// Which fault.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// What is left of it, as the admin API shows it.
    #[cfg(feature = "server")]
    pub(crate) fn shown(&self) -> serde_json::Value {
        let mut shown = serde_json::json!({ "operation": self.operation.name(), "fault": self.fault.name() });
        let (word, value) = match self.times {
            Times::Next(left) => ("times", left.into()),
            Times::Always => ("always", true.into()),
            Times::Chance(in_a_thousand) => ("chance", (f64::from(in_a_thousand) / 1000.0).into()),
            Times::For(span) => ("during", atlas_core::duration::format(span).into()),
            Times::Until(end) => ("until", end.to_string().into()),
        };
        shown[word] = value;
        if self.skip > 0 {
            shown["after"] = self.skip.into();
        }
        if let Some(compute) = &self.compute {
            shown["compute"] = compute.as_str().into();
        }
        shown
    }

    fn concerns(&self, operation: Operation, compute: Option<&ComputeId>) -> bool {
        let names_it = match (&self.compute, compute) {
            (None, _) => true,
            (Some(wanted), Some(named)) => wanted == named,
            // A listing names nobody and shows everybody.
            (Some(_), None) => operation.is_listing(),
        };
        self.operation == operation && names_it
    }

    /// Whether it strikes now; uses it up.
    fn strikes(&mut self, now: Timestamp, entropy: &dyn Entropy) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        match &mut self.times {
            Times::Next(left) => {
                let strikes = *left > 0;
                *left = left.saturating_sub(1);
                strikes
            }
            Times::Always | Times::For(_) => true,
            Times::Chance(in_a_thousand) => {
                let mut random = [0; 4];
                entropy.fill(&mut random);
                u32::from_le_bytes(random) % 1000 < u32::from(*in_a_thousand)
            }
            Times::Until(end) => now < *end,
        }
    }

    fn is_spent(&self, now: Timestamp) -> bool {
        match self.times {
            Times::Next(left) => left == 0,
            Times::Until(end) => now >= end,
            Times::Always | Times::Chance(_) | Times::For(_) => false,
        }
    }
}

/// A fault that strikes one call, and the machine that its rule was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) compute: Option<ComputeId>,
}

/// The faults that are still to come.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    rules: Vec<Rule>,
}

impl FaultPlan {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// This plan and one rule more.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The rules that are left.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn add(&mut self, mut rule: Rule, now: Timestamp) {
        if let Times::For(span) = rule.times {
            rule.times = Times::Until(now.plus(span));
        }
        self.rules.push(rule);
    }

    /// The faults that strike this call, in the order of their rules.
    pub(crate) fn strike(
        &mut self,
        operation: Operation,
        compute: Option<&ComputeId>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Vec<Strike> {
        let mut strikes = Vec::new();
        for rule in &mut self.rules {
            if rule.concerns(operation, compute) && rule.strikes(now, entropy) {
                strikes.push(Strike { fault: rule.fault.clone(), compute: rule.compute.clone() });
            }
        }
        self.rules.retain(|rule| !rule.is_spent(now));
        strikes
    }

    /// Whether calls may still act under another account's key.
    pub(crate) fn is_elsewhere(&self, now: Timestamp) -> bool {
        self.rules.iter().any(|rule| rule.fault == Fault::AnotherAccount && !rule.is_spent(now))
    }
}
