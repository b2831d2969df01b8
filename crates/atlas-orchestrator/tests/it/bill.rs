//! Rule P11 over whole histories: what a session is told to cost is never less than what its cloud bills for whatever its
//! creates made, and more by a stated bound at most.

use std::time::Duration;

use atlas_core::Money;
use atlas_orchestrator::{Orchestrator, Phase, Session, SessionId, SessionView};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, keep_alive, minutes, numbered, pass, ready, request, seconds, told, view};

/// By how much the hours of two clocks may differ: so much is counted before a machine that was found late was made.
const HOURS_DIFFER: Duration = seconds(60);

/// How much later than it ends at the cloud an end is proven here, where the cloud answers at once.
const PROOF: Duration = seconds(3);

fn price() -> Money {
    Money::parse("3.6").unwrap()
}

fn world() -> World {
    World::with(|cloud| cloud.price_per_hour(price()))
}

/// What is told is not less than what is billed, and not more than by what a machine costs in `over`.
#[track_caller]
fn assert_counted(world: &World, told: &SessionView, over: Duration, history: &str) {
    let (cost, billed) = (told.cost_so_far, world.bill());
    assert!(cost >= billed, "{history}: told {cost}, billed {billed}");
    assert!(cost <= billed + price().for_span(over), "{history}: told {cost}, billed {billed}");
    assert!(told.cost_is_known, "{history}");
}

async fn again(orchestrator: &Orchestrator, id: SessionId) -> Session {
    orchestrator.session(id).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn p11_what_landed_after_its_session_was_over_is_on_its_bill() {
    for late in [hours(1), hours(30)] {
        let world = world();
        world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(late)));
        let orchestrator = world.open().await;
        let session = orchestrator.ensure("ada", request()).await.unwrap();
        pass(Duration::from_millis(20)).await;
        orchestrator.end(session.id()).await.unwrap();
        let ended = session.ended().await.unwrap();
        assert_eq!((ended.cost_so_far, ended.cost_is_known), (Money::ZERO, true), "nothing was ever made");
        let mut events = orchestrator.events().await.unwrap();
        told(&mut events);
        pass(late).await;
        // From the moment in which it is found to be nobody's, whatever is told covers what is billed.
        while world.cloud.live().is_empty() {
            pass(seconds(1)).await;
        }
        let mut seen = false;
        for _ in 0..600 {
            pass(seconds(1)).await;
            let told = view(&session).await;
            assert_eq!(told.phase, Phase::Ended);
            seen |= told.cost_so_far > Money::ZERO;
            if seen {
                assert_counted(&world, &told, HOURS_DIFFER + PROOF, "while it is ended");
            }
        }
        assert!(world.cloud.live().is_empty() && world.bill() > Money::ZERO, "it landed, was seen twice, and ended");
        let told_at_last = view(&session).await;
        assert_counted(&world, &told_at_last, HOURS_DIFFER + PROOF, "at last");
        let billed = numbered(&told(&mut events)).into_iter().find_map(|(_, event)| {
            let value = serde_json::to_value(&event.what).unwrap();
            (value["event"] == "billed" && event.session == Some(*session.id())).then(|| value["cost"].clone())
        });
        assert_eq!(
            billed,
            Some(serde_json::to_value(told_at_last.cost_so_far).unwrap()),
            "whoever wrote the bill is told"
        );
        // It grows no more, and is remembered for as long as any.
        pass(hours(40)).await;
        assert_eq!(view(&session).await.cost_so_far, told_at_last.cost_so_far);
        pass(hours(20)).await;
        assert!(session.view().await.is_err(), "forgotten at last");
    }
}

#[tokio::test(start_paused = true)]
async fn p11_a_late_landing_is_on_the_bill_whenever_its_orchestrator_is_killed() {
    const DELETES: Duration = seconds(180);
    // While nothing has landed; after the first sighting; while it is being ended; after that.
    for killed_after in [minutes(30), minutes(61), minutes(62) + seconds(30), minutes(64), minutes(80)] {
        let mut world = World::with(|cloud| cloud.price_per_hour(price()).delete_takes(DELETES));
        world.cloud.inject(Rule::on(Operation::Spawn, Fault::LandsLate(hours(1))));
        let orchestrator = world.open().await;
        let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
        pass(Duration::from_millis(20)).await;
        orchestrator.end(&id).await.unwrap();
        pass(killed_after).await;
        world.kill();
        // Nobody looks, and it bills.
        pass(minutes(20)).await;
        let reopened_at = world.cloud.now();
        let orchestrator = world.open().await;
        pass(minutes(15)).await;
        assert!(world.cloud.live().is_empty());
        let told = view(&again(&orchestrator, id).await).await;
        let history = format!("killed after {killed_after:?}");
        // Whoever dies between the cloud's end and its proof must look again, once it is back.
        let ended = world.cloud.ledger().rents[0].ended_at.unwrap();
        let unproven = reopened_at.since(ended) + DELETES * 2;
        assert_counted(&world, &told, HOURS_DIFFER + unproven + PROOF, &history);
    }
}

