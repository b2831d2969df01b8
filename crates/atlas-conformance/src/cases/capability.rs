//! A capability is declared exactly when it works (rule C2): what is not declared is refused before anything is sent.

use atlas_core::{
    Capability, ComputeId, ComputeRequest, ComputeStatus, EndpointId, ErrorKind, JobId, JobRequest, LogOptions,
    PortSpec, Protocol, RentalKind, Result, VolumeId, VolumeRequest,
};

use super::life::nobody;
use crate::bench::{Bench, Broken, ensure};
use crate::case::Verdict;

/// One call that must be `unsupported`, and must say what is lacking.
async fn unsupported<T>(
    bench: &Bench<'_>,
    what: &str,
    capability: Capability,
    call: impl Future<Output = Result<T>>,
) -> Verdict {
    let error = bench.refused(what, call).await?;
    ensure!(error.kind() == ErrorKind::Unsupported, "{what} is refused as {}: {error}", error.kind());
    let named =
        error.message().contains(capability.name()) || error.message().contains(&capability.name().replace('_', " "));
    ensure!(named, "{what} is refused without naming {capability}: {error}");
    Ok(())
}

/// A request that must be refused by `check` and by `spawn` alike.
async fn request_refused(bench: &Bench<'_>, what: &str, request: ComputeRequest) -> Verdict {
    let Err(checked) = bench.provider().check(&request) else {
        return Err(Broken::because(format!("check admits {what}")));
    };
    ensure!(checked.kind() == ErrorKind::Unsupported, "check refuses {what} as {}: {checked}", checked.kind());
    let order = bench.order(request).await?;
    let error = bench.refused(what, bench.place(&order)).await?;
    ensure!(error.kind() == ErrorKind::Unsupported, "spawn refuses {what} as {}: {error}", error.kind());
    Ok(())
}

pub(super) async fn stop(bench: &Bench<'_>) -> Verdict {
    let (provider, context, id) = (bench.provider(), bench.context(), nobody());
    unsupported(bench, "stop", Capability::StopResume, provider.stop(&context, &id)).await?;
    unsupported(bench, "start", Capability::StopResume, provider.start(&context, &id)).await
}

pub(super) async fn logs(bench: &Bench<'_>) -> Verdict {
    let logs = async { bench.provider().logs(&bench.context(), &nobody(), &LogOptions::now()).map(drop) };
    unsupported(bench, "logs", Capability::Logs, logs).await
}

pub(super) async fn serverless(bench: &Bench<'_>) -> Verdict {
    let (provider, context) = (bench.provider(), bench.context());
    let (endpoint, job) = (EndpointId::new("e1"), JobId::new("j1"));
    let request = JobRequest::new("e1", serde_json::json!({"a": 1}));
    let capability = Capability::Serverless;
    unsupported(bench, "run_job", capability, provider.run_job(&context, &request)).await?;
    unsupported(bench, "get_job", capability, provider.get_job(&context, &endpoint, &job)).await?;
    unsupported(bench, "cancel_job", capability, provider.cancel_job(&context, &endpoint, &job)).await?;
    let stream = async { provider.stream_job(&context, &endpoint, &job).map(drop) };
    unsupported(bench, "stream_job", capability, stream).await?;
    unsupported(bench, "list_rented", capability, provider.list_rented(&context, RentalKind::Endpoint)).await?;
    let id = ComputeId::new("e1");
    unsupported(bench, "end_rented", capability, provider.end_rented(&context, RentalKind::Endpoint, &id)).await
}

pub(super) async fn webhooks(bench: &Bench<'_>) -> Verdict {
    let (provider, context) = (bench.provider(), bench.context());
    let job = bench.harness().job().unwrap_or_else(|| JobRequest::new("e1", serde_json::json!({"a": 1})));
    let request = job.webhook("https://hook.example/over");
    let serverless = provider.traits().has(Capability::Serverless);
    let lacking = if serverless { Capability::Webhooks } else { Capability::Serverless };
    unsupported(bench, "a job with a webhook", lacking, provider.run_job(&context, &request)).await
}

