//! Waiting for readiness and reading within the settle window (rules P12, C13).

use atlas_core::{ComputeStatus, ErrorKind, GoneRule, Permission, ProviderExt};
use atlas_sim::AnsweredBy;

use super::wrapped::Wrapped;
use super::*;

const BOUND: Duration = Duration::from_mins(2);

#[tokio::test(start_paused = true)]
async fn p12_the_proxys_own_answer_is_no_readiness() {
    let bench = bench(|cloud| cloud.startup(Duration::from_secs(10)).answers_after(Duration::from_secs(30)));
    let spawned = bench.spawn().await;
    bench.account.wait_ready(&spawned, BOUND).await.unwrap();
    assert!(bench.cloud.now().since(spawned.compute.created_at.unwrap()) >= Duration::from_secs(40));
    let asked = bench.cloud.asked();
    assert!(asked.iter().any(|asked| asked.by == AnsweredBy::Proxy));
    assert_eq!(asked.last().unwrap().by, AnsweredBy::Machine(spawned.compute.id));
}

#[tokio::test(start_paused = true)]
async fn p12_what_a_machine_may_answer() {
    for (status, is_ready) in
        [(200, true), (302, true), (404, true), (401, false), (403, false), (500, false), (503, false)]
    {
        let bench = bench(|cloud| cloud);
        let spawned = bench.spawn().await;
        bench.cloud.set_answer(&spawned.compute.id, status).unwrap();
        let outcome = bench.account.wait_ready(&spawned, BOUND).await;
        assert_eq!(outcome.is_ok(), is_ready, "{status}");
        if let Err(error) = outcome {
            assert_eq!((error.kind(), error.leftovers()), (ErrorKind::Timeout, &[spawned.compute.id][..]));
            assert!(error.message().contains("did not become ready within 2m"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p12_a_machine_that_refuses_its_own_key_is_somebody_elses() {
    let bench = bench(|cloud| cloud);
    let (one, two) = (bench.spawn().await, bench.spawn().await);
    let mixed_up = Spawned::new(one.compute, two.credentials);
    let error = bench.account.wait_ready(&mixed_up, BOUND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn p12_without_an_http_port_running_is_ready() {
    let bench = bench(|cloud| cloud.startup(Duration::from_secs(10)));
    let spawned = bench.account.spawn(atlas_core::ComputeRequest::gpu("h100"), Auth::None).await.unwrap();
    bench.account.wait_ready(&spawned, BOUND).await.unwrap();
    assert!(bench.cloud.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p12_a_machine_that_ends_ends_the_wait() {
    for fails in [false, true] {
        let bench = bench(|cloud| cloud.startup(Duration::from_mins(1)));
        let spawned = bench.spawn().await;
        let id = &spawned.compute.id;
        let (outcome, ()) = tokio::join!(bench.account.wait_ready(&spawned, BOUND), async {
            pass(20).await;
            if fails { bench.cloud.fail(id).unwrap() } else { bench.cloud.exit(id, 3).unwrap() }
        });
        let error = outcome.unwrap_err();
        let word = if fails { "failed" } else { "exited" };
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert_eq!(error.message(), format!("machine {id} is {word} and will not become ready"));
        assert_eq!(error.leftovers(), std::slice::from_ref(id), "it bills on");
        assert!(bench.cloud.now().since(spawned.compute.created_at.unwrap()) < Duration::from_secs(25));
    }
}

#[tokio::test(start_paused = true)]
async fn p12_a_machine_that_reads_terminated_is_left_over_where_it_may_have_moved() {
    for migrates in [false, true] {
        let bench = bench(|cloud| cloud.migrates(migrates));
        let spawned = bench.spawn().await;
        let mut over = spawned.compute.clone();
        over.status = ComputeStatus::Terminated;
        let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).shows(over)));
        let error = account.wait_ready(&spawned, BOUND).await.unwrap_err();
        assert!(error.message().contains("is terminated and will not become ready"), "{error}");
        assert_eq!(!error.leftovers().is_empty(), migrates, "ended by that id, it is searched for");
    }
}

#[tokio::test(start_paused = true)]
async fn p12_reads_that_fail_for_a_moment_do_not_end_the_wait_and_a_bad_key_does() {
    let bench = bench(|cloud| cloud.startup(Duration::from_secs(5)));
    let spawned = bench.spawn().await;
    bench.cloud.inject(Rule::on(Operation::Get, Fault::Errs).times(3));
    bench.cloud.inject(Rule::on(Operation::Get, Fault::Hides(Duration::from_secs(6))).after(3));
    bench.account.wait_ready(&spawned, BOUND).await.unwrap();
    bench.inject(Operation::Get, Fault::Unauthorized);
    assert_eq!(bench.account.wait_ready(&spawned, BOUND).await.unwrap_err().kind(), ErrorKind::Unauthorized);
}

#[tokio::test(start_paused = true)]
async fn p12_a_cloud_that_never_answers_does_not_outlast_the_bound() {
    let bench = bench(|cloud| cloud);
    let spawned = bench.spawn().await;
    bench.inject(Operation::Get, Fault::NeverAnswers);
    let begun = bench.cloud.now();
    let error = bench.account.wait_ready(&spawned, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!((error.kind(), bench.cloud.now().since(begun)), (ErrorKind::Timeout, Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn c13_a_not_found_within_the_settle_window_is_asked_again() {
    let lags = |cloud: MockBuilder| {
        let rule = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };
        cloud.settle_window(Duration::from_mins(2)).appears_after(Duration::from_secs(50)).gone(rule)
    };
    let bench = bench(lags);
    let id = bench.spawn().await.compute.id;
    let begun = bench.cloud.now();
    assert_eq!(bench.account.get(&id).await.unwrap().id, id);
    let waited = bench.cloud.now().since(begun);
    assert!((50..=52).contains(&waited.as_secs()), "{waited:?}");
    // Stopping reads first, and so waits likewise.
    let next = bench.spawn().await.compute.id;
    bench.account.stop(&next, Permission::ordinary(), BOUND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c13_waiting_for_a_status_outlasts_the_settle_window_and_no_more() {
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(2)).appears_after(Duration::from_secs(50)));
    let id = bench.spawn().await.compute.id;
    let (provider, context) = (bench.account.provider(), atlas_core::CallContext::new());
    provider.wait_running(&context, &id, BOUND * 2).await.unwrap();
    let begun = bench.cloud.now();
    let never = ComputeId::new("never-was");
    assert!(provider.wait_running(&context, &never, BOUND * 2).await.unwrap_err().is_not_found());
    assert_eq!(bench.cloud.now().since(begun), BOUND);
}

#[tokio::test(start_paused = true)]
async fn c13_a_not_found_is_told_at_once_where_it_means_something() {
    let bench = bench(|cloud| cloud.settle_window(Duration::from_mins(2)));
    let begun = bench.cloud.now();
    let is_told_at_once = async |id: &ComputeId| {
        let before = bench.cloud.now();
        assert!(bench.account.get(id).await.unwrap_err().is_not_found());
        assert_eq!(bench.cloud.now(), before);
    };
    is_told_at_once(&ComputeId::new("never-was")).await;
    // One that was ended is missing for a good reason.
    let ended = bench.spawn().await.compute.id;
    bench.account.terminate(&ended).await.unwrap();
    assert!(bench.cloud.now().since(begun) < Duration::from_mins(2));
    is_told_at_once(&ended).await;
    // And past its window, one that vanished.
    let old = bench.spawn().await.compute.id;
    pass(120).await;
    bench.cloud.vanish(&old).unwrap();
    is_told_at_once(&old).await;
}