#[tokio::test(start_paused = true)]
async fn p11_each_machine_of_a_create_is_on_the_bill_of_its_session() {
    // Twins that the answer does not name; that only a search finds; that an error names; that the cloud hides.
    let lost = [Fault::Duplicates, Fault::LosesAnswer];
    let hidden = [Fault::Duplicates, Fault::AppearsLate(minutes(20))];
    let left_over = [Fault::Duplicates, Fault::LeavesLeftover];
    for faults in [&[Fault::Duplicates][..], &lost, &hidden, &left_over] {
        for reopened in [false, true] {
            let history = format!("{faults:?}, reopened: {reopened}");
            let mut world = world();
            world.witness.name_all_left_over();
            for fault in faults {
                world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()));
            }
            let mut orchestrator = world.open().await;
            let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
            if reopened {
                pass(seconds(1)).await;
                orchestrator = world.reopen().await;
            }
            for _ in 0..240 {
                drop(orchestrator.touch(&id));
                pass(seconds(15)).await;
            }
            assert_eq!(world.cloud.ledger().rents.len(), 2, "{history}");
            let told = view(&again(&orchestrator, id).await).await;
            assert_counted(&world, &told, (HOURS_DIFFER + PROOF) * 2, &history);
            drop(orchestrator.end(&id).await);
            let ended = again(&orchestrator, id).await.ended().await.unwrap();
            assert!(world.cloud.live().is_empty(), "{history}: it has ended when all its machines have");
            assert_counted(&world, &ended, (HOURS_DIFFER + PROOF) * 2, &history);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p11_what_a_human_cloned_and_what_outlived_its_proof_is_on_the_bill() {
    let world = world();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    let machine = world.only_machine();
    keep_alive(&orchestrator, &session, minutes(7)).await;
    world.cloud.clone_machine(&machine).unwrap();
    keep_alive(&orchestrator, &session, minutes(10)).await;
    assert_counted(&world, &view(&session).await, HOURS_DIFFER + PROOF, "cloned");
    // Its cloud denies it while it is ended, and bills on.
    world.cloud.hide(&machine, minutes(30)).unwrap();
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::Ignores).times(1));
    orchestrator.end(session.id()).await.unwrap();
    session.ended().await.unwrap();
    pass(minutes(40)).await;
    assert!(world.cloud.live().is_empty());
    assert_counted(&world, &view(&session).await, HOURS_DIFFER + PROOF * 2, "denied");
}

#[tokio::test(start_paused = true)]
async fn p11_a_price_that_is_not_shown_is_said_to_be_unknown_and_counts_from_the_beginning_once_it_is() {
    let world = world();
    world.witness.show(|compute| compute.cost_per_hour = None);
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(9)).await;
    let unknown = view(&session).await;
    assert_eq!((unknown.cost_so_far, unknown.cost_is_known), (Money::ZERO, false));
    world.cloud.hide(&world.only_machine(), minutes(2)).unwrap();
    keep_alive(&orchestrator, &session, minutes(1)).await;
    let exposure = orchestrator.exposure().await.unwrap();
    assert_eq!((exposure.items.len(), exposure.items[0].cost_per_hour), (1, None), "unknown, and not nothing");
    keep_alive(&orchestrator, &session, minutes(3)).await;
    world.witness.show(|_| {});
    keep_alive(&orchestrator, &session, minutes(1)).await;
    assert_counted(&world, &view(&session).await, PROOF, "shown at last");
    orchestrator.end(session.id()).await.unwrap();
    assert_counted(&world, &session.ended().await.unwrap(), PROOF, "ended");

    // One whose price is first shown while it is ended, and one whose price never is.
    let silent = ready(&orchestrator, "bob").await;
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LeavesLeftover));
    let left_over = orchestrator.ensure("cy", request()).await.unwrap().ended().await.unwrap();
    assert!(left_over.cost_is_known && left_over.cost_so_far == Money::ZERO, "{left_over:?}");
    orchestrator.end(silent.id()).await.unwrap();
    assert!(silent.ended().await.unwrap().cost_is_known);
    world.witness.show(|compute| compute.cost_per_hour = None);
    let never = ready(&orchestrator, "dora").await;
    orchestrator.end(never.id()).await.unwrap();
    let ended = never.ended().await.unwrap();
    assert!(!ended.cost_is_known && !ended.receipt.unwrap().cost_is_known);
}

#[tokio::test(start_paused = true)]
async fn p11_the_receipt_of_a_machine_that_breaks_holds_what_it_cost() {
    let world = world();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(30)).await;
    world.cloud.fail(&world.only_machine()).unwrap();
    let ended = session.ended().await.unwrap();
    let receipt = ended.receipt.clone().unwrap();
    assert!(receipt.cost >= price().for_span(minutes(30)) && receipt.cost_is_known, "{receipt:?}");
    assert_counted(&world, &ended, PROOF, "broken");
}

#[tokio::test(start_paused = true)]
async fn p11_a_dearer_price_counts_from_the_read_before() {
    let world = world();
    let orchestrator = world.open().await;
    let session = ready(&orchestrator, "ada").await;
    keep_alive(&orchestrator, &session, minutes(10) + seconds(7)).await;
    world.witness.show(|compute| compute.cost_per_hour = Some(Money::parse("36").unwrap()));
    let dearer_since = tokio::time::Instant::now();
    keep_alive(&orchestrator, &session, minutes(2)).await;
    let told = view(&session).await.cost_so_far;
    let billed = world.bill() + Money::parse("32.4").unwrap().for_span(dearer_since.elapsed());
    assert!(told >= billed, "told {told}, billed {billed}");
    assert!(told <= billed + Money::parse("36").unwrap().for_span(seconds(31)), "told {told}, billed {billed}");
}
