//! The live catalog.

use atlas_core::testing::ScriptedTransport;
use atlas_core::{CloudType, GpuOffer, Money, Provider, Stock};
use serde_json::json;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn both_clouds_are_asked_and_what_neither_offers_is_left_out() {
    let unknown = json!({"id":"unknown","name":"unknown","pool":null,"manufacturer":"UNKNOWN","memory":0,"secure":false,
        "community":false,"price":{"secure":0,"community":0},"maxCount":{"secure":0,"community":0}});
    let secure = cards(&[card("NVIDIA L4", "LOW", 0.43, 0.0), unknown.clone()]);
    let community = cards(&[card("NVIDIA L4", "HIGH", 0.43, 0.0), card("NVIDIA X9", "MEDIUM", 0.0, 0.25), unknown]);
    let cloud = ScriptedTransport::new().reply(200, secure).reply(200, community);
    let rig = account(&cloud);
    let types = rig.runpod.list_gpu_types(&context()).await.unwrap();
    assert_eq!(rig.runpod.list_gpu_types(&context()).await.unwrap(), types, "kept for a moment");
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/catalog/gpus?include=AVAILABILITY&product=POD&count=1&cloud=SECURE
    GET /v2/catalog/gpus?include=AVAILABILITY&product=POD&count=1&cloud=COMMUNITY
    ");
    let names: Vec<_> = types.iter().map(|entry| (entry.name.as_str(), entry.canonical.as_deref())).collect();
    assert_eq!(names, [("NVIDIA L4", Some("l4")), ("NVIDIA X9", None)]);
    let whole: Vec<&GpuOffer> =
        types.iter().flat_map(|entry| &entry.offers).filter(|offer| offer.region.is_none()).collect();
    assert_eq!(whole.len(), 2);
    assert_eq!((whole[0].cloud_type, whole[0].stock.clone()), (CloudType::Secure, Some(Stock::Low)));
    assert_eq!((whole[0].price_per_hour, whole[0].max_count), (Money::parse("0.43").ok(), Some(8)));
    assert_eq!((whole[1].cloud_type, whole[1].price_per_hour), (CloudType::Community, Money::parse("0.25").ok()));
    assert!(types.iter().flat_map(|entry| &entry.offers).all(|offer| !offer.spot), "spot is no longer sold");
    let there = types[0].offers.iter().find(|offer| offer.region.as_deref() == Some("EU-RO-1"));
    assert_eq!(there.unwrap().stock, Some(Stock::Low));
}

#[tokio::test(start_paused = true)]
async fn another_key_sees_a_catalog_of_its_own() {
    let one = cards(&[card("NVIDIA L4", "LOW", 0.43, 0.0)]);
    let cloud = (0..4).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, one.clone()));
    let rig = account(&cloud);
    rig.runpod.list_gpu_types(&context()).await.unwrap();
    let other = context().with_key(atlas_auth::Secret::new("rpa_other"));
    rig.runpod.list_gpu_types(&other).await.unwrap();
    assert_eq!(rig.cloud.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn another_accounts_catalog_is_asked_for_anew_and_kept_apart() {
    let offer = |price| cards(&[card("NVIDIA L4", "HIGH", price, price)]);
    let prices = [0.5, 0.5, 0.7, 0.7];
    let cloud = prices.iter().fold(ScriptedTransport::new(), |cloud, price| cloud.reply(200, offer(*price)));
    let rig = account(&cloud);
    let other = context().with_key(atlas_auth::Secret::new("rpa_other"));
    for _ in 0..2 {
        let own = rig.runpod.list_gpu_types(&context()).await.unwrap();
        let others = rig.runpod.list_gpu_types(&other).await.unwrap();
        let prices = [own, others].map(|types| types[0].lowest_price().unwrap().to_string());
        assert_ne!(prices[0], prices[1]);
    }
    assert_eq!((cloud.sent().len(), cloud.left()), (4, 0));
}
