//! The order of candidates, as properties and by example.

use atlas_core::{CloudType, ComputeRequest, ErrorKind, GpuOffer, GpuType, Money, Stock};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 4] = ["NVIDIA L4", "NVIDIA A40", "NVIDIA L40S", "NVIDIA B200"];
const CANONICAL: [&str; 4] = ["l4", "a40", "l40s", "b200"];

fn stock(word: u8) -> Stock {
    [Stock::None, Stock::Low, Stock::Medium, Stock::High][usize::from(word % 4)].clone()
}

/// An entry with an offer in each cloud in which it has a stock.
fn entry(name: &str, secure: Option<u8>, community: Option<u8>) -> GpuType {
    let mut entry = GpuType::new(name, 24);
    for (cloud, word) in [(CloudType::Secure, secure), (CloudType::Community, community)] {
        if let Some(word) = word {
            let price = Some(Money::from_micros(i64::from(word) * 1000));
            entry.offers.push(GpuOffer::new(cloud, price).stock(Some(stock(word))).max_count(Some(4)));
        }
    }
    entry
}

fn candidates(request: &ComputeRequest, catalog: Option<&[GpuType]>, places: &[String]) -> Result<Vec<Candidate>> {
    gpus(request, &natives(request)?, catalog, places)
}

fn names(candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(Candidate::told).collect()
}

proptest! {
    #[test]
    fn every_candidate_is_asked_for_offered_and_tried_once(
        stocks in proptest::collection::vec((proptest::option::of(any::<u8>()), proptest::option::of(any::<u8>())), 4),
        order in Just([0usize, 1, 2, 3]).prop_shuffle(),
        wanted in 1usize..5,
        cloud in 0u8..3,
    ) {
        let catalog: Vec<_> =
            NAMES.iter().zip(&stocks).map(|(name, (secure, community))| entry(name, *secure, *community)).collect();
        let asked: Vec<usize> = order[..wanted].to_vec();
        let mut request = asked.iter().fold(ComputeRequest::cpu(), |request, index| request.or(CANONICAL[*index]));
        request.cloud_type = [CloudType::Any, CloudType::Secure, CloudType::Community][usize::from(cloud)];
        let Ok(candidates) = candidates(&request, Some(&catalog), &[]) else {
            // Nothing of what is asked is offered.
            return Ok(());
        };
        let mut last: Option<(u8, usize)> = None;
        for (index, candidate) in candidates.iter().enumerate() {
            prop_assert!(!candidates[..index].contains(candidate));
            let Hardware::Gpu(name) = &candidate.hardware else { panic!("a GPU was asked for") };
            let model = NAMES.iter().position(|known| known == name).unwrap();
            let place = asked.iter().position(|index| *index == model).unwrap();
            let word = match candidate.cloud { Cloud::Secure => stocks[model].0, Cloud::Community => stocks[model].1 };
            let rank = stock(word.unwrap()).rank();
            prop_assert!(clouds(&request).contains(&candidate.cloud));
            // Best stock first, then the user's order.
            if let Some((before, place_before)) = last {
                prop_assert!(before > rank || (before == rank && place_before <= place));
            }
            last = Some((rank, place));
        }
    }
}

#[test]
fn without_a_catalog_the_users_order_stands_and_the_secure_cloud_comes_first() {
    let request = ComputeRequest::gpu("h100").or("l4").or("NVIDIA H100 PCIe").or("NVIDIA X9");
    assert_eq!(
        names(&candidates(&request, None, &[]).unwrap()),
        [
            "NVIDIA H100 80GB HBM3 (secure)",
            "NVIDIA H100 80GB HBM3 (community)",
            "NVIDIA H100 PCIe (secure)",
            "NVIDIA H100 PCIe (community)",
            "NVIDIA L4 (secure)",
            "NVIDIA L4 (community)",
            "NVIDIA X9 (secure)",
            "NVIDIA X9 (community)",
        ]
    );
    assert!(need_catalog(&request, &natives(&request).unwrap()));
    let one = ComputeRequest::gpu("l4").cloud_type(CloudType::Secure);
    assert!(!need_catalog(&one, &natives(&one).unwrap()));
    let strange = ComputeRequest::gpu("NVIDIA X9").cloud_type(CloudType::Secure);
    assert!(need_catalog(&strange, &natives(&strange).unwrap()));
}

