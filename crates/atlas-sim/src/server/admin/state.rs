//! Everything there is at the clouds, whatever reads show and whoever may see it: for a test's report.

use atlas_auth::Timestamp;
use serde_json::{Value, json};

use crate::model::Job;
use crate::server::app::{Timing, World};
use crate::server::pods::PodView;
use crate::server::record::JobRecord;

/// What is there at `now`, each kind in the order in which it was made. Keys are told by whose they are, never by their text.
pub(super) fn dump(world: &World, timing: &Timing, now: Timestamp) -> Value {
    json!({
        "now": now.to_string(),
        "pods": pods(world, timing, now),
        "volumes": volumes(world, now),
        "endpoints": endpoints(world),
        "jobs": world.cloud.all_jobs().map(job).collect::<Vec<_>>(),
        "rents": world.cloud.ledger(now).rents.len(),
        "faults": world.plan.rules().iter().map(crate::Rule::shown).collect::<Vec<_>>(),
        "stock": world.stock,
        "limits": world.meter.limits,
        "keys": world.keys.callers().map(|caller| json!({"account": caller.account, "reach": caller.reach})).collect::<Vec<_>>(),
        "accounts": accounts(world),
    })
}

fn pods(world: &World, timing: &Timing, now: Timestamp) -> Vec<Value> {
    let live = world.cloud.all().filter(|machine| machine.is_live(now));
    live.filter_map(|machine| {
        let pod = world.pods.get(&machine.serial)?;
        let view = PodView { machine, pod, timing, now, lie: None };
        let mut value = serde_json::to_value(&view).ok()?;
        value["account"] = machine.blueprint.account.clone().into();
        Some(value)
    })
    .collect()
}

fn volumes(world: &World, now: Timestamp) -> Vec<Value> {
    let live = world.cloud.all_volumes().filter(|volume| volume.is_live(now));
    live.map(|volume| {
        let plan = &volume.plan;
        json!({
            "id": volume.id, "account": plan.account, "name": plan.name, "size": plan.size_gb, "dataCenterId": plan.region,
            "attached": world.cloud.attached(&volume.id, now),
        })
    })
    .collect()
}

fn endpoints(world: &World) -> Vec<Value> {
    let all = world.cloud.all_endpoints();
    all.map(|endpoint| {
        let plan = &endpoint.plan;
        json!({
            "id": endpoint.id, "account": plan.account, "name": plan.name,
            "workers": {"min": plan.workers_min, "max": plan.workers_max, "up": endpoint.workers_up()},
            "queued": endpoint.queued(),
        })
    })
    .collect()
}

fn job(job: &Job) -> Value {
    let job = JobRecord::of(job);
    json!({"id": job.id, "endpoint": job.endpoint, "status": job.status, "retries": job.retries, "input": job.input})
}

fn accounts(world: &World) -> Value {
    let all = world.accounts.iter();
    all.map(|(name, account)| (name.clone(), json!({"balance": account.balance, "spend_limit": account.spend_limit})))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
