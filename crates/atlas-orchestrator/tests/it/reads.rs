//! A store that cannot be read for a moment, at each moment of a life: nothing is lost, nobody is ended, nothing is rented
//! twice (rules P1, P14).

use std::sync::Arc;

use atlas_orchestrator::store::suite::FaultyStore;
use atlas_orchestrator::{Error, Orchestrator, Phase, SessionId};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, pass, request, seconds};

/// Calls again, as any caller would, until the store can be read.
async fn again<T>(mut call: impl AsyncFnMut() -> Result<T, Error>) -> T {
    for _ in 0..100 {
        match call().await {
            Ok(done) => return done,
            Err(Error::Store(_)) => pass(seconds(1)).await,
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the store is well again, and nobody notices");
}

async fn until(orchestrator: &Orchestrator, id: SessionId, phase: Phase) {
    for _ in 0..600 {
        drop(orchestrator.touch(&id));
        let shown = again(async || orchestrator.session(id).await?.view().await).await;
        if shown.phase == phase {
            return;
        }
        assert!(shown.reason.is_none() || phase == Phase::Ended, "ended for {:?}", shown.receipt);
        pass(seconds(1)).await;
    }
    panic!("never {phase}");
}

/// One life over a store of which some reads fail; returns how many it made.
async fn life(after: u64, times: u64) -> u64 {
    let world = World::with(|cloud| cloud.startup(seconds(2)).create_takes(seconds(1)).settle_window(seconds(5)));
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
    world.cloud.inject(Rule::on(Operation::Terminate, Fault::LosesAnswer));
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let before = store.reads();
    store.fail_reads(after, times);
    let id = again(async || Ok(*orchestrator.ensure("ada", request()).await?.id())).await;
    until(&orchestrator, id, Phase::Ready).await;
    again(async || orchestrator.stop(&id).await).await;
    until(&orchestrator, id, Phase::Stopped).await;
    again(async || orchestrator.resume(&id).await).await;
    until(&orchestrator, id, Phase::Ready).await;
    let spawned = world.cloud.ledger().rents.len();
    assert_eq!((spawned, world.cloud.live().len()), (1, 1), "after {after}");
    again(async || orchestrator.end(&id).await).await;
    until(&orchestrator, id, Phase::Ended).await;
    assert!(world.cloud.live().is_empty(), "after {after}");
    assert_eq!(world.cloud.ledger().rents.len(), 1, "after {after}");
    let told = again(async || orchestrator.session(id).await?.view().await).await.cost_so_far;
    assert!(told >= world.bill(), "after {after}: told {told}, billed {}", world.bill());
    assert!(again(async || orchestrator.exposure().await).await.items.is_empty(), "after {after}");
    store.reads() - before
}

#[tokio::test(start_paused = true)]
async fn p14_a_read_that_fails_at_any_moment_of_a_life_costs_nobody_anything() {
    let reads = life(0, 0).await;
    assert!(reads > 50, "{reads}");
    // Each moment once, and for a while.
    for after in 0..reads {
        life(after, 1).await;
    }
    for after in (0..reads).step_by(7) {
        life(after, 15).await;
    }
}
