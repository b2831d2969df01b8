//! A capability is declared exactly when it works (rule C2): what is declared works.

use atlas_core::{Capability, ComputeStatus, PortSpec, Protocol, RentalKind};

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
