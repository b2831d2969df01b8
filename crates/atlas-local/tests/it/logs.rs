//! What machines say.

use atlas_core::{CallContext, Compute, ComputeId, LogOptions, LogStream, Provider};
use atlas_local::Local;
use futures_util::{StreamExt, TryStreamExt};

use crate::support::*;

fn read(local: &Local, compute: &Compute, options: LogOptions) -> LogStream {
    local.logs(&CallContext::new(), &compute.id, &options).unwrap()
}

async fn whole(stream: LogStream) -> String {
    let bytes: Vec<u8> = stream.try_collect::<Vec<_>>().await.unwrap().concat();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_was_said_is_there_after_the_end() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, shell("echo out; echo error >&2; exit 1")).await.unwrap();
    wait_status(&local, &compute.id, atlas_core::ComputeStatus::Exited).await;
    for options in [LogOptions::now(), LogOptions::follow()] {
        assert_eq!(whole(read(&local, &compute, options)).await, "out\nerror\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_hears_what_comes_until_the_machine_ends() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, shell("echo one; until [ -e go ]; do sleep 0.02; done; echo two")).await.unwrap();
    let mut stream = read(&local, &compute, LogOptions::follow());
    assert_eq!(stream.next().await.unwrap().unwrap(), "one\n");
    assert_eq!(whole(read(&local, &compute, LogOptions::now())).await, "one\n");
    std::fs::write(ground.machine_folder(&compute.id).join("work/go"), "").unwrap();
    assert_eq!(whole(stream).await, "two\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_machine_that_is_terminated_comes_to_an_end() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, shell("echo one; sleep 1000")).await.unwrap();
    let mut stream = read(&local, &compute, LogOptions::follow());
    assert_eq!(stream.next().await.unwrap().unwrap(), "one\n");
    terminate(&local, &compute.id).await.unwrap();
    assert_eq!(whole(stream).await, "");
}

#[tokio::test]
async fn a_machine_that_is_not_there_says_nothing() {
    let ground = Ground::new();
    let local = ground.local();
    let context = CallContext::new();
    let missing = |id: &str| local.logs(&context, &ComputeId::new(id), &LogOptions::now());
    assert!(missing("../m-abcdefghij").err().unwrap().is_not_found());
    let mut stream = missing("m-abcdefghij").unwrap();
    assert!(stream.next().await.unwrap().unwrap_err().is_not_found());
    assert!(stream.next().await.is_none());
}