pub(super) async fn endpoints_listed(bench: &Bench<'_>) -> Verdict {
    let all = bench.provider().list_rented(&bench.context(), RentalKind::Endpoint).await?;
    ensure!(all.iter().all(|rented| rented.kind == RentalKind::Endpoint), "among the endpoints are others: {all:?}");
    Ok(())
}

pub(super) async fn network_volumes(bench: &Bench<'_>) -> Verdict {
    let (provider, context, id) = (bench.provider(), bench.context(), VolumeId::new("v1"));
    let capability = Capability::NetworkVolumes;
    let request = VolumeRequest::new("somewhere", 10);
    unsupported(bench, "check_volume", capability, async { provider.check_volume(&request) }).await?;
    let order = bench.volume_order(request).await?;
    unsupported(bench, "create_volume", capability, provider.create_volume(&context, &order)).await?;
    unsupported(bench, "get_volume", capability, provider.get_volume(&context, &id)).await?;
    unsupported(bench, "list_volumes", capability, provider.list_volumes(&context)).await?;
    unsupported(bench, "grow_volume", capability, provider.grow_volume(&context, &id, 20)).await?;
    unsupported(bench, "delete_volume", capability, provider.delete_volume(&context, &id)).await?;
    unsupported(bench, "list_rented", capability, provider.list_rented(&context, RentalKind::Volume)).await?;
    let id = ComputeId::new("v1");
    unsupported(bench, "end_rented", capability, provider.end_rented(&context, RentalKind::Volume, &id)).await?;
    request_refused(bench, "a network volume", bench.machine().network_volume("v1")).await
}

pub(super) async fn catalog(bench: &Bench<'_>) -> Verdict {
    let context = bench.context();
    unsupported(bench, "list_gpu_types", Capability::Catalog, bench.provider().list_gpu_types(&context)).await
}

pub(super) async fn spot(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a spot machine", bench.machine().spot(true)).await
}

pub(super) async fn gpu(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a GPU", bench.machine().or("h100")).await
}

pub(super) async fn cpu(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    request.gpu.clear();
    request.gpu_count = None;
    request_refused(bench, "a machine without a GPU", request).await
}

pub(super) async fn images(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "an image", bench.machine().image("alpine:3")).await
}

pub(super) async fn commands(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a command", bench.machine().command(["true"])).await
}

pub(super) async fn raw_tcp(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a tcp port", bench.machine().port(PortSpec::tcp(2222))).await
}

pub(super) async fn http_proxy(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    if !request.ports.iter().any(|port| port.protocol == Protocol::Http) {
        request = request.http_port(8000);
    }
    let (made, _) = bench.spawn_as(request).await?;
    let running = bench.until(&made.id, &ComputeStatus::Running).await?;
    let port = running.first_http().ok_or_else(|| Broken::because("a running machine shows no http port"))?;
    let url =
        port.url.as_deref().ok_or_else(|| Broken::because("the http port of a running machine has no address"))?;
    ensure!(url.starts_with("https://") || url.starts_with("http://127."), "the address is {url}");
    ensure!(port.tls == url.starts_with("https://"), "the address is {url}, and tls is {}", port.tls);
    Ok(())
}

pub(super) async fn raw_tcp_works(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine().port(PortSpec::tcp(2222));
    if let Err(refused) = bench.provider().check(&request) {
        // A machine without a command of its own may have nothing that could listen there.
        request = request.command(["sleep", "600"]);
        bench.provider().check(&request).map_err(|_| Broken::from(refused))?;
    }
    let (made, _) = bench.spawn_as(request).await?;
    let until = bench.now().plus(bench.harness().patience());
    while bench.now() < until {
        let running = bench.until(&made.id, &ComputeStatus::Running).await?;
        if running.public_ip.is_some() && running.port(2222).is_some_and(|port| port.public_port.is_some()) {
            return Ok(());
        }
        bench.harness().pass(std::time::Duration::from_secs(1)).await;
    }
    Err(Broken::because("the tcp port of a running machine has no address or no number outside"))
}

pub(super) async fn spot_works(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine().spot(true);
    if request.gpu.is_empty() && bench.provider().check(&request).is_err() {
        request = request.or("rtx_4090");
    }
    bench.spawn_as(request).await.map(drop)
}
