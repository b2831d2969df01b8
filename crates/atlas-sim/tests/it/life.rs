//! A machine's life, and what may be asked of the cloud.

use std::time::Duration;

use atlas_core::{
    Capability, CloudType, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Effect, ErrorKind, LogOptions,
    Pace, PortSpec, Provider,
};
use atlas_sim::{Mock, Operation};
use futures_util::TryStreamExt;
use serde_json::json;

use crate::support::{Caller, context, ids, request};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test]
async fn a_machine_runs_at_once_unless_told_otherwise() {
    assert_eq!(Caller::default().spawn(request()).await.status, ComputeStatus::Running);
}

#[tokio::test]
async fn a_life_takes_the_time_that_it_was_given() {
    let cloud =
        Mock::builder().startup(seconds(10)).stopping(seconds(5)).terminating(seconds(3)).remembers(seconds(60));
    let caller = Caller::of(cloud.build());
    let id = caller.spawn(request()).await.id;
    let status = async || caller.get(&id).await.map(|compute| compute.status).ok();
    assert_eq!(status().await, Some(ComputeStatus::Starting));
    caller.pass(10);
    assert_eq!(status().await, Some(ComputeStatus::Running));
    caller.cloud.stop(&context(), &id).await.unwrap();
    assert_eq!(status().await, Some(ComputeStatus::Stopping));
    let early = caller.cloud.start(&context(), &id).await.unwrap_err();
    assert_eq!((early.kind(), early.effect()), (ErrorKind::Conflict, Effect::Rejected));
    caller.pass(5);
    assert_eq!(status().await, Some(ComputeStatus::Stopped));
    caller.cloud.stop(&context(), &id).await.unwrap();
    caller.cloud.start(&context(), &id).await.unwrap();
    caller.cloud.start(&context(), &id).await.unwrap();
    assert_eq!(status().await, Some(ComputeStatus::Starting));
    caller.pass(10);
    caller.terminate(&id).await.unwrap();
    assert_eq!(status().await, Some(ComputeStatus::Terminating));
    caller.pass(3);
    assert_eq!(status().await, Some(ComputeStatus::Terminated));
    caller.pass(60);
    assert_eq!(status().await, None);
}

#[tokio::test]
async fn terminate_repeats_and_forgives_what_never_was() {
    let caller = Caller::default();
    let id = caller.spawn(request()).await.id;
    for _ in 0..3 {
        caller.terminate(&id).await.unwrap();
    }
    caller.terminate(&ComputeId::new("never")).await.unwrap();
    assert!(caller.get(&id).await.unwrap_err().is_not_found());
    assert_eq!(caller.cloud.ledger().rents.len(), 1);
}

#[tokio::test]
async fn spot_machines_can_be_taken_back_and_no_others() {
    let caller = Caller::default();
    let (spot, ordinary) = (caller.spawn(request().spot(true)).await.id, caller.spawn(request()).await.id);
    caller.cloud.reclaim(&spot).unwrap();
    assert_eq!(caller.cloud.reclaim(&ordinary).unwrap_err().kind(), ErrorKind::Validation);
    assert!(caller.cloud.reclaim(&ComputeId::new("never")).unwrap_err().is_not_found());
    assert_eq!(caller.list().await, [ordinary]);
}

#[tokio::test]
async fn capacity_decides_which_preference_it_becomes() {
    let caller = Caller::of(Mock::builder().capacity("h100", 3).capacity("l4", 1).capacity("cpu", 1).build());
    let asked = || ComputeRequest::gpu("h100").or("l4").gpu_count(1);
    let two = caller.spawn(ComputeRequest::gpu("H100").gpu_count(2)).await;
    assert_eq!((two.gpu_type.as_deref(), two.gpu_count), (Some("h100"), 2));
    assert_eq!(caller.spawn(asked()).await.gpu_type.as_deref(), Some("h100"));
    assert_eq!(caller.spawn(asked()).await.gpu_type.as_deref(), Some("l4"));
    let none = caller.try_spawn(asked()).await.unwrap_err();
    assert_eq!((none.kind(), none.effect()), (ErrorKind::NoCapacity, Effect::Rejected));
    // A machine that is stopped holds on to nothing, and finds its place taken.
    caller.cloud.stop(&context(), &two.id).await.unwrap();
    caller.spawn(asked()).await;
    let taken = caller.cloud.start(&context(), &two.id).await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::NoCapacity);
    caller.spawn(ComputeRequest::cpu()).await;
    assert_eq!(caller.try_spawn(ComputeRequest::cpu()).await.unwrap_err().kind(), ErrorKind::NoCapacity);
    caller.cloud.set_capacity("cpu", 2);
    caller.spawn(ComputeRequest::cpu()).await;
}

