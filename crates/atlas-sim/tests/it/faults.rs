//! Every fault does what its name says, and nothing is left of it when it is over.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use atlas_core::{
    CallContext, ComputeFilter, ComputeStatus, Effect, EndpointId, Error, ErrorKind, Job, JobRequest, JobStatus, Mark,
    Provider, SpawnToken,
};
use atlas_sim::{EndpointSpec, Fault, Health, Mock, Operation, Rule};
use serde_json::json;

use crate::support::{Caller, context, ids, request};

type Trial = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! trials {
    ($($name:literal => $trial:ident,)*) => { [$(($name, (|| Box::pin($trial())) as Trial)),*] };
}

#[tokio::test(start_paused = true)]
async fn each_fault_does_what_its_name_says() {
    let trials = trials! {
        "fails-before" => fails_before,
        "errs" => errs,
        "acts-then-errs" => acts_then_errs,
        "loses-answer" => loses_answer,
        "garbles" => garbles,
        "answers-late" => answers_late,
        "never-answers" => never_answers,
        "lands-late" => lands_late,
        "appears-late" => appears_late,
        "ignores" => ignores,
        "leaves-leftover" => leaves_leftover,
        "duplicates" => duplicates,
        "cuts-name" => cuts_name,
        "alters-name" => alters_name,
        "capacity-gone" => capacity_gone,
        "quota-reached" => quota_reached,
        "rate-limited" => rate_limited,
        "unauthorized" => unauthorized,
        "forbidden" => forbidden,
        "another-account" => another_account,
        "lies-status" => lies_status,
        "lists-short" => lists_short,
        "looks-partly" => looks_partly,
        "migrates" => migrates,
        "hides" => hides,
        "worker-crashes" => worker_crashes,
        "workers-throttled" => workers_throttled,
        "workers-unhealthy" => workers_unhealthy,
    };
    let tried: Vec<_> = trials.iter().map(|(name, _)| *name).collect();
    let known: Vec<_> = Fault::all().iter().map(Fault::name).collect();
    assert_eq!(tried, known);
    for (name, trial) in trials {
        println!("{name}");
        trial().await;
    }
}

/// Spawns under the fault of this name; the error, and the caller.
async fn spawn_under(name: &str) -> (Error, Caller) {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::from_name(name).unwrap());
    let error = caller.try_spawn(request()).await.unwrap_err();
    assert_eq!((error.provider().unwrap().as_str(), error.operation()), ("mock", Some("spawn")));
    (error, caller)
}

async fn refuses(name: &str, kind: ErrorKind, effect: Effect) -> Error {
    let (error, caller) = spawn_under(name).await;
    assert_eq!((error.kind(), error.effect()), (kind, effect), "{name}");
    assert!(caller.cloud.ledger().rents.is_empty(), "{name} rented");
    caller.spawn(request()).await;
    error
}

async fn acts_all_the_same(name: &str, kind: ErrorKind) {
    let (error, caller) = spawn_under(name).await;
    assert_eq!((error.kind(), error.effect()), (kind, Effect::Unknown), "{name}");
    assert!(!error.is_safe_to_resend());
    assert_eq!(caller.list().await, caller.cloud.live());
    assert_eq!(caller.cloud.live().len(), 1, "{name}");
    // The same of an ending: the answer is lost, the machine is gone.
    let id = caller.cloud.live().remove(0);
    caller.inject(Operation::Terminate, Fault::from_name(name).unwrap());
    assert_eq!(caller.terminate(&id).await.unwrap_err().kind(), kind);
    assert!(caller.cloud.live().is_empty());
}

async fn fails_before() {
    let error = refuses("fails-before", ErrorKind::Transport, Effect::NotSent).await;
    assert!(error.is_safe_to_resend());
}

async fn errs() {
    let error = refuses("errs", ErrorKind::Provider, Effect::Unknown).await;
    assert_eq!(error.status(), Some(500));
    // A listing that fails says so, and is never a short answer.
    let caller = Caller::default();
    caller.inject(Operation::List, Fault::Errs);
    assert!(caller.cloud.list(&context(), &ComputeFilter::all()).await.is_err());
}

