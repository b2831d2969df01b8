//! Requests and answers: what is refused before anything is spent, what is stored, what is never shown.

use atlas_auth::Secret;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{Capabilities, Capability, ComputeId, ErrorKind, ProviderId, Traits, gpu};

const CANARY: &str = "canary-3f1c";

fn everything() -> ComputeRequest {
    ComputeRequest::gpu("h100")
        .or("a100_80g")
        .gpu_count(2)
        .cpus(8)
        .memory_mb(1024)
        .image("ghcr.io/me/app:1")
        .command(["serve", "--port", "8000"])
        .cloud_type(CloudType::Secure)
        .spot(true)
        .region("eu")
        .http_port(8000)
        .port(PortSpec::tcp(22))
        .env("KEY", CANARY)
        .volume_gb(10)
        .container_disk_gb(20)
        .network_volume("v1")
        .registry_auth(CANARY)
        .name("mine")
        .template("t1")
        .option("token", json!(CANARY))
        .allow_plain_http(true)
}

#[test]
fn c6_what_is_wrong_anywhere_is_refused_by_name() {
    let ok = ComputeRequest::gpu("h100");
    let cases: Vec<(ComputeRequest, &str)> = vec![
        (ok.clone().gpu_count(0), "gpu_count is 0; it must be from 1 to 64"),
        (ok.clone().gpu_count(65), "gpu_count is 65; it must be from 1 to 64"),
        (ComputeRequest::cpu().gpu_count(1), "gpu_count is set and no gpu is named"),
        (ok.clone().cpus(0), "cpus is 0; it must be from 1 to 1024"),
        (ok.clone().cpus(u32::MAX), "cpus is 4294967295; it must be from 1 to 1024"),
        (ok.clone().memory_mb(0), "memory_mb is 0; it must be from 1 to 67108864"),
        (ok.clone().memory_mb(u64::MAX), "memory_mb is 18446744073709551615; it must be from 1 to 67108864"),
        (ok.clone().volume_gb(0), "volume_gb is 0; it must be from 1 to 1000000"),
        (ok.clone().container_disk_gb(u32::MAX), "container_disk_gb is 4294967295; it must be from 1 to 1000000"),
        (ok.clone().http_port(0), "port 0 is none: use 1 to 65535"),
        (ok.clone().http_port(80).port(PortSpec::tcp(80)), "port 80 is asked for twice"),
        (ComputeRequest::gpu(""), "\"\" is no gpu name"),
        (ComputeRequest::gpu("a\nb"), "\"a b\" is no gpu name"),
        (ok.clone().or("x".repeat(101)), "is no gpu name"),
        (ok.clone().region(" "), "\" \" is no region name"),
        (ok.clone().image(""), "the image's name is empty or has blanks in it"),
        (ok.clone().image("a b"), "the image's name is empty or has blanks in it"),
        (ok.clone().command([""]), "the command's program is empty, or an argument has a NUL in it"),
        (ok.clone().command(["a", "\0"]), "the command's program is empty, or an argument has a NUL in it"),
        (ok.clone().env("", "x"), "\"\" is no variable name: letters, digits and `_`, not beginning with a digit"),
        (ok.clone().env("1A", "x"), "\"1A\" is no variable name"),
        (ok.clone().env("A-B", "x"), "\"A-B\" is no variable name"),
        (ok.clone().env("A=B", "x"), "\"A=B\" is no variable name"),
        (ok.clone().env("A", "canary-3f1c\0"), "the value of A has a NUL in it"),
        (ok.clone().env("ATLAS_MARK", "x"), "ATLAS_MARK is Atlas's own to set"),
        (ok.clone().env("ATLAS_PRESHARED_KEY", CANARY), "ATLAS_PRESHARED_KEY is Atlas's own to set"),
        (ok.clone().name(""), "\"\" is no machine name"),
        (ok.clone().name("a b"), "\"a b\" is no machine name"),
        (ok.clone().name("n".repeat(41)), "is no machine name"),
    ];
    for (request, expected) in cases {
        let error = request.validate().expect_err(expected);
        assert!(error.to_string().contains(expected), "{error} is not {expected}");
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert!(!error.to_string().contains(CANARY), "{error}");
    }
    everything().validate().unwrap();
    ComputeRequest::cpu().validate().unwrap();
}

