//! Names and sets of capabilities.

use super::*;

#[test]
fn names_are_stable() {
    let names: Vec<_> = Capability::ALL.iter().map(|capability| capability.name()).collect();
    assert_eq!(
        names,
        [
            "spot",
            "serverless",
            "network_volumes",
            "http_proxy",
            "raw_tcp",
            "symmetric_ports",
            "webhooks",
            "global_networking",
            "stop_resume",
            "logs",
            "cpu",
            "gpu",
            "images",
            "commands",
            "catalog",
        ]
    );
}

#[test]
fn each_is_a_flag_of_its_own() {
    for one in Capability::ALL {
        let only = Capabilities::NONE.with(one);
        for other in Capability::ALL {
            assert_eq!(only.has(other), one == other, "{one} {other}");
        }
        assert_eq!(only.without(one), Capabilities::NONE);
        assert_eq!(only.with(one), only);
    }
    let all: Capabilities = Capability::ALL.into_iter().collect();
    assert_eq!(all.iter().collect::<Vec<_>>(), Capability::ALL);
}

#[test]
fn a_set_shows_its_names() {
    let set: Capabilities = [Capability::Gpu, Capability::Spot].into_iter().collect();
    assert_eq!(format!("{set:?}"), r#"{"spot", "gpu"}"#);
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"["spot","gpu"]"#);
}
