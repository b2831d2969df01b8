//! `/v2/billing`: what was rented, bucket by bucket, out of the simulated ledger.

use std::collections::BTreeSet;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::Money;
use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::app::{App, World};
use super::super::catalog::dollars;
use super::super::keys::Caller;
use super::super::pods::Hardware;
use super::super::reply::{self, Problem};
use crate::faults::Operation;
use crate::model::{Machine, Rate, Rent, RentKind, Settings};

const DAY: Duration = Duration::from_hours(24);
/// How much is told where nobody says from when.
const USUAL_WINDOW: Duration = Duration::from_hours(30 * 24);

/// Which buckets are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Query {
    start: Timestamp,
    end: Timestamp,
    size: &'static str,
    width: Duration,
    only: Option<String>,
}

impl Query {
    fn read(query: Option<&str>, id: &str, now: Timestamp) -> Result<Self, Problem> {
        let wrong = |name: &str| Problem::unprocessable(vec![format!("{name}: value is not allowed")]);
        let (mut start, mut end, mut last, mut only) = (None, None, None, None);
        let (mut size, mut width) = ("day", DAY);
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "startTime" => start = Some(Timestamp::parse(&value).map_err(|_| wrong("startTime"))?),
                "endTime" => end = Some(Timestamp::parse(&value).map_err(|_| wrong("endTime"))?),
                "lastN" => {
                    let count: Option<u32> = value.parse().ok().filter(|count| *count > 0);
                    last = Some(count.ok_or_else(|| wrong("lastN"))?);
                }
                "bucketSize" => {
                    (size, width) = match &*value {
                        "hour" => ("hour", Duration::from_hours(1)),
                        "day" => ("day", DAY),
                        "week" => ("week", DAY * 7),
                        "month" => ("month", DAY * 30),
                        "year" => ("year", DAY * 365),
                        _ => return Err(wrong("bucketSize")),
                    };
                }
                name if name == id => only = Some(value.into_owned()),
                _ => {}
            }
        }
        // Whole buckets: the one in which the end lies is told too.
        let end = snap(end.unwrap_or(now), width).plus(width);
        let begun = match last {
            Some(count) => end.minus(width.saturating_mul(count)),
            None => snap(start.unwrap_or_else(|| now.minus(USUAL_WINDOW)), width),
        };
        Ok(Self { start: begun, end, size, width, only })
    }

    fn buckets(&self, from: Timestamp, until: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let (width, last) = (self.width, until.min(self.end));
        let first = snap(from.max(self.start), width);
        std::iter::successors(Some(first), move |begin| Some(begin.plus(width)))
            .take_while(move |begin| *begin < last)
            .map(move |begin| (begin, begin.plus(width)))
    }
}