#[test]
fn c6_a_field_that_a_provider_does_not_understand_is_refused() {
    let all = everything().set_fields();
    assert_eq!(all.len(), 18, "each field is told: {all:?}");
    assert!(everything().only(&all).is_ok());
    for left_out in &all {
        let understood: Vec<_> = all.iter().copied().filter(|field| field != left_out).collect();
        let error = everything().only(&understood).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), format!("this provider does not support {left_out}"));
    }
    assert!(ComputeRequest::cpu().set_fields().is_empty());
    let error = everything().only(&[]).unwrap_err().to_string();
    assert!(error.contains("gpu, gpu_count, cpus") && error.ends_with("template_id, provider_opts"), "{error}");
}

#[test]
fn c6_the_names_of_fields_are_those_of_the_stored_request() {
    // A field that is added to the request and not to `set_fields` would be dropped in silence by every provider.
    let Value::Object(stored) = serde_json::to_value(everything()).unwrap() else { panic!("no object") };
    let mut stored: Vec<String> = stored.into_iter().map(|(name, _)| name).collect();
    stored.extend(["env", "registry_auth", "provider_opts"].map(str::to_owned));
    // How to reach the machine is Atlas's own to honour, not a provider's.
    stored.retain(|name| name != "allow_plain_http");
    stored.sort();
    let mut told: Vec<String> = everything().set_fields().iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(told, stored);
}

