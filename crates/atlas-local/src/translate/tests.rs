//! Requests that are refused, and records as computes: snapshots.

use std::path::Path;

use atlas_auth::{MasterKey, Sealer, Secret, SeededEntropy, Timestamp};
use atlas_core::{CloudType, Deployment, Installation, Mark, SpawnToken, TokenKind};
use atlas_pod::PodReport;
use serde_json::json;

use super::*;
use crate::machine::{Birth, Wanted, fresh_id};

fn machine(request: ComputeRequest) -> Machine {
    let entropy = SeededEntropy::new(1);
    let sealer = Sealer::from_master(&MasterKey::generate(&entropy), "test");
    let id = fresh_id(&entropy);
    let token = SpawnToken::generate(TokenKind::Session, &entropy);
    let mark = Mark::new(Deployment::default(), Installation::generate(&entropy), token, None);
    let birth = Birth {
        name: mark.to_string(),
        mark,
        ports: ports(&request),
        request,
        price_per_hour: Money::from_micros(100_000),
        limits: MachineLimits::none(),
        created_at: Timestamp::from_seconds(1_800_000_000),
    };
    Machine::new(id, sealer.seal(&entropy, "c", b"canary"), birth)
}

fn report() -> PodReport {
    serde_json::from_value(json!({
        "run": 1, "compute_id": "m-abcdefghij", "pid": 7, "started_ticks": 1, "boot_id": "b", "session": 7, "marker": "m",
        "ports": [
            { "container": 8000, "kind": "http", "public": 40001, "inner": 20001, "guarded": true },
            { "container": 22, "kind": "tcp", "public": 20002, "inner": 20002, "guarded": false },
        ],
        "started_at": "2027-01-15T08:00:00Z",
    }))
    .unwrap()
}

