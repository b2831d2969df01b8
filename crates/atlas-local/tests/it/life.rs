//! A machine's life, from its first run to its folder's end.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Sealer, SystemClock};
use atlas_core::{
    Auth, CallContext, ComputeId, ComputeRequest, ComputeStatus, Effect, ErrorKind, Money, PortSpec, Protocol, Provider,
};
use atlas_local::{Local, PodProgram};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life() {
    let ground = Ground::new();
    let local = ground.local();
    let (order, credentials) = order(&local, ComputeRequest::cpu().name("mine"), Auth::Bearer).await;
    let key = credentials.bearer().unwrap();

    let compute = local.spawn(&CallContext::new(), &order).await.unwrap();
    assert_eq!(compute.status, ComputeStatus::Running);
    assert_eq!(compute.mark.as_ref(), Some(order.mark()));
    assert_eq!(compute.name.as_deref(), Some(order.name()));
    assert_eq!(compute.cost_per_hour, Some(Money::parse("0.10").unwrap()));
    assert_eq!(compute.ports.len(), 1);
    let first = port(&compute);
    assert_eq!(compute.ports[0].url.as_deref(), Some(format!("http://127.0.0.1:{first}/").as_str()));
    assert!(!compute.ports[0].tls);
    assert_eq!(ask_until_up(first, Some(key)).await, 200);
    assert_eq!(ask(first, None).unwrap(), 401);
    assert_eq!(get(&local, &compute.id).await.unwrap(), compute);

    let kept = ground.machine_folder(&compute.id).join("work/kept");
    std::fs::write(&kept, "on the machine's disk").unwrap();
    stop(&local, &compute.id).await.unwrap();
    stop(&local, &compute.id).await.unwrap();
    let stopped = get(&local, &compute.id).await.unwrap();
    assert_eq!(stopped.status, ComputeStatus::Stopped);
    assert_eq!(stopped.cost_per_hour, Some(Money::ZERO));
    assert_eq!(stopped.ports[0].url, None);
    assert!(ask(first, Some(key)).is_err());
    assert_no_process(&compute.id);

    // A stranger has the old number now.
    let stranger = TcpListener::bind(("127.0.0.1", first)).unwrap();
    start(&local, &compute.id).await.unwrap();
    start(&local, &compute.id).await.unwrap();
    let again = get(&local, &compute.id).await.unwrap();
    assert_eq!(again.status, ComputeStatus::Running);
    assert_eq!(again.raw["pod"]["run"], 2);
    assert_ne!(port(&again), first);
    assert_eq!(ask_until_up(port(&again), Some(key)).await, 200);
    assert_eq!(ask(port(&again), None).unwrap(), 401);
    assert!(kept.exists());
    drop(stranger);

    terminate(&local, &compute.id).await.unwrap();
    terminate(&local, &compute.id).await.unwrap();
    assert!(get(&local, &compute.id).await.unwrap_err().is_not_found());
    assert_eq!(list(&local).await.unwrap(), []);
    assert_eq!(ground.remains(), [] as [String; 0]);
    assert_no_process(&compute.id);
    for error in [stop(&local, &compute.id).await, start(&local, &compute.id).await] {
        assert!(error.unwrap_err().is_not_found());
    }
}

#[tokio::test]
async fn a_command_that_ends_shows_its_code() {
    let ground = Ground::new();
    let local = ground.local();
    let seven = spawn(&local, shell("exit 7")).await.unwrap();
    let killed = spawn(&local, shell("kill -9 $$")).await.unwrap();
    assert_eq!(wait_status(&local, &seven.id, ComputeStatus::Exited).await.exit_code, Some(7));
    assert_eq!(wait_status(&local, &killed.id, ComputeStatus::Exited).await.exit_code, Some(137));

    // It may be stopped, which says nothing of a code, and started again.
    stop(&local, &seven.id).await.unwrap();
    let stopped = get(&local, &seven.id).await.unwrap();
    assert_eq!((stopped.status, stopped.exit_code), (ComputeStatus::Stopped, None));
    start(&local, &seven.id).await.unwrap();
    let again = wait_status(&local, &seven.id, ComputeStatus::Exited).await;
    assert_eq!((again.exit_code, again.raw["exit"]["run"].as_u64()), (Some(7), Some(2)));
}

