//! The live catalog (rule C7).

use atlas_core::{Capability, Money, gpu};

use crate::bench::{Bench, ensure};
use crate::case::{Case, Verdict};

use super::{FREE, with};

/// The rows of this room.
pub(super) const CASES: &[Case] = &[
    case!(
        "catalog/prices",
        "C7: the live catalog has names, memory and prices",
        with(Capability::Catalog),
        FREE,
        prices
    ),
    case!(
        "catalog/canonical",
        "C7: a canonical name in the catalog is one of Atlas's, and leads back",
        with(Capability::Catalog),
        FREE,
        canonical
    ),
];

async fn prices(bench: &Bench<'_>) -> Verdict {
    let types = bench.provider().list_gpu_types(&bench.context()).await?;
    ensure!(!types.is_empty(), "the catalog is empty");
    for gpu in &types {
        ensure!(!gpu.name.is_empty(), "a GPU has no name");
        ensure!(gpu.memory_gb > 0 || gpu.offers.is_empty(), "{} has no memory", gpu.name);
        for offer in &gpu.offers {
            if let Some(price) = offer.price_per_hour {
                ensure!(price > Money::ZERO, "{} is offered for {price}", gpu.name);
            }
        }
    }
    let priced = types.iter().any(|gpu| gpu.offers.iter().any(|offer| offer.price_per_hour.is_some()));
    ensure!(priced, "nothing in the catalog has a price");
    Ok(())
}

async fn canonical(bench: &Bench<'_>) -> Verdict {
    let kind = bench.provider().traits().kind;
    for shown in bench.provider().list_gpu_types(&bench.context()).await? {
        let Some(canonical) = &shown.canonical else { continue };
        let model = gpu::find(canonical);
        ensure!(model.is_some(), "{canonical} is no canonical name");
        let leads_back = model.is_some_and(|model| {
            model.natives(kind).contains(&shown.name.as_str()) || shown.name.eq_ignore_ascii_case(canonical)
        });
        ensure!(leads_back, "{} is called {canonical}, which does not lead back to it", shown.name);
    }
    Ok(())
}
