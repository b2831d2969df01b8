//! The environment seam (rule S1): what this process was given by the one that started it.

use std::ffi::OsString;

/// This very program, even after its file was replaced or removed.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// What a pod takes over from its owner's environment, and no more: the rest may hold the keys of clouds.
const KEPT: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];

/// One variable of this process's environment.
#[expect(clippy::disallowed_methods, reason = "this is the seam")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The part of this process's environment that a pod is started with.
pub(crate) fn kept() -> impl Iterator<Item = (&'static str, OsString)> {
    KEPT.into_iter().filter_map(|name| Some((name, variable(name)?)))
}
