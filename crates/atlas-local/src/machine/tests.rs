//! A machine's record: its form is frozen, and what cannot be read is an error, never a panic.

use atlas_auth::{MasterKey, Sealer, SeededEntropy};
use atlas_core::{ComputeRequest, Deployment, Installation, SpawnToken, TokenKind};
use proptest::prelude::*;

use super::*;

fn machine() -> Machine {
    let entropy = SeededEntropy::new(1);
    let sealer = Sealer::from_master(&MasterKey::generate(&entropy), "test");
    let id = fresh_id(&entropy);
    let token = SpawnToken::generate(TokenKind::Plain, &entropy);
    let mark = Mark::new(Deployment::default(), Installation::generate(&entropy), token, Some("mine".to_owned()));
    let birth = Birth {
        name: mark.to_string(),
        mark,
        request: ComputeRequest::cpu().command(["sleep", "9"]).env("KEY", "canary").http_port(8000),
        ports: vec![PortSpec::http(8000)],
        price_per_hour: Money::from_micros(100_000),
        limits: MachineLimits::none(),
        created_at: Timestamp::from_seconds(1_800_000_000),
    };
    let sealed = sealer.seal(&entropy, id.as_str(), b"canary");
    Machine::new(id, sealed, birth)
}

#[test]
fn a_record_reads_back_and_shows_no_secret() {
    let machine = machine();
    let text = String::from_utf8(machine.encode()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    let read = Machine::decode(text.as_bytes()).unwrap();
    // The environment is not in the record but in what is sealed beside it.
    let mut without = machine.clone();
    without.request.take_private();
    assert_ne!(read, machine);
    assert_eq!(read, without);
}

#[test]
fn what_is_shown_holds_neither_the_environment_nor_what_is_sealed() {
    insta::assert_json_snapshot!(machine().public(), @r#"
    {
      "created_at": "2027-01-15T08:00:00.000Z",
      "format": 1,
      "id": "m-zvbryu3rac",
      "mark": "atlas-default-i56v6y-nfhq3no3hmthqhlbjhcih3xz4f-mine",
      "name": "atlas-default-i56v6y-nfhq3no3hmthqhlbjhcih3xz4f-mine",
      "ports": [
        "8000/http"
      ],
      "price_per_hour": "0.100000",
      "request": {
        "allow_plain_http": false,
        "cloud_type": "any",
        "command": [
          "sleep",
          "9"
        ],
        "container_disk_gb": null,
        "cpus": null,
        "gpu": [],
        "gpu_count": null,
        "image": null,
        "memory_mb": null,
        "name": null,
        "network_volume_id": null,
        "ports": [
          "8000/http"
        ],
        "region_hints": [],
        "spot": false,
        "template_id": null,
        "volume_gb": null
      },
      "run": 1,
      "wanted": "running"
    }
    "#);
}

#[test]
fn a_record_that_is_none_says_why() {
    let good: Value = serde_json::from_slice(&machine().encode()).unwrap();
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed.to_string()
    };
    let texts = [
        String::new(),
        "[]".to_owned(),
        with("format", 2.into()),
        with("added", true.into()),
        with("mark", "no mark".into()),
        with("price_per_hour", "a lot".into()),
        with("wanted", "flying".into()),
    ];
    let whys: Vec<String> = texts.iter().map(|text| Machine::decode(text.as_bytes()).unwrap_err()).collect();
    insta::assert_snapshot!(whys.join("\n"), @r#"
    it is no record of a machine: EOF while parsing a value at line 1 column 0
    it is no record of a machine: invalid length 0, expected struct Format with 1 element at line 1 column 2
    its format is 2 and this version of atlas knows 1; use the version that wrote it
    it cannot be understood: unknown field `added`, expected one of `format`, `id`, `name`, `mark`, `request`, `sealed`, `ports`, `price_per_hour`, `limits`, `created_at`, `run`, `wanted` at line 1 column 8
    it cannot be understood: no mark of Atlas at line 1 column 88
    it cannot be understood: "a lot" is no amount of dollars: write a decimal number such as 0.10 at line 1 column 242
    it cannot be understood: unknown variant `flying`, expected one of `running`, `stopped`, `gone` at line 1 column 641
    "#);
}

#[test]
fn a_machine_that_is_run_again_has_a_new_number() {
    let stopped = machine().wanting(Wanted::Stopped);
    let again = stopped.next_run();
    assert_eq!((again.run, again.wanted), (FIRST_RUN + 1, Wanted::Running));
    assert_eq!(again.sealed, stopped.sealed);
}

#[test]
fn ids_are_recognised() {
    let entropy = SeededEntropy::new(7);
    for _ in 0..100 {
        assert!(is_id(fresh_id(&entropy).as_str()));
    }
    for text in
        ["", "m-", "..", "m-abcdefghi", "m-abcdefghijk", "m-ABCDEFGHIJ", "m-abcdefghi1", "x-abcdefghij", "m-abc/efghij"]
    {
        assert!(!is_id(text), "{text}");
    }
}

proptest! {
    #[test]
    fn no_id_leads_out_of_the_folder(text in ".*") {
        if is_id(&text) {
            let path = std::path::Path::new("/account").join(&text);
            prop_assert_eq!(path.parent(), Some(std::path::Path::new("/account")));
            prop_assert_eq!(path.components().count(), 3);
        }
    }

    #[test]
    fn no_text_makes_decoding_panic(text in ".*") {
        let _ = Machine::decode(text.as_bytes());
    }
}
