//! The weather: what goes wrong with a tenth of all answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Entropy, SeededEntropy};
use atlas_core::{Error, Probe, ProbeAnswer, ProbeRequest, Result};
use atlas_sim::server::{Script, Timing};
use atlas_sim::{Fault, Operation, Rule, WireFault};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Each call meets one of its faults with a chance of about a hundred in a thousand.
pub(super) fn script() -> Script {
    let reads = [
        (Fault::Errs, 20),
        (Fault::LosesAnswer, 20),
        (Fault::AnswersLate(seconds(15)), 15),
        (Fault::RateLimited(seconds(2)), 15),
        (Fault::FailsBefore, 10),
        (Fault::Wire(WireFault::HtmlBadGateway), 10),
        (Fault::NeverAnswers, 5),
        (Fault::Wire(WireFault::NullBody), 3),
        (Fault::Garbles, 2),
    ];
    let creates = [
        (Fault::ActsThenErrs, 15),
        (Fault::LosesAnswer, 15),
        (Fault::AnswersLate(seconds(15)), 15),
        (Fault::Errs, 10),
        (Fault::LandsLate(seconds(20)), 10),
        (Fault::AppearsLate(seconds(30)), 10),
        (Fault::CapacityGone, 10),
        (Fault::RateLimited(seconds(3)), 5),
        (Fault::NeverAnswers, 5),
        (Fault::Garbles, 3),
        (Fault::Wire(WireFault::NullBody), 2),
    ];
    let ends = [
        (Fault::ActsThenErrs, 15),
        (Fault::LosesAnswer, 15),
        (Fault::Errs, 15),
        (Fault::AnswersLate(seconds(15)), 15),
        (Fault::Ignores, 10),
        (Fault::LandsLate(seconds(20)), 10),
        (Fault::FailsBefore, 10),
        (Fault::RateLimited(seconds(2)), 5),
        (Fault::Wire(WireFault::HtmlBadGateway), 5),
    ];
    let mut script = Script::new();
    let mut struck = |operation, faults: &[(Fault, u16)]| {
        for (fault, chance) in faults {
            script = script.clone().with(Rule::on(operation, fault.clone()).chance(*chance));
        }
    };
    struck(Operation::Get, &reads);
    struck(Operation::List, &reads);
    struck(Operation::GpuTypes, &reads);
    struck(Operation::Spawn, &creates);
    struck(Operation::Terminate, &ends);
    script
}

/// How long things take at this cloud.
pub(super) fn timing() -> Timing {
    let mut timing = Timing::default();
    timing.provisioning = seconds(3);
    timing.starting = seconds(10);
    timing.ports_after = seconds(5);
    timing.delete_lag = seconds(5);
    timing.create_lag = seconds(2);
    timing
}

/// A way to the pods on which a tenth of all questions is lost.
#[derive(Debug)]
pub(super) struct Flaky {
    way: Arc<dyn Probe>,
    chance: SeededEntropy,
}

impl Flaky {
    pub(super) fn new(way: Arc<dyn Probe>, seed: u64) -> Self {
        Self { way, chance: SeededEntropy::new(!seed) }
    }
}

#[async_trait]
impl Probe for Flaky {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        let mut random = [0; 1];
        self.chance.fill(&mut random);
        if random[0] < 26 {
            return Err(Error::transport("the connection to the machine broke"));
        }
        self.way.ask(request).await
    }
}
