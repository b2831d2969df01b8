//! The catalog, as GraphQL tells it.

use atlas_auth::Timestamp;
use atlas_core::Stock;
use serde_json::{Value, json};

use super::parser::Field;
use crate::server::app::World;
use crate::server::catalog::{self, Gpu, dollars};

/// `gpuTypes`, all or the one that is asked for.
pub(super) fn types(world: &World, field: &Field, now: Timestamp) -> Value {
    let wanted = |gpu: &&Gpu| match (&field.input()["id"], &field.input()["ids"]) {
        (Value::String(id), _) => gpu.id == id,
        (_, Value::Array(ids)) => ids.iter().any(|id| id == gpu.id),
        _ => true,
    };
    let lowest = field.fields.iter().find(|field| field.name == "lowestPrice").map(Field::input);
    catalog::gpus().iter().filter(wanted).map(|gpu| one(world, gpu, lowest, now)).collect()
}

fn one(world: &World, gpu: &Gpu, lowest: Option<&Value>, now: Timestamp) -> Value {
    let price = |cloud| gpu.price(cloud).map(dollars);
    let (secure, community) = (price("SECURE"), price("COMMUNITY"));
    json!({
        "id": gpu.id,
        "displayName": gpu.name,
        "manufacturer": gpu.manufacturer(),
        "memoryInGb": gpu.memory,
        "cudaCores": 0,
        "secureCloud": secure.is_some(),
        "communityCloud": community.is_some(),
        "securePrice": secure,
        "communityPrice": community,
        "clusterPrice": null,
        "oneMonthPrice": null,
        "threeMonthPrice": null,
        "sixMonthPrice": null,
        "oneWeekPrice": null,
        "secureSpotPrice": null,
        "communitySpotPrice": null,
        "maxGpuCount": gpu.most("SECURE").max(gpu.most("COMMUNITY")),
        "maxGpuCountSecureCloud": gpu.most("SECURE"),
        "maxGpuCountCommunityCloud": gpu.most("COMMUNITY"),
        "nodeGroupDatacenters": catalog::data_centers().iter().map(|place| json!({ "id": place.id })).collect::<Vec<_>>(),
        "lowestPrice": lowest.map(|input| lowest_price(world, gpu, input, now)),
    })
}

fn lowest_price(world: &World, gpu: &Gpu, input: &Value, now: Timestamp) -> Value {
    let clouds: &[&str] = match input["secureCloud"].as_bool() {
        Some(true) => &["SECURE"],
        Some(false) => &["COMMUNITY"],
        None => &["SECURE", "COMMUNITY"],
    };
    let count = input["gpuCount"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let cheapest = clouds.iter().filter_map(|cloud| Some((gpu.price(cloud)?, *cloud))).min();
    let place = input["dataCenterId"].as_str();
    let stock =
        cheapest.map_or(Stock::None, |(_, cloud)| world.level(gpu.id, place, catalog::cloud_type(cloud), count, now));
    // Unlike in REST, the words are capitalised, and nothing is null.
    let word = match stock {
        Stock::Low => Some("Low"),
        Stock::Medium => Some("Medium"),
        Stock::High => Some("High"),
        _ => None,
    };
    json!({
        "minimumBidPrice": null,
        "uninterruptablePrice": cheapest.filter(|_| word.is_some()).map(|(price, _)| dollars(price)),
        "minVcpu": gpu.host.0,
        "minMemory": gpu.host.1,
        "stockStatus": word,
        "compliance": null,
        "countryCode": null,
        "maxUnreservedGpuCount": if word.is_some() { 8 } else { 0 },
        "availableGpuCounts": if word.is_some() { vec![1, 2, 4, 8] } else { Vec::new() },
    })
}

pub(super) fn data_centers() -> Value {
    let one = |place: &catalog::DataCenter| json!({ "id": place.id, "name": place.name, "listed": true, "location": place.country });
    catalog::data_centers().iter().map(one).collect()
}

pub(super) fn countries() -> Value {
    let mut codes: Vec<_> = catalog::data_centers().iter().map(|place| place.country).collect();
    codes.sort_unstable();
    codes.dedup();
    codes.into()
}

pub(super) fn flavours() -> Value {
    let one = |flavour: &catalog::Flavour| {
        json!({
            "id": flavour.id,
            "displayName": flavour.name,
            "groupName": flavour.group,
            "minVcpu": flavour.least,
            "maxVcpu": flavour.most,
            "ramMultiplier": flavour.ram_per_vcpu,
            "specifics": { "stockStatus": "High", "securePrice": dollars(flavour.price) },
        })
    };
    catalog::flavours().iter().map(one).collect()
}
