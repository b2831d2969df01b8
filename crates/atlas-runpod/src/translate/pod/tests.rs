//! Pods as they come, and as nobody expects them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(answer: Value) -> Result<Compute> {
    let proxy = ProxyUrl::parse("https://{id}-{port}.proxy.runpod.net").unwrap();
    describe(&ProviderId::parse("runpod").unwrap(), &proxy, answer)
}

#[test]
fn symmetric_ports_are_shown_by_the_number_that_runpod_gave_them() {
    let pod = json!({"id": "p1", "status": "RUNNING", "ports": ["8000/http", "70000/tcp", "22/tcp"], "runtime": {"ports": [
        {"private": 10_341, "public": 10_341, "type": "tcp", "ip": "203.0.113.7"},
        {"private": 22, "public": null, "type": "tcp", "ip": "203.0.113.7"},
        {"private": 8000, "public": 60_936, "type": "http", "ip": "100.65.18.211"},
    ]}});
    let compute = read(pod).unwrap();
    let told: Vec<_> = compute.ports.iter().map(|port| (port.container_port, port.public_port)).collect();
    assert_eq!(told, [(8000, None), (22, None), (10_341, Some(10_341))]);
    assert_eq!(compute.public_ip.as_deref(), Some("203.0.113.7"));
}

#[test]
fn one_odd_value_costs_nothing_but_itself() {
    let whole = json!({"id": "p1", "name": "n", "status": "RUNNING", "image": "i", "cost": 0.39, "dataCenterId": "EU-RO-1",
     "gpu": {"id": "NVIDIA L4", "count": 2}, "ports": ["22/tcp"], "createdAt": "2026-11-23T20:00:00Z", "mounts": {},
     "runtime": {"ports": [{"private": 22, "public": 17_740, "type": "tcp", "ip": "203.0.113.7"}]}});
    let told = |pod: &Value| {
        let compute = read(pod.clone()).unwrap();
        let ports: Vec<_> = compute.ports.iter().map(|port| (port.container_port, port.public_port)).collect();
        (compute.region, compute.cost_per_hour, compute.gpu_count, ports, compute.public_ip)
    };
    let (region, cost, cards, ports, ip) = told(&whole);
    assert_eq!((region.as_deref(), cards, ports.as_slice()), (Some("EU-RO-1"), 2, [(22, Some(17_740))].as_slice()));
    assert!(cost.is_some() && ip.is_some());

    // A symmetric port by the number under which it was asked for: inside, it has the number that it has outside.
    let mut pod = whole.clone();
    let symmetric = json!({"private": 70_000, "public": 10_341, "type": "tcp", "ip": "203.0.113.7"});
    pod["runtime"]["ports"].as_array_mut().unwrap().insert(0, symmetric);
    let with_symmetric = vec![(22, Some(17_740)), (10_341, Some(10_341))];
    assert_eq!(told(&pod), (region.clone(), cost, cards, with_symmetric, ip.clone()));

    for odd in [json!(70_000), json!(-1), json!(1.5), json!("22"), json!([]), json!({"x": 1})] {
        for wrong in [json!({"private": odd, "type": "tcp", "ip": "203.0.113.7"}), odd.clone()] {
            let mut pod = whole.clone();
            pod["runtime"]["ports"].as_array_mut().unwrap().insert(0, wrong);
            pod["ports"].as_array_mut().unwrap().push(odd.clone());
            assert_eq!(told(&pod), (region.clone(), cost, cards, ports.clone(), ip.clone()), "{odd}");
        }
        for name in ["createdAt", "mounts", "image", "name"] {
            let mut pod = whole.clone();
            pod[name] = odd.clone();
            assert_eq!(told(&pod), (region.clone(), cost, cards, ports.clone(), ip.clone()), "{name}: {odd}");
        }
    }
    for odd in [json!("0.39"), json!({}), json!(false)] {
        let mut pod = whole.clone();
        pod["cost"] = odd.clone();
        pod["gpu"]["count"] = odd;
        assert_eq!(told(&pod), (region.clone(), None, 1, ports.clone(), ip.clone()));
    }
}

#[test]
fn a_pod_without_an_id_is_an_error_and_one_with_nothing_else_is_not() {
    for none in [json!({}), json!({"id": ""}), json!({"id": 7}), json!(null), json!([])] {
        assert!(read(none).is_err());
    }
    let compute = read(json!({"id": "p1"})).unwrap();
    assert_eq!((compute.status, compute.cost_per_hour), (ComputeStatus::Other(String::new()), None));
}

/// Any JSON, with the words that a pod knows among the names.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let name = prop_oneof![
            Just("ports"),
            Just("runtime"),
            Just("gpu"),
            Just("count"),
            Just("mounts"),
            Just("persistent"),
            Just("cost"),
            Just("status"),
            Just("name"),
            Just("private"),
            Just("public"),
            Just("type"),
            Just("ip"),
            Just("createdAt"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_pod_looks_like_it_is_never_overlooked_and_never_shows_its_environment(mut pod in anything()) {
        if !pod.is_object() {
            pod = json!({"x": pod});
        }
        pod["id"] = json!("p1");
        pod["env"] = json!({"KEY": "canary-77"});
        let compute = read(pod).unwrap();
        prop_assert_eq!(compute.id.as_str(), "p1");
        prop_assert!(compute.cost_per_hour.is_none_or(|cost| cost >= Money::ZERO));
        let shown = format!("{:?} {}", compute, serde_json::to_string(&compute).unwrap());
        prop_assert!(!shown.contains("canary-77"));
    }
}
