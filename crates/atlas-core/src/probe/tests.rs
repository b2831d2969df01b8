//! Readiness (rule P12): which question is asked, and which answer counts.

use std::sync::Arc;

use atlas_auth::{SeededEntropy, Timestamp};

use super::*;
use crate::{Auth, Capabilities, ComputeId, ComputeStatus, ErrorKind, Port, PortSpec, ProviderId, Traits};

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn boot(&self) -> Duration {
        Duration::ZERO
    }
}

fn compute(ports: Vec<Port>) -> Compute {
    let id = ProviderId::parse("p").unwrap();
    let mut compute = Compute::new(&id, "test", ComputeId::new("c1"), ComputeStatus::Running);
    compute.ports = ports;
    compute
}

fn at(url: &str) -> Vec<Port> {
    vec![Port::new(PortSpec::tcp(22)), Port::new(PortSpec::http(8000)).with_url(url), Port::new(PortSpec::http(9000))]
}

fn credentials(auth: Auth) -> Credentials {
    Credentials::mint(auth, &SeededEntropy::new(3))
}

fn ask(ports: Vec<Port>, path: Option<&str>, auth: Auth) -> Result<Option<ProbeRequest>> {
    question(&compute(ports), path, &credentials(auth), &Noon)
}

#[test]
fn p12_the_first_http_port_is_asked_with_the_machine_s_key() {
    let request = ask(at("https://m.example/"), None, Auth::Bearer).unwrap().unwrap();
    assert_eq!(request.url.expose(), "https://m.example/");
    assert_eq!(request.bearer.as_ref().map(Secret::expose), credentials(Auth::Bearer).bearer());
    assert!(ask(at("https://m.example/"), None, Auth::None).unwrap().unwrap().bearer.is_none());
    let signed = ask(at("https://m.example/"), Some("/up?x=1"), Auth::SignedUrl).unwrap().unwrap();
    assert!(signed.url.expose().starts_with("https://m.example/up?x=1&atlas-"), "{}", signed.url.expose());
    assert!(signed.bearer.is_none());
    assert!(!format!("{signed:?} {request:?}").contains("m.example"), "an address may hold a signature");
}

#[test]
fn p12_without_an_address_there_is_no_question() {
    assert!(ask(Vec::new(), None, Auth::None).unwrap().is_none());
    assert!(ask(vec![Port::new(PortSpec::http(80))], None, Auth::None).unwrap().is_none());
    assert!(ask(vec![Port::new(PortSpec::tcp(80)).with_url("https://m/")], None, Auth::None).unwrap().is_none());
    assert_eq!(ask(at("no address"), None, Auth::None).unwrap_err().kind(), ErrorKind::Decode);
}

#[test]
fn p12_a_ready_path_never_leads_to_another_host() {
    let url = |path: &str| ask(at("https://m.example/base/"), Some(path), Auth::None).map(|asked| asked.unwrap().url);
    // The machine's own path: it may be reached below one of its cloud's proxy.
    assert_eq!(url("/health").unwrap().expose(), "https://m.example/base/health");
    assert_eq!(url("health").unwrap().expose(), "https://m.example/base/health");
    for path in
        ["//evil.example/", "https://evil.example/", "http://m.example/", "https://m.example:1/", "\\\\evil.example"]
    {
        assert_eq!(url(path).unwrap_err().kind(), ErrorKind::Validation, "{path}");
    }
}

#[test]
fn p12_what_counts_as_ready() {
    let plain = ProxySigns::default();
    let signs = ProxySigns::new(&[404, 524], &["x-proxy-error"]);
    let answer = ProbeAnswer::new;
    for (what, answer, signs, has_path, has_key, ready) in [
        ("200", answer(200), &plain, false, false, true),
        ("404 of the machine", answer(404), &plain, false, true, true),
        ("a redirect of the machine", answer(302), &plain, false, false, true),
        ("401 without a key", answer(401), &plain, false, false, true),
        ("its own key refused", answer(401), &plain, false, true, false),
        ("its own key forbidden", answer(403), &plain, false, true, false),
        ("500", answer(500), &plain, false, false, false),
        ("a path asks for 2xx", answer(204), &plain, true, true, true),
        ("a path and 404", answer(404), &plain, true, true, false),
        ("a path and 302", answer(302), &plain, true, true, false),
        ("the proxy's own status", answer(404), &signs, false, true, false),
        ("the proxy's own header", answer(200).with_header("X-Proxy-Error"), &signs, false, true, false),
        ("another header", answer(200).with_header("x-proxy"), &signs, true, true, true),
    ] {
        assert_eq!(is_ready(&answer, signs, has_path, has_key), ready, "{what}");
    }
}

#[test]
fn the_careful_defaults_know_no_proxy() {
    assert_eq!(Traits::new("test", Capabilities::NONE).proxy, ProxySigns::default());
    let shared: Arc<dyn Clock> = Arc::new(Noon);
    assert_eq!(shared.now(), Noon.now());
}
