//! GPU types.

/// One GPU type. Prices are of one an hour, in thousandths of a dollar; 0 where that cloud has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Gpu {
    pub(in crate::server) id: &'static str,
    pub(in crate::server) name: &'static str,
    pub(in crate::server) memory: u32,
    pub(in crate::server) pool: Option<&'static str>,
    pub(in crate::server) secure: i64,
    pub(in crate::server) community: i64,
    pub(in crate::server) serverless: i64,
    /// Virtual CPUs and gigabytes of the host's memory that come with each.
    pub(in crate::server) host: (u32, u32),
}

/// How many of one type one pod can have.
const MOST: u32 = 8;

impl Gpu {
    /// What one costs an hour in this cloud, in millionths of a dollar; `None` where there is none.
    pub(in crate::server) fn price(&self, cloud: &str) -> Option<i64> {
        let price = if cloud == "COMMUNITY" { self.community } else { self.secure };
        (price > 0).then_some(price * 1000)
    }

    /// How many one pod can have of it in this cloud.
    pub(in crate::server) fn most(&self, cloud: &str) -> u32 {
        if self.price(cloud).is_some() { MOST } else { 0 }
    }

    /// Who makes it.
    pub(in crate::server) fn manufacturer(&self) -> &'static str {
        match self.id {
            "unknown" => "UNKNOWN",
            id if id.starts_with("AMD") => "AMD",
            _ => "NVIDIA",
        }
    }
}

const fn of(id: &'static str, name: &'static str, memory: u32, prices: [i64; 2], host: (u32, u32)) -> Gpu {
    Gpu { id, name, memory, pool: None, secure: prices[0], community: prices[1], serverless: 0, host }
}

/// The same, in a pool of the serverless workers.
const fn pooled(gpu: Gpu, pool: &'static str, serverless: i64) -> Gpu {
    Gpu { pool: Some(pool), serverless, ..gpu }
}

