//! CPU flavours.

/// One CPU flavour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::server) struct Flavour {
    pub(in crate::server) id: &'static str,
    pub(in crate::server) name: &'static str,
    pub(in crate::server) group: &'static str,
    pub(in crate::server) ram_per_vcpu: u32,
    /// Of one virtual CPU an hour, in millionths of a dollar.
    pub(in crate::server) price: i64,
    pub(in crate::server) least: u32,
    pub(in crate::server) most: u32,
}

const fn of(id: &'static str, name: &'static str, group: &'static str, ram_per_vcpu: u32, price: i64) -> Flavour {
    Flavour { id, name, group, ram_per_vcpu, price, least: 2, most: 32 }
}

static FLAVOURS: [Flavour; 6] = [
    of("cpu3c", "Compute-Optimized", "Gen 3", 2, 30_000),
    of("cpu3g", "General Purpose", "Gen 3", 4, 40_000),
    of("cpu3m", "Memory-Optimized", "Gen 3", 8, 55_000),
    of("cpu5c", "Compute-Optimized", "Gen 5", 2, 35_000),
    of("cpu5g", "General Purpose", "Gen 5", 4, 47_000),
    of("cpu5m", "Memory-Optimized", "Gen 5", 8, 65_000),
];

/// All of them.
pub(in crate::server) fn flavours() -> &'static [Flavour] {
    &FLAVOURS
}

/// The one of this id.
pub(in crate::server) fn flavour(id: &str) -> Option<&'static Flavour> {
    FLAVOURS.iter().find(|flavour| flavour.id == id)
}
