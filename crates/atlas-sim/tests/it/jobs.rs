//! Serverless jobs through the provider's contract.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_core::{
    Capability, ComputeId, EndpointId, ErrorKind, Job, JobId, JobPolicy, JobRequest, JobStatus, Money, Provider,
    RentalKind, Result,
};
use atlas_sim::{EndpointSpec, Fault, Mock, Operation, RentKind, Rule};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};

use crate::support::{Caller, context};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn with_endpoint(cloud: Mock, spec: EndpointSpec) -> (Caller, EndpointId) {
    let endpoint = cloud.add_endpoint(spec).unwrap();
    (Caller::of(cloud), endpoint)
}

async fn run(caller: &Caller, endpoint: &EndpointId, input: Value) -> Job {
    caller.cloud.run_job(&context(), &JobRequest::new(endpoint.as_str(), input)).await.unwrap()
}

async fn get(caller: &Caller, job: &Job) -> Result<Job> {
    caller.cloud.get_job(&context(), &job.endpoint, &job.id).await
}

#[tokio::test]
async fn a_job_waits_for_a_worker_runs_is_done_and_is_forgotten() {
    let cloud = Mock::builder().cold_start(seconds(6)).build();
    let (caller, endpoint) = with_endpoint(cloud, EndpointSpec::new("work").gpu("h100"));
    caller.pass(3600);
    assert!(caller.cloud.ledger().rents.is_empty(), "an endpoint without workers costs nothing");
    let job = run(&caller, &endpoint, json!({ "seconds": 4, "echo": { "answer": 42 } })).await;
    assert_eq!((job.status.clone(), job.output.clone()), (JobStatus::Queued, None));
    caller.pass(6);
    let running = get(&caller, &job).await.unwrap();
    assert_eq!((running.status, running.delay_ms), (JobStatus::Running, Some(6000)));
    caller.pass(4);
    let done = get(&caller, &job).await.unwrap();
    assert_eq!((done.status, done.output), (JobStatus::Completed, Some(json!({ "answer": 42 }))));
    assert_eq!((done.delay_ms, done.execution_ms), (Some(6000), Some(4000)));
    assert!(done.worker.is_some() && done.error.is_none());
    // The worker waits ten seconds for another job, and bills from its start to its stop.
    caller.pass(3600);
    let ledger = caller.cloud.ledger();
    let rent = ledger.of_kind(RentKind::Worker).next().unwrap();
    assert_eq!(rent.ended_at.unwrap().since(rent.started_at), seconds(20));
    assert_eq!((rent.cost, rent.name.as_str()), (Money::parse("0.002").unwrap(), "work"));
    assert!(get(&caller, &job).await.unwrap_err().is_not_found(), "half an hour after its end");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_waited_for_comes_back_done_or_says_how_it_stands() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work"));
    let sync = |input| JobRequest::new(endpoint.as_str(), input).sync(seconds(30));
    let at_once = caller.cloud.run_job(&context(), &sync(json!({ "prompt": "x" }))).await.unwrap();
    assert_eq!((at_once.status, at_once.output), (JobStatus::Completed, Some(json!({ "prompt": "x" }))));
    let asked = sync(json!({ "seconds": 3 }));
    let passes = async {
        for _ in 0..3 {
            tokio::time::sleep(seconds(1)).await;
            caller.pass(1);
        }
    };
    let (done, ()) = {
        let context = context();
        let (done, ()) = tokio::join!(caller.cloud.run_job(&context, &asked), passes);
        (done.unwrap(), ())
    };
    assert_eq!(done.status, JobStatus::Completed);
    caller.pass(60);
    assert!(get(&caller, &done).await.unwrap_err().is_not_found(), "its result is kept for a minute only");
    let late = caller.cloud.run_job(&context(), &sync(json!({ "seconds": 300 }))).await.unwrap_err();
    assert_eq!((late.kind(), late.operation()), (ErrorKind::Timeout, Some("run_job")));
    let id = caller.cloud.jobs(&endpoint).unwrap().remove(0).id;
    assert!(late.message().contains(id.as_str()) && late.message().contains("running"), "{late}");
    caller.pass(300);
    let after = caller.cloud.get_job(&context(), &endpoint, &id).await.unwrap();
    assert_eq!(after.status, JobStatus::Completed, "it went on by itself");
}