static GPUS: [Gpu; 47] = [
    of("AMD Instinct MI300X OAM", "MI300X", 192, [2_490, 0], (24, 283)),
    pooled(of("NVIDIA A100 80GB PCIe", "A100 PCIe", 80, [1_390, 1_190], (8, 117)), "AMPERE_80", 2_720),
    pooled(of("NVIDIA A100-SXM4-80GB", "A100 SXM", 80, [1_490, 1_390], (16, 125)), "AMPERE_80", 2_720),
    of("NVIDIA A30", "A30", 24, [350, 220], (8, 31)),
    pooled(of("NVIDIA A40", "A40", 48, [400, 350], (9, 50)), "AMPERE_48", 1_220),
    pooled(of("NVIDIA B200", "B200", 180, [5_190, 0], (28, 283)), "BLACKWELL_180", 8_640),
    of("NVIDIA B300 SXM6 AC", "B300", 288, [6_190, 0], (28, 283)),
    of("NVIDIA GeForce RTX 3070", "RTX 3070", 8, [0, 130], (4, 14)),
    of("NVIDIA GeForce RTX 3080", "RTX 3080", 10, [0, 170], (4, 14)),
    of("NVIDIA GeForce RTX 3080 Ti", "RTX 3080 Ti", 12, [0, 180], (4, 14)),
    pooled(of("NVIDIA GeForce RTX 3090", "RTX 3090", 24, [460, 220], (16, 31)), "AMPERE_24", 690),
    of("NVIDIA GeForce RTX 3090 Ti", "RTX 3090 Ti", 24, [0, 270], (16, 31)),
    of("NVIDIA GeForce RTX 4070 Ti", "RTX 4070 Ti", 12, [0, 190], (6, 31)),
    of("NVIDIA GeForce RTX 4080", "RTX 4080", 16, [0, 270], (8, 31)),
    of("NVIDIA GeForce RTX 4080 SUPER", "RTX 4080 SUPER", 16, [0, 280], (8, 31)),
    pooled(of("NVIDIA GeForce RTX 4090", "RTX 4090", 24, [690, 340], (12, 50)), "ADA_24", 1_100),
    of("NVIDIA GeForce RTX 5080", "RTX 5080", 16, [0, 390], (8, 31)),
    pooled(of("NVIDIA GeForce RTX 5090", "RTX 5090", 32, [890, 690], (12, 50)), "ADA_32_PRO", 1_580),
    pooled(of("NVIDIA H100 80GB HBM3", "H100 SXM", 80, [2_690, 2_590], (20, 125)), "ADA_80_PRO", 4_180),
    pooled(of("NVIDIA H100 NVL", "H100 NVL", 94, [2_590, 2_490], (16, 94)), "ADA_80_PRO", 4_180),
    pooled(of("NVIDIA H100 PCIe", "H100 PCIe", 80, [2_390, 1_990], (16, 188)), "ADA_80_PRO", 4_180),
    pooled(of("NVIDIA H200", "H200 SXM", 141, [3_590, 0], (24, 188)), "HOPPER_141", 5_580),
    of("NVIDIA H200 NVL", "NVIDIA H200 NVL", 143, [3_390, 0], (16, 188)),
    pooled(of("NVIDIA L4", "L4", 24, [390, 0], (12, 50)), "AMPERE_24", 690),
    pooled(of("NVIDIA L40", "L40", 48, [990, 690], (8, 94)), "ADA_48_PRO", 1_900),
    pooled(of("NVIDIA L40S", "L40S", 48, [860, 790], (16, 94)), "ADA_48_PRO", 1_900),
    pooled(of("NVIDIA RTX 2000 Ada Generation", "RTX 2000 Ada", 16, [240, 0], (6, 31)), "AMPERE_16", 580),
    pooled(of("NVIDIA RTX 4000 Ada Generation", "RTX 4000 Ada", 20, [260, 200], (8, 50)), "AMPERE_16", 580),
    of("NVIDIA RTX 4000 SFF Ada Generation", "RTX 4000 Ada SFF", 20, [260, 180], (8, 31)),
    of("NVIDIA RTX 5000 Ada Generation", "RTX 5000 Ada", 32, [690, 490], (14, 62)),
    pooled(of("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada", 48, [770, 740], (16, 62)), "ADA_48_PRO", 1_900),
    of("NVIDIA RTX A2000", "RTX A2000", 6, [0, 120], (6, 15)),
    pooled(of("NVIDIA RTX A4000", "RTX A4000", 16, [250, 170], (8, 24)), "AMPERE_16", 580),
    pooled(of("NVIDIA RTX A4500", "RTX A4500", 20, [250, 190], (12, 54)), "AMPERE_16", 580),
    pooled(of("NVIDIA RTX A5000", "RTX A5000", 24, [270, 160], (9, 25)), "AMPERE_24", 690),
    pooled(of("NVIDIA RTX A6000", "RTX A6000", 48, [490, 330], (9, 50)), "AMPERE_48", 1_220),
    of("NVIDIA RTX PRO 4000 Blackwell", "RTX PRO 4000", 24, [360, 0], (8, 31)),
    of("NVIDIA RTX PRO 4500 Blackwell", "RTX PRO 4500", 32, [540, 0], (12, 62)),
    of("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "RTX PRO 6000 MaxQ", 96, [1_690, 0], (16, 188)),
    pooled(
        of("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000", 96, [1_890, 1_790], (16, 188)),
        "BLACKWELL_96",
        3_990,
    ),
    of("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", "PRO 6000 MIG 24GB", 24, [490, 0], (4, 47)),
    of("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 2g.48gb", "PRO 6000 MIG 48GB", 48, [950, 0], (8, 94)),
    pooled(
        of("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000 WK", 96, [1_890, 1_690], (16, 188)),
        "BLACKWELL_96",
        3_990,
    ),
    of("Tesla V100-PCIE-16GB", "Tesla V100", 16, [0, 190], (8, 42)),
    of("Tesla V100-SXM2-16GB", "V100 SXM2", 16, [0, 230], (10, 42)),
    of("Tesla V100-SXM2-32GB", "V100 SXM2 32GB", 32, [0, 290], (10, 42)),
    // An entry of which nothing is known stands in the real catalog too.
    of("unknown", "unknown", 0, [0, 0], (0, 0)),
];

/// All of them.
pub(in crate::server) fn gpus() -> &'static [Gpu] {
    &GPUS
}

/// The one of this id.
pub(in crate::server) fn gpu(id: &str) -> Option<&'static Gpu> {
    GPUS.iter().find(|gpu| gpu.id == id)
}
