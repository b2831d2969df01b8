//! Keys and whose machines they show (rule O3), and accounts from a configuration.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{MasterKey, Sealer, SeededEntropy};
use atlas_core::{BuildContext, CallContext, ErrorKind, Money, Provider, ProviderFactory, ProviderId, Settings};
use atlas_sim::{ManualClock, Mock};

use crate::support::{Caller, context, request};

#[tokio::test]
async fn another_key_is_another_account_and_another_scope() {
    let caller = Caller::of(Mock::builder().key("first").build());
    let id = caller.spawn(request()).await.id;
    let home = caller.cloud.scope(&context());
    caller.cloud.use_key("second");
    assert_ne!(caller.cloud.scope(&context()), home);
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    assert!(caller.list().await.is_empty());
    caller.terminate(&id).await.unwrap();
    assert_eq!(caller.cloud.live(), std::slice::from_ref(&id), "a yes from another account ends nothing");
    // One call alone can say whose key it uses.
    let first = CallContext::new().with_key("first".into());
    assert_eq!((caller.cloud.scope(&first), caller.cloud.get(&first, &id).await.unwrap().id), (home, id));
}

#[tokio::test]
async fn a_rotated_key_is_another_scope_and_the_same_machines() {
    let caller = Caller::of(Mock::builder().key("first").build());
    let id = caller.spawn(request()).await.id;
    let home = caller.cloud.scope(&context());
    caller.cloud.rotate_key("second");
    assert_ne!(caller.cloud.scope(&context()), home);
    assert_eq!(caller.list().await, [id]);
    assert!(!caller.cloud.scope(&context()).as_str().contains("second"));
}

fn surroundings(clock: Arc<ManualClock>) -> BuildContext {
    let entropy = Arc::new(SeededEntropy::new(1));
    let sealer = Sealer::from_master(&MasterKey::generate(&*entropy), "test");
    BuildContext::new("/nowhere".into(), Arc::new(sealer), clock, entropy)
}

#[tokio::test]
async fn a_configured_account_follows_the_given_clock_and_has_its_own_price() {
    let clock = Arc::new(ManualClock::new());
    let factory = atlas_sim::factory();
    let id = ProviderId::parse("sandbox").unwrap();
    let settings = Settings::new().with("price_per_hour", "0.50").with("startup", "5s");
    let account = factory.build(&id, &settings, &surroundings(clock.clone())).unwrap();
    assert_eq!((factory.kind(), account.id().as_str(), account.traits().kind), ("mock", "sandbox", "mock"));
    assert!(account.list(&context(), &atlas_core::ComputeFilter::all()).await.unwrap().is_empty());
    let caller = Caller::default();
    let (order, _) = caller.order(request(), atlas_core::Auth::None).await;
    let compute = account.spawn(&context(), &order).await.unwrap();
    assert_eq!(compute.cost_per_hour, Some(Money::parse("0.5").unwrap()));
    assert_eq!((compute.provider.as_str(), compute.status.as_str()), ("sandbox", "starting"));
    clock.advance(Duration::from_secs(5));
    assert_eq!(account.get(&context(), &compute.id).await.unwrap().status.as_str(), "running");
}

#[test]
fn a_setting_that_cannot_be_right_is_named() {
    let surroundings = surroundings(Arc::new(ManualClock::new()));
    let id = ProviderId::parse("sandbox").unwrap();
    for (name, value) in [("price_per_hour", "cheap"), ("startup", "5"), ("prize", "1")] {
        let settings = Settings::new().with(name, value);
        let error = atlas_sim::factory().build(&id, &settings, &surroundings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert!(error.message().contains(name), "{error}");
    }
}
