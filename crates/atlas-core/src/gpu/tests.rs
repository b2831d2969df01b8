//! The catalog: each name leads to one model, and each model back to its names.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::*;

#[test]
fn c7_canonical_names_are_unique_and_found_in_any_case() {
    let names: BTreeSet<_> = all().iter().map(|model| model.name).collect();
    assert_eq!(names.len(), all().len());
    for model in all() {
        assert_eq!(find(model.name), Some(model));
        assert_eq!(find(&model.name.to_uppercase()), Some(model));
        let plain = model.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(plain, "{}", model.name);
    }
    for unknown in ["", "h", "h1000", "H100 ", "NVIDIA H100 PCIe", "a100"] {
        assert_eq!(find(unknown), None, "{unknown}");
    }
}

#[test]
fn c7_the_models_that_are_promised_are_there() {
    for name in [
        "h200",
        "h100",
        "a100_80g",
        "a100_40g",
        "l40s",
        "l4",
        "a6000",
        "rtx_4090",
        "rtx_3090",
        "mi300x",
        "b200",
        "b300",
        "gh200",
        "h100_nvl",
        "rtx_5090",
        "rtx_pro_6000",
    ] {
        assert!(find(name).is_some(), "{name}");
    }
}

#[test]
fn c7_each_native_name_leads_back_to_its_model() {
    for model in all() {
        assert!(!model.natives.is_empty(), "{} is sold nowhere", model.name);
        let kinds: BTreeSet<_> = model.natives.iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.len(), model.natives.len(), "{} names a cloud twice", model.name);
        for (kind, names) in model.natives {
            assert!(!names.is_empty() && model.natives(kind) == *names);
            for native in *names {
                let reported = u64::from(model.memory_gb.0) * 1024;
                assert_eq!(canonical_of(kind, native, Some(reported)), Some(model), "{kind} {native}");
            }
        }
    }
}

#[test]
fn c7_only_memory_tells_names_apart_that_a_cloud_gives_twice() {
    let mut shared = BTreeSet::new();
    for model in all() {
        for (kind, names) in model.natives {
            shared.extend(
                names.iter().filter(|name| canonical_of(kind, name, None).is_none()).map(|name| (*kind, *name)),
            );
        }
    }
    assert_eq!(shared.into_iter().collect::<Vec<_>>(), [("vast", "A100 PCIE"), ("vast", "A100 SXM4")]);
    let of = |megabytes| canonical_of("vast", "A100 SXM4", Some(megabytes)).map(|model| model.name);
    assert_eq!((of(40_960), of(81_920), of(36_500)), (Some("a100_40g"), Some("a100_80g"), Some("a100_40g")));
    assert_eq!((of(24_000), of(60_000), of(160_000)), (None, None, None));
}

#[test]
fn c7_reported_memory_is_a_little_off() {
    for (name, megabytes) in
        [("rtx_4090", 24_564), ("rtx_3090", 24_576), ("rtx_5090", 32_607), ("a6000", 49_140), ("l4", 23_034)]
    {
        assert!(find(name).unwrap().admits_memory(megabytes), "{name}");
    }
    assert!(!find("rtx_4090").unwrap().admits_memory(16_384));
}

#[test]
fn c7_unknown_clouds_and_names_are_none() {
    assert_eq!(canonical_of("runpod", "H100", None), None);
    assert_eq!(canonical_of("fly", "a10", None), None);
    assert!(find("h100").unwrap().natives("fly").is_empty());
    assert_eq!(canonical_of("runpod", "NVIDIA H100 NVL", None).map(|model| model.name), Some("h100_nvl"));
}