async fn acts_then_errs() {
    acts_all_the_same("acts-then-errs", ErrorKind::Provider).await;
}

async fn loses_answer() {
    acts_all_the_same("loses-answer", ErrorKind::Timeout).await;
}

async fn garbles() {
    acts_all_the_same("garbles", ErrorKind::Decode).await;
}

async fn answers_late() {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::AnswersLate(Duration::from_secs(30)));
    let cloud = caller.cloud.clone();
    let (spawned, ()) = tokio::join!(caller.try_spawn(request()), async move {
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert_eq!(cloud.live().len(), 1, "it acts long before it answers");
    });
    assert_eq!(caller.list().await, [spawned.unwrap().id]);
}

async fn never_answers() {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::NeverAnswers);
    let (order, _) = caller.order(request(), atlas_core::Auth::None).await;
    let bounded = CallContext::new().with_timeout(Duration::from_secs(7));
    let error = caller.cloud.spawn(&bounded, &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    assert_eq!(caller.cloud.live().len(), 1);
}

async fn lands_late() {
    let (error, caller) = spawn_under("lands-late").await;
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    caller.pass(3599);
    assert!(caller.list().await.is_empty() && caller.cloud.ledger().rents.is_empty());
    caller.pass(1);
    let id = caller.list().await.remove(0);
    assert_eq!(caller.cloud.ledger().rents[0].started_at, caller.cloud.now());
    // An ending: yes at once, and true an hour later.
    caller.inject(Operation::Terminate, Fault::from_name("lands-late").unwrap());
    caller.terminate(&id).await.unwrap();
    caller.pass(3599);
    assert_eq!(caller.get(&id).await.unwrap().status, ComputeStatus::Running);
    caller.pass(1);
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    assert_eq!(caller.cloud.ledger().total().to_string(), "0.360000");
}

async fn appears_late() {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::from_name("appears-late").unwrap());
    let id = caller.spawn(request()).await.id;
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    assert!(caller.list().await.is_empty());
    // What is not seen cannot be ended either: the yes proves nothing.
    caller.terminate(&id).await.unwrap();
    assert_eq!(caller.cloud.live(), std::slice::from_ref(&id));
    caller.pass(3600);
    assert_eq!(caller.list().await, [id]);
}

async fn ignores() {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::Ignores);
    let phantom = caller.spawn(request()).await.id;
    assert!(caller.get(&phantom).await.unwrap_err().is_not_found());
    assert!(caller.cloud.ledger().rents.is_empty());
    let id = caller.spawn(request()).await.id;
    for operation in [Operation::Terminate, Operation::Stop] {
        caller.inject(operation, Fault::Ignores);
    }
    caller.terminate(&id).await.unwrap();
    caller.cloud.stop(&context(), &id).await.unwrap();
    assert_eq!(caller.get(&id).await.unwrap().status, ComputeStatus::Running);
}

async fn leaves_leftover() {
    let (error, caller) = spawn_under("leaves-leftover").await;
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert_eq!(error.leftovers(), caller.cloud.live());
    assert_eq!(error.leftovers().len(), 1);
}

async fn duplicates() {
    let caller = Caller::default();
    caller.inject(Operation::Spawn, Fault::Duplicates);
    let one = caller.spawn(request()).await;
    let token = one.mark.as_ref().unwrap().token;
    let found = caller.cloud.find_spawned(&context(), token).await.unwrap();
    assert_eq!((ids(found.matches).len(), found.complete), (2, true));
    assert_eq!(caller.cloud.ledger().of(token).count(), 2);
}

async fn cuts_name() {
    loses_mark("cuts-name").await;
}

async fn alters_name() {
    loses_mark("alters-name").await;
}

async fn loses_mark(name: &str) {
    let (error, caller) = spawn_under(name).await;
    let machine = caller.cloud.machines().remove(0);
    assert_eq!(error.leftovers(), [machine.id]);
    assert_eq!(Mark::read(&machine.name.unwrap()), None);
}

