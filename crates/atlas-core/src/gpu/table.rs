//! The catalog's rows. Names are as the clouds listed them in 2026; a cloud's slices of a card are left to their native names.

use super::GpuModel;

const RUNPOD: &str = "runpod";
const LAMBDA: &str = "lambda_labs";
const VAST: &str = "vast";

const fn model(
    name: &'static str,
    display: &'static str,
    memory_gb: (u32, u32),
    form_factors: &'static [&'static str],
    natives: &'static [(&'static str, &'static [&'static str])],
) -> GpuModel {
    GpuModel { name, display, memory_gb, form_factors, natives }
}

pub(super) static MODELS: &[GpuModel] = &[
    model("b300", "B300", (288, 288), &["SXM"], &[(RUNPOD, &["NVIDIA B300 SXM6 AC"])]),
    model(
        "b200",
        "B200",
        (180, 180),
        &["SXM"],
        &[(RUNPOD, &["NVIDIA B200"]), (LAMBDA, &["b200_sxm6"]), (VAST, &["B200"])],
    ),
    model("gh200", "GH200 (arm64)", (96, 96), &["SXM"], &[(LAMBDA, &["gh200"]), (VAST, &["GH200 SXM"])]),
    model(
        "h200",
        "H200",
        (141, 143),
        &["SXM", "NVL"],
        &[(RUNPOD, &["NVIDIA H200", "NVIDIA H200 NVL"]), (VAST, &["H200", "H200 NVL"])],
    ),
    model(
        "h100",
        "H100",
        (80, 80),
        &["SXM", "PCIe"],
        &[
            (RUNPOD, &["NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe"]),
            (LAMBDA, &["h100_sxm5", "h100_pcie"]),
            (VAST, &["H100 SXM", "H100 PCIE"]),
        ],
    ),
    model("h100_nvl", "H100 NVL", (94, 94), &["NVL"], &[(RUNPOD, &["NVIDIA H100 NVL"]), (VAST, &["H100 NVL"])]),
    model(
        "a100_80g",
        "A100 80 GB",
        (80, 80),
        &["SXM", "PCIe"],
        &[
            (RUNPOD, &["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"]),
            (LAMBDA, &["a100_80gb_sxm4"]),
            (VAST, &["A100 SXM4", "A100 PCIE", "A100X"]),
        ],
    ),
    model(
        "a100_40g",
        "A100 40 GB",
        (40, 40),
        &["SXM", "PCIe"],
        &[(LAMBDA, &["a100_sxm4", "a100"]), (VAST, &["A100 SXM4", "A100 PCIE"])],
    ),
    model("mi300x", "Instinct MI300X", (192, 192), &["OAM"], &[(RUNPOD, &["AMD Instinct MI300X OAM"])]),
    model("l40s", "L40S", (48, 48), &["PCIe"], &[(RUNPOD, &["NVIDIA L40S"]), (VAST, &["L40S"])]),
    model("l40", "L40", (48, 48), &["PCIe"], &[(RUNPOD, &["NVIDIA L40"]), (VAST, &["L40"])]),
    model("l4", "L4", (24, 24), &["PCIe"], &[(RUNPOD, &["NVIDIA L4"]), (VAST, &["L4"])]),
    model("a40", "A40", (48, 48), &["PCIe"], &[(RUNPOD, &["NVIDIA A40"]), (VAST, &["A40"])]),
    model("a30", "A30", (24, 24), &["PCIe"], &[(RUNPOD, &["NVIDIA A30"])]),
    model("a10", "A10", (24, 24), &["PCIe"], &[(LAMBDA, &["a10"]), (VAST, &["A10"])]),
    model(
        "v100",
        "V100",
        (16, 32),
        &["SXM", "PCIe"],
        &[
            (RUNPOD, &["Tesla V100-SXM2-32GB", "Tesla V100-SXM2-16GB", "Tesla V100-PCIE-16GB"]),
            (LAMBDA, &["v100"]),
            (VAST, &["Tesla V100"]),
        ],
    ),
    model("t4", "T4", (16, 16), &["PCIe"], &[(VAST, &["Tesla T4"])]),
    model("p100", "P100", (12, 16), &["SXM", "PCIe"], &[(VAST, &["Tesla P100"])]),
    model(
        "rtx_pro_6000",
        "RTX PRO 6000 Blackwell",
        (96, 96),
        &["PCIe"],
        &[
            (
                RUNPOD,
                &[
                    "NVIDIA RTX PRO 6000 Blackwell Server Edition",
                    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
                    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition",
                ],
            ),
            (VAST, &["RTX PRO 6000 S", "RTX PRO 6000 WS", "RTX PRO 6000 Max-Q"]),
        ],
    ),
    model(
        "rtx_pro_4500",
        "RTX PRO 4500 Blackwell",
        (32, 32),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA RTX PRO 4500 Blackwell"])],
    ),
    model(
        "rtx_6000_ada",
        "RTX 6000 Ada",
        (48, 48),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA RTX 6000 Ada Generation"]), (VAST, &["RTX 6000Ada"])],
    ),
    model("rtx_5000_ada", "RTX 5000 Ada", (32, 32), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX 5000 Ada Generation"])]),
    model(
        "rtx_4000_ada",
        "RTX 4000 Ada",
        (20, 20),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA RTX 4000 Ada Generation", "NVIDIA RTX 4000 SFF Ada Generation"])],
    ),
    model("rtx_2000_ada", "RTX 2000 Ada", (16, 16), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX 2000 Ada Generation"])]),
    model(
        "a6000",
        "RTX A6000",
        (48, 48),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA RTX A6000"]), (LAMBDA, &["a6000"]), (VAST, &["RTX A6000"])],
    ),
    model("a5000", "RTX A5000", (24, 24), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX A5000"]), (VAST, &["RTX A5000"])]),
    model("a4500", "RTX A4500", (20, 20), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX A4500"])]),
    model("a4000", "RTX A4000", (16, 16), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX A4000"]), (VAST, &["RTX A4000"])]),
    model("a2000", "RTX A2000", (6, 6), &["PCIe"], &[(RUNPOD, &["NVIDIA RTX A2000"])]),
    model("quadro_rtx_6000", "Quadro RTX 6000", (24, 24), &["PCIe"], &[(LAMBDA, &["rtx6000"])]),
    model(
        "rtx_5090",
        "GeForce RTX 5090",
        (32, 32),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA GeForce RTX 5090"]), (VAST, &["RTX 5090"])],
    ),
    model("rtx_5080", "GeForce RTX 5080", (16, 16), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 5080"])]),
    model(
        "rtx_4090",
        "GeForce RTX 4090",
        (24, 24),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA GeForce RTX 4090"]), (VAST, &["RTX 4090"])],
    ),
    model(
        "rtx_4080_super",
        "GeForce RTX 4080 SUPER",
        (16, 16),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA GeForce RTX 4080 SUPER"])],
    ),
    model("rtx_4080", "GeForce RTX 4080", (16, 16), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 4080"])]),
    model("rtx_4070_ti", "GeForce RTX 4070 Ti", (12, 12), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 4070 Ti"])]),
    model("rtx_3090_ti", "GeForce RTX 3090 Ti", (24, 24), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 3090 Ti"])]),
    model(
        "rtx_3090",
        "GeForce RTX 3090",
        (24, 24),
        &["PCIe"],
        &[(RUNPOD, &["NVIDIA GeForce RTX 3090"]), (VAST, &["RTX 3090"])],
    ),
    model("rtx_3080_ti", "GeForce RTX 3080 Ti", (12, 12), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 3080 Ti"])]),
    model("rtx_3080", "GeForce RTX 3080", (10, 10), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 3080"])]),
    model("rtx_3070", "GeForce RTX 3070", (8, 8), &["PCIe"], &[(RUNPOD, &["NVIDIA GeForce RTX 3070"])]),
];
