//! Network volumes in Atlas's words.

use atlas_core::error::excerpt;
use atlas_core::{Error, ErrorKind, ProviderId, RentalKind, Result, Volume, VolumeId, VolumeOrder, VolumeRequest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::options;
use super::raw::redacted;

/// The sizes that RunPod sells, in gigabytes.
const SIZES: std::ops::RangeInclusive<u32> = 10..=4096;

/// Refuses what RunPod cannot make.
pub(crate) fn check(request: &VolumeRequest) -> Result<()> {
    request.validate()?;
    size(request.size_gb)?;
    match request.provider_opts.keys().find(|name| *name != "type") {
        None => Ok(()),
        Some(name) => Err(Error::validation(format!(
            "\"{}\" is no option of RunPod's volumes; they know type (STANDARD, HIGH_PERFORMANCE)",
            excerpt(name)
        ))),
    }
}

/// Refuses a size that RunPod does not sell.
pub(crate) fn size(size_gb: u32) -> Result<()> {
    if SIZES.contains(&size_gb) {
        return Ok(());
    }
    Err(Error::validation(format!(
        "size_gb is {size_gb}; RunPod's volumes have {} to {} gigabytes",
        SIZES.start(),
        SIZES.end()
    )))
}

/// The body of a create. Data centres are written in capitals: in lower case they are taken and then not found.
pub(crate) fn body(order: &VolumeOrder) -> Value {
    let request = order.request();
    let mut body = json!({
        "name": order.name(),
        "size": request.size_gb,
        "dataCenter": request.region.trim().to_ascii_uppercase(),
    });
    options::merge(&mut body, &options::native(&request.provider_opts));
    body
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    id: &'a str,
    name: Option<&'a str>,
    size: Option<u32>,
    data_center: Option<&'a str>,
}

/// A volume that was read. RunPod tells no price for it.
pub(crate) fn read(provider: &ProviderId, answer: Value) -> Result<Volume> {
    // One without an id can be neither kept nor ended: what became of it a search for its mark must tell.
    let wire = Wire::deserialize(&answer).ok().filter(|wire| !wire.id.trim().is_empty()).ok_or_else(|| {
        Error::new(ErrorKind::Decode, "the cloud described a network volume that cannot be read, or has no id")
    })?;
    let mut volume = Volume::new(provider, VolumeId::new(wire.id), wire.size.unwrap_or(0));
    volume.name = wire.name.map(str::to_owned);
    volume.region = wire.data_center.map(str::to_owned);
    volume.raw = redacted(answer);
    Ok(volume)
}

/// Which of these pods, or endpoints, have a volume.
pub(crate) fn users(volume: &VolumeId, kind: RentalKind, all: &[Value]) -> Vec<String> {
    let is_it = |id: Option<&Value>| id.and_then(Value::as_str) == Some(volume.as_str());
    let has = |thing: &&Value| {
        let place = if kind == RentalKind::Machine { "/mounts/network" } else { "/networkVolumes" };
        let mounts = thing.pointer(place).and_then(Value::as_array);
        mounts.is_some_and(|mounts| mounts.iter().any(|mount| is_it(Some(mount)) || is_it(mount.get("volumeId"))))
    };
    let id = |thing: &Value| thing.get("id").and_then(Value::as_str).map(excerpt);
    all.iter().filter(has).filter_map(id).map(|id| format!("{kind} {id}")).collect()
}
