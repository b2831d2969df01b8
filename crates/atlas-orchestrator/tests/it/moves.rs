//! Machines that move to new ids, and what is concluded from reads of their old ones: whose they are, and whether they
//! are gone (P4, P5, P15).

use std::time::Duration;

use atlas_core::{ComputeId, ComputeStatus, ErrorKind, GoneRule};
use atlas_orchestrator::store::Kind;
use atlas_orchestrator::{Adopted, OnLoss, Orchestrator, Phase, Reason, Session};
use atlas_sim::{Fault, Operation, Rule};

use crate::histories::write;
use crate::world::{World, hours, keep_alive, minutes, pass, ready, ready_with, request, seconds, view};

#[tokio::test(start_paused = true)]
async fn p4_p5_a_twin_that_is_being_ended_does_not_take_the_machine_of_its_sibling_that_moved() {
    let mut world = World::with(|cloud| cloud.migrates(true));
    // The twin is looked at before the session's machine is.
    world.policy.watch_interval = minutes(30);
    let orchestrator = world.open().await;
    let (session, machine, twin) = with_a_twin(&world, &orchestrator).await;
    world.cloud.vanish(&twin).unwrap();
    let moved = world.cloud.migrate(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(50)).await;
    assert_eq!(world.cloud.live(), std::slice::from_ref(&moved));
    assert_eq!((view(&session).await.phase, view(&session).await.compute), (Phase::Ready, Some(moved)));
    assert_eq!(world.phases().await, [("closed".to_owned(), 1), ("held".to_owned(), 1)].into());
}

/// Starts a session at a cloud that made two machines for it: its machine, and the twin, which is not ended for two minutes
/// more.
pub(crate) async fn with_a_twin(world: &World, orchestrator: &Orchestrator) -> (Session, ComputeId, ComputeId) {
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let session = ready(orchestrator, "ada").await;
    let machine = view(&session).await.compute.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(minutes(12)));
    keep_alive(orchestrator, &session, minutes(10)).await;
    assert_eq!(world.phases().await, [("held".to_owned(), 1), ("releasing".to_owned(), 1)].into());
    let twin = world.cloud.live().into_iter().find(|id| *id != machine).unwrap();
    (session, machine, twin)
}

/// Moves a machine; listings go on showing it under its old id as well.
fn move_behind_the_listings(world: &World, machine: &ComputeId) -> ComputeId {
    let before = world.cloud.machines().into_iter().find(|shown| shown.id == *machine).unwrap();
    world.witness.list_still(before);
    world.cloud.migrate(machine).unwrap()
}

#[tokio::test(start_paused = true)]
async fn p4_p5_a_listing_that_shows_a_moved_machine_under_both_ids_misleads_no_twin() {
    for watch in [seconds(30), minutes(30)] {
        let mut world = World::with(|cloud| cloud.migrates(true));
        world.policy.watch_interval = watch;
        let orchestrator = world.open().await;
        let (session, machine, twin) = with_a_twin(&world, &orchestrator).await;
        world.cloud.vanish(&twin).unwrap();
        let moved = move_behind_the_listings(&world, &machine);
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(world.cloud.live(), std::slice::from_ref(&moved), "watched each {watch:?}");
        world.witness.list_afresh();
        keep_alive(&orchestrator, &session, minutes(40)).await;
        assert_eq!((view(&session).await.phase, view(&session).await.compute), (Phase::Ready, Some(moved)));
        assert_eq!(world.phases().await, [("closed".to_owned(), 1), ("held".to_owned(), 1)].into());
    }
}

#[tokio::test(start_paused = true)]
async fn o4_p5_a_listing_that_shows_a_moved_machine_under_both_ids_makes_no_stray_of_it() {
    for watch in [seconds(30), minutes(30)] {
        let mut world = World::with(|cloud| cloud.migrates(true));
        world.policy.watch_interval = watch;
        let orchestrator = world.open().await;
        let session = ready(&orchestrator, "ada").await;
        let moved = move_behind_the_listings(&world, &world.only_machine());
        keep_alive(&orchestrator, &session, minutes(10)).await;
        assert_eq!(world.cloud.live(), std::slice::from_ref(&moved), "watched each {watch:?}");
        world.witness.list_afresh();
        keep_alive(&orchestrator, &session, minutes(40)).await;
        assert_eq!((view(&session).await.phase, view(&session).await.compute), (Phase::Ready, Some(moved)));
    }
}

