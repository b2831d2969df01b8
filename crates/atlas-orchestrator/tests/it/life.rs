//! The ordinary life of a session.

use atlas_orchestrator::store::{RedbOptions, RedbStore, Store, StoreError};
use atlas_orchestrator::{Error, Orchestrator, Phase, Reason};

use crate::world::{World, keep_alive, minutes, pass, ready, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn a_session_is_served_kept_by_touches_and_ended_when_idle() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
    assert_eq!(world.cloud.live().len(), 1);

    keep_alive(&orchestrator, &session, minutes(30)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);

    pass(minutes(9)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready, "nine minutes of silence are not ten");
    pass(minutes(1) + seconds(2)).await;
    let ended = session.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Idle);
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn p10_a_hundred_callers_get_one_machine() {
    let world = World::new();
    let orchestrator = world.open().await;
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let orchestrator = orchestrator.clone();
            tokio::spawn(async move {
                let session = orchestrator.ensure("ada", request()).await.unwrap();
                let endpoint = session.ready().await.unwrap();
                (*session.id(), endpoint.credentials.expose().to_owned())
            })
        })
        .collect();
    let mut answers = std::collections::BTreeSet::new();
    for caller in callers {
        answers.insert(caller.await.unwrap());
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(world.cloud.ledger().rents.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_end_by_hand_frees_the_key_and_proves_the_machine_gone() {
    let world = World::new();
    let orchestrator = world.open().await;
    let first = ready(&orchestrator, "ada").await;
    orchestrator.end(first.id()).await.unwrap();
    assert!(orchestrator.touch(first.id()).is_err(), "a late touch is told");
    let second = ready(&orchestrator, "ada").await;
    assert_ne!(first.id(), second.id());
    let ended = first.ended().await.unwrap();
    assert_eq!(ended.receipt.unwrap().reason, Reason::Asked);
    assert_eq!(world.cloud.live().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn history_01_a_restart_ends_nobody_and_keeps_the_keys() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let mut keys = Vec::new();
    for user in 0..20 {
        let session = ready(&orchestrator, &format!("user {user}")).await;
        keys.push((*session.id(), session.endpoint().await.unwrap().credentials.expose().to_owned()));
    }
    let orchestrator = world.reopen().await;
    pass(minutes(8)).await;
    assert_eq!(world.cloud.live().len(), 20);
    for (id, key) in keys {
        let session = orchestrator.session(id).await.unwrap();
        let endpoint = session.endpoint().await.unwrap();
        assert_eq!(endpoint.credentials.expose(), key);
    }
    assert_eq!(world.cloud.ledger().rents.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_held_is_waited_for_only_as_long_as_was_said() {
    let world = World::new();
    let path = world.folder.path().join("store.redb");
    let held = RedbStore::open(&path, RedbOptions::default()).await.unwrap();
    let open = |patience| Orchestrator::builder(world.atlas()).wait_for_store(patience).open();
    for patience in [seconds(0), seconds(3)] {
        let begun = tokio::time::Instant::now();
        let error = open(patience).await.unwrap_err();
        assert!(matches!(error, Error::Store(StoreError::Held { .. })), "{error}");
        assert!(begun.elapsed() >= patience && begun.elapsed() < patience + seconds(1), "{:?}", begun.elapsed());
    }
    let stopping = tokio::spawn(async move {
        pass(seconds(2)).await;
        held.close().await.unwrap();
    });
    open(seconds(5)).await.unwrap().shutdown(seconds(1)).await.unwrap();
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_is_shown_as_the_command_promises() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    pass(seconds(60)).await;
    let endpoint = session.endpoint().await.unwrap();
    assert_eq!(endpoint.first_http().unwrap(), endpoint.url(8000).unwrap());
    let live = serde_json::to_value(view(&session).await).unwrap();
    orchestrator.end(session.id()).await.unwrap();
    let ended = serde_json::to_value(session.ended().await.unwrap()).unwrap();

    let shown = |value: &serde_json::Value| {
        let fields = ["user", "key", "phase", "reason", "endpoint", "compute", "idle_ttl", "idle_for", "expires_at"];
        fields.map(|field| format!("{field}: {}", value[field])).join("\n")
    };
    insta::assert_snapshot!(shown(&live), @r#"
    user: "ada"
    key: "ada"
    phase: "ready"
    reason: null
    endpoint: {"generation":1,"url":"https://mock-pn53ziacuf-8000.mock.invalid/"}
    compute: {"id":"mock-pn53ziacuf"}
    idle_ttl: "10m"
    idle_for: "59s"
    expires_at: "2027-01-16T08:00:00.000Z"
    "#);
    insta::assert_snapshot!(shown(&ended), @r#"
    user: "ada"
    key: "ada"
    phase: "ended"
    reason: "asked"
    endpoint: null
    compute: null
    idle_ttl: "10m"
    idle_for: null
    expires_at: "2027-01-16T08:00:00.000Z"
    "#);
    assert_eq!(live["id"], session.id().to_string());
    assert!(live["cost_so_far"].is_string());
}
