//! The environment that a command finds. Pure.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use crate::report::{BoundPort, PodReport};
use crate::spec::{PortKind, Revealed};
use crate::sweep::MARKER_VARIABLE;

/// Where programs are looked for when the owner itself knew no better.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the spec gives, over what every command needs, under what is the pod's own to say.
pub(super) fn of_command(
    asked: &BTreeMap<String, Revealed>,
    report: &PodReport,
    work: &Path,
    inherited: impl IntoIterator<Item = (&'static str, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut environment = BTreeMap::from([
        (OsString::from("PATH"), OsString::from(DEFAULT_PATH)),
        (OsString::from("LANG"), OsString::from("C.UTF-8")),
        (OsString::from("HOME"), work.as_os_str().to_owned()),
    ]);
    environment.extend(inherited.into_iter().map(|(name, value)| (OsString::from(name), value)));
    environment.extend(asked.iter().map(|(name, value)| (OsString::from(name), OsString::from(value.0.expose()))));
    let mut own = |name: &str, value: &str| environment.insert(OsString::from(name), OsString::from(value));
    own("ATLAS_COMPUTE_ID", &report.compute_id);
    own(MARKER_VARIABLE, &report.marker);
    for port in &report.ports {
        own(&format!("ATLAS_PORT_{}", port.container), &port.inner.to_string());
    }
    if let Some(BoundPort { inner, .. }) = report.ports.iter().find(|port| port.kind == PortKind::Http) {
        own("PORT", &inner.to_string());
    }
    environment
}

#[cfg(test)]
mod tests;