#[tokio::test(start_paused = true)]
async fn p4_o4_a_twin_that_moves_while_it_is_ended_is_ended_all_the_same() {
    let world = World::with(|cloud| cloud.migrates(true));
    let orchestrator = world.open().await;
    let (session, machine, twin) = with_a_twin(&world, &orchestrator).await;
    world.cloud.migrate(&twin).unwrap();
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(world.cloud.live(), std::slice::from_ref(&machine));
    assert_eq!((view(&session).await.phase, view(&session).await.compute), (Phase::Ready, Some(machine)));
    orchestrator.end(session.id()).await.unwrap();
    let ended = session.ended().await.unwrap();
    assert!(world.cloud.live().is_empty());
    assert!(ended.cost_so_far >= world.bill());
}

#[tokio::test(start_paused = true)]
async fn p4_p15_the_old_id_of_a_moved_machine_that_reads_terminated_proves_no_end() {
    for gone in [GoneRule::NotFound, GoneRule::TwoNotFounds { apart: seconds(10) }] {
        for partly in [0, 3] {
            let world = World::with(|cloud| cloud.migrates(true).gone(gone));
            let orchestrator = world.open().await;
            let session = ready(&orchestrator, "ada").await;
            let old = world.only_machine();
            world.cloud.migrate(&old).unwrap();
            world.witness.remember_terminated(&old);
            world.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).times(partly));
            orchestrator.end(session.id()).await.unwrap();
            session.ended().await.unwrap();
            assert!(world.cloud.live().is_empty(), "{gone:?}, {partly} searches not complete");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_moved_machine_is_not_lost_while_no_search_for_it_is_complete() {
    let world = World::with(|cloud| cloud.migrates(true));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let old = world.only_machine();
    let moved = world.cloud.migrate(&old).unwrap();
    world.witness.remember_terminated(&old);
    world.cloud.inject(Rule::on(Operation::Find, Fault::LooksPartly).during(minutes(5)));
    keep_alive(&orchestrator, &session, minutes(4)).await;
    assert_eq!(view(&session).await.phase, Phase::Missing);
    keep_alive(&orchestrator, &session, minutes(6)).await;
    assert_eq!((view(&session).await.phase, world.cloud.live()), (Phase::Ready, vec![moved]));
}

/// A machine that an operator adopted after the store was lost.
async fn with_an_adopted_machine() -> (World, Orchestrator, ComputeId, Adopted) {
    let mut world = World::new();
    let orchestrator = world.open().await;
    ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    world.lose_store();
    let orchestrator = world.open().await;
    let adopted = orchestrator.adopt(&world.provider(), &machine).await.unwrap();
    (world, orchestrator, machine, adopted)
}

/// For so long its cloud says that it is terminated, in every way that it can be asked.
fn say_it_is_terminated(world: &World, machine: &ComputeId, span: Duration) {
    for operation in [Operation::Get, Operation::List, Operation::Find] {
        let lie = Fault::LiesStatus(ComputeStatus::Terminated);
        world.cloud.inject(Rule::on(operation, lie).only(machine).during(span));
    }
}

#[tokio::test(start_paused = true)]
async fn o6_p5_an_adopted_machine_is_not_struck_off_for_what_its_cloud_says_for_a_moment() {
    let (world, orchestrator, machine, adopted) = with_an_adopted_machine().await;
    pass(minutes(2)).await;
    say_it_is_terminated(&world, &machine, minutes(1));
    pass(minutes(5)).await;
    assert_eq!(world.phases().await, [("plain".to_owned(), 1)].into());
    orchestrator.end_rental(adopted.rental, "it is not needed any more").await.unwrap();
    pass(minutes(1)).await;
    assert!(world.cloud.live().is_empty());
}

#[tokio::test(start_paused = true)]
async fn o6_an_adopted_machine_that_was_struck_off_is_ended_by_its_operator_all_the_same() {
    let (world, orchestrator, machine, adopted) = with_an_adopted_machine().await;
    pass(minutes(1)).await;
    say_it_is_terminated(&world, &machine, minutes(10));
    pass(hours(1)).await;
    assert_eq!(world.phases().await, [("closed".to_owned(), 1)].into());
    assert_eq!(world.cloud.live(), [machine]);
    orchestrator.end_rental(adopted.rental, "it is not needed any more").await.unwrap();
    pass(minutes(1)).await;
    assert!(world.cloud.live().is_empty());
    assert_eq!(world.phases().await, [("closed".to_owned(), 1)].into());
    let refused = orchestrator.end_rental(adopted.rental, "it is not needed any more").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("was closed"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn history_17_a_session_that_cannot_be_read_keeps_no_twin_from_being_closed() {
    let world = World::new();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Duplicates));
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = view(&session).await.compute.unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).during(minutes(20)));
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_eq!(world.phases().await["releasing"], 1);
    let mut row = world.rows(Kind::SESSION).await.remove(0);
    let body = std::mem::replace(&mut row.body, "not a record".into());
    write(&world, row).await;
    keep_alive(&orchestrator, &session, minutes(20)).await;
    assert_eq!(world.cloud.live(), [machine], "hers is not touched");
    assert_eq!(world.phases().await, [("closed".to_owned(), 1), ("held".to_owned(), 1)].into());
    // Read again, it ends like any other, and its bill holds what its twin cost.
    let mut row = world.rows(Kind::SESSION).await.remove(0);
    row.body = body;
    write(&world, row).await;
    keep_alive(&orchestrator, &session, minutes(2)).await;
    orchestrator.end(session.id()).await.unwrap();
    pass(minutes(2)).await;
    assert_eq!(view(&session).await.phase, Phase::Ended);
    assert!(view(&session).await.cost_so_far >= world.bill());
}

