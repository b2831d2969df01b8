//! A capability is declared exactly when it works (rule C2): what is not declared is refused before anything is sent.

use atlas_core::{
    Capability, ComputeId, ComputeRequest, EndpointId, ErrorKind, JobId, JobRequest, LogOptions, PortSpec, RentalKind,
    Result, VolumeId, VolumeRequest,
};

use super::life::nobody;
use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};

use super::{FREE, without};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!("capability/stop", "C2: undeclared stop_resume is refused", without(Capability::StopResume), FREE, stop),
    case!("capability/logs", "C2: undeclared logs are refused", without(Capability::Logs), FREE, logs),
    case!(
        "capability/serverless",
        "C2: undeclared serverless is refused",
        without(Capability::Serverless),
        FREE,
        serverless
    ),
    case!(
        "capability/webhooks",
        "C2: a job with a webhook is refused where webhooks are not declared",
        without(Capability::Webhooks),
        FREE,
        webhooks
    ),
    case!(
        "capability/network-volumes",
        "C2: undeclared network_volumes are refused",
        without(Capability::NetworkVolumes),
        FREE,
        network_volumes
    ),
    case!("capability/catalog", "C2: an undeclared catalog is refused", without(Capability::Catalog), FREE, catalog),
    case!("capability/spot", "C2: undeclared spot is refused", without(Capability::Spot), FREE, spot),
    case!("capability/gpu", "C2: undeclared gpu is refused", without(Capability::Gpu), FREE, gpu),
    case!(
        "capability/cpu",
        "C2: a machine without a GPU is refused where cpu is not declared",
        without(Capability::Cpu),
        FREE,
        cpu
    ),
    case!("capability/images", "C2: undeclared images are refused", without(Capability::Images), FREE, images),
    case!("capability/commands", "C2: undeclared commands are refused", without(Capability::Commands), FREE, commands),
    case!(
        "capability/symmetric-ports",
        "C2: symmetric ports, asked for by that name, are refused where they are not declared",
        without(Capability::SymmetricPorts),
        FREE,
        symmetric_ports
    ),
    case!(
        "capability/global-networking",
        "C2: global networking, asked for by that name, is refused where it is not declared",
        without(Capability::GlobalNetworking),
        FREE,
        global_networking
    ),
    case!(
        "capability/raw-tcp",
        "C2: a tcp port is refused where raw_tcp is not declared",
        without(Capability::RawTcp),
        FREE,
        raw_tcp
    ),
];

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

async fn stop(bench: &Bench<'_>) -> Verdict {
    let (provider, context, id) = (bench.provider(), bench.context(), nobody());
    unsupported(bench, "stop", Capability::StopResume, provider.stop(&context, &id)).await?;
    unsupported(bench, "start", Capability::StopResume, provider.start(&context, &id)).await
}

async fn logs(bench: &Bench<'_>) -> Verdict {
    let logs = async { bench.provider().logs(&bench.context(), &nobody(), &LogOptions::now()).map(drop) };
    unsupported(bench, "logs", Capability::Logs, logs).await
}

async fn serverless(bench: &Bench<'_>) -> Verdict {
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

async fn webhooks(bench: &Bench<'_>) -> Verdict {
    let (provider, context) = (bench.provider(), bench.context());
    let job = bench.harness().job().unwrap_or_else(|| JobRequest::new("e1", serde_json::json!({"a": 1})));
    let request = job.webhook("https://hook.example/over");
    let serverless = provider.traits().has(Capability::Serverless);
    let lacking = if serverless { Capability::Webhooks } else { Capability::Serverless };
    unsupported(bench, "a job with a webhook", lacking, provider.run_job(&context, &request)).await
}

async fn network_volumes(bench: &Bench<'_>) -> Verdict {
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

async fn catalog(bench: &Bench<'_>) -> Verdict {
    let context = bench.context();
    unsupported(bench, "list_gpu_types", Capability::Catalog, bench.provider().list_gpu_types(&context)).await
}

async fn spot(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a spot machine", bench.machine().spot(true)).await
}

async fn gpu(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a GPU", bench.machine().or("h100")).await
}

async fn cpu(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    request.gpu.clear();
    request.gpu_count = None;
    request_refused(bench, "a machine without a GPU", request).await
}

async fn images(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "an image", bench.machine().image("alpine:3")).await
}

async fn commands(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a command", bench.machine().command(["true"])).await
}

async fn raw_tcp(bench: &Bench<'_>) -> Verdict {
    request_refused(bench, "a tcp port", bench.machine().port(PortSpec::tcp(2222))).await
}

async fn symmetric_ports(bench: &Bench<'_>) -> Verdict {
    option_refused(bench, Capability::SymmetricPorts, serde_json::json!(1)).await
}

async fn global_networking(bench: &Bench<'_>) -> Verdict {
    option_refused(bench, Capability::GlobalNetworking, serde_json::json!(true)).await
}

/// The contract has no word for this capability: one can ask for it only as for an option, by its name.
async fn option_refused(bench: &Bench<'_>, capability: Capability, value: serde_json::Value) -> Verdict {
    let request = bench.machine().option(capability.name(), value);
    let what = format!("the option {capability}");
    ensure!(bench.provider().check(&request).is_err(), "check admits {what}");
    let order = bench.order(request).await?;
    let error = bench.refused(&what, bench.place(&order)).await?;
    let kinds = [ErrorKind::Unsupported, ErrorKind::Validation];
    ensure!(kinds.contains(&error.kind()), "{what} is refused as {}: {error}", error.kind());
    Ok(())
}
