//! Network volumes: their life, their bill, their faults.

use std::time::Duration;

use atlas_core::{
    Capability, ComputeId, Deployment, Effect, ErrorKind, Installation, Intent, Mark, Money, Provider, RentalKind,
    RentalOrder, Result, SpawnToken, TokenKind, Volume, VolumeId, VolumeOrder, VolumeRequest,
};
use atlas_sim::{Catalog, Fault, Mock, Operation, RentKind, Rule};

use crate::support::{Announced, Caller, context, request};

pub(crate) async fn order(caller: &Caller, request: VolumeRequest) -> VolumeOrder {
    let token = SpawnToken::generate(TokenKind::Plain, caller.entropy());
    let mark = Mark::new(
        Deployment::parse("my-app").unwrap(),
        Installation::parse("abcdef").unwrap(),
        token,
        request.name.clone(),
    );
    let (scope, now) = (caller.cloud.scope(&context()), caller.cloud.clock().now());
    let intent = Intent::machine(mark, caller.cloud.id(), scope, now, now.plus(Duration::from_mins(1)));
    let intent = intent.of_kind(RentalKind::Volume);
    RentalOrder::record(&Announced::default(), &intent, request, caller.cloud.traits().name_limit).await.unwrap()
}

async fn try_create(caller: &Caller, request: VolumeRequest) -> Result<Volume> {
    caller.cloud.create_volume(&context(), &order(caller, request).await).await
}

async fn create(caller: &Caller, size_gb: u32) -> Volume {
    try_create(caller, VolumeRequest::new("mock-west", size_gb).name("data")).await.unwrap()
}

async fn list(caller: &Caller) -> Vec<VolumeId> {
    caller.cloud.list_volumes(&context()).await.unwrap().into_iter().map(|volume| volume.id).collect()
}

async fn found(caller: &Caller, token: SpawnToken) -> Vec<ComputeId> {
    let all = caller.cloud.list_rented(&context(), RentalKind::Volume).await.unwrap();
    all.into_iter().filter(|rented| rented.bears(token)).map(|rented| rented.id).collect()
}

#[tokio::test]
async fn a_volume_bills_for_the_size_that_it_has_until_it_is_deleted() {
    let caller = Caller::default();
    let volume = create(&caller, 100).await;
    assert_eq!((volume.size_gb, volume.region.as_deref()), (100, Some("mock-west")));
    assert_eq!(volume.cost_per_hour, Some(Money::parse("0.01").unwrap()));
    caller.pass(3600);
    let grown = caller.cloud.grow_volume(&context(), &volume.id, 300).await.unwrap();
    assert_eq!((grown.size_gb, grown.cost_per_hour), (300, Some(Money::parse("0.03").unwrap())));
    let again = caller.cloud.grow_volume(&context(), &volume.id, 300).await.unwrap();
    assert_eq!(again, grown);
    let smaller = caller.cloud.grow_volume(&context(), &volume.id, 299).await.unwrap_err();
    assert_eq!((smaller.kind(), smaller.effect()), (ErrorKind::Validation, Effect::Rejected));
    caller.pass(7200);
    assert_eq!(caller.cloud.get_volume(&context(), &volume.id).await.unwrap(), grown);
    for _ in 0..2 {
        caller.cloud.delete_volume(&context(), &volume.id).await.unwrap();
    }
    caller.pass(3600);
    assert!(caller.cloud.get_volume(&context(), &volume.id).await.unwrap_err().is_not_found());
    let ledger = caller.cloud.ledger();
    let rent = ledger.of_kind(RentKind::Volume).next().unwrap();
    assert_eq!((rent.cost, rent.ended_at.is_some()), (Money::parse("0.07").unwrap(), true));
    assert_eq!(rent.token, volume.mark().map(|mark| mark.token));
}

#[tokio::test]
async fn names_need_not_be_unique_and_all_of_a_token_are_found() {
    let caller = Caller::default();
    let theirs = caller.cloud.foreign_volume("data", "mock-east", 10);
    let twice = caller.cloud.foreign_volume("data", "mock-east", 10);
    let mine = create(&caller, 10).await;
    assert_eq!(list(&caller).await, [theirs, twice, mine.id.clone()]);
    let token = mine.mark().unwrap().token;
    let id = ComputeId::new(mine.id.as_str());
    assert_eq!(found(&caller, token).await, std::slice::from_ref(&id));
    caller.cloud.end_rented(&context(), RentalKind::Volume, &id).await.unwrap();
    assert!(found(&caller, token).await.is_empty());
    assert_eq!(caller.cloud.volumes().len(), 2);
}

