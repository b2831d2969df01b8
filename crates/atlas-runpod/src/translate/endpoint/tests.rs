//! Pools: what holds the GPUs asked for, and what of them is left out.

use super::*;

fn catalog() -> Vec<Gpu> {
    let gpu = |id: &str, pool: Option<&str>| serde_json::from_value::<Gpu>(json!({"id": id, "pool": pool})).unwrap();
    vec![
        gpu("NVIDIA A40", Some("AMPERE_48")),
        gpu("NVIDIA RTX A6000", Some("AMPERE_48")),
        gpu("NVIDIA H100 80GB HBM3", Some("ADA_80_PRO")),
        gpu("NVIDIA H100 PCIe", Some("ADA_80_PRO")),
        gpu("NVIDIA A30", None),
    ]
}

fn of(names: &[&str]) -> Result<(Vec<String>, Vec<String>)> {
    pools(&EndpointRequest::gpu("i", names.iter().copied()), &catalog())
}

#[test]
fn a_pools_other_cards_are_left_out_unless_the_pool_itself_is_named() {
    let told = |names: &[&str]| of(names).unwrap();
    assert_eq!(told(&["a40"]), (vec!["AMPERE_48".to_owned()], vec!["NVIDIA RTX A6000".to_owned()]));
    assert_eq!(told(&["a40", "a6000"]), (vec!["AMPERE_48".to_owned()], Vec::new()));
    assert_eq!(told(&["AMPERE_48"]), (vec!["AMPERE_48".to_owned()], Vec::new()));
    assert_eq!(told(&["h100"]), (vec!["ADA_80_PRO".to_owned()], Vec::new()));
    let (pools, left_out) = told(&["NVIDIA H100 PCIe", "a40"]);
    assert_eq!(pools, ["ADA_80_PRO", "AMPERE_48"]);
    assert_eq!(left_out, ["NVIDIA RTX A6000", "NVIDIA H100 80GB HBM3"]);
    assert!(of(&["a30"]).is_err() && of(&["x"]).is_err());
}
