//! Listings are complete or an error, never shorter; and accounts do not mix.

use std::collections::BTreeSet;

use atlas_core::{CallContext, ComputeFilter, ComputeStatus, GoneRule, Provider};

use crate::support::*;

#[tokio::test]
async fn c3_a_listing_is_complete_right_after_a_spawn_wherever_it_is_asked() {
    let ground = Ground::new();
    let (maker, other) = (ground.local(), ground.local());
    assert_eq!(maker.traits().settle_window, std::time::Duration::ZERO);
    assert_eq!(maker.traits().gone, GoneRule::NotFound);
    assert_eq!(list(&other).await.unwrap(), []);
    for count in 1..=3 {
        let compute = spawn(&maker, sleeper()).await.unwrap();
        let listed = list(&other).await.unwrap();
        assert_eq!(listed.len(), count);
        assert!(listed.contains(&compute));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_are_twenty_machines() {
    let ground = Ground::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let local = ground.local();
        tasks.spawn(async move { spawn(&local, sleeper().http_port(8000)).await.unwrap() });
    }
    let local = ground.local();
    // Whoever looks meanwhile sees machines that start or run, and no others.
    let mut seen = 0;
    while seen < 20 {
        let listed = list(&local).await.unwrap();
        for compute in &listed {
            assert!(matches!(compute.status, ComputeStatus::Starting | ComputeStatus::Running), "{}", compute.status);
        }
        assert!(listed.len() >= seen);
        seen = listed.len();
    }
    let made = tasks.join_all().await;
    let ports: BTreeSet<u16> = made.iter().map(port).collect();
    assert_eq!(ports.len(), 20);
    let mut tasks = tokio::task::JoinSet::new();
    for compute in made {
        let local = ground.local();
        tasks.spawn(async move { terminate(&local, &compute.id).await.unwrap() });
    }
    tasks.join_all().await;
    assert_eq!(list(&local).await.unwrap(), []);
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test]
async fn c3_a_folder_that_cannot_be_understood_is_listed_as_failed_and_can_be_terminated() {
    let ground = Ground::new();
    let local = ground.local();
    let good = spawn(&local, sleeper()).await.unwrap();
    let spoilt = spawn(&local, sleeper()).await.unwrap();
    let record = ground.machine_folder(&spoilt.id).join("machine.json");
    let text = std::fs::read_to_string(&record).unwrap();
    for (content, words) in [
        (Some("{"), "it is no record of a machine"),
        (Some(text.replace("\"format\": 1", "\"format\": 2").as_str()), "its format is 2 and this version"),
        (None, "it is not there"),
    ] {
        match content {
            Some(content) => std::fs::write(&record, content).unwrap(),
            None => std::fs::remove_file(&record).unwrap(),
        }
        let mut listed = list(&local).await.unwrap();
        listed.retain(|compute| compute.id != good.id);
        let [shown] = &listed[..] else { panic!("it is hidden") };
        assert_eq!((&shown.id, &shown.status, &shown.mark), (&spoilt.id, &ComputeStatus::Failed, &None));
        assert!(shown.raw["problem"].as_str().unwrap().contains(words), "{}", shown.raw);
        assert_eq!(*shown, get(&local, &spoilt.id).await.unwrap());
        // It may be any machine, so no other is proven absent meanwhile.
        let found = local.find_spawned(&CallContext::new(), good.mark.as_ref().unwrap().token).await.unwrap();
        assert_eq!((found.matches.len(), found.complete), (1, false));
    }
    terminate(&local, &spoilt.id).await.unwrap();
    assert_no_process(&spoilt.id);
    assert_eq!(list(&local).await.unwrap(), [good]);
}

#[tokio::test]
async fn what_runs_under_a_spoilt_report_is_shown_and_ended() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, sleeper()).await.unwrap();
    std::fs::write(ground.machine_folder(&compute.id).join("pod.json"), "{").unwrap();
    let shown = get(&local, &compute.id).await.unwrap();
    assert_eq!((shown.status, shown.mark), (ComputeStatus::Failed, compute.mark.clone()));
    terminate(&local, &compute.id).await.unwrap();
    assert_no_process(&compute.id);
    assert_eq!(ground.remains(), [] as [String; 0]);
}

#[tokio::test]
async fn an_empty_folder_is_shown_and_removed() {
    let ground = Ground::new();
    let local = ground.local();
    let id = atlas_core::ComputeId::new("m-aaaaaaaaaa");
    spawn(&local, sleeper()).await.unwrap();
    std::fs::create_dir(ground.machine_folder(&id)).unwrap();
    assert_eq!(get(&local, &id).await.unwrap().status, ComputeStatus::Failed);
    terminate(&local, &id).await.unwrap();
    assert!(get(&local, &id).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn what_is_no_machine_s_folder_is_not_listed() {
    let ground = Ground::new();
    let local = ground.local();
    let compute = spawn(&local, sleeper()).await.unwrap();
    for name in ["notes", "lost+found", "m-short"] {
        std::fs::create_dir(ground.account_folder().join(name)).unwrap();
    }
    assert_eq!(list(&local).await.unwrap(), [compute]);
}

#[tokio::test]
async fn filters_are_obeyed() {
    let ground = Ground::new();
    let local = ground.local();
    let runs = spawn(&local, sleeper().name("runs")).await.unwrap();
    let stopped = spawn(&local, sleeper().name("stopped")).await.unwrap();
    stop(&local, &stopped.id).await.unwrap();
    let mut filter = ComputeFilter::all();
    filter.statuses = vec![ComputeStatus::Stopped];
    let listed = local.list(&CallContext::new(), &filter).await.unwrap();
    assert_eq!(listed.iter().map(|compute| &compute.id).collect::<Vec<_>>(), [&stopped.id]);
    let mut filter = ComputeFilter::all();
    filter.name = Some("runs".to_owned());
    assert_eq!(local.list(&CallContext::new(), &filter).await.unwrap(), [runs]);
}

#[tokio::test]
async fn o3_accounts_and_state_directories_do_not_mix() {
    let (ground, elsewhere) = (Ground::new(), Ground::new());
    let (one, two) = (ground.account("one"), ground.account("two"));
    let mine = spawn(&one, sleeper()).await.unwrap();
    let theirs = spawn(&two, sleeper()).await.unwrap();
    assert_eq!(list(&one).await.unwrap(), [mine]);
    assert!(get(&one, &theirs.id).await.unwrap_err().is_not_found());
    terminate(&one, &theirs.id).await.unwrap();
    assert_eq!(get(&two, &theirs.id).await.unwrap(), theirs);

    let context = CallContext::new();
    assert_eq!(one.scope(&context), ground.account("one").scope(&context));
    assert_ne!(one.scope(&context), two.scope(&context));
    assert_ne!(one.scope(&context), elsewhere.account("one").scope(&context));
}