#[tokio::test]
async fn launches_have_a_pace_if_one_is_set() {
    let caller = Caller::of(Mock::builder().launch_pace(2, seconds(10)).build());
    caller.spawn(request()).await;
    caller.pass(4);
    caller.spawn(request()).await;
    let error = caller.try_spawn(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), (ErrorKind::RateLimited, Some(seconds(6))));
    caller.pass(6);
    caller.spawn(request()).await;
    assert_eq!(caller.cloud.traits().launch_pace, Some(Pace::new(2, seconds(10))));
    let caller = Caller::of(Mock::builder().call_pace(1, seconds(10)).build());
    let id = caller.spawn(request()).await.id;
    assert_eq!(caller.terminate(&id).await.unwrap_err().kind(), ErrorKind::RateLimited);
    assert_eq!(caller.cloud.live(), [id]);
}

#[tokio::test]
async fn unique_names_refuse_the_second_of_a_name() {
    let caller = Caller::of(Mock::builder().unique_names(true).build());
    let (order, _) = caller.order(request(), atlas_core::Auth::None).await;
    let first = caller.cloud.spawn(&context(), &order).await.unwrap();
    let again = caller.cloud.spawn(&context(), &order).await.unwrap_err();
    assert_eq!((again.kind(), again.effect()), (ErrorKind::Conflict, Effect::Rejected));
    caller.terminate(&first.id).await.unwrap();
    caller.cloud.spawn(&context(), &order).await.unwrap();
}

#[tokio::test]
async fn lists_take_filters_and_show_all_that_is_there() {
    let caller = Caller::default();
    let west = caller.spawn(request().name("train").region("mock-west")).await.id;
    let cpu = caller.spawn(ComputeRequest::cpu()).await.id;
    let theirs = caller.cloud.foreign_machine("database");
    caller.cloud.stop(&context(), &cpu).await.unwrap();
    assert_eq!(caller.list().await, [west.clone(), cpu.clone(), theirs.clone()]);
    let list = async |change: fn(&mut ComputeFilter)| {
        let mut filter = ComputeFilter::all();
        change(&mut filter);
        ids(caller.cloud.list(&context(), &filter).await.unwrap())
    };
    assert_eq!(list(|filter| filter.marked = true).await, [west.clone(), cpu.clone()]);
    assert_eq!(list(|filter| filter.statuses = vec![ComputeStatus::Stopped]).await, [cpu]);
    assert_eq!(list(|filter| filter.name = Some("data".to_owned())).await, [theirs]);
    assert_eq!(list(|filter| filter.region = Some("mock-west".to_owned())).await, std::slice::from_ref(&west));
    assert_eq!(list(|filter| filter.gpu = Some("h100".to_owned())).await, [west]);
}

#[tokio::test]
async fn find_spawned_returns_every_match_and_nothing_else() {
    let caller = Caller::default();
    let one = caller.spawn(request()).await;
    caller.spawn(request()).await;
    let token = one.mark.unwrap().token;
    let found = async || ids(caller.cloud.find_spawned(&context(), token).await.unwrap().matches);
    assert_eq!(found().await, std::slice::from_ref(&one.id));
    let copy = caller.cloud.clone_machine(&one.id).unwrap();
    assert_eq!(found().await, [one.id.clone(), copy.clone()]);
    caller.terminate(&one.id).await.unwrap();
    assert_eq!(found().await, [copy]);
}

#[tokio::test]
async fn an_id_that_was_used_again_is_a_strangers() {
    let caller = Caller::default();
    let id = caller.spawn(request()).await.id;
    caller.cloud.reuse_id(&id, "stranger").unwrap();
    let now = caller.get(&id).await.unwrap();
    assert_eq!((now.name.as_deref(), now.mark), (Some("stranger"), None));
    let rents = caller.cloud.ledger().rents;
    assert_eq!((rents.len(), rents[0].ended_at.is_some(), rents[1].ended_at.is_some()), (2, true, false));
}