async fn capacity_gone() {
    let error = refuses("capacity-gone", ErrorKind::NoCapacity, Effect::Rejected).await;
    assert!(error.is_safe_to_resend());
}

async fn quota_reached() {
    refuses("quota-reached", ErrorKind::Quota, Effect::Rejected).await;
}

async fn rate_limited() {
    let error = refuses("rate-limited", ErrorKind::RateLimited, Effect::Rejected).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

async fn unauthorized() {
    refuses("unauthorized", ErrorKind::Unauthorized, Effect::Rejected).await;
}

async fn forbidden() {
    refuses("forbidden", ErrorKind::Forbidden, Effect::Rejected).await;
}

async fn another_account() {
    let caller = Caller::default();
    let id = caller.spawn(request()).await.id;
    let home = caller.cloud.scope(&context());
    for operation in [Operation::Get, Operation::Terminate, Operation::List] {
        caller.inject(operation, Fault::AnotherAccount);
    }
    assert_ne!(caller.cloud.scope(&context()), home);
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    caller.terminate(&id).await.unwrap();
    assert!(caller.list().await.is_empty());
    assert_eq!((caller.cloud.scope(&context()), caller.list().await), (home, vec![id]));
}

async fn lies_status() {
    let caller = Caller::default();
    let id = caller.spawn(request()).await.id;
    let lie = Fault::LiesStatus(ComputeStatus::Terminated);
    caller.cloud.inject(Rule::on(Operation::Get, lie).during(Duration::from_mins(1)));
    assert_eq!(caller.get(&id).await.unwrap().status, ComputeStatus::Terminated);
    caller.pass(59);
    assert_eq!(caller.get(&id).await.unwrap().status, ComputeStatus::Terminated);
    assert_eq!(caller.cloud.live(), std::slice::from_ref(&id));
    caller.pass(1);
    assert_eq!(caller.get(&id).await.unwrap().status, ComputeStatus::Running);
}

async fn lists_short() {
    let caller = Caller::default();
    let (one, other) = (caller.spawn(request()).await.id, caller.spawn(request()).await.id);
    caller.inject(Operation::List, Fault::ListsShort);
    assert_eq!(caller.list().await, std::slice::from_ref(&one));
    caller.cloud.inject(Rule::on(Operation::List, Fault::ListsShort).only(&one));
    assert_eq!(caller.list().await, std::slice::from_ref(&other));
    assert_eq!(caller.list().await, [one, other]);
}

async fn looks_partly() {
    let caller = Caller::default();
    let token = caller.spawn(request()).await.mark.unwrap().token;
    caller.inject(Operation::Find, Fault::LooksPartly);
    let found = caller.cloud.find_spawned(&context(), token).await.unwrap();
    assert!(found.matches.is_empty() && !found.complete);
    assert_eq!(found_by(&caller.cloud, token).await, 1);
}

async fn found_by(cloud: &Mock, token: SpawnToken) -> usize {
    cloud.find_spawned(&context(), token).await.unwrap().matches.len()
}

async fn migrates() {
    let caller = Caller::default();
    let before = caller.spawn(request()).await;
    caller.inject(Operation::Get, Fault::Migrates);
    assert!(caller.get(&before.id).await.unwrap_err().is_not_found());
    let after = caller.cloud.machines().remove(0);
    assert_ne!(after.id, before.id);
    assert_eq!((after.mark, after.created_at), (before.mark, before.created_at));
    assert_eq!(caller.cloud.ledger().rents.len(), 1, "it is the same machine on the same bill");
}

async fn hides() {
    let caller = Caller::default();
    let (id, other) = (caller.spawn(request()).await.id, caller.spawn(request()).await.id);
    caller.inject(Operation::Get, Fault::from_name("hides").unwrap());
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    caller.pass(3599);
    assert_eq!(caller.list().await, std::slice::from_ref(&other));
    caller.pass(1);
    assert_eq!(caller.list().await, [id, other]);
}

#[tokio::test]
async fn faults_are_written_down_with_their_calls_and_heal() {
    let caller = Caller::default();
    caller.cloud.inject(Rule::on(Operation::Get, Fault::Errs).always());
    let id = caller.spawn(request()).await.id;
    caller.get(&id).await.unwrap_err();
    caller.cloud.heal();
    caller.get(&id).await.unwrap();
    let calls = caller.cloud.calls();
    assert_eq!(
        calls.iter().map(|call| call.operation).collect::<Vec<_>>(),
        [Operation::Spawn, Operation::Get, Operation::Get]
    );
    assert_eq!((&calls[1].faults[..], &calls[2].faults[..]), (&[Fault::Errs][..], &[][..]));
    assert_eq!(calls[1].outcome, atlas_sim::Outcome::Failed(ErrorKind::Provider));
    assert_eq!(calls[1].compute, Some(id));
    assert!(caller.cloud.rules().is_empty());
}

/// A spawn that is struck again and again, as the seed decides, is the same history each time.
#[tokio::test]
async fn the_same_seed_gives_the_same_history() {
    let mut histories = Vec::new();
    for seed in [5, 5, 6] {
        let caller = Caller::of(Mock::builder().seed(seed).build());
        caller.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer).chance(400));
        caller.cloud.inject(Rule::on(Operation::Get, Fault::Migrates).chance(300));
        for _ in 0..20 {
            if let Ok(compute) = caller.try_spawn(request()).await {
                drop(caller.get(&compute.id).await);
            }
            caller.pass(11);
        }
        histories.push((serde_json::to_string(&caller.cloud.ledger()).unwrap(), caller.cloud.calls()));
    }
    assert_eq!(histories[0], histories[1]);
    assert_ne!(histories[0], histories[2]);
}

