//! What was billed, and what is left.

use atlas_auth::Timestamp;
use atlas_core::{CallContext, Error, ErrorKind, Money, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::RunPod;
use crate::translate::money::{billed, dollars};

/// What a history is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Billed {
    /// Pods.
    Pods,
    /// Serverless endpoints. (RunPod's own `endpoints` are its public ones, not these.)
    Serverless,
    /// Network volumes.
    Volumes,
}

impl Billed {
    /// RunPod's words: the path, the parameter that names one, the field of its id.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Pods => ("pods", "podId"),
            Self::Serverless => ("serverless", "serverlessId"),
            Self::Volumes => ("network-volumes", "networkVolumeId"),
        }
    }
}

/// How long a piece of a history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Bucket {
    /// An hour.
    Hour,
    /// A day.
    #[default]
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Bucket {
    const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Which part of a history: the last thirty days unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BillingQuery {
    /// Only this pod, endpoint or volume.
    pub id: Option<String>,
    /// How long each piece is.
    pub bucket: Bucket,
    /// Only so many pieces, the one under way included.
    pub last: Option<u32>,
    /// From when: thirty days before now unless it says otherwise. RunPod takes the whole piece in which it lies.
    pub from: Option<Timestamp>,
    /// Until when, and not this moment itself: now unless it says otherwise. RunPod takes the whole piece in which it lies.
    pub until: Option<Timestamp>,
}

impl BillingQuery {
    /// All of the last thirty days, by days.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only this pod, endpoint or volume.
    #[must_use]
    pub fn of(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// How long each piece is.
    #[must_use]
    pub fn bucket(mut self, bucket: Bucket) -> Self {
        self.bucket = bucket;
        self
    }

    /// Only the last pieces, the one under way included.
    #[must_use]
    pub fn last(mut self, pieces: u32) -> Self {
        self.last = Some(pieces);
        self
    }

    /// From when.
    #[must_use]
    pub fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Until when, and not this moment itself.
    #[must_use]
    pub fn until(mut self, until: Timestamp) -> Self {
        self.until = Some(until);
        self
    }

    /// Refuses a span that has no moment, and one that is told in two ways.
    fn check(&self) -> Result<()> {
        if let (Some(from), Some(until)) = (self.from, self.until)
            && from >= until
        {
            return Err(Error::validation(format!("a history from {from} until {until} has no moment")));
        }
        if self.last.is_some() && (self.from.is_some() || self.until.is_some()) {
            return Err(Error::validation("a history is either of the last pieces, or from and until a moment"));
        }
        Ok(())
    }
}

/// What was billed for one thing within one span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BillingRecord {
    /// The pod, endpoint or volume, where the record names one.
    pub id: Option<String>,
    /// From when.
    pub from: Option<Timestamp>,
    /// Until when.
    pub to: Option<Timestamp>,
    /// How much, in dollars; below nothing for a credit.
    pub total: Money,
}

/// What was billed. How long it lags is not documented: it may raise an estimate, never lower one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BillingHistory {
    /// Piece by piece.
    pub records: Vec<BillingRecord>,
    /// All of them together, in dollars.
    pub total: Money,
    /// RunPod's own answer.
    pub raw: Value,
}

/// What an account has and spends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Balance {
    /// RunPod's id of the account.
    pub account: Option<String>,
    /// What is left, in dollars; below nothing where more was spent than paid.
    pub balance: Money,
    /// What everything together costs an hour now.
    pub spend_per_hour: Option<Money>,
}

#[derive(Deserialize)]
struct Wire {
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    start_time: Option<String>,
    end_time: Option<String>,
    total_amount: f64,
    #[serde(alias = "podId", alias = "serverlessId", alias = "networkVolumeId")]
    id: Option<String>,
}

impl RunPod {
    /// What was billed for things of one kind. Reads only.
    pub async fn billing_history(
        &self,
        context: &CallContext,
        of: Billed,
        query: &BillingQuery,
    ) -> Result<BillingHistory> {
        query.check().map_err(|error| self.named(error, "billing_history"))?;
        let (path, id_parameter) = of.words();
        let mut parameters = vec![("bucketSize", query.bucket.word().to_owned())];
        parameters.extend(query.last.map(|last| ("lastN", last.max(1).to_string())));
        parameters.extend(query.from.map(|from| ("startTime", from.to_string())));
        parameters.extend(query.until.map(|until| ("endTime", until.to_string())));
        parameters.extend(query.id.iter().map(|id| (id_parameter, id.clone())));
        let answer = self.api().billing(context, path, &parameters).await?;
        read(answer).map_err(|error| self.named(error, "billing_history"))
    }

    /// What the account has and spends. Reads only. At zero, RunPod stops pods that have a network volume and **destroys
    /// all others**.
    ///
    /// Only GraphQL tells it, which RunPod ends in early 2027.
    pub async fn balance(&self, context: &CallContext) -> Result<Balance> {
        let myself = self.api().myself(context).await?;
        let balance = billed(myself.client_balance).ok_or_else(|| {
            self.named(Error::new(ErrorKind::Decode, "the balance is no amount of dollars"), "balance")
        })?;
        let spend_per_hour = myself.current_spend_per_hr.and_then(dollars);
        Ok(Balance { account: myself.id, balance, spend_per_hour })
    }
}

fn read(answer: Value) -> Result<BillingHistory> {
    let unreadable = || Error::new(ErrorKind::Decode, "the billing history cannot be read");
    let wire = Wire::deserialize(&answer).map_err(|_| unreadable())?;
    let moment = |text: Option<String>| text.and_then(|text| Timestamp::parse(&text).ok());
    let mut records = Vec::with_capacity(wire.records.len());
    for record in wire.records {
        let total = billed(record.total_amount).ok_or_else(unreadable)?;
        let (from, to) = (moment(record.start_time), moment(record.end_time));
        records.push(BillingRecord { id: record.id, from, to, total });
    }
    let total = records.iter().map(|record| record.total).sum();
    Ok(BillingHistory { records, total, raw: answer })
}