#[tokio::test]
async fn a_machine_whose_command_ended_bills_on() {
    let caller = Caller::default();
    let (exited, failed) = (caller.spawn(request()).await.id, caller.spawn(request()).await.id);
    caller.cloud.exit(&exited, 3).unwrap();
    caller.cloud.fail(&failed).unwrap();
    let compute = caller.get(&exited).await.unwrap();
    assert_eq!((compute.status, compute.exit_code), (ComputeStatus::Exited, Some(3)));
    assert_eq!(caller.get(&failed).await.unwrap().status, ComputeStatus::Failed);
    assert_eq!(caller.cloud.live().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn logs_are_read_and_followed_to_the_end() {
    let caller = Caller::default();
    let id = caller.spawn(request()).await.id;
    caller.cloud.write_log(&id, "one\n").unwrap();
    let read = async |options| {
        let pieces: Vec<_> = caller.cloud.logs(&context(), &id, &options).unwrap().try_collect().await.unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    };
    assert_eq!(read(LogOptions::now()).await, "created\none\n");
    let writes = async {
        tokio::time::sleep(seconds(5)).await;
        caller.cloud.write_log(&id, "two\n").unwrap();
        tokio::time::sleep(seconds(5)).await;
        caller.cloud.exit(&id, 0).unwrap();
    };
    let (followed, ()) = tokio::join!(read(LogOptions::follow()), writes);
    assert_eq!(followed, "created\none\ntwo\n");
    let gone = caller.cloud.logs(&context(), &ComputeId::new("never"), &LogOptions::now());
    assert!(gone.err().unwrap().is_not_found());
}

#[tokio::test]
async fn what_the_cloud_cannot_honour_is_refused_before_it_hears_of_it() {
    let caller = Caller::default();
    let table = [
        (ComputeRequest::gpu("h1000"), ErrorKind::Validation, "h1000"),
        (request().or("rtx_9000"), ErrorKind::Validation, "rtx_9000"),
        (request().region("moon"), ErrorKind::Validation, "mock-east, mock-west"),
        (request().cloud_type(CloudType::Community), ErrorKind::Validation, "another part"),
        (request().template("t"), ErrorKind::Unsupported, "template_id"),
        (request().registry_auth("user:secret"), ErrorKind::Unsupported, "registry_auth"),
        (request().option("name", json!("mine")), ErrorKind::Validation, "mark"),
        (request().option("env", json!({"ATLAS_MARK": "x"})), ErrorKind::Validation, "ATLAS_MARK"),
        (request().option("env", json!({"ATLAS_PRESHARED_KEY": "x"})), ErrorKind::Validation, "ATLAS_PRESHARED_KEY"),
        (request().option("env", json!({"A": 1})), ErrorKind::Validation, "texts"),
        (request().option("colour", json!("red")), ErrorKind::Validation, "colour"),
        (request().gpu_count(65), ErrorKind::Validation, "gpu_count"),
    ];
    for (request, kind, named) in table {
        let checked = caller.cloud.check(&request).unwrap_err();
        assert_eq!((checked.kind(), checked.effect()), (kind, Effect::NotSent), "{checked}");
        assert!(checked.message().contains(named), "{checked}");
        assert_eq!(caller.try_spawn(request).await.unwrap_err().kind(), kind);
    }
    assert_eq!(caller.cloud.count(Operation::Spawn), 0);
}

#[tokio::test]
async fn a_capability_that_is_not_declared_does_not_work() {
    let without = |capability| Caller::of(Mock::builder().without(capability).build());
    let table = [
        (Capability::Gpu, request()),
        (Capability::Cpu, ComputeRequest::cpu()),
        (Capability::Spot, request().spot(true)),
        (Capability::Images, request().image("app:1")),
        (Capability::Commands, request().command(["run"])),
        (Capability::RawTcp, request().port(PortSpec::tcp(22))),
    ];
    for (capability, request) in table {
        Caller::default().spawn(request.clone()).await;
        let caller = without(capability);
        assert_eq!(caller.try_spawn(request).await.unwrap_err().kind(), ErrorKind::Unsupported, "{capability}");
    }
    let caller = without(Capability::StopResume);
    let id = caller.spawn(request()).await.id;
    for refused in [caller.cloud.stop(&context(), &id).await, caller.cloud.start(&context(), &id).await] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    let logs = without(Capability::Logs).cloud.logs(&context(), &id, &LogOptions::now());
    assert_eq!(logs.err().unwrap().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn options_reach_the_machine() {
    let caller = Caller::default();
    let request = request()
        .env("A", "one")
        .option("env", json!({"A": "two", "B": "three"}))
        .option("labels", json!({"team": "red"}));
    let compute = caller.spawn(request).await;
    let env = caller.cloud.env(&compute.id).unwrap();
    assert_eq!((env["A"].expose(), env["B"].expose()), ("two", "three"));
    assert_eq!(compute.raw["labels"], json!({"team": "red"}));
}

#[tokio::test]
async fn secrets_are_shown_nowhere() {
    let canary = "canary-7d1f";
    let caller = Caller::of(Mock::builder().key(canary).build());
    let request = request().env("TOKEN", canary).option("env", json!({"OTHER": canary}));
    let (order, credentials) = caller.order(request, atlas_core::Auth::Bearer).await;
    let compute = caller.cloud.spawn(&context(), &order).await.unwrap();
    let key = credentials.bearer().unwrap();
    let asked = atlas_core::probe::question(&compute, None, &credentials, &*caller.cloud.clock()).unwrap().unwrap();
    atlas_core::Probe::ask(&caller.cloud.probe(), &asked).await.unwrap();
    let shown = [
        serde_json::to_string(&compute).unwrap(),
        format!("{compute:?}"),
        format!("{:?} {:?} {:?}", caller.cloud, caller.cloud.probe(), caller.cloud.asked()),
        format!("{:?}", caller.cloud.calls()),
        format!("{:?} {}", caller.cloud.ledger(), serde_json::to_string(&caller.cloud.ledger()).unwrap()),
        format!("{:?}", caller.cloud.env(&compute.id)),
        caller.cloud.scope(&context()).to_string(),
        format!("{:?}", Mock::builder().key(canary)),
    ];
    for text in shown {
        assert!(!text.contains(canary) && !text.contains(key), "{text}");
    }
}