/// A cloud with one endpoint, whose next job is struck by this fault.
async fn job_under(fault: Fault, seconds: u64) -> (Caller, EndpointId, Job) {
    let caller = Caller::default();
    let endpoint = caller.cloud.add_endpoint(EndpointSpec::new("work")).unwrap();
    caller.inject(Operation::RunJob, fault);
    let request = JobRequest::new(endpoint.as_str(), json!({ "seconds": seconds, "echo": "done" }));
    let job = caller.cloud.run_job(&context(), &request).await.unwrap();
    (caller, endpoint, job)
}

async fn worker_crashes() {
    let (caller, endpoint, job) = job_under(Fault::WorkerCrashes, 10).await;
    let first = job.worker.clone();
    caller.pass(5);
    let again = caller.cloud.get_job(&context(), &endpoint, &job.id).await.unwrap();
    assert!(again.status == JobStatus::Running && again.worker != first, "another worker has it");
    caller.pass(10);
    let done = caller.cloud.get_job(&context(), &endpoint, &job.id).await.unwrap();
    assert_eq!((done.status, done.output), (JobStatus::Completed, Some(json!("done"))));
    let ended = caller.cloud.health(&endpoint).unwrap().ended;
    assert_eq!((ended.completed, ended.retried), (1, 1));
    let first_rent = &caller.cloud.ledger().rents[0];
    assert_eq!(first_rent.ended_at.unwrap().since(first_rent.started_at), Duration::from_secs(5));
}

async fn stays_in_the_queue(fault: Fault, held: fn(&Health) -> u32) {
    let (caller, endpoint, job) = job_under(fault, 1).await;
    caller.pass(3599);
    let health = caller.cloud.health(&endpoint).unwrap();
    assert_eq!((health.in_queue, held(&health), health.running), (1, 1, 0));
    assert!(caller.cloud.ledger().rents.is_empty(), "what does not work does not bill");
    caller.pass(2);
    let done = caller.cloud.get_job(&context(), &endpoint, &job.id).await.unwrap();
    assert_eq!((done.status, done.delay_ms), (JobStatus::Completed, Some(3_600_000)));
}

async fn workers_throttled() {
    stays_in_the_queue(Fault::from_name("workers-throttled").unwrap(), |health| health.throttled).await;
}

async fn workers_unhealthy() {
    stays_in_the_queue(Fault::from_name("workers-unhealthy").unwrap(), |health| health.unhealthy).await;
}