#[tokio::test]
async fn a_tcp_port_is_the_command_s_own() {
    let ground = Ground::new();
    let local = ground.local();
    let script = r#"echo "$ATLAS_PORT_22" > port; sleep 1000"#;
    let compute = spawn(&local, shell(script).port(PortSpec::tcp(22)).http_port(8000)).await.unwrap();
    let tcp = compute.port(22).unwrap();
    assert_eq!((tcp.protocol, &tcp.url, compute.public_ip.as_deref()), (Protocol::Tcp, &None, Some("127.0.0.1")));
    let file = ground.machine_folder(&compute.id).join("work/port");
    eventually("the port's number", async || std::fs::read_to_string(&file).is_ok_and(|text| text.ends_with('\n')))
        .await;
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), tcp.public_port.unwrap().to_string());
}

#[tokio::test]
async fn p12_an_answer_of_the_proxy_is_told_from_one_of_the_machine() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, sleeper().http_port(8000)).await.unwrap();
    // Nothing listens behind it.
    assert_eq!(ask(port(&compute), None).unwrap(), 502);
    assert_eq!(local.traits().proxy.headers, [atlas_pod::PROXY_HEADER]);
}

#[tokio::test]
async fn a_command_that_is_not_there_is_refused_before_anything_is_made() {
    let ground = Ground::new();
    let local = ground.local();
    let error = spawn(&local, ComputeRequest::cpu().command(["no-such-program"])).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert_eq!(
        error.to_string(),
        "local: spawn: the command cannot be run: no-such-program is not found in PATH; name it with its whole path"
    );
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test]
async fn a_launch_that_fails_leaves_nothing() {
    let ground = Ground::new();
    for (program, kind, words) in [
        ("/nowhere/atlas-pod", ErrorKind::Validation, "cannot run the pod program /nowhere/atlas-pod"),
        ("/bin/false", ErrorKind::Provider, "the launcher ended without a word"),
    ] {
        let sealer = Arc::new(Sealer::from_master(&ground.master, "provider/local"));
        let local = Local::builder(ground.state_dir(), sealer).pod(PodProgram::new(program)).build().unwrap();
        let error = spawn(&local, sleeper()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.effect(), error.leftovers()),
            (kind, Effect::Rejected, [].as_slice()),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(ground.remains(), [] as [String; 0]);
    }
}

