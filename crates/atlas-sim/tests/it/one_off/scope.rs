//! Under which account an answer counts (rule O3; histories 5 and 26).

use async_trait::async_trait;
use atlas_core::{CallContext, ErrorKind, GoneRule, Permission, Proof, ProviderId, SpawnOrder, Traits};

use super::*;

fn keyed() -> Bench {
    bench(|cloud| cloud.key("first").gone(GoneRule::NotFound))
}

#[tokio::test(start_paused = true)]
async fn o3_the_not_found_of_another_account_ends_nothing() {
    let bench = keyed();
    let id = bench.spawn().await.compute.id;
    bench.cloud.use_key("another");
    let settled = bench.try_settle().await.unwrap_err();
    for error in [
        bench.account.terminate(&id).await.unwrap_err(),
        bench.account.terminate_soon(&id, Permission::ordinary()).await.unwrap_err(),
        settled,
    ] {
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.message().contains("its answers prove nothing"), "{error}");
        assert!(!error.to_string().contains("another"), "no key is told: {error}");
    }
    assert_eq!(bench.cloud.count(Operation::Terminate), 0);
    assert!(is_bound(&bench.phase().await, &id));
    bench.cloud.use_key("first");
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o3_a_key_that_is_exchanged_in_mid_ending_proves_nothing() {
    let bench = keyed();
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).always());
    let (outcome, ()) = tokio::join!(bench.account.terminate(&id), async {
        pass(10).await;
        bench.cloud.use_key("another");
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().contains("its record stays"), "{error}");
    assert_eq!(bench.cloud.live(), [id]);
    bench.cloud.heal();
    bench.cloud.use_key("first");
    bench.reap().await;
    bench.reap().await;
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o3_one_call_under_another_key_is_another_scope() {
    let bench = keyed();
    let id = bench.spawn().await.compute.id;
    let elsewhere = bench.account.with(CallContext::new().with_key("another".into()));
    assert_eq!(elsewhere.terminate(&id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(bench.cloud.live(), [id]);
}

/// A key that was mistyped once: what it was told, or never sent, is true under every other key too.
#[tokio::test(start_paused = true)]
async fn o3_a_create_that_made_nothing_is_settled_under_every_key() {
    for (fault, proof) in [
        (Fault::Unauthorized, Proof::Refused),
        (Fault::CapacityGone, Proof::Refused),
        (Fault::FailsBefore, Proof::NotSent),
    ] {
        let bench = keyed();
        bench.cloud.use_key("mistyped");
        bench.inject(Operation::Spawn, fault);
        bench.spawn_fails().await;
        bench.cloud.use_key("first");
        let record = bench.records().await.remove(0);
        bench.account.can_settle(&record).await.unwrap();
        assert_eq!(bench.settle().await, Settled::Closed(proof));
        assert_eq!(bench.cloud.count(Operation::List) + bench.cloud.count(Operation::Find), 0, "nobody is asked");
        // Under its own key it is watched on, as all that is closed.
        bench.cloud.use_key("mistyped");
        assert_eq!(bench.settle().await, Settled::Closed(proof));
        assert_eq!(bench.cloud.count(Operation::Find), 1);
    }
}

/// What needs the other key says so, before anything is done as well, and names its rental once.
#[tokio::test(start_paused = true)]
async fn o3_what_another_account_cannot_judge_is_told_with_its_remedy_by_those_who_only_look() {
    let bench = keyed();
    let id = bench.spawn().await.compute.id;
    let record = bench.records().await.remove(0);
    bench.account.can_settle(&record).await.unwrap();
    bench.cloud.use_key("another");
    let (looked, done) = (bench.account.can_settle(&record).await.unwrap_err(), bench.try_settle().await.unwrap_err());
    assert_eq!((looked.to_string(), looked.kind()), (done.to_string(), ErrorKind::Conflict));
    assert!(looked.message().contains("use the key with which it was made"), "{looked}");
    assert_eq!(looked.message().matches(&record.intent.token().to_string()).count(), 1, "{looked}");
    // A rotated key of the same account is found to be one, and joined only by what acts.
    bench.cloud.use_key("first");
    bench.cloud.rotate_key("second");
    bench.account.can_settle(&record).await.unwrap();
    assert_eq!(bench.records().await[0].intent.scope, record.intent.scope);
    assert_eq!(found(bench.settle().await).id, id);
    assert_ne!(bench.records().await[0].intent.scope, record.intent.scope);
}

/// What a user's own provider has at least.
#[derive(Debug)]
struct SixMethods(Mock);

#[async_trait]
impl Provider for SixMethods {
    fn id(&self) -> &ProviderId {
        self.0.id()
    }

    fn traits(&self) -> &Traits {
        self.0.traits()
    }

    async fn spawn(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        self.0.spawn(context, order).await
    }

    async fn get(&self, context: &CallContext, id: &ComputeId) -> Result<Compute> {
        self.0.get(context, id).await
    }

    async fn list(&self, context: &CallContext, filter: &ComputeFilter) -> Result<Vec<Compute>> {
        self.0.list(context, filter).await
    }

    async fn terminate(&self, context: &CallContext, id: &ComputeId) -> Result<()> {
        self.0.terminate(context, id).await
    }
}

/// History 5: a provider that says nothing of scopes, and a call with the key of another account.
#[tokio::test(start_paused = true)]
async fn o3_the_scope_of_a_provider_that_names_none_follows_the_key_of_the_call() {
    let bench = keyed();
    let plain = bench.over(Arc::new(SixMethods(bench.cloud.clone())));
    let id = plain.spawn(request(), Auth::Bearer).await.unwrap().compute.id;
    let elsewhere = plain.with(CallContext::new().with_key("another".into()));
    let error = elsewhere.terminate(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert!(!error.to_string().contains("another"), "no key is told: {error}");
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&id));
    assert!(is_bound(&bench.phase().await, &id));
    plain.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o3_a_create_without_an_answer_is_not_absent_because_another_account_knows_nothing() {
    let bench = keyed();
    bench.spawn_unseen(Fault::LosesAnswer).await;
    bench.cloud.use_key("another");
    for _ in 0..4 {
        assert_eq!(bench.try_settle().await.unwrap_err().kind(), ErrorKind::Conflict);
        pass(60).await;
    }
    bench.cloud.use_key("first");
    assert_eq!(bench.cloud.live(), [found(bench.settle().await).id]);
}

/// History 26: a new key of the same account.
#[tokio::test(start_paused = true)]
async fn o3_a_rotated_key_joins_the_old_one_when_its_listing_shows_a_machine_of_it() {
    let bench = keyed();
    let (one, two) = (bench.spawn().await.compute.id, bench.spawn().await.compute.id);
    bench.cloud.vanish(&two).unwrap();
    bench.inject(Operation::Spawn, Fault::Errs);
    bench.spawn_fails().await;
    bench.cloud.rotate_key("second");
    bench.account.terminate(&two).await.unwrap();
    pass(60).await;
    for _ in 0..2 {
        bench.reap().await;
        pass(2).await;
    }
    let phases: Vec<_> = bench.records().await.into_iter().map(|record| record.phase).collect();
    assert!(phases.iter().any(|phase| is_bound(phase, &one)));
    assert!(phases.iter().any(|phase| matches!(phase, IntentPhase::Closed { proof: Proof::Absent, .. })));
    bench.account.terminate(&one).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o3_without_a_machine_to_show_a_new_key_joins_nothing() {
    let bench = keyed();
    let id = bench.spawn().await.compute.id;
    bench.cloud.vanish(&id).unwrap();
    bench.cloud.rotate_key("second");
    // A stranger's machine, and one of ours that no record knows, prove nothing either.
    bench.cloud.foreign_machine("database");
    bench.machine_of("default", TokenKind::Plain, 4);
    assert_eq!(bench.account.terminate(&id).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(is_bound(&bench.phase().await, &id));
}