#[test]
fn c2_what_is_declared() {
    insta::assert_json_snapshot!(traits(), @r#"
    {
      "kind": "local",
      "capabilities": [
        "raw_tcp",
        "stop_resume",
        "logs",
        "cpu",
        "commands"
      ],
      "settle_window": "0s",
      "unique_names": false,
      "gone": "NotFound",
      "stopped_bills": "free",
      "launch_pace": null,
      "migrates": false,
      "name_limit": 128,
      "proxy": {
        "statuses": [],
        "headers": [
          "x-atlas-pod"
        ]
      }
    }
    "#);
}

#[test]
fn c6_what_cannot_be_honoured_is_refused_by_name() {
    let cases = [
        ComputeRequest::gpu("h100").gpu_count(2),
        ComputeRequest::cpu().image("ghcr.io/me/app:1").registry_auth("canary"),
        ComputeRequest::cpu().cpus(2).memory_mb(512),
        ComputeRequest::cpu().volume_gb(1).container_disk_gb(1),
        ComputeRequest::cpu().network_volume("v"),
        ComputeRequest::cpu().template("t"),
        ComputeRequest::cpu().spot(true).cloud_type(CloudType::Secure),
        ComputeRequest::cpu().option("nice", json!("canary")),
        ComputeRequest::cpu().region("local").region("us-east"),
        ComputeRequest::cpu().http_port(8000).port(PortSpec::tcp(22)),
        ComputeRequest::cpu().http_port(0),
        ComputeRequest::cpu().http_port(8000).port(PortSpec::tcp(8000)),
        ComputeRequest::cpu().env("ATLAS_MARK", "canary"),
        ComputeRequest::cpu().name("no name"),
        ComputeRequest::cpu().command([""]),
    ];
    let mut table = Vec::new();
    for request in cases {
        let error = check(&request, &MachineLimits::none()).unwrap_err();
        assert_eq!(error.effect(), atlas_core::Effect::NotSent);
        table.push(format!("{} {error}", error.kind()));
    }
    let table = table.join("\n");
    assert!(!table.contains("canary"));
    insta::assert_snapshot!(table, @r#"
    unsupported local does not support gpu, gpu_count (it has no GPU to rent)
    unsupported local does not support image, registry_auth (it runs commands of this machine, not images)
    unsupported local does not support cpus, memory_mb (its machines share this one, and it cannot give or limit a part of it)
    unsupported local does not support volume_gb, container_disk_gb (its machines share this one's disk, and it cannot give or limit a part of it)
    unsupported local does not support network_volume_id (it has no such thing)
    unsupported local does not support template_id (it has no such thing)
    unsupported local does not support cloud_type, spot (it has only one kind of machine)
    unsupported local does not support provider_opts.nice (it has no such option); it knows open_files, address_space_mb, processor_seconds, log_mb
    validation local has no region "us-east"; its only one is "local"
    validation nothing would listen on port 22/tcp: without a command the built-in service runs, which speaks http only
    validation port 0 is none: use 1 to 65535
    validation port 8000 is asked for twice
    validation ATLAS_MARK is Atlas's own to set: names that begin with ATLAS_ are kept
    validation "no name" is no machine name: letters, digits, `-`, `_` and `.`, beginning with a letter or digit, at most 40
    validation the command's program is empty, or an argument has a NUL in it
    "#);
}

#[test]
fn what_can_be_honoured_is_admitted() {
    for request in [
        ComputeRequest::cpu(),
        ComputeRequest::cpu().region("local").name("mine").http_port(8000).env("A", "b"),
        ComputeRequest::cpu().command(["sh", "-c", ""]).port(PortSpec::tcp(22)),
        ComputeRequest::cpu().cloud_type(CloudType::Any).allow_plain_http(true),
    ] {
        check(&request, &MachineLimits::none()).unwrap();
    }
}

#[test]
fn the_built_in_service_has_a_port() {
    assert_eq!(ports(&ComputeRequest::cpu()), [PortSpec::http(8000)]);
    assert_eq!(ports(&ComputeRequest::cpu().http_port(1)), [PortSpec::http(1)]);
    assert_eq!(ports(&ComputeRequest::cpu().command(["sleep"])), []);
}

#[test]
fn a_launch_has_all_of_the_machine() {
    let request = ComputeRequest::cpu().command(["sleep", "9"]).http_port(8000).port(PortSpec::tcp(22));
    let private = PrivateParts { env: [("A".to_owned(), Secret::new("canary"))].into(), ..PrivateParts::default() };
    let machine = machine(request);
    let spec = launch_spec(&machine, private, PodProgram::new("/pod"), Path::new("/d"), Duration::from_secs(1));
    insta::assert_debug_snapshot!(spec, @r#"
    LaunchSpec {
        directory: "/d",
        run: 1,
        compute_id: "m-zvbryu3rac",
        command: [
            "sleep",
            "9",
        ],
        environment: [
            "A",
        ],
        ports: [
            PortSpec {
                container: 8000,
                kind: Http,
                public: None,
            },
            PortSpec {
                container: 22,
                kind: Tcp,
                public: None,
            },
        ],
        ..
    }
    "#);
}

#[test]
fn a_machine_as_the_world_sees_it() {
    let request =
        ComputeRequest::cpu().command(["sleep", "9"]).http_port(8000).port(PortSpec::tcp(22)).env("A", "canary");
    let machine = machine(request);
    let provider = ProviderId::parse("mine").unwrap();
    let running = compute(&provider, &machine, &PodState::Running(report()), false);
    assert_eq!(running.mark.as_ref(), Some(&machine.mark));
    let text = serde_json::to_string(&running).unwrap();
    assert!(!text.contains("canary"), "{text}");
    insta::assert_json_snapshot!(running, { ".raw" => "[raw]" }, @r#"
    {
      "id": "m-zvbryu3rac",
      "name": "atlas-default-i56v6y-ffhq3no3hmthqhlbjhcih3xz4f",
      "provider": "mine",
      "kind": "local",
      "status": "running",
      "region": "local",
      "image": null,
      "gpu_type": null,
      "gpu_count": 0,
      "cost_per_hour": "0.100000",
      "public_ip": "127.0.0.1",
      "ports": [
        {
          "container_port": 8000,
          "protocol": "http",
          "public_port": 40001,
          "url": "http://127.0.0.1:40001/",
          "tls": false
        },
        {
          "container_port": 22,
          "protocol": "tcp",
          "public_port": 20002,
          "url": null,
          "tls": false
        }
      ],
      "created_at": "2027-01-15T08:00:00.000Z",
      "raw": "[raw]"
    }
    "#);
}

#[test]
fn p12_a_machine_that_does_not_run_has_no_endpoint_and_a_stopped_one_costs_nothing() {
    let provider = ProviderId::parse("mine").unwrap();
    let machine = machine(ComputeRequest::cpu());
    let cases = [
        (Wanted::Stopped, PodState::Running(report()), ComputeStatus::Stopping, 100_000),
        (Wanted::Stopped, PodState::Dead(report()), ComputeStatus::Stopped, 0),
        (Wanted::Running, PodState::Dead(report()), ComputeStatus::Failed, 100_000),
        (Wanted::Running, PodState::Busy, ComputeStatus::Starting, 100_000),
        (Wanted::Gone, PodState::Running(report()), ComputeStatus::Terminating, 100_000),
    ];
    for (wanted, state, status, micros) in cases {
        let compute = compute(&provider, &machine.wanting(wanted), &state, false);
        assert_eq!(compute.status, status);
        assert_eq!(compute.cost_per_hour, Some(Money::from_micros(micros)), "{status}");
        assert_eq!(compute.ports.len(), 1);
        assert!(compute.ports.iter().all(|port| port.url.is_none() && port.public_port.is_none()), "{status}");
    }
}
