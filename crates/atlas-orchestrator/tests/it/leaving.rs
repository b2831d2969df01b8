//! By key, and by the way out: touches and look-ups by key, users who leave and come back, late touches (rules P7, P10).

use atlas_orchestrator::{Error, Orchestrator, Phase, Reason, Session};

use crate::world::{World, hours, keep_alive, minutes, pass, ready, request, seconds, view};

/// How long a user who has left may stay away.
const GRACE: std::time::Duration = seconds(75);

async fn leave(orchestrator: &Orchestrator, session: &Session) {
    orchestrator.end_after(session.id(), GRACE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p7_who_leaves_is_ended_after_the_grace_and_who_comes_back_is_not() {
    let world = World::new();
    let orchestrator = world.open().await;
    let (ada, bob) = (ready(&orchestrator, "ada").await, ready(&orchestrator, "bob").await);
    leave(&orchestrator, &ada).await;
    leave(&orchestrator, &bob).await;
    // The page is loaded again at once.
    orchestrator.touch(bob.id()).unwrap();
    let left = tokio::time::Instant::now();
    let ended = ada.ended().await.unwrap();
    assert!(left.elapsed() >= GRACE && left.elapsed() < GRACE + seconds(3), "{:?}", left.elapsed());
    let receipt = ended.receipt.unwrap();
    assert_eq!(
        (receipt.reason, receipt.evidence.as_str()),
        (Reason::Left, "its user left, and nobody touched it for 1m 15s")
    );
    // From now on only silence ends bob, counted from his touch.
    pass(minutes(8)).await;
    assert_eq!(view(&bob).await.phase, Phase::Ready);
    assert_eq!(bob.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
}

#[tokio::test(start_paused = true)]
async fn p7_leaving_never_lengthens_a_life_and_the_latest_grace_counts() {
    let world = World::new();
    let orchestrator = world.open().await;
    let (ada, bob) = (ready(&orchestrator, "ada").await, ready(&orchestrator, "bob").await);
    let left = tokio::time::Instant::now();
    orchestrator.end_after(ada.id(), hours(5)).await.unwrap();
    orchestrator.end_after(bob.id(), seconds(30)).await.unwrap();
    pass(seconds(20)).await;
    leave(&orchestrator, &bob).await;
    pass(seconds(60)).await;
    assert_eq!(view(&bob).await.phase, Phase::Ready);
    assert_eq!(bob.ended().await.unwrap().receipt.unwrap().reason, Reason::Left);
    assert_eq!(ada.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
    assert!(left.elapsed() < minutes(11));
    assert!(matches!(
        orchestrator.end_after(ada.id(), GRACE).await,
        Err(Error::Over { reason: Reason::Idle, .. } | Error::NoSession(_))
    ));
    assert!(orchestrator.end_after(bob.id(), hours(9000)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn p7_leaving_survives_a_restart_which_gives_the_grace_anew() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let (ada, bob) = (*ready(&orchestrator, "ada").await.id(), *ready(&orchestrator, "bob").await.id());
    for id in [ada, bob] {
        orchestrator.end_after(&id, GRACE).await.unwrap();
    }
    pass(seconds(70)).await;
    world.kill();
    // Nobody can be heard while Atlas is down.
    pass(hours(3)).await;
    let orchestrator = world.open().await;
    pass(seconds(60)).await;
    orchestrator.touch(&bob).unwrap();
    let ada = orchestrator.session(ada).await.unwrap();
    assert_eq!(view(&ada).await.phase, Phase::Ready);
    pass(seconds(20)).await;
    assert_eq!(ada.ended().await.unwrap().receipt.unwrap().reason, Reason::Left);
    pass(minutes(5)).await;
    assert_eq!(view(&orchestrator.session(bob).await.unwrap()).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p7_whoever_came_back_is_back_after_a_restart_too() {
    for by_key in [false, true] {
        let mut world = World::new();
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        leave(&orchestrator, &session).await;
        if by_key {
            orchestrator.ensure("ada", request()).await.unwrap();
        } else {
            orchestrator.touch(session.id()).unwrap();
            pass(seconds(2)).await;
        }
        let orchestrator = world.reopen().await;
        let session = orchestrator.session(*session.id()).await.unwrap();
        pass(minutes(8)).await;
        assert_eq!(view(&session).await.phase, Phase::Ready);
        assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Idle);
    }
}

#[tokio::test(start_paused = true)]
async fn p7_whoever_leaves_before_there_is_a_machine_gets_none() {
    let world = World::with(|cloud| cloud.answers_after(minutes(5)));
    let orchestrator = world.open().await;
    // While it starts: readiness is nobody's coming back.
    let starting = orchestrator.ensure("ada", request()).await.unwrap();
    pass(seconds(10)).await;
    orchestrator.end_after(starting.id(), minutes(6)).await.unwrap();
    let left = tokio::time::Instant::now();
    assert_eq!(starting.ended().await.unwrap().receipt.unwrap().reason, Reason::Left);
    assert!(left.elapsed() < minutes(6) + seconds(3), "{:?}", left.elapsed());
    // While the cloud has none.
    world.cloud.set_capacity("h100", 0);
    let (waiting, back) =
        (orchestrator.ensure("bob", request()).await.unwrap(), orchestrator.ensure("cy", request()).await.unwrap());
    pass(seconds(30)).await;
    for session in [&waiting, &back] {
        leave(&orchestrator, session).await;
    }
    pass(seconds(10)).await;
    orchestrator.touch(back.id()).unwrap();
    pass(seconds(10)).await;
    world.cloud.set_capacity("h100", 9);
    assert_eq!(waiting.ended().await.unwrap().receipt.unwrap().reason, Reason::Left);
    keep_alive(&orchestrator, &back, minutes(2)).await;
    assert_eq!((view(&back).await.phase, world.cloud.live().len()), (Phase::Starting, 1));
}

#[tokio::test(start_paused = true)]
async fn p7_a_stopped_session_is_not_left_and_a_resume_is_a_return() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    orchestrator.stop(session.id()).await.unwrap();
    leave(&orchestrator, &session).await;
    pass(hours(1)).await;
    assert_eq!(view(&session).await.phase, Phase::Stopped);
    orchestrator.resume(session.id()).await.unwrap();
    session.ready().await.unwrap();
    pass(minutes(8)).await;
    assert_eq!(view(&session).await.phase, Phase::Ready);
}

#[tokio::test(start_paused = true)]
async fn p7_a_late_touch_is_told_why_its_session_ends_also_after_a_restart() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let (idle, asked) = (ready(&orchestrator, "idle").await, ready(&orchestrator, "asked").await);
    // Their ends cannot be proven for now.
    world.cloud.inject(atlas_sim::Rule::on(atlas_sim::Operation::Terminate, atlas_sim::Fault::Errs).during(hours(10)));
    keep_alive(&orchestrator, &asked, minutes(11)).await;
    orchestrator.end(asked.id()).await.unwrap();
    orchestrator.end(idle.id()).await.unwrap();
    let told = |orchestrator: &Orchestrator, session: &Session, key: &str| {
        [orchestrator.touch(session.id()), orchestrator.touch_key(key)].map(|touched| match touched {
            Err(Error::Over { reason, .. }) => Some(reason),
            _ => None,
        })
    };
    for _ in 0..2 {
        assert_eq!(told(&orchestrator, &asked, "asked"), [Some(Reason::Asked); 2]);
        assert_eq!(told(&orchestrator, &idle, "idle"), [Some(Reason::Idle); 2]);
    }
    let orchestrator = world.reopen().await;
    for (session, reason) in [(&asked, Reason::Asked), (&idle, Reason::Idle)] {
        assert!(matches!(orchestrator.touch(session.id()), Err(Error::Over { reason: told, .. }) if told == reason));
    }
}

#[tokio::test(start_paused = true)]
async fn p10_a_key_is_enough_to_touch_and_to_find_a_session_also_after_a_restart() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    assert!(matches!(orchestrator.touch_key("ada"), Err(Error::NoSessionOf(key)) if key == "ada"));
    assert!(matches!(orchestrator.session_of("ada").await, Err(Error::NoSessionOf(_))));
    let id = *ready(&orchestrator, "ada").await.id();
    let other = ready(&orchestrator, "bob").await;
    let mut orchestrator = orchestrator;
    for _ in 0..2 {
        for _ in 0..30 {
            pass(minutes(1)).await;
            orchestrator.touch_key("ada").unwrap();
        }
        let found = orchestrator.session_of("ada").await.unwrap();
        assert_eq!((*found.id(), view(&found).await.phase), (id, Phase::Ready));
        orchestrator = world.reopen().await;
    }
    let other = orchestrator.session(*other.id()).await.unwrap();
    assert_eq!(view(&other).await.phase, Phase::Ended, "a touch of one key touches no other");
    orchestrator.end(&id).await.unwrap();
    assert!(matches!(orchestrator.session_of("ada").await, Err(Error::NoSessionOf(_))), "the key is free");
    let next = ready(&orchestrator, "ada").await;
    pass(minutes(9)).await;
    orchestrator.touch_key("ada").unwrap();
    pass(minutes(9)).await;
    assert_eq!(view(&next).await.phase, Phase::Ready, "the key leads to whoever bears it now");
    next.ended().await.unwrap();
    assert!(matches!(orchestrator.touch_key("ada"), Err(Error::NoSessionOf(_))));
}

#[tokio::test(start_paused = true)]
async fn p10_a_key_of_another_deployment_touches_nobody_here() {
    let mut world = World::new();
    let orchestrator = world.open().await;
    let ada = ready(&orchestrator, "ada").await;
    world.deployment = atlas_core::Deployment::parse("other").unwrap();
    let others = world.open().await;
    assert!(matches!(others.touch_key("ada"), Err(Error::NoSessionOf(_))));
    drop(ada);
}
