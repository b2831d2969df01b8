//! The operations of the provider, by what they are about.

use std::time::Duration;

use atlas_core::{CallContext, ComputeFilter, JobRequest, LogOptions, Provider, RentalKind, Result};
use atlas_runpod::{Billed, BillingQuery, EndpointChange, TemplateRequest, Workers};
use atlas_sim::Operation as At;
use futures_util::{FutureExt, StreamExt};
use serde_json::json;

use super::deed::{Act, Deed, Need, Truth};
use super::site::{Site, password, template};

/// A call of the account under trial, as a table takes it.
macro_rules! act {
    (|$site:ident, $context:ident| $call:expr) => {{
        let act: Act = |$site, $context| async move { $call.await.map(drop) }.boxed();
        act
    }};
}

/// A look into the cloud's books, as a table takes it.
macro_rules! truth {
    ($look:ident) => {{
        let truth: Truth = |site| site.$look().boxed();
        truth
    }};
}

pub(crate) fn pods() -> Vec<Deed> {
    let (pods, power) = (truth!(pods), truth!(power));
    vec![
        Deed::once("spawn", At::Spawn, Need::Nothing, pods, act!(|s, c| s.runpod.spawn(c, &s.pod().await))),
        Deed::once(
            "spawn, at the catalog",
            At::GpuTypes,
            Need::Nothing,
            pods,
            act!(|s, c| s.runpod.spawn(c, &s.pod().await)),
        ),
        Deed::once(
            "spawn without a GPU, at the flavours",
            At::CpuTypes,
            Need::Nothing,
            pods,
            act!(|s, c| s.runpod.spawn(c, &s.pod_without_gpu().await)),
        ),
        Deed::once(
            "spawn in Europe, at the data centres",
            At::DataCentres,
            Need::Nothing,
            pods,
            act!(|s, c| s.runpod.spawn(c, &s.pod_in_europe().await)),
        ),
        Deed::once(
            "spawn with a volume, at the volume",
            At::GetVolume,
            Need::Volume,
            pods,
            act!(|s, c| s.runpod.spawn(c, &s.pod_with_volume().await)),
        ),
        Deed::repeats("terminate", At::Terminate, Need::Pod, pods, act!(|s, c| s.runpod.terminate(c, &s.compute()))),
        Deed::repeats("stop", At::Stop, Need::Pod, power, act!(|s, c| s.runpod.stop(c, &s.compute()))),
        Deed::repeats("start", At::Start, Need::StoppedPod, power, act!(|s, c| s.runpod.start(c, &s.compute()))),
        Deed::once("restart", At::Restart, Need::Pod, power, act!(|s, c| s.runpod.restart(c, &s.compute()))),
    ]
}

pub(crate) fn reads_of_pods() -> Vec<Deed> {
    let pods = truth!(pods);
    vec![
        Deed::reads("logs", At::Logs, Need::Pod, pods, act!(|s, c| read_log(s, c))),
        Deed::reads("get", At::Get, Need::Pod, pods, act!(|s, c| s.runpod.get(c, &s.compute()))),
        Deed::reads("list", At::List, Need::Pod, pods, act!(|s, c| s.runpod.list(c, &ComputeFilter::all()))),
        Deed::reads("find_spawned", At::List, Need::Pod, pods, act!(|s, c| s.runpod.find_spawned(c, s.token()))),
        Deed::reads("list_gpu_types", At::GpuTypes, Need::Nothing, pods, act!(|s, c| s.runpod.list_gpu_types(c))),
    ]
}

/// The whole log; it is over where nothing more comes.
async fn read_log(site: &Site, context: &CallContext) -> Result<()> {
    let mut log = site.runpod.logs(context, &site.compute(), &LogOptions::default())?;
    while let Some(line) = log.next().await {
        line?;
    }
    Ok(())
}

