//! Faults and shortages from a file, or as the admin API takes them.

use std::time::Duration;

use atlas_core::{ComputeId, ComputeStatus, Error, Result, duration};
use serde::Deserialize;
use serde_json::Value;

use super::stock::Shortage;
use crate::faults::{Fault, FaultPlan, Operation, Rule};

/// What shall go wrong: faults, and shortages of GPUs.
///
/// ```
/// let script = atlas_sim::server::Script::parse(r#"{
///   "faults": [
///     { "operation": "spawn", "fault": "loses-answer", "chance": 0.1 },
///     { "operation": "list", "fault": "lists-short", "times": 2, "after": 1 }
///   ],
///   "stock": [{ "gpu": "NVIDIA L4", "dataCenter": "EU-RO-1", "cloud": "SECURE", "count": 0 }]
/// }"#)?;
/// assert_eq!(script.rules().len(), 2);
/// # Ok::<_, atlas_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Script {
    pub(super) rules: FaultPlan,
    pub(super) stock: Vec<Shortage>,
}

impl Script {
    /// Nothing goes wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// This, and one fault more.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.rules = self.rules.with(rule);
        self
    }

    /// Reads a script in JSON: an object with `faults` and `stock`, or a list of faults alone.
    pub fn parse(text: &str) -> Result<Self> {
        let value = serde_json::from_str(text)
            .map_err(|error| Error::validation(format!("the script of faults is no JSON: {error}")))?;
        Self::from_value(value)
    }

    /// Reads a script from a value, such as one that was written in YAML.
    pub fn from_value(value: Value) -> Result<Self> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Whole {
            #[serde(default)]
            faults: Vec<Value>,
            #[serde(default)]
            stock: Vec<Shortage>,
        }
        let whole = if value.is_array() { serde_json::json!({ "faults": value }) } else { value };
        let whole: Whole = serde_json::from_value(whole)
            .map_err(|error| Error::validation(format!("the script of faults cannot be understood: {error}")))?;
        let mut script = Self { rules: FaultPlan::new(), stock: whole.stock };
        for rule in whole.faults {
            script = script.with(rule_from(rule)?);
        }
        Ok(script)
    }

    /// The faults.
    pub fn rules(&self) -> &[Rule] {
        self.rules.rules()
    }
}

/// One fault as a file writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
struct Written {
    operation: String,
    fault: String,
    /// How long it lasts, where that is part of the fault.
    span: Option<String>,
    /// Which status is shown instead.
    status: Option<String>,
    /// How many characters are kept of the name.
    limit: Option<usize>,
    times: Option<u32>,
    always: Option<bool>,
    /// From 0 to 1.
    chance: Option<f64>,
    during: Option<String>,
    after: Option<u32>,
    compute: Option<String>,
}

/// Reads one fault.
pub(super) fn rule_from(value: Value) -> Result<Rule> {
    let written: Written = serde_json::from_value(value)
        .map_err(|error| Error::validation(format!("a fault of the script cannot be understood: {error}")))?;
    let operation = Operation::ALL.into_iter().find(|operation| operation.name() == written.operation);
    let operation = operation.ok_or_else(|| {
        let known = Operation::ALL.map(Operation::name).join(", ");
        Error::validation(format!("\"{}\" is no operation; there are {known}", written.operation))
    })?;
    let fault = fault_of(&written)?;
    if !fault.suits(operation) || operation == Operation::Find {
        return Err(Error::validation(format!("the fault {fault} cannot happen in {operation}")));
    }
    let mut rule = Rule::on(operation, fault);
    if let Some(times) = written.times {
        rule = rule.times(times);
    }
    if written.always == Some(true) {
        rule = rule.always();
    }
    if let Some(chance) = written.chance {
        rule = rule.chance(in_a_thousand(chance)?);
    }
    if let Some(during) = &written.during {
        rule = rule.during(duration::parse(during)?);
    }
    if let Some(after) = written.after {
        rule = rule.after(after);
    }
    if let Some(compute) = written.compute {
        rule = rule.only(&ComputeId::new(compute));
    }
    Ok(rule)
}

fn in_a_thousand(chance: f64) -> Result<u16> {
    // Told by comparison: a float is never cast.
    let steps = (0..=1000_u16).find(|step| f64::from(*step) / 1000.0 >= chance);
    steps
        .filter(|_| chance >= 0.0)
        .ok_or_else(|| Error::validation(format!("{chance} is no chance: write a number from 0 to 1")))
}

fn fault_of(written: &Written) -> Result<Fault> {
    let span = written.span.as_deref().map(duration::parse).transpose()?;
    let or = |usual: Duration| span.unwrap_or(usual);
    Ok(match Fault::from_name(&written.fault)? {
        Fault::AnswersLate(usual) => Fault::AnswersLate(or(usual)),
        Fault::LandsLate(usual) => Fault::LandsLate(or(usual)),
        Fault::AppearsLate(usual) => Fault::AppearsLate(or(usual)),
        Fault::RateLimited(usual) => Fault::RateLimited(or(usual)),
        Fault::Hides(usual) => Fault::Hides(or(usual)),
        Fault::CutsName(usual) => Fault::CutsName(written.limit.unwrap_or(usual)),
        Fault::LiesStatus(usual) => Fault::LiesStatus(match &written.status {
            None => usual,
            Some(status) => ComputeStatus::from_word(status),
        }),
        other => other,
    })
}
