//! A capability is declared exactly when it works (rule C2): what is declared works.

use atlas_core::{Capability, Compute, ComputeRequest, ComputeStatus, PortSpec, Protocol, RentalKind};

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};

use super::{FREE, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!(
        "capability/endpoints-listed",
        "C2, O1: with serverless, endpoints are listed, so that they can be found again",
        with(Capability::Serverless),
        FREE,
        endpoints_listed
    ),
    case!(
        "capability/http-proxy",
        "C2: with http_proxy, an http port has an https address",
        with(Capability::HttpProxy),
        ONE,
        http_proxy
    ),
    case!(
        "capability/raw-tcp-works",
        "C2: with raw_tcp, a tcp port has an address and a number outside",
        with(Capability::RawTcp),
        ONE,
        raw_tcp_works
    ),
    case!("capability/cpu-works", "C2: with cpu, a machine without a GPU runs", with(Capability::Cpu), ONE, cpu_works),
    case!("capability/gpu-works", "C2: with gpu, a machine says which it has", with(Capability::Gpu), ONE, gpu_works),
    case!(
        "capability/images-work",
        "C2: with images, a machine runs the one that was asked for",
        with(Capability::Images),
        ONE,
        images_work
    ),
    case!(
        "capability/commands-work",
        "C2: with commands, a machine runs with one",
        with(Capability::Commands),
        ONE,
        commands_work
    ),
    case!(
        "capability/symmetric-ports-work",
        "C2: with symmetric_ports, a port has the same number outside as inside",
        with(Capability::SymmetricPorts),
        ONE,
        symmetric_ports_work
    ),
    case!(
        "capability/global-networking-works",
        "C2: with global_networking, a machine stands in such a network",
        with(Capability::GlobalNetworking),
        ONE,
        global_networking_works
    ),
    case!(
        "capability/spot-works",
        "C2: with spot, an interruptible machine is made",
        with(Capability::Spot),
        ONE,
        spot_works
    ),
];

async fn endpoints_listed(bench: &Bench<'_>) -> Verdict {
    let all = bench.provider().list_rented(&bench.context(), RentalKind::Endpoint).await?;
    ensure!(all.iter().all(|rented| rented.kind == RentalKind::Endpoint), "among the endpoints are others: {all:?}");
    Ok(())
}

async fn http_proxy(bench: &Bench<'_>) -> Verdict {
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

async fn raw_tcp_works(bench: &Bench<'_>) -> Verdict {
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

async fn spot_works(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine().spot(true);
    if request.gpu.is_empty() && bench.provider().check(&request).is_err() {
        request = request.or("rtx_4090");
    }
    bench.spawn_as(request).await.map(drop)
}

/// Makes this machine, and waits until it runs.
async fn runs(bench: &Bench<'_>, request: ComputeRequest) -> Result<Compute, Broken> {
    bench.provider().check(&request)?;
    let (made, _) = bench.spawn_as(request).await?;
    bench.until(&made.id, &ComputeStatus::Running).await
}

async fn cpu_works(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    request.gpu.clear();
    request.gpu_count = None;
    let running = runs(bench, request).await?;
    ensure!(running.gpu_count == 0, "a machine without a GPU has {} of them", running.gpu_count);
    Ok(())
}

async fn gpu_works(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    if request.gpu.is_empty() {
        request = request.or("rtx_4090");
    }
    let running = runs(bench, request).await?;
    ensure!(running.gpu_type.is_some(), "a machine with a GPU does not say which");
    ensure!(running.gpu_count > 0, "a machine with a GPU says that it has none");
    Ok(())
}

async fn images_work(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    let image = request.image.get_or_insert_with(|| "alpine:3".to_owned()).clone();
    let running = runs(bench, request).await?;
    ensure!(running.image.as_ref() == Some(&image), "asked for image {image}, it runs {:?}", running.image);
    Ok(())
}

async fn commands_work(bench: &Bench<'_>) -> Verdict {
    runs(bench, bench.machine().command(["sleep", "600"])).await.map(drop)
}

/// Makes a machine that asks for this in the provider's own words, and waits until it runs and `holds`.
async fn in_own_words(
    bench: &Bench<'_>,
    capability: Capability,
    holds: impl Fn(&Compute) -> bool + Send + Sync,
) -> Verdict {
    let Some((request, place)) = bench.harness().in_own_words(capability) else {
        return Err(Broken::NotProvable(format!("the harness does not say how to ask for {capability}")));
    };
    let running = runs(bench, request).await?;
    let until = bench.now().plus(bench.harness().patience());
    while bench.now() < until {
        let read = bench.get(&running.id).await?;
        let shown = read.raw.pointer(place).is_some_and(|shown| !shown.is_null() && *shown != serde_json::json!(false));
        if shown && holds(&read) {
            return Ok(());
        }
        bench.moment().await;
    }
    Err(Broken::because(format!("a running machine shows nothing of {capability}, which was asked for")))
}

async fn symmetric_ports_work(bench: &Bench<'_>) -> Verdict {
    let same = |compute: &Compute| compute.ports.iter().any(|port| port.public_port == Some(port.container_port));
    in_own_words(bench, Capability::SymmetricPorts, same).await
}

async fn global_networking_works(bench: &Bench<'_>) -> Verdict {
    in_own_words(bench, Capability::GlobalNetworking, |_| true).await
}