#[test]
fn a_model_that_runpod_has_not_is_passed_over_unless_it_is_the_only_one() {
    let request = ComputeRequest::gpu("gh200").or("l4").cloud_type(CloudType::Secure);
    assert_eq!(names(&candidates(&request, None, &[]).unwrap()), ["NVIDIA L4 (secure)"]);
    assert_eq!(natives(&ComputeRequest::gpu("gh200")).unwrap_err().kind(), ErrorKind::Validation);
}

#[test]
fn too_many_for_one_pod_are_not_asked_for() {
    let catalog = [entry("NVIDIA L4", Some(3), Some(3))];
    assert!(candidates(&ComputeRequest::gpu("l4").gpu_count(4), Some(&catalog), &[]).is_ok());
    let error = candidates(&ComputeRequest::gpu("l4").gpu_count(5), Some(&catalog), &[]).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::NotSent));
}

#[test]
fn stock_counts_where_the_machine_may_stand() {
    let local = |name: &str, here: Stock, there: Stock| {
        let mut entry = entry(name, Some(3), None);
        let offer = || GpuOffer::new(CloudType::Secure, None);
        entry.offers.push(offer().region("EU-RO-1").stock(Some(here)));
        entry.offers.push(offer().region("US-CA-2").stock(Some(there)));
        entry
    };
    let catalog = [local("NVIDIA L4", Stock::None, Stock::High), local("NVIDIA A40", Stock::Low, Stock::None)];
    let request = ComputeRequest::gpu("l4").or("a40");
    let order = |place: &str| names(&candidates(&request, Some(&catalog), &[place.to_owned()]).unwrap());
    assert_eq!(order("EU-RO-1"), ["NVIDIA A40 (secure)", "NVIDIA L4 (secure)"]);
    assert_eq!(order("US-CA-2"), ["NVIDIA L4 (secure)", "NVIDIA A40 (secure)"]);
    let placed = candidates(&request, Some(&catalog), &["EU-RO-1".to_owned()]).unwrap();
    assert_eq!(placed[0].data_centers, ["EU-RO-1"]);
}

#[test]
fn flavours_have_the_memory_and_come_by_stock_and_price() {
    let flavour = |id: &str, ram: f64, price: f64, stock: &str| {
        let json = serde_json::json!({"id": id, "vcpu": {"min": 2, "max": 16}, "ramGbPerVcpu": ram,
            "price": {"securePerVcpu": price}, "availability": stock});
        serde_json::from_value::<Cpu>(json).unwrap()
    };
    let catalog = [
        flavour("cpu3c", 2.0, 0.03, "HIGH"),
        flavour("cpu3m", 8.0, 0.05, "HIGH"),
        flavour("cpu3g", 4.0, 0.04, "HIGH"),
        flavour("cpu5g", 4.0, 0.01, "NONE"),
    ];
    let request = ComputeRequest::cpu().cpus(4).memory_mb(16 * 1024);
    let all = |catalog| names(&cpus(&request, catalog, &[]).unwrap());
    assert_eq!(all(Some(&catalog[..])), ["cpu3g (secure)", "cpu3m (secure)", "cpu5g (secure)"]);
    assert_eq!(all(None), ["cpu3g (secure)", "cpu5g (secure)", "cpu3m (secure)", "cpu5m (secure)"]);
    assert!(cpus(&ComputeRequest::cpu().cpus(32), Some(&catalog), &[]).is_err());
    assert!(cpus(&request.clone().memory_mb(u64::MAX / 2), Some(&catalog), &[]).is_err());
}