#[test]
fn the_table() {
    let mut table = String::new();
    for model in all() {
        let (least, most) = model.memory_gb;
        let memory = if least == most { least.to_string() } else { format!("{least}-{most}") };
        let natives: Vec<_> = model.natives.iter().map(|(kind, names)| format!("{kind}={}", names.join("|"))).collect();
        let forms = model.form_factors.join("|");
        writeln!(table, "{} ({}) {memory} {forms}: {}", model.name, model.display, natives.join("; ")).unwrap();
    }
    insta::assert_snapshot!(table, @r##"
    b300 (B300) 288 SXM: runpod=NVIDIA B300 SXM6 AC
    b200 (B200) 180 SXM: runpod=NVIDIA B200; lambda_labs=b200_sxm6; vast=B200
    gh200 (GH200 (arm64)) 96 SXM: lambda_labs=gh200; vast=GH200 SXM
    h200 (H200) 141-143 SXM|NVL: runpod=NVIDIA H200|NVIDIA H200 NVL; vast=H200|H200 NVL
    h100 (H100) 80 SXM|PCIe: runpod=NVIDIA H100 80GB HBM3|NVIDIA H100 PCIe; lambda_labs=h100_sxm5|h100_pcie; vast=H100 SXM|H100 PCIE
    h100_nvl (H100 NVL) 94 NVL: runpod=NVIDIA H100 NVL; vast=H100 NVL
    a100_80g (A100 80 GB) 80 SXM|PCIe: runpod=NVIDIA A100-SXM4-80GB|NVIDIA A100 80GB PCIe; lambda_labs=a100_80gb_sxm4; vast=A100 SXM4|A100 PCIE|A100X
    a100_40g (A100 40 GB) 40 SXM|PCIe: lambda_labs=a100_sxm4|a100; vast=A100 SXM4|A100 PCIE
    mi300x (Instinct MI300X) 192 OAM: runpod=AMD Instinct MI300X OAM
    l40s (L40S) 48 PCIe: runpod=NVIDIA L40S; vast=L40S
    l40 (L40) 48 PCIe: runpod=NVIDIA L40; vast=L40
    l4 (L4) 24 PCIe: runpod=NVIDIA L4; vast=L4
    a40 (A40) 48 PCIe: runpod=NVIDIA A40; vast=A40
    a30 (A30) 24 PCIe: runpod=NVIDIA A30
    a10 (A10) 24 PCIe: lambda_labs=a10; vast=A10
    v100 (V100) 16-32 SXM|PCIe: runpod=Tesla V100-SXM2-32GB|Tesla V100-SXM2-16GB|Tesla V100-PCIE-16GB; lambda_labs=v100; vast=Tesla V100
    t4 (T4) 16 PCIe: vast=Tesla T4
    p100 (P100) 12-16 SXM|PCIe: vast=Tesla P100
    rtx_pro_6000 (RTX PRO 6000 Blackwell) 96 PCIe: runpod=NVIDIA RTX PRO 6000 Blackwell Server Edition|NVIDIA RTX PRO 6000 Blackwell Workstation Edition|NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition; vast=RTX PRO 6000 S|RTX PRO 6000 WS|RTX PRO 6000 Max-Q
    rtx_pro_4500 (RTX PRO 4500 Blackwell) 32 PCIe: runpod=NVIDIA RTX PRO 4500 Blackwell
    rtx_6000_ada (RTX 6000 Ada) 48 PCIe: runpod=NVIDIA RTX 6000 Ada Generation; vast=RTX 6000Ada
    rtx_5000_ada (RTX 5000 Ada) 32 PCIe: runpod=NVIDIA RTX 5000 Ada Generation
    rtx_4000_ada (RTX 4000 Ada) 20 PCIe: runpod=NVIDIA RTX 4000 Ada Generation|NVIDIA RTX 4000 SFF Ada Generation
    rtx_2000_ada (RTX 2000 Ada) 16 PCIe: runpod=NVIDIA RTX 2000 Ada Generation
    a6000 (RTX A6000) 48 PCIe: runpod=NVIDIA RTX A6000; lambda_labs=a6000; vast=RTX A6000
    a5000 (RTX A5000) 24 PCIe: runpod=NVIDIA RTX A5000; vast=RTX A5000
    a4500 (RTX A4500) 20 PCIe: runpod=NVIDIA RTX A4500
    a4000 (RTX A4000) 16 PCIe: runpod=NVIDIA RTX A4000; vast=RTX A4000
    a2000 (RTX A2000) 6 PCIe: runpod=NVIDIA RTX A2000
    quadro_rtx_6000 (Quadro RTX 6000) 24 PCIe: lambda_labs=rtx6000
    rtx_5090 (GeForce RTX 5090) 32 PCIe: runpod=NVIDIA GeForce RTX 5090; vast=RTX 5090
    rtx_5080 (GeForce RTX 5080) 16 PCIe: runpod=NVIDIA GeForce RTX 5080
    rtx_4090 (GeForce RTX 4090) 24 PCIe: runpod=NVIDIA GeForce RTX 4090; vast=RTX 4090
    rtx_4080_super (GeForce RTX 4080 SUPER) 16 PCIe: runpod=NVIDIA GeForce RTX 4080 SUPER
    rtx_4080 (GeForce RTX 4080) 16 PCIe: runpod=NVIDIA GeForce RTX 4080
    rtx_4070_ti (GeForce RTX 4070 Ti) 12 PCIe: runpod=NVIDIA GeForce RTX 4070 Ti
    rtx_3090_ti (GeForce RTX 3090 Ti) 24 PCIe: runpod=NVIDIA GeForce RTX 3090 Ti
    rtx_3090 (GeForce RTX 3090) 24 PCIe: runpod=NVIDIA GeForce RTX 3090; vast=RTX 3090
    rtx_3080_ti (GeForce RTX 3080 Ti) 12 PCIe: runpod=NVIDIA GeForce RTX 3080 Ti
    rtx_3080 (GeForce RTX 3080) 10 PCIe: runpod=NVIDIA GeForce RTX 3080
    rtx_3070 (GeForce RTX 3070) 8 PCIe: runpod=NVIDIA GeForce RTX 3070
    "##);
}