#[tokio::test]
async fn a_job_ends_badly_by_its_worker_by_its_time_or_by_a_cancel_and_once_only() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work").workers(0, 9).scale_by_count(1));
    let failing = run(&caller, &endpoint, json!({ "seconds": 1, "fail": "out of memory" })).await;
    let policy = JobPolicy::new().execution_timeout(seconds(5));
    let slow = JobRequest::new(endpoint.as_str(), json!({ "seconds": 60 })).policy(policy);
    let slow = caller.cloud.run_job(&context(), &slow).await.unwrap();
    let cancelled = run(&caller, &endpoint, json!({ "seconds": 60 })).await;
    let crashing = run(&caller, &endpoint, json!({ "seconds": 2, "crash": 2 })).await;
    let short = JobPolicy::new().ttl(seconds(30));
    let expiring = JobRequest::new(endpoint.as_str(), json!({ "seconds": 60 })).policy(short);
    let expiring = caller.cloud.run_job(&context(), &expiring).await.unwrap();
    caller.pass(5);
    for _ in 0..2 {
        let job = caller.cloud.cancel_job(&context(), &endpoint, &cancelled.id).await.unwrap();
        assert_eq!(job.status, JobStatus::Cancelled);
    }
    let job = caller.cloud.cancel_job(&context(), &endpoint, &failing.id).await.unwrap();
    assert_eq!((job.status, job.error), (JobStatus::Failed, Some(json!("out of memory"))));
    assert_eq!(get(&caller, &slow).await.unwrap().status, JobStatus::TimedOut);
    let crashed = get(&caller, &crashing).await.unwrap();
    assert_eq!((crashed.status, crashed.error), (JobStatus::Failed, Some(json!("job timed out after 1 retries"))));
    caller.pass(25);
    assert!(get(&caller, &expiring).await.unwrap_err().is_not_found(), "its time to live is over, running or not");
    let ended = caller.cloud.health(&endpoint).unwrap().ended;
    let counts = (ended.completed, ended.failed, ended.timed_out, ended.cancelled, ended.expired, ended.retried);
    assert_eq!(counts, (0, 2, 1, 1, 1, 1));
    caller.pass(60);
    assert_eq!(caller.cloud.ledger().open().count(), 0, "no worker stands for nothing");
}

#[tokio::test]
async fn workers_come_as_jobs_wait_and_go_when_there_are_none() {
    let spec = EndpointSpec::new("work").workers(1, 3).idle_timeout(seconds(20)).cold_start(seconds(2));
    let (caller, endpoint) = with_endpoint(Mock::new(), spec);
    let workers = || {
        let health = caller.cloud.health(&endpoint).unwrap();
        (health.initializing, health.idle, health.running, health.in_queue)
    };
    assert_eq!(workers(), (1, 0, 0, 0), "one always stands");
    caller.pass(2);
    for _ in 0..4 {
        run(&caller, &endpoint, json!({ "seconds": 100 })).await;
    }
    assert_eq!(workers(), (0, 0, 1, 3));
    caller.pass(4);
    assert_eq!(workers(), (1, 0, 1, 3), "they have waited for four seconds");
    caller.pass(4);
    assert_eq!(workers(), (1, 0, 2, 2));
    caller.pass(4);
    assert_eq!(workers(), (0, 0, 3, 1), "the most is three");
    caller.pass(90);
    assert_eq!(workers(), (0, 0, 3, 0), "the first is free again and has the last job");
    caller.pass(10);
    assert_eq!(workers(), (0, 2, 1, 0));
    caller.pass(200);
    assert_eq!(workers(), (0, 1, 0, 0));
    assert_eq!(caller.cloud.ledger().of_kind(RentKind::Worker).count(), 3);
    caller.cloud.end_rented(&context(), RentalKind::Endpoint, &ComputeId::new(endpoint.as_str())).await.unwrap();
    assert_eq!(caller.cloud.ledger().open().count(), 0);
    caller.cloud.end_rented(&context(), RentalKind::Endpoint, &ComputeId::new(endpoint.as_str())).await.unwrap();
}

