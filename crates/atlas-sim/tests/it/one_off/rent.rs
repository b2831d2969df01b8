//! Renting what neither a machine nor a volume is, by a create of its cloud's own (rule O1): a serverless endpoint here.

use std::sync::atomic::{AtomicUsize, Ordering};

use atlas_core::{Capability, Effect, EndpointId, ErrorKind, Permission, Proof, Rentable, RentalKind, RentalOrder};
use atlas_sim::EndpointSpec;

use super::*;

/// An endpoint as its cloud's own crate would know it.
#[derive(Debug)]
struct Made {
    id: EndpointId,
    name: String,
}

impl Rentable for Made {
    const KIND: RentalKind = RentalKind::Endpoint;

    fn rented(&self) -> Rented {
        let mut rented = Rented::new(Self::KIND, self.id.as_str());
        rented.name = Some(self.name.clone());
        rented
    }
}

fn make(cloud: &Mock, order: &RentalOrder<u32>) -> Made {
    let spec = EndpointSpec::new(order.name()).workers(0, *order.request());
    Made { id: cloud.add_endpoint(spec).unwrap(), name: order.name().to_owned() }
}

impl Bench {
    async fn rent(&self) -> Result<Made> {
        let cloud = &self.cloud;
        self.account.rent(Some("work".to_owned()), 3, |_, order| async move { Ok(make(cloud, &order)) }).await
    }

    async fn endpoints(&self) -> Vec<ComputeId> {
        let all = self.account.list_rented(RentalKind::Endpoint).await.unwrap();
        all.into_iter().map(|rented| rented.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn o1_an_endpoint_is_recorded_kept_and_ended_when_it_is_asked() {
    let bench = bench(|cloud| cloud);
    let made = bench.rent().await.unwrap();
    let id = ComputeId::new(made.id.as_str());
    assert!(made.name.ends_with("-work"), "{}", made.name);
    assert_eq!(bench.records().await[0].intent.kind, RentalKind::Endpoint);
    for _ in 0..10 {
        assert_eq!(found(bench.settle().await).id, id);
        pass(3600).await;
    }
    assert_eq!(bench.cloud.count(Operation::EndEndpoint), 0);
    bench.inject(Operation::EndEndpoint, Fault::Ignores);
    bench.account.end_rented(RentalKind::Endpoint, &id, Permission::ordinary(), GRACE).await.unwrap();
    assert!(bench.endpoints().await.is_empty() && is_closed(&bench.phase().await));
}

#[tokio::test(start_paused = true)]
async fn o1_an_endpoint_whose_create_was_never_answered_is_found_and_kept() {
    let bench = bench(|cloud| cloud);
    let (cloud, sent) = (&bench.cloud, AtomicUsize::new(0));
    let lost: Result<Made> = bench
        .account
        .rent(None, 3, |_, order| {
            sent.fetch_add(1, Ordering::Relaxed);
            async move {
                make(cloud, &order);
                Err(Error::timeout("no answer"))
            }
        })
        .await;
    assert_eq!((lost.unwrap_err().effect(), sent.into_inner()), (Effect::Unknown, 1));
    assert_eq!(bench.phase().await, IntentPhase::Open);
    let kept = found(bench.settle().await);
    assert_eq!(bench.endpoints().await, std::slice::from_ref(&kept.id));
    assert!(is_bound(&bench.phase().await, &kept.id));
}

/// Its sender is killed after it has recorded, and before it has sent anything.
#[tokio::test(start_paused = true)]
async fn o1_a_kill_between_record_and_send_leaves_a_record_that_is_closed_by_proof() {
    let bench = bench(|cloud| cloud);
    let never: Result<Result<Made>, _> = tokio::time::timeout(
        Duration::from_secs(5),
        bench.account.rent(None, 3, |_, _| std::future::pending::<Result<Made>>()),
    )
    .await;
    never.expect_err("it is dropped before it is sent");
    assert_eq!(bench.phase().await, IntentPhase::Open);
    while let Settled::MayLand { .. } = bench.settle().await {
        pass(7).await;
    }
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Absent));
    assert!(bench.cloud.count(Operation::ListEndpoints) >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_create_counts_as_being_sent_while_anybody_holds_its_order() {
    let bench = bench(|cloud| cloud);
    let held = std::sync::Mutex::new(None);
    let lost: Result<Made> = bench
        .account
        .rent(None, 3, |_, order| {
            *held.lock().unwrap() = Some(order);
            async { Err(Error::timeout("no answer")) }
        })
        .await;
    lost.unwrap_err();
    assert_eq!(bench.settle().await, Settled::BeingSent);
    let order = held.into_inner().unwrap().unwrap();
    let made = make(&bench.cloud, &order);
    drop(order);
    assert_eq!(found(bench.settle().await).id.as_str(), made.id.as_str());
}

#[tokio::test(start_paused = true)]
async fn o2_what_does_not_bear_the_mark_is_ended_again() {
    let bench = bench(|cloud| cloud);
    let cloud = &bench.cloud;
    let wrong: Result<Made> = bench
        .account
        .rent(None, 3, |_, _| async move {
            let id = cloud.add_endpoint(EndpointSpec::new("mine")).unwrap();
            Ok(Made { id, name: "mine".to_owned() })
        })
        .await;
    let error = wrong.unwrap_err();
    assert!(error.to_string().contains("altered the mark of endpoint"), "{error}");
    assert!(error.leftovers().is_empty() && bench.endpoints().await.is_empty(), "{error}");
    assert!(is_closed(&bench.phase().await));
}

#[tokio::test(start_paused = true)]
async fn c6_what_could_not_be_found_again_is_not_rented() {
    let bench = bench(|cloud| cloud.without(Capability::Serverless));
    let error = bench.rent().await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unsupported, Effect::NotSent));
    assert_eq!(error.operation(), Some("create_endpoint"));
    // A machine has keys, which only `spawn` gives it.
    let machine: Result<Compute> =
        bench.account.rent(None, 3, |_, _: RentalOrder<u32>| async { panic!("it is not sent") }).await;
    assert_eq!(machine.unwrap_err().kind(), ErrorKind::Validation);
    let misnamed: Result<Made> = self::bench(|cloud| cloud)
        .account
        .rent(Some("no spaces".to_owned()), 3, |_, _: RentalOrder<u32>| async { panic!("it is not sent") })
        .await;
    assert_eq!(misnamed.unwrap_err().kind(), ErrorKind::Validation);
    assert!(bench.records().await.is_empty() && bench.cloud.calls().is_empty());
}

/// Clouds count each kind of thing for itself, so that an endpoint may be called as a machine is.
#[tokio::test(start_paused = true)]
async fn the_same_id_in_two_kinds_is_two_things() {
    let bench = bench(|cloud| cloud);
    let machine = bench.spawn().await.compute.id;
    let same = machine.clone();
    let endpoint: Result<Made> = bench
        .account
        .rent(None, 3, |_, order| async move {
            Ok(Made { id: EndpointId::new(same.as_str()), name: order.name().to_owned() })
        })
        .await;
    endpoint.unwrap();
    bench.account.terminate(&machine).await.unwrap();
    let records = bench.records().await;
    let phase_of = |kind| &records.iter().find(|record| record.intent.kind == kind).unwrap().phase;
    assert!(is_closed(phase_of(RentalKind::Machine)));
    assert!(is_bound(phase_of(RentalKind::Endpoint), &machine), "nobody asked to end the endpoint");
    assert_eq!(bench.cloud.count(Operation::EndEndpoint), 0);
}
