//! RunPod's rate limits: those that its headers tell, and those that are documented for the serverless runtime. Pure.

use std::time::Duration;

use atlas_core::http::{Learned, Quota};
use http::HeaderMap;

const WINDOW: Duration = Duration::from_secs(10);

/// Reads `RateLimit`, such as `"minute";r=0;t=12, "hour";r=2800;t=1812`: what is left (`r`) in each window, and in how
/// many seconds it begins anew (`t`). The longest of the windows that are used up decides.
pub(crate) fn learned(headers: &HeaderMap) -> Option<Learned> {
    let values = headers.get_all("ratelimit").into_iter().filter_map(|value| value.to_str().ok());
    let used_up = values.flat_map(|value| value.split(',')).filter_map(used_up).max()?;
    Some(Learned { exhausted_for: used_up })
}

/// In which time a window begins anew, if it is used up.
fn used_up(window: &str) -> Option<Duration> {
    let number = |name: &str| {
        let found = window.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
        found.filter(|(key, _)| *key == name).find_map(|(_, text)| text.trim().parse::<u64>().ok())
    };
    (number("r")? == 0).then(|| number("t")).flatten().map(Duration::from_secs)
}

/// The bucket of one runtime operation of one endpoint. Management has one bucket, without a name.
pub(crate) fn bucket(operation: &str, endpoint: &str) -> String {
    format!("{operation}/{endpoint}")
}

/// What each operation of an endpoint may be called, within ten seconds, however few workers it has. More workers allow
/// more; by how much is not documented, so this is the floor. (docs.runpod.io, serverless rate limits.)
pub(crate) fn quotas(bucket: &str) -> &'static [Quota] {
    const RUN: &[Quota] = &[Quota::new(1000, WINDOW)];
    const READ: &[Quota] = &[Quota::new(2000, WINDOW)];
    const CANCEL: &[Quota] = &[Quota::new(100, WINDOW)];
    const PURGE: &[Quota] = &[Quota::new(2, WINDOW)];
    match bucket.split_once('/').map_or("", |(operation, _)| operation) {
        "run" => RUN,
        "runsync" | "status" | "stream" => READ,
        "cancel" => CANCEL,
        "purge-queue" => PURGE,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    //! Headers as RunPod writes them, and as nobody should.

    use super::*;

    fn wait(text: &'static str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", http::HeaderValue::from_static(text));
        learned(&headers).map(|learned| learned.exhausted_for.as_secs())
    }

    #[test]
    fn trap_25_the_longest_window_that_is_used_up_decides() {
        assert_eq!(wait(r#""minute";r=0;t=12, "hour";r=2800;t=1812, "day";r=49500;t=45012"#), Some(12));
        assert_eq!(wait(r#""minute";r=0;t=12, "hour";r=0;t=1812"#), Some(1812));
        assert_eq!(wait(r#""minute";r=1;t=12, "hour";r=2800;t=1812"#), None);
        assert_eq!(wait(r#""minute"; r=0 ; t=7"#), Some(7));
        for strange in ["", "minute", "r=0", r#""minute";r=0"#, r#""minute";r=x;t=1"#, ";;,,=="] {
            assert_eq!(wait(strange), None, "{strange}");
        }
    }

    #[test]
    fn each_runtime_operation_of_each_endpoint_has_its_own_limit() {
        let calls = |operation: &str| quotas(&bucket(operation, "ep1")).first().map(|quota| quota.calls);
        assert_eq!(
            ["run", "runsync", "status", "stream", "cancel", "purge-queue", "health"].map(calls),
            [Some(1000), Some(2000), Some(2000), Some(2000), Some(100), Some(2), None]
        );
        assert!(quotas("").is_empty());
        assert_ne!(bucket("run", "a"), bucket("run", "b"));
    }
}