#[tokio::test]
async fn workers_take_their_place_from_the_same_stock_as_machines() {
    let cloud = Mock::builder().capacity("h100", 1).build();
    let (caller, endpoint) = with_endpoint(cloud, EndpointSpec::new("work").gpu("h100"));
    let machine = caller.spawn(crate::support::request()).await;
    let job = run(&caller, &endpoint, json!({})).await;
    caller.pass(600);
    assert_eq!(get(&caller, &job).await.unwrap().status, JobStatus::Queued);
    assert_eq!(caller.cloud.health(&endpoint).unwrap().throttled, 1);
    caller.terminate(&machine.id).await.unwrap();
    caller.pass(10);
    assert_eq!(get(&caller, &job).await.unwrap().status, JobStatus::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_stream_yields_each_piece_once_and_in_order_whatever_happens_to_its_polls() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work"));
    for (fault, thousandths) in
        [(Fault::LosesAnswer, 200), (Fault::Errs, 200), (Fault::FailsBefore, 100), (Fault::Garbles, 100)]
    {
        caller.cloud.inject(Rule::on(Operation::StreamJob, fault).chance(thousandths));
    }
    let job = run(&caller, &endpoint, json!({ "seconds": 10, "chunks": 200, "echo": "x", "crash": 1 })).await;
    let patient = context().with_retries(50);
    let reads = caller.cloud.stream_job(&patient, &endpoint, &job.id).unwrap().try_collect::<Vec<_>>();
    let passes = async {
        for _ in 0..200 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            caller.cloud.advance(Duration::from_millis(100));
        }
    };
    let (pieces, ()) = tokio::join!(reads, passes);
    let pieces = pieces.unwrap();
    assert_eq!(pieces.iter().map(|piece| piece.index).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    assert_eq!(pieces[7].output, json!({ "index": 7, "echo": "x" }));
    let polls = caller.cloud.count(Operation::StreamJob);
    assert!(polls > 20, "it was read as it came, in {polls} polls");
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_job_that_ends_badly_ends_with_an_error_after_its_pieces() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work"));
    let job = run(&caller, &endpoint, json!({ "chunks": 2, "fail": "broken" })).await;
    let items: Vec<_> = caller.cloud.stream_job(&context(), &endpoint, &job.id).unwrap().collect().await;
    assert_eq!(items.len(), 3);
    let error = items.into_iter().next_back().unwrap().unwrap_err();
    assert!(error.message().contains("failed: broken"), "{error}");
    let never = JobId::new("never");
    let items: Vec<_> = caller.cloud.stream_job(&context(), &endpoint, &never).unwrap().collect().await;
    assert!(items.len() == 1 && items[0].as_ref().is_err_and(atlas_core::Error::is_not_found), "{items:?}");
}

#[tokio::test]
async fn what_is_not_there_or_not_declared_is_refused() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work"));
    let elsewhere = JobRequest::new("never", json!({}));
    let error = caller.cloud.run_job(&context(), &elsewhere).await.unwrap_err();
    assert!(error.is_not_found() && error.message().contains("endpoint"), "{error}");
    let job = run(&caller, &endpoint, json!({})).await;
    let other = caller.cloud.add_endpoint(EndpointSpec::new("other")).unwrap();
    assert!(caller.cloud.get_job(&context(), &other, &job.id).await.unwrap_err().is_not_found());
    let option = JobRequest::new(endpoint.as_str(), json!({})).option("s3", json!(1));
    assert_eq!(caller.cloud.run_job(&context(), &option).await.unwrap_err().kind(), ErrorKind::Validation);
    let bare = Mock::builder().without(Capability::Serverless).build();
    let request = JobRequest::new(endpoint.as_str(), json!({}));
    let errors = [
        bare.run_job(&context(), &request).await.unwrap_err(),
        bare.get_job(&context(), &endpoint, &job.id).await.unwrap_err(),
        bare.cancel_job(&context(), &endpoint, &job.id).await.unwrap_err(),
        bare.stream_job(&context(), &endpoint, &job.id).err().unwrap(),
        bare.end_rented(&context(), RentalKind::Endpoint, &ComputeId::new("never")).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unsupported), "{errors:?}");
    assert!(bare.calls().is_empty());
}

#[tokio::test]
async fn a_lost_answer_a_late_landing_and_an_empty_yes_are_told_apart_by_looking() {
    let (caller, endpoint) = with_endpoint(Mock::new(), EndpointSpec::new("work"));
    let request = JobRequest::new(endpoint.as_str(), json!({}));
    let there = || caller.cloud.jobs(&endpoint).unwrap().len();
    for (fault, at_once, later) in
        [(Fault::LosesAnswer, 1, 1), (Fault::Errs, 1, 1), (Fault::LandsLate(seconds(60)), 1, 2)]
    {
        caller.inject(Operation::RunJob, fault.clone());
        assert!(caller.cloud.run_job(&context(), &request).await.is_err(), "{fault}");
        assert_eq!(there(), at_once, "{fault}");
        caller.pass(60);
        assert_eq!(there(), later, "{fault}");
    }
    caller.inject(Operation::RunJob, Fault::Ignores);
    let promised = caller.cloud.run_job(&context(), &request).await.unwrap();
    assert!(get(&caller, &promised).await.unwrap_err().is_not_found());
    caller.inject(Operation::RunJob, Fault::AppearsLate(seconds(5)));
    let hidden = caller.cloud.run_job(&context(), &request).await.unwrap();
    assert!(get(&caller, &hidden).await.unwrap_err().is_not_found());
    caller.pass(5);
    assert_eq!(get(&caller, &hidden).await.unwrap().status, JobStatus::Completed);
}