#[tokio::test]
async fn a_machine_stands_where_its_volume_is_and_keeps_it_from_being_deleted() {
    let caller = Caller::default();
    let volume = create(&caller, 10).await;
    let with_it = || request().network_volume(volume.id.as_str());
    let machine = caller.spawn(with_it()).await;
    assert_eq!(machine.region.as_deref(), Some("mock-west"));
    let elsewhere = caller.try_spawn(with_it().region("mock-east")).await.unwrap_err();
    assert!(elsewhere.kind() == ErrorKind::Validation && elsewhere.message().contains("mock-west"), "{elsewhere}");
    let unknown = caller.try_spawn(request().network_volume("never")).await.unwrap_err();
    assert!(unknown.kind() == ErrorKind::Validation && unknown.message().contains("never"), "{unknown}");
    let used = caller.cloud.delete_volume(&context(), &volume.id).await.unwrap_err();
    assert!(used.kind() == ErrorKind::Conflict && used.message().contains(machine.id.as_str()), "{used}");
    // A machine that is stopped comes back for it.
    caller.cloud.stop(&context(), &machine.id).await.unwrap();
    assert_eq!(caller.cloud.delete_volume(&context(), &volume.id).await.unwrap_err().kind(), ErrorKind::Conflict);
    caller.terminate(&machine.id).await.unwrap();
    caller.cloud.delete_volume(&context(), &volume.id).await.unwrap();
    assert_eq!(caller.cloud.ledger().rents.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_is_refused_before_the_cloud_hears_of_it() {
    let caller = Caller::of(Mock::builder().catalog(Catalog::standard()).build());
    for (request, named) in [
        (VolumeRequest::new("moon", 10), "mock-east, mock-west"),
        (VolumeRequest::new("mock-north", 10), "mock-north"),
        (VolumeRequest::new("mock-east", 0), "size_gb"),
        (VolumeRequest::new("mock-east", 10).option("type", "fast".into()), "type"),
    ] {
        let error = try_create(&caller, request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent), "{error}");
        assert!(error.message().contains(named), "{error}");
    }
    assert!(caller.cloud.calls().is_empty());
    let bare = Caller::of(Mock::builder().without(Capability::NetworkVolumes).build());
    let id = VolumeId::new("never");
    let errors = [
        try_create(&bare, VolumeRequest::new("mock-east", 10)).await.unwrap_err(),
        bare.cloud.get_volume(&context(), &id).await.unwrap_err(),
        bare.cloud.list_volumes(&context()).await.unwrap_err(),
        bare.cloud.grow_volume(&context(), &id, 10).await.unwrap_err(),
        bare.cloud.delete_volume(&context(), &id).await.unwrap_err(),
        bare.try_spawn(request().network_volume("never")).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unsupported), "{errors:?}");
    assert!(bare.cloud.calls().is_empty());
}

#[tokio::test]
async fn faults_strike_volumes_too() {
    let caller = Caller::default();
    // An answer that is lost: the volume is there, bills, and is found by its token.
    caller.inject(Operation::CreateVolume, Fault::LosesAnswer);
    let lost = order(&caller, VolumeRequest::new("mock-east", 10)).await;
    let error = caller.cloud.create_volume(&context(), &lost).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    assert_eq!(found(&caller, lost.mark().token).await.len(), 1);
    // One that lands an hour later.
    caller.inject(Operation::CreateVolume, Fault::from_name("lands-late").unwrap());
    try_create(&caller, VolumeRequest::new("mock-east", 10)).await.unwrap_err();
    assert_eq!(list(&caller).await.len(), 1);
    caller.pass(3600);
    assert_eq!(list(&caller).await.len(), 2);
    // One that is made and named as left over; one whose mark was altered; two for one.
    for (fault, made) in [(Fault::LeavesLeftover, 1), (Fault::AltersName, 1), (Fault::Duplicates, 2)] {
        let before = caller.cloud.volumes().len();
        caller.inject(Operation::CreateVolume, fault.clone());
        let made_one = try_create(&caller, VolumeRequest::new("mock-east", 10)).await;
        assert_eq!(caller.cloud.volumes().len() - before, made, "{fault}");
        assert_eq!(made_one.is_ok(), fault == Fault::Duplicates);
    }
    // A yes that does nothing, a hidden one, a short list.
    let id = list(&caller).await.remove(0);
    caller.inject(Operation::DeleteVolume, Fault::Ignores);
    caller.cloud.delete_volume(&context(), &id).await.unwrap();
    assert!(caller.cloud.get_volume(&context(), &id).await.is_ok());
    caller.inject(Operation::GetVolume, Fault::Hides(Duration::from_secs(5)));
    assert!(caller.cloud.get_volume(&context(), &id).await.unwrap_err().is_not_found());
    assert!(!list(&caller).await.contains(&id));
    caller.pass(5);
    let all = list(&caller).await.len();
    caller.cloud.inject(Rule::on(Operation::ListVolumes, Fault::ListsShort).only(&ComputeId::new(id.as_str())));
    assert_eq!(list(&caller).await.len(), all - 1);
    caller.cloud.reset();
    assert!(caller.cloud.volumes().is_empty() && caller.cloud.ledger().rents.is_empty());
}

#[tokio::test]
async fn a_new_volume_may_be_invisible_and_one_that_ends_bills_until_it_is_gone() {
    let cloud = Mock::builder().appears_after(Duration::from_secs(20)).terminating(Duration::from_secs(30)).build();
    let caller = Caller::of(cloud);
    let volume = create(&caller, 10).await;
    assert!(list(&caller).await.is_empty());
    caller.pass(20);
    assert_eq!(list(&caller).await, std::slice::from_ref(&volume.id));
    caller.cloud.delete_volume(&context(), &volume.id).await.unwrap();
    caller.pass(29);
    assert_eq!(list(&caller).await.len(), 1);
    caller.pass(1);
    assert!(list(&caller).await.is_empty());
    let rent = caller.cloud.ledger().rents.remove(0);
    assert_eq!(rent.ended_at.unwrap().since(rent.started_at), Duration::from_secs(50));
}
