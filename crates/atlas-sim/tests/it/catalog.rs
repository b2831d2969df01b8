//! What the catalog says is what the cloud does: prices are those of the ledger, stock is what can be rented.

use std::time::Duration;

use atlas_core::{Capability, CloudType, ComputeRequest, ErrorKind, GpuOffer, Money, Provider, Stock};
use atlas_sim::{Catalog, Mock};

use crate::support::{Caller, context, request};

async fn offers(cloud: &Mock, name: &str) -> Vec<GpuOffer> {
    let all = cloud.list_gpu_types(&context()).await.unwrap();
    all.into_iter().find(|gpu| gpu.name == name).unwrap().offers
}

#[tokio::test]
async fn a_cloud_that_is_told_nothing_has_every_model_at_one_price_and_never_runs_short() {
    let cloud = Mock::new();
    let all = cloud.list_gpu_types(&context()).await.unwrap();
    assert_eq!(all.len(), atlas_core::gpu::all().len());
    for gpu in &all {
        assert_eq!(gpu.canonical.as_ref(), Some(&gpu.name));
        assert_eq!(gpu.offers.len(), 4, "two data centres, ordinary and spot");
        assert!(gpu.offers.iter().all(|offer| offer.stock == Some(Stock::High)));
        assert_eq!(gpu.lowest_price(), Some(Money::from_micros(180_000)));
    }
    let bare = Mock::builder().without(Capability::Catalog).build();
    assert_eq!(bare.list_gpu_types(&context()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let no_spot = Mock::builder().without(Capability::Spot).build();
    assert!(offers(&no_spot, "h100").await.iter().all(|offer| !offer.spot));
}

#[tokio::test]
async fn each_offer_can_be_rented_where_it_says_and_costs_what_it_says() {
    let caller = Caller::of(Mock::builder().catalog(Catalog::standard()).build());
    let mut asked = Money::ZERO;
    for gpu in caller.cloud.list_gpu_types(&context()).await.unwrap() {
        for offer in &gpu.offers {
            let wanted = ComputeRequest::gpu(&gpu.name).cloud_type(offer.cloud_type).spot(offer.spot);
            let machine = caller.spawn(wanted.region(offer.region.clone().unwrap())).await;
            assert_eq!((machine.cost_per_hour, &machine.region), (offer.price_per_hour, &offer.region));
            asked += offer.price_per_hour.unwrap();
            caller.cloud.advance(Duration::from_hours(1));
            caller.terminate(&machine.id).await.unwrap();
        }
    }
    assert_eq!(caller.cloud.ledger().total(), asked);
}

#[tokio::test]
async fn stock_falls_as_machines_are_rented_and_comes_back() {
    let caller = Caller::of(Mock::builder().capacity("h100", 10).build());
    let stock = async || offers(&caller.cloud, "h100").await[0].stock.clone().unwrap();
    assert_eq!(stock().await, Stock::High);
    let first = caller.spawn(request()).await;
    assert_eq!(stock().await, Stock::Medium);
    caller.spawn(request().gpu_count(6)).await;
    assert_eq!(stock().await, Stock::Low);
    caller.spawn(request().gpu_count(3)).await;
    assert_eq!(stock().await, Stock::None);
    assert_eq!(caller.try_spawn(request()).await.unwrap_err().kind(), ErrorKind::NoCapacity);
    caller.terminate(&first.id).await.unwrap();
    assert_eq!(stock().await, Stock::Low);
}

#[tokio::test]
async fn regions_and_parts_of_the_cloud_are_tried_in_the_order_of_preference() {
    let catalog = Catalog::flat().capacity("h100", CloudType::Any, Some("mock-east"), 1).capacity(
        "h100",
        CloudType::Any,
        Some("mock-west"),
        1,
    );
    let caller = Caller::of(Mock::builder().catalog(catalog).build());
    let both = || request().region("mock-west").region("mock-east").or("l4");
    let mut places = Vec::new();
    for _ in 0..3 {
        let machine = caller.spawn(both()).await;
        places.push((machine.gpu_type.unwrap(), machine.region.unwrap()));
    }
    let expected = [("h100", "mock-west"), ("h100", "mock-east"), ("l4", "mock-west")];
    assert_eq!(places, expected.map(|(gpu, region)| (gpu.to_owned(), region.to_owned())));
}

#[tokio::test]
async fn what_no_offer_gives_is_refused_before_the_cloud_hears_of_it() {
    let caller = Caller::of(Mock::builder().catalog(Catalog::standard()).build());
    for (request, named) in [
        (ComputeRequest::gpu("b200").cloud_type(CloudType::Community), "b200"),
        (ComputeRequest::gpu("h100").gpu_count(9), "gpu_count"),
        (ComputeRequest::gpu("t4"), "t4"),
    ] {
        let error = caller.cloud.check(&request).unwrap_err();
        assert!(error.kind() == ErrorKind::Validation && error.message().contains(named), "{error}");
    }
    // A GPU that does not stand in the data centre asked for is short there.
    let elsewhere = caller.try_spawn(ComputeRequest::gpu("b200").region("mock-west")).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NoCapacity);
}