/// A thousand jobs of every kind, with faults in every call: each ends exactly once, and nothing is left of them.
#[tokio::test]
async fn a_thousand_mixed_jobs_each_end_exactly_once() {
    let cloud = Mock::builder().seed(11).cold_start(seconds(3)).build();
    let spec = EndpointSpec::new("work").gpu("l4").workers(0, 20).scale_by_count(4);
    let (caller, endpoint) = with_endpoint(cloud, spec);
    for fault in [Fault::FailsBefore, Fault::Errs, Fault::LosesAnswer, Fault::WorkerCrashes] {
        caller.cloud.inject(Rule::on(Operation::RunJob, fault).chance(25));
    }
    caller.cloud.inject(Rule::on(Operation::CancelJob, Fault::LosesAnswer).chance(100));
    let (mut known, mut lost) = (Vec::new(), 0);
    for number in 0..1000_u64 {
        let input = match number % 5 {
            0 => json!({ "seconds": number % 7, "echo": number }),
            1 => json!({ "seconds": 2, "chunks": 5 }),
            2 => json!({ "seconds": 1, "fail": "on purpose" }),
            3 => json!({ "seconds": 1000 }),
            _ => json!({ "plain": number }),
        };
        let policy = JobPolicy::new().execution_timeout(seconds(30)).low_priority(number % 3 == 0);
        let request = JobRequest::new(endpoint.as_str(), input).policy(policy).webhook("https://hook.invalid/");
        match caller.cloud.run_job(&context(), &request).await {
            Ok(job) => known.push((number, job)),
            Err(_) => lost += 1,
        }
        if number % 10 == 9
            && let Some((_, job)) = known.last()
        {
            // Its answer may be lost too.
            let _ = caller.cloud.cancel_job(&context(), &endpoint, &job.id).await;
        }
        caller.cloud.advance(Duration::from_millis(300));
    }
    // What ended is kept for half an hour, so it is read as it ends.
    let mut ends: BTreeMap<JobId, JobStatus> = BTreeMap::new();
    for _ in 0..200 {
        caller.pass(30);
        for job in caller.cloud.jobs(&endpoint).unwrap().into_iter().filter(|job| job.status.is_over()) {
            let before = ends.insert(job.id.clone(), job.status.clone());
            assert!(before.is_none_or(|before| before == job.status), "{} ended twice", job.id);
        }
    }
    for (number, job) in &known {
        let end = ends.get(&job.id).unwrap_or_else(|| panic!("job {number} never ended"));
        assert!(
            *end == JobStatus::Cancelled
                || match number % 5 {
                    2 => *end == JobStatus::Failed,
                    3 => *end == JobStatus::TimedOut,
                    _ => *end == JobStatus::Completed,
                },
            "job {number} ended as {end}"
        );
    }
    let health = caller.cloud.health(&endpoint).unwrap();
    let ended = health.ended;
    let all = ended.completed + ended.failed + ended.timed_out + ended.cancelled + ended.expired;
    assert_eq!((all, health.in_queue, health.in_progress), (u64::try_from(ends.len()).unwrap(), 0, 0));
    assert!(known.len() <= ends.len() && ends.len() <= known.len() + lost);
    assert_eq!(caller.cloud.deliveries().len(), ends.len(), "each is told once");
    assert!(caller.cloud.jobs(&endpoint).unwrap().is_empty(), "all are forgotten");
    assert_eq!(caller.cloud.ledger().open().count(), 0, "and no worker is left");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_history() {
    let history = async || {
        let (caller, endpoint) =
            with_endpoint(Mock::builder().seed(5).build(), EndpointSpec::new("work").cold_start(seconds(2)));
        for number in 0..20 {
            run(&caller, &endpoint, json!({ "seconds": number % 4, "crash": number % 3 })).await;
            caller.pass(1);
        }
        caller.pass(100);
        (caller.cloud.jobs(&endpoint).unwrap(), caller.cloud.ledger())
    };
    assert_eq!(history().await, history().await);
}
