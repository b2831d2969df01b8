//! What cannot be honoured is refused before anything is sent (rule C6), and nothing asked for is dropped.

use atlas_core::{Capability, CloudType, ComputeRequest, ErrorKind, PortSpec};

use crate::bench::{Bench, Broken, ensure};
use crate::case::{Case, Verdict};

use super::{ANY, FREE, ONE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!(
        "refusal/nonsense",
        "what cannot be right on any cloud is refused before anything is sent",
        ANY,
        FREE,
        nonsense
    ),
    case!(
        "refusal/check-and-spawn-agree",
        "C6: what check refuses, spawn refuses before anything is sent",
        ANY,
        FREE,
        check_and_spawn_agree
    ),
    case!("refusal/unknown-gpu", "a GPU that nobody has makes no machine", with(Capability::Gpu), FREE, unknown_gpu),
    case!(
        "refusal/forbidden-options",
        "C5: an option that would change mark, token or key is refused",
        ANY,
        FREE,
        forbidden_options
    ),
    case!(
        "refusal/options-reach-the-cloud",
        "C5: options are merged last into what is sent",
        ANY,
        ONE,
        options_reach_the_cloud
    ),
];

async fn nonsense(bench: &Bench<'_>) -> Verdict {
    let machine = || bench.machine();
    let requests = [
        ("one port twice", machine().http_port(8123).port(PortSpec::tcp(8123))),
        ("a variable of Atlas's own", machine().env("ATLAS_MARK", "x")),
        ("a variable that is no name", machine().env("1 2", "x")),
        ("no machine's memory", machine().memory_mb(0)),
    ];
    for (what, request) in requests {
        let checked = bench.provider().check(&request);
        ensure!(checked.is_err(), "check admits {what}");
        let order = bench.order(request).await?;
        let error = bench.refused(what, bench.place(&order)).await?;
        let kinds = [ErrorKind::Validation, ErrorKind::Unsupported];
        ensure!(kinds.contains(&error.kind()), "{what} is refused as {}: {error}", error.kind());
    }
    Ok(())
}

async fn check_and_spawn_agree(bench: &Bench<'_>) -> Verdict {
    let machine = || bench.machine();
    let requests: [(&str, ComputeRequest); 15] = [
        ("gpu", machine().or("h100")),
        ("gpu_count", machine().or("h100").gpu_count(3)),
        ("cpus", machine().cpus(2)),
        ("memory_mb", machine().memory_mb(1024)),
        ("image", machine().image("alpine:3")),
        ("command", machine().command(["true"])),
        ("cloud_type", machine().cloud_type(CloudType::Community)),
        ("spot", machine().spot(true)),
        ("region_hints", machine().region("nowhere-on-earth")),
        ("volume_gb", machine().volume_gb(10)),
        ("container_disk_gb", machine().container_disk_gb(10)),
        ("network_volume_id", machine().network_volume("v1")),
        ("registry_auth", machine().registry_auth("r1")),
        ("template_id", machine().template("t1")),
        ("provider_opts", machine().option("no-such-option-anywhere", serde_json::json!(1))),
    ];
    for (what, request) in requests {
        let Err(checked) = bench.provider().check(&request) else { continue };
        let order = bench.order(request).await?;
        let error = bench.refused(what, bench.place(&order)).await?;
        ensure!(
            error.kind() == checked.kind(),
            "{what}: check refuses it as {}, spawn as {}: {error}",
            checked.kind(),
            error.kind()
        );
    }
    Ok(())
}

async fn unknown_gpu(bench: &Bench<'_>) -> Verdict {
    let mut request = bench.machine();
    request.gpu = vec!["a-gpu-that-nobody-has".to_owned()];
    let order = bench.order(request).await?;
    match bench.place(&order).await {
        Ok(made) => Err(Broken::because(format!("a GPU that nobody has made machine {}", made.id))),
        Err(error) => {
            ensure!(error.is_safe_to_resend(), "a GPU that nobody has may have made something: {error}");
            Ok(())
        }
    }
}

async fn forbidden_options(bench: &Bench<'_>) -> Verdict {
    let options = bench.harness().forbidden_options();
    if options.is_empty() {
        return Err(Broken::NotProvable("the harness names no option that would change mark, token or key".to_owned()));
    }
    for (name, value) in options {
        let request = bench.machine().option(name.as_str(), value);
        let (order, _) = bench.guarded(request).await?;
        let error = bench.refused(&format!("the option {name}"), bench.place(&order)).await?;
        ensure!(error.kind() == ErrorKind::Validation, "the option {name} is refused as {}: {error}", error.kind());
    }
    Ok(())
}

async fn options_reach_the_cloud(bench: &Bench<'_>) -> Verdict {
    let Some((name, value, place)) = bench.harness().option() else {
        return Err(Broken::NotProvable("the harness names no option of the provider's own".to_owned()));
    };
    let (made, _) = bench.spawn_as(bench.machine().option(name, value.clone())).await?;
    bench.seen(&made.id).await;
    let read = bench.get(&made.id).await?;
    let shown = read.raw.pointer(&place);
    ensure!(shown == Some(&value) || shown.is_some_and(|shown| within(&value, shown)), "at {place} stands {shown:?}");
    Ok(())
}

/// Whether all that `wanted` says stands in `shown`.
fn within(wanted: &serde_json::Value, shown: &serde_json::Value) -> bool {
    match (wanted.as_object(), shown.as_object()) {
        (Some(wanted), Some(shown)) => {
            wanted.iter().all(|(name, value)| shown.get(name).is_some_and(|shown| within(value, shown)))
        }
        _ => wanted == shown,
    }
}