pub(crate) fn jobs() -> Vec<Deed> {
    let jobs = truth!(jobs);
    vec![
        Deed::reads("stream_job", At::StreamJob, Need::DoneJob, jobs, act!(|s, c| read_stream(s, c))),
        Deed::once("run_job", At::RunJob, Need::Nothing, jobs, act!(|s, c| s.runpod.run_job(c, &work(s)))),
        Deed::once("run_job, and wait", At::RunJob, Need::Nothing, jobs, act!(|s, c| s.runpod.run_job(c, &waited(s)))),
        Deed::reads(
            "get_job",
            At::GetJob,
            Need::DoneJob,
            jobs,
            act!(|s, c| s.runpod.get_job(c, &s.standing(), &s.job_id())),
        ),
        Deed::repeats(
            "cancel_job",
            At::CancelJob,
            Need::RunningJob,
            jobs,
            act!(|s, c| s.runpod.cancel_job(c, &s.standing(), &s.job_id())),
        ),
        Deed::once(
            "retry_job",
            At::RetryJob,
            Need::FailedJob,
            jobs,
            act!(|s, c| s.runpod.retry_job(c, &s.standing(), &s.job_id())),
        ),
        Deed::once(
            "purge_queue",
            At::PurgeQueue,
            Need::QueuedJob,
            jobs,
            act!(|s, c| s.runpod.purge_queue(c, &s.standing())),
        ),
        Deed::reads(
            "endpoint_health",
            At::EndpointHealth,
            Need::DoneJob,
            jobs,
            act!(|s, c| s.runpod.endpoint_health(c, &s.standing())),
        ),
    ]
}

fn work(site: &Site) -> JobRequest {
    JobRequest::new(site.standing().as_str(), json!({ "seconds": 1 }))
}

/// It is done at once, where nothing is in the way.
fn waited(site: &Site) -> JobRequest {
    JobRequest::new(site.standing().as_str(), json!({ "echo": "done" })).sync(Duration::from_mins(1))
}

/// The whole stream: its pieces in order, each once.
async fn read_stream(site: &Site, context: &CallContext) -> Result<()> {
    let mut stream = site.runpod.stream_job(context, &site.standing(), &site.job_id())?;
    let mut given = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        assert_eq!((chunk.index, &chunk.output), (given, &json!({ "index": given })), "pieces come once and in order");
        given += 1;
    }
    assert_eq!(given, 3, "a stream that ends well has given everything");
    Ok(())
}

pub(crate) fn volumes() -> Vec<Deed> {
    let volumes = truth!(volumes);
    let list = act!(|s, c| s.runpod.list_rented(c, RentalKind::Volume));
    let end = act!(|s, c| s.runpod.end_rented(c, RentalKind::Volume, &s.compute()));
    vec![
        Deed::once(
            "create_volume",
            At::CreateVolume,
            Need::Nothing,
            volumes,
            act!(|s, c| s.runpod.create_volume(c, &s.volume().await)),
        ),
        Deed::reads(
            "get_volume",
            At::GetVolume,
            Need::Volume,
            volumes,
            act!(|s, c| s.runpod.get_volume(c, &s.volume_id())),
        ),
        Deed::reads("list_volumes", At::ListVolumes, Need::Volume, volumes, act!(|s, c| s.runpod.list_volumes(c))),
        Deed::reads("list_rented volume", At::ListVolumes, Need::Volume, volumes, list),
        Deed::repeats(
            "grow_volume",
            At::GrowVolume,
            Need::Volume,
            volumes,
            act!(|s, c| s.runpod.grow_volume(c, &s.volume_id(), 20)),
        ),
        Deed::repeats(
            "delete_volume",
            At::DeleteVolume,
            Need::Volume,
            volumes,
            act!(|s, c| s.runpod.delete_volume(c, &s.volume_id())),
        ),
        Deed::repeats("end_rented volume", At::DeleteVolume, Need::Volume, volumes, end),
    ]
}