/// The beginning of the bucket that a moment lies in.
fn snap(at: Timestamp, width: Duration) -> Timestamp {
    let width = i64::try_from(width.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(at.as_millis().div_euclid(width) * width)
}

/// What one thing cost in one bucket, in millionths of a dollar.
#[derive(Debug, Clone)]
struct Record {
    begin: Timestamp,
    end: Timestamp,
    id: String,
    /// Each with its name in the record.
    amounts: Vec<(&'static str, i64)>,
}

/// What a pod cost: its hardware while it ran, and its disks.
fn of_pod(world: &World, machine: &Machine, from: Timestamp, until: Timestamp) -> Vec<(&'static str, i64)> {
    let plan = &machine.blueprint;
    let gigabytes = plan.volume_gb.unwrap_or(0).saturating_add(plan.container_disk_gb.unwrap_or(0));
    let disks = Settings::hourly(world.cloud.settings.disk_month, gigabytes).as_micros();
    let spent = |rate, price: i64| {
        let by = |at| Money::from_micros(price).for_span(machine.life.spent(rate, at)).as_micros();
        by(until) - by(from)
    };
    let compute = spent(Rate::Running, machine.price.as_micros() - disks);
    let disk = spent(Rate::Running, disks) + spent(Rate::Stopped, machine.stopped_price.as_micros());
    let is_cpu = world.pods.get(&machine.serial).is_some_and(|pod| matches!(pod.hardware, Hardware::Cpu { .. }));
    let (gpu, cpu) = if is_cpu { (0, compute) } else { (compute, 0) };
    vec![("gpuAmount", gpu), ("cpuAmount", cpu), ("diskAmount", disk)]
}

fn pods(world: &World, account: &str, query: &Query, now: Timestamp) -> Vec<Record> {
    let machines = world.cloud.all().filter(|machine| {
        machine.blueprint.account == account && query.only.as_ref().is_none_or(|only| machine.id.as_str() == only)
    });
    let mut records = Vec::new();
    for machine in machines {
        let ended = machine.life.ended_at(now).unwrap_or(now).min(now);
        for (begin, end) in query.buckets(machine.created_at, ended) {
            let amounts = of_pod(world, machine, begin, end.min(now));
            records.push(Record { begin, end, id: machine.id.as_str().to_owned(), amounts });
        }
    }
    records
}

/// Things that cost the same all their life: its share falls into each bucket.
fn rents(
    world: &World,
    account: &str,
    kind: RentKind,
    query: &Query,
    now: Timestamp,
    amount: &'static str,
) -> Vec<Record> {
    let mut records = Vec::new();
    for rent in world.cloud.ledger(now).rents.iter().filter(|rent| rent.kind == kind && rent.account == account) {
        let id = if kind == RentKind::Worker { endpoint_of(world, rent, now) } else { rent.id.as_str().to_owned() };
        if query.only.as_ref().is_some_and(|only| *only != id) {
            continue;
        }
        let ended = rent.ended_at.unwrap_or(now).min(now);
        let life = ended.since(rent.started_at).as_millis().max(1);
        for (begin, end) in query.buckets(rent.started_at, ended) {
            let span = end.min(ended).since(begin.max(rent.started_at)).as_millis();
            let share = i128::from(rent.cost.as_micros()) * i128::try_from(span).unwrap_or(0)
                / i128::try_from(life).unwrap_or(i128::MAX);
            let share = i64::try_from(share).unwrap_or(i64::MAX);
            records.push(Record { begin, end, id: id.clone(), amounts: vec![(amount, share)] });
        }
    }
    records
}

/// A worker's line in the books has the name of its endpoint.
fn endpoint_of(world: &World, rent: &Rent, now: Timestamp) -> String {
    let mut endpoints = world.cloud.list_endpoints(&rent.account, now);
    endpoints
        .find(|endpoint| endpoint.plan.name == rent.name)
        .map_or_else(|| rent.name.clone(), |endpoint| endpoint.id.as_str().to_owned())
}

/// One kind of bill: what its ids are called, and which amounts it has.
struct Bill {
    id: &'static str,
    unique: &'static str,
    amounts: &'static [&'static str],
}

fn bill_of(kind: &str) -> Option<Bill> {
    const SERVERLESS: &[&str] = &["gpuAmount", "cpuAmount", "diskAmount", "feeAmount"];
    Some(match kind {
        "pods" => Bill { id: "podId", unique: "uniquePodCount", amounts: &["gpuAmount", "cpuAmount", "diskAmount"] },
        "serverless" => Bill { id: "serverlessId", unique: "uniqueServerlessCount", amounts: SERVERLESS },
        "network-volumes" => Bill {
            id: "networkVolumeId",
            unique: "uniqueNetworkVolumeCount",
            amounts: &["standardAmount", "highPerformanceAmount"],
        },
        "clusters" => Bill {
            id: "clusterId",
            unique: "uniqueClusterCount",
            amounts: &["gpuAmount", "diskAmount", "networkingAmount"],
        },
        "endpoints" => Bill { id: "", unique: "", amounts: &[] },
        _ => return None,
    })
}

fn records_of(world: &World, account: &str, kind: &str, query: &Query, now: Timestamp) -> Vec<Record> {
    let mut records = match kind {
        "pods" => pods(world, account, query, now),
        "serverless" => rents(world, account, RentKind::Worker, query, now, "gpuAmount"),
        "network-volumes" => rents(world, account, RentKind::Volume, query, now, "standardAmount"),
        // Clusters and public endpoints are not simulated.
        _ => Vec::new(),
    };
    records.sort_by(|one, other| (one.begin, &one.id).cmp(&(other.begin, &other.id)));
    // Workers of one endpoint share its line.
    records.dedup_by(|next, first| {
        let same = (next.begin, &next.id) == (first.begin, &first.id);
        if same {
            first.amounts.iter_mut().zip(&next.amounts).for_each(|(sum, more)| sum.1 += more.1);
        }
        same
    });
    records
}

/// The sum of so many amounts, each under its name, and of all.
fn amounts<'a>(
    names: &[&'static str],
    given: &(impl Iterator<Item = &'a (&'static str, i64)> + Clone),
) -> Map<String, Value> {
    let sum = |name: &str| given.clone().filter(|(known, _)| *known == name).map(|(_, micros)| micros).sum::<i64>();
    let total: i64 = given.clone().map(|(_, micros)| micros).sum();
    let mut amounts: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), dollars(sum(name)).into())).collect();
    amounts.insert("totalAmount".to_owned(), dollars(total).into());
    amounts
}