#[tokio::test(start_paused = true)]
async fn p12_history_19_a_replacement_that_breaks_before_it_is_ready_was_never_handed_out() {
    let world = World::with(|cloud| cloud.startup(seconds(40)));
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().on_loss(OnLoss::Replace)).await;
    keep_alive(&orchestrator, &session, minutes(2)).await;
    let first = world.only_machine();
    world.cloud.vanish(&first).unwrap();
    while world.cloud.live().is_empty() {
        keep_alive(&orchestrator, &session, seconds(15)).await;
    }
    world.cloud.fail(&world.only_machine()).unwrap();
    // Less than it takes to believe that of one that somebody uses.
    pass(seconds(30)).await;
    assert!(world.cloud.live().is_empty());
    assert_eq!(session.ended().await.unwrap().receipt.unwrap().reason, Reason::Failed);
}

#[tokio::test(start_paused = true)]
async fn p12_the_generation_rises_even_if_an_earlier_version_did_not_keep_it_with_the_session() {
    let world = World::new();
    let orchestrator = world.open().await;
    let session = ready_with(&orchestrator, "ada", request().on_loss(OnLoss::Replace)).await;
    keep_alive(&orchestrator, &session, minutes(2)).await;
    let before = session.endpoint().await.unwrap().generation;
    let mut row = world.rows(Kind::SESSION).await.remove(0);
    let mut body: serde_json::Value = serde_json::from_slice(&row.body).unwrap();
    assert!(body.as_object_mut().unwrap().remove("generation").is_some());
    row.body = body.to_string().into();
    write(&world, row).await;
    let first = world.only_machine();
    world.cloud.vanish(&first).unwrap();
    keep_alive(&orchestrator, &session, minutes(20)).await;
    assert_ne!(world.only_machine(), first);
    assert!(session.endpoint().await.unwrap().generation > before);
}