pub(crate) fn endpoints() -> Vec<Deed> {
    let endpoints = truth!(endpoints);
    let list = act!(|s, c| s.runpod.list_rented(c, RentalKind::Endpoint));
    let end = act!(|s, c| s.runpod.end_rented(c, RentalKind::Endpoint, &s.compute()));
    vec![
        Deed::once(
            "create_endpoint",
            At::CreateEndpoint,
            Need::Nothing,
            endpoints,
            act!(|s, c| s.runpod.create_endpoint(c, &s.endpoint().await)),
        ),
        Deed::once(
            "create_endpoint, at the catalog",
            At::GpuTypes,
            Need::Nothing,
            endpoints,
            act!(|s, c| s.runpod.create_endpoint(c, &s.endpoint().await)),
        ),
        Deed::reads(
            "get_endpoint",
            At::GetEndpoint,
            Need::Endpoint,
            endpoints,
            act!(|s, c| s.runpod.get_endpoint(c, &s.endpoint_id())),
        ),
        Deed::reads(
            "list_endpoints",
            At::ListEndpoints,
            Need::Endpoint,
            endpoints,
            act!(|s, c| s.runpod.list_endpoints(c)),
        ),
        Deed::reads("list_rented endpoint", At::ListEndpoints, Need::Endpoint, endpoints, list),
        Deed::reads(
            "endpoint_workers",
            At::EndpointWorkers,
            Need::Endpoint,
            endpoints,
            act!(|s, c| s.runpod.endpoint_workers(c, &s.endpoint_id())),
        ),
        Deed::repeats(
            "update_endpoint",
            At::UpdateEndpoint,
            Need::Endpoint,
            endpoints,
            act!(|s, c| s.runpod.update_endpoint(c, &s.endpoint_id(), &larger())),
        ),
        Deed::repeats(
            "delete_endpoint",
            At::EndEndpoint,
            Need::Endpoint,
            endpoints,
            act!(|s, c| s.runpod.delete_endpoint(c, &s.endpoint_id())),
        ),
        Deed::repeats("end_rented endpoint", At::EndEndpoint, Need::Endpoint, endpoints, end),
    ]
}

fn larger() -> EndpointChange {
    EndpointChange::new().workers(Workers::new(0, 7))
}

pub(crate) fn account() -> Vec<Deed> {
    let (pods, templates, registries) = (truth!(pods), truth!(templates), truth!(registries));
    let bill = act!(|s, c| s.runpod.billing_history(c, Billed::Pods, &BillingQuery::new()));
    vec![
        Deed::once(
            "create_template",
            At::CreateTemplate,
            Need::Nothing,
            templates,
            act!(|s, c| s.runpod.create_template(c, &template())),
        ),
        Deed::reads(
            "get_template",
            At::GetTemplate,
            Need::Template,
            templates,
            act!(|s, c| s.runpod.get_template(c, &s.thing)),
        ),
        Deed::reads(
            "list_templates",
            At::ListTemplates,
            Need::Template,
            templates,
            act!(|s, c| s.runpod.list_templates(c)),
        ),
        Deed::repeats(
            "replace_template",
            At::UpdateTemplate,
            Need::Template,
            templates,
            act!(|s, c| s.runpod.replace_template(c, &s.thing, &newer())),
        ),
        Deed::repeats(
            "delete_template",
            At::DeleteTemplate,
            Need::Template,
            templates,
            act!(|s, c| s.runpod.delete_template(c, &s.thing)),
        ),
        Deed::once(
            "create_registry",
            At::CreateRegistry,
            Need::Nothing,
            registries,
            act!(|s, c| s.runpod.create_registry(c, "ghcr", "me", &password())),
        ),
        Deed::reads(
            "list_registries",
            At::ListRegistries,
            Need::Registry,
            registries,
            act!(|s, c| s.runpod.list_registries(c)),
        ),
        Deed::repeats(
            "delete_registry",
            At::DeleteRegistry,
            Need::Registry,
            registries,
            act!(|s, c| s.runpod.delete_registry(c, &s.thing)),
        ),
        Deed::reads("billing_history", At::Billing, Need::Pod, pods, bill),
        Deed::reads("balance", At::Balance, Need::Pod, pods, act!(|s, c| s.runpod.balance(c))),
    ]
}

fn newer() -> TemplateRequest {
    TemplateRequest::new("mine", "ghcr.io/me/app:2")
}