#[tokio::test]
async fn p2_nothing_is_made_past_the_moment_that_the_order_names() {
    let ground = Ground::new();
    let local = ground.local();
    let past = SystemClock.now().minus(Duration::from_millis(1));
    let (order, _) = order_until(&local, sleeper(), Auth::None, past).await;
    let error = local.spawn(&CallContext::new(), &order).await.unwrap_err();
    assert_eq!(error.effect(), Effect::NotSent);
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_a_spawn_whose_caller_left_is_made_and_listed() {
    let ground = Ground::new();
    let local = ground.local();
    let (order, _) = order(&local, sleeper(), Auth::None).await;
    {
        let context = CallContext::new();
        let spawning = local.spawn(&context, &order);
        tokio::select! {
            biased;
            _ = spawning => panic!("it is not done at the first look"),
            () = std::future::ready(()) => {}
        }
    }
    eventually("a machine that runs", async || {
        let found = local.find_spawned(&CallContext::new(), order.token()).await.unwrap();
        assert!(found.complete);
        found.matches.iter().any(|compute| compute.status == ComputeStatus::Running)
    })
    .await;
}

#[tokio::test]
async fn a_call_that_runs_out_of_time_says_so_and_goes_on() {
    let ground = Ground::new();
    let local = ground.local();
    // It ends only when killed, after the grace of two seconds.
    let compute = spawn(&local, shell("trap '' TERM; while :; do sleep 0.1; done")).await.unwrap();
    let error = local.terminate(&hurried(), &compute.id).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::Unknown));
    eventually("an ending", async || {
        get(&local, &compute.id).await.is_ok_and(|compute| compute.status == ComputeStatus::Terminating)
    })
    .await;
    eventually("gone", async || get(&local, &compute.id).await.is_err_and(|error| error.is_not_found())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_at_once_from_two_sides_leaves_nothing() {
    let ground = Ground::new();
    let sides = [ground.local(), ground.local()];
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(spawn(&sides[0], sleeper()).await.unwrap().id);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (turn, id) in ids.iter().cycle().take(32).enumerate() {
        let (local, id) = (sides[turn % 2].clone(), id.clone());
        tasks.spawn(async move {
            match turn / 4 % 4 {
                0 | 2 => stop(&local, &id).await,
                1 => start(&local, &id).await,
                _ => terminate(&local, &id).await,
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        match done.unwrap() {
            Ok(()) => {}
            Err(error) => assert!(error.is_not_found(), "{error}"),
        }
    }
    for id in &ids {
        assert_no_process(id);
    }
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_at_a_machine_that_is_stopped_and_started_never_sees_it_fail() {
    let ground = Ground::new();
    let (owner, other) = (ground.local(), ground.local());
    let id = spawn(&owner, sleeper()).await.unwrap().id;
    let changing = {
        let id = id.clone();
        tokio::spawn(async move {
            for _ in 0..12 {
                stop(&owner, &id).await.unwrap();
                start(&owner, &id).await.unwrap();
            }
        })
    };
    while !changing.is_finished() {
        let status = get(&other, &id).await.unwrap().status;
        let known = [ComputeStatus::Running, ComputeStatus::Stopping, ComputeStatus::Stopped, ComputeStatus::Starting];
        assert!(known.contains(&status), "{status}");
    }
    changing.await.unwrap();
}

/// The account `local` with a pod program that waits for a gate, and the gate.
fn slow(ground: &Ground) -> (Local, PathBuf) {
    let (script, gate) = (ground.state_dir().join("slow"), ground.state_dir().join("gate"));
    let (gate_text, example) = (gate.display(), example());
    let text = format!("#!/bin/sh\nuntil [ -e {gate_text} ]; do sleep 0.02; done\nexec {} \"$@\"\n", example.display());
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let sealer = Arc::new(Sealer::from_master(&ground.master, "provider/local"));
    let program = PodProgram::new(&script).prefix(["__pod"]);
    (Local::builder(ground.state_dir(), sealer).pod(program).build().unwrap(), gate)
}

/// Terms of a caller who does not wait.
fn hurried() -> CallContext {
    CallContext::new().with_timeout(Duration::from_millis(50))
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_machine_is_being_made_it_is_listed_and_nobody_else_touches_it() {
    let ground = Ground::new();
    let (maker, gate) = slow(&ground);
    let (order, _) = order(&maker, sleeper(), Auth::None).await;
    let making = {
        let order = order.clone();
        tokio::spawn(async move { maker.spawn(&CallContext::new(), &order).await })
    };

    let other = ground.local();
    eventually("a folder", async || !list(&other).await.unwrap().is_empty()).await;
    let listed = list(&other).await.unwrap().remove(0);
    assert_eq!(listed.mark.as_ref(), Some(order.mark()));
    // Not because it is new, but because its maker is at work.
    set_age(&ground.machine_folder(&listed.id).join("machine.json"), Duration::from_hours(1));
    assert_eq!(get(&other, &listed.id).await.unwrap().status, ComputeStatus::Starting);
    assert_eq!(other.stop(&hurried(), &listed.id).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(get(&other, &listed.id).await.unwrap().status, ComputeStatus::Starting);

    std::fs::write(&gate, "").unwrap();
    assert_eq!(making.await.unwrap().unwrap().id, listed.id);
    // The stop whose caller did not wait comes after it.
    wait_status(&other, &listed.id, ComputeStatus::Stopped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_being_started_is_not_terminated_before_it_is_known_what_runs() {
    let ground = Ground::new();
    let (starter, gate) = slow(&ground);
    let other = ground.local();
    let id = spawn(&other, sleeper()).await.unwrap().id;
    stop(&other, &id).await.unwrap();
    let starting = {
        let id = id.clone();
        tokio::spawn(async move { start(&starter, &id).await })
    };
    eventually("a start", async || get(&other, &id).await.unwrap().status == ComputeStatus::Starting).await;
    assert_eq!(other.terminate(&hurried(), &id).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert_eq!(get(&other, &id).await.unwrap().status, ComputeStatus::Starting);

    std::fs::write(&gate, "").unwrap();
    starting.await.unwrap().unwrap();
    eventually("gone", async || get(&other, &id).await.is_err_and(|error| error.is_not_found())).await;
    assert_no_process(&id);
}

#[tokio::test]
async fn only_ids_of_this_provider_become_paths() {
    let ground = Ground::new();
    let local = ground.local();
    let outside = ground.state_dir().join("local/precious");
    std::fs::create_dir_all(&outside).unwrap();
    for text in ["../precious", "", ".", "lock", "/etc", "m-aaaaaaaaa/"] {
        let id = ComputeId::new(text);
        assert!(get(&local, &id).await.unwrap_err().is_not_found(), "{text}");
        assert!(stop(&local, &id).await.unwrap_err().is_not_found(), "{text}");
        terminate(&local, &id).await.unwrap();
    }
    assert!(outside.exists());
}

#[test]
fn the_example_shows_a_machine_that_comes_and_goes() {
    let shown = std::process::Command::new(example()).output().unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    assert!(text.contains("-first is running\n") && text.ends_with("and it is gone\n"), "{text}");
}