#[test]
fn c6_what_needs_a_capability_is_refused_without_it() {
    let gpu = || ComputeRequest::gpu("h100");
    for (request, needed) in [
        (gpu(), Capability::Gpu),
        (gpu().spot(true), Capability::Spot),
        (gpu().network_volume("v"), Capability::NetworkVolumes),
        (gpu().image("i"), Capability::Images),
        (gpu().command(["c"]), Capability::Commands),
        (ComputeRequest::cpu(), Capability::Cpu),
    ] {
        let all: Capabilities = Capability::ALL.into_iter().collect();
        request.needs(&Traits::new("test", all)).unwrap();
        let error = request.needs(&Traits::new("test", all.without(needed))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let expected = match needed {
            Capability::Cpu => "test rents no machine without a GPU; name one with gpu".to_owned(),
            other => format!("test does not support {other}"),
        };
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn c9_a_request_neither_shows_nor_stores_its_secrets() {
    let stored = serde_json::to_string(&everything()).unwrap();
    assert!(!stored.contains(CANARY), "{stored}");
    let mut request = everything();
    let parts = request.take_private();
    assert!(request.env.is_empty() && request.provider_opts.is_empty() && request.registry_auth.is_none());
    assert_eq!(serde_json::to_string(&request).unwrap(), stored, "what is stored is what is left");
    let back: ComputeRequest = serde_json::from_str(&stored).unwrap();
    assert_eq!(back, request);
    assert_eq!(back.with_private(parts.clone()), everything());
    assert!(!format!("{parts:?} {parts:#?}").contains(CANARY), "{parts:?}");
    assert!(format!("{parts:?}").contains("KEY"));
    assert!(!format!("{:?}", everything()).contains(CANARY), "options may hold secrets too");
}

#[test]
fn p6_private_parts_survive_sealing() {
    let parts = everything().take_private();
    assert_eq!(PrivateParts::from_bytes(&parts.to_bytes()).unwrap(), parts);
    assert_eq!(PrivateParts::from_bytes(&PrivateParts::default().to_bytes()).unwrap(), PrivateParts::default());
    let error = PrivateParts::from_bytes(br#"{"env":{"KEY":"canary-3f1c"},"registry_auth":7}"#).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[test]
fn c6_a_stored_request_with_a_field_of_a_later_version_is_refused() {
    let error = serde_json::from_str::<ComputeRequest>(r#"{"gpu":["h100"],"next_year":1}"#).unwrap_err();
    assert!(error.to_string().contains("unknown field `next_year`"), "{error}");
    assert_eq!(serde_json::from_str::<ComputeRequest>("{}").unwrap(), ComputeRequest::cpu());
}

#[test]
fn ports_are_read_strictly() {
    for (text, port) in [
        ("8000/http", PortSpec::http(8000)),
        ("22/tcp", PortSpec::tcp(22)),
        ("1/tcp", PortSpec::tcp(1)),
        ("65535/http", PortSpec::http(65535)),
    ] {
        assert_eq!(text.parse::<PortSpec>().unwrap(), port);
        assert_eq!(port.to_string(), text);
        assert_eq!(serde_json::to_value(port).unwrap(), text);
        assert_eq!(serde_json::from_value::<PortSpec>(text.into()).unwrap(), port);
    }
    for text in [
        "",
        "/",
        "8000",
        "8000/",
        "/http",
        "0/http",
        "65536/http",
        "-1/http",
        "+1/http",
        " 8000/http",
        "8000 /http",
        "8000/HTTP",
        "8000/udp",
        "8000/https",
        "8000/http/tcp",
        "8e3/http",
        "0x50/http",
        "８０/http",
        "8000:80/http",
        "a/tcp",
        "99999999999999999999/tcp",
    ] {
        let error = text.parse::<PortSpec>().expect_err(text).to_string();
        assert!(error.contains("is no port: write a number from 1 to 65535 with its protocol"), "{error}");
    }
}

#[test]
fn c12_a_port_says_whether_the_way_is_encrypted() {
    let port = |url: &str| Port::new(PortSpec::http(80)).with_url(url);
    assert!(port("https://x/").tls && !port("http://x/").tls);
    assert_eq!(port("https://x/").with_public_port(443).public_port, Some(443));
}

#[test]
fn c5_a_status_that_is_not_known_is_kept() {
    for word in
        ["starting", "running", "stopping", "stopped", "exited", "failed", "terminating", "terminated", "hibernating"]
    {
        let status: ComputeStatus = serde_json::from_value(word.into()).unwrap();
        assert_eq!(serde_json::to_value(&status).unwrap(), word);
        assert_eq!(matches!(status, ComputeStatus::Other(_)), word == "hibernating");
    }
}

#[test]
fn c9_a_compute_has_the_fields_of_the_contract_and_no_credentials() {
    let compute =
        Compute::new(&ProviderId::parse("team_b").unwrap(), "runpod", ComputeId::new("c1"), ComputeStatus::Running);
    let Value::Object(fields) = serde_json::to_value(&compute).unwrap() else { panic!("no object") };
    let mut names: Vec<_> = fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "cost_per_hour",
            "created_at",
            "gpu_count",
            "gpu_type",
            "id",
            "image",
            "kind",
            "name",
            "ports",
            "provider",
            "public_ip",
            "raw",
            "region",
            "status",
        ]
    );
    assert_eq!(serde_json::from_value::<Compute>(Value::Object(fields)).unwrap(), compute);
}

#[test]
fn a_filter_admits_what_it_says() {
    let id = ProviderId::parse("p").unwrap();
    let mut compute = Compute::new(&id, "k", ComputeId::new("c"), ComputeStatus::Stopped).with_name("my-machine");
    compute.region = Some("EU-1".to_owned());
    compute.gpu_type = Some("h100".to_owned());
    let filter = ComputeFilter::all;
    for (what, filter, admitted) in [
        ("all, stopped too", filter(), true),
        ("status", ComputeFilter { statuses: vec![ComputeStatus::Stopped], ..filter() }, true),
        ("another status", ComputeFilter { statuses: vec![ComputeStatus::Running], ..filter() }, false),
        ("part of the name", ComputeFilter { name: Some("mach".to_owned()), ..filter() }, true),
        ("another name", ComputeFilter { name: Some("x".to_owned()), ..filter() }, false),
        ("region in any case", ComputeFilter { region: Some("eu-1".to_owned()), ..filter() }, true),
        ("part of a region", ComputeFilter { region: Some("eu".to_owned()), ..filter() }, false),
        ("gpu", ComputeFilter { gpu: Some("H100".to_owned()), ..filter() }, true),
        ("another gpu", ComputeFilter { gpu: Some("l4".to_owned()), ..filter() }, false),
        ("marked ones only", ComputeFilter { marked: true, ..filter() }, false),
    ] {
        assert_eq!(filter.admits(&compute), admitted, "{what}");
    }
    compute.kind = "runpod".into();
    let native = gpu::find("h100").unwrap().natives("runpod")[0];
    assert!(ComputeFilter { gpu: Some(native.to_owned()), ..filter() }.admits(&compute), "by its native name");
    let marked = compute.with_name("atlas-app-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa");
    assert!(ComputeFilter { marked: true, ..filter() }.admits(&marked));
}

proptest! {
    #[test]
    fn no_port_text_panics(text in ".*") {
        let _ = text.parse::<PortSpec>();
    }

    #[test]
    fn private_parts_of_any_text_round_trip(name in "[A-Z_]{1,9}", value in ".*") {
        let parts = ComputeRequest::cpu().env(name, Secret::from(value.clone())).option("o", json!(value)).take_private();
        prop_assert_eq!(PrivateParts::from_bytes(&parts.to_bytes()).unwrap(), parts);
    }
}