pub(super) async fn one(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(kind): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let lag = app.timing().billing_lag;
    app.visit(&caller, Operation::Billing, None, |world, visit| {
        let now = visit.now;
        let bill = bill_of(&kind).ok_or_else(|| Problem::not_found("resource"))?;
        let query = Query::read(query.as_deref(), bill.id, now)?;
        let records = records_of(world, &visit.account, &kind, &query, now.minus(lag));
        let ids: BTreeSet<_> = records.iter().map(|record| record.id.as_str()).collect();
        let shown: Vec<Value> = records.iter().map(|record| shown(record, &bill)).collect();
        let mut asked = asked(&query);
        let mut metadata = json!({
            "recordCount": records.len(),
            "totals": amounts(bill.amounts, &records.iter().flat_map(|record| &record.amounts)),
        });
        if !bill.id.is_empty() {
            asked[bill.id] = query.only.clone().into();
            metadata[bill.unique] = ids.len().into();
        }
        metadata["query"] = asked;
        Ok(reply::ok(&json!({ "records": shown, "metadata": metadata })))
    })
    .await
}

fn shown(record: &Record, bill: &Bill) -> Value {
    let mut shown = amounts(bill.amounts, &record.amounts.iter());
    shown.insert("startTime".to_owned(), record.begin.to_string().into());
    shown.insert("endTime".to_owned(), record.end.to_string().into());
    if !bill.id.is_empty() {
        shown.insert(bill.id.to_owned(), record.id.as_str().into());
    }
    Value::Object(shown)
}

fn asked(query: &Query) -> Value {
    json!({ "startTime": query.start.to_string(), "endTime": query.end.to_string(), "bucketSize": query.size })
}

const ALL: [&str; 13] = [
    "podGpuAmount",
    "podCpuAmount",
    "podDiskAmount",
    "serverlessGpuAmount",
    "serverlessCpuAmount",
    "serverlessDiskAmount",
    "serverlessFeeAmount",
    "storageStandardAmount",
    "storageHighPerformanceAmount",
    "endpointAmount",
    "clusterGpuAmount",
    "clusterDiskAmount",
    "clusterNetworkingAmount",
];

/// What an amount of one bill is called in the bill of everything.
fn in_all(kind: &str, name: &str) -> Option<&'static str> {
    let prefix = match kind {
        "pods" => "pod",
        "serverless" => "serverless",
        _ => "storage",
    };
    ALL.into_iter().find(|known| known.strip_prefix(prefix).is_some_and(|rest| rest.eq_ignore_ascii_case(name)))
}

pub(super) async fn all(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Response {
    let lag = app.timing().billing_lag;
    app.visit(&caller, Operation::Billing, None, |world, visit| {
        let now = visit.now;
        let query = Query::read(query.as_deref(), "", now)?;
        let mut records: Vec<Record> = Vec::new();
        for kind in ["pods", "serverless", "network-volumes"] {
            for mut record in records_of(world, &visit.account, kind, &query, now.minus(lag)) {
                let rename = |(name, micros): (&str, i64)| Some((in_all(kind, name)?, micros));
                record.amounts = record.amounts.into_iter().filter_map(rename).collect();
                match records.iter_mut().find(|known| known.begin == record.begin) {
                    Some(known) => known.amounts.extend(record.amounts),
                    None => records.push(record),
                }
            }
        }
        records.sort_by_key(|record| record.begin);
        let bill = Bill { id: "", unique: "", amounts: &ALL };
        let shown: Vec<Value> = records.iter().map(|record| shown(record, &bill)).collect();
        Ok(reply::ok(&json!({
            "records": shown,
            "metadata": {
                "query": asked(&query),
                "recordCount": records.len(),
                "totals": amounts(&ALL, &records.iter().flat_map(|record| &record.amounts)),
            },
        })))
    })
    .await
}
