//! The rentals of one create where machines move: of two that go for one machine one gets it, and what may be a user's is
//! nobody's to end (rules P3, P4, P5). Each of these races is lost by a moment: another commit gets in before.

use std::collections::BTreeSet;
use std::sync::Arc;

use atlas_auth::{Clock, SeededEntropy};
use atlas_core::ComputeId;
use atlas_orchestrator::store::suite::FaultyStore;
use atlas_orchestrator::store::{Commit, Kind, Op, Row, RowKey, Store, WriteId};
use atlas_orchestrator::{Orchestrator, Phase, Session};
use serde_json::{Value, json};

use crate::histories::write;
use crate::moves::with_a_twin;
use crate::world::{World, keep_alive, minutes, pass, seconds, view};

/// A session whose create made two machines, and the rows of both.
struct Family {
    world: World,
    store: Arc<FaultyStore>,
    orchestrator: Orchestrator,
    session: Session,
    machine: ComputeId,
    twin: ComputeId,
}

async fn family() -> Family {
    let world = World::with(|cloud| cloud.migrates(true));
    let store = Arc::new(FaultyStore::new(world.store.clone()));
    let orchestrator = world.open_over(store.clone()).await;
    let (session, machine, twin) = with_a_twin(&world, &orchestrator).await;
    Family { world, store, orchestrator, session, machine, twin }
}

impl Family {
    /// The row of the rental that has this machine.
    async fn row_of(&self, machine: &ComputeId) -> Row {
        let rows = self.world.rows(Kind::RENTAL).await;
        rows.into_iter().find(|row| body(row)["compute"] == machine.as_str()).unwrap()
    }

    fn commit(&self, ops: impl IntoIterator<Item = Op>) -> Commit {
        let mut commit = Commit::new(WriteId::new(self.world.clock.now(), &SeededEntropy::new(9)));
        commit.ops.extend(ops);
        commit
    }

    /// Lets this row be written just before the row of `key` names `machine`.
    fn overtake(&self, key: &RowKey, machine: &ComputeId, by: Row) {
        let (key, machine) = (key.clone(), machine.clone());
        let names_it = move |op: &Op| match op {
            Op::Put(row) | Op::PutHeld(row) => row.key == key && body(row)["compute"] == machine.as_str(),
            _ => false,
        };
        let by = self.commit([Op::Put(by)]);
        self.store.overtake(move |commit| commit.ops.iter().any(&names_it), by);
    }

    /// No two rentals that live name the same machine.
    async fn shares_nothing(&self) {
        let rows = self.world.rows(Kind::RENTAL).await;
        let living: Vec<_> =
            rows.iter().filter(|row| row.phase != "closed").map(|row| body(row)["compute"].clone()).collect();
        let distinct: BTreeSet<_> = living.iter().map(Value::to_string).collect();
        assert_eq!(distinct.len(), living.len(), "{living:?}");
    }
}

fn body(row: &Row) -> Value {
    serde_json::from_slice(&row.body).unwrap()
}

/// The same row, and its rental has this machine.
fn naming(row: &Row, machine: &ComputeId) -> Row {
    altered(row, |body| body["compute"] = json!(machine.as_str()))
}

/// A further row like it, under the number of a twin.
fn twin_like(row: &Row, twin: u16, machine: &ComputeId) -> Row {
    let token = row.key.id.split('~').next().unwrap();
    let id = format!("{token}~{twin}");
    let mut further = altered(row, |body| {
        body["id"] = json!(id);
        body["compute"] = json!(machine.as_str());
    });
    further.key.id = id;
    further
}

fn altered(row: &Row, alter: impl FnOnce(&mut Value)) -> Row {
    let mut value = body(row);
    alter(&mut value);
    let mut row = row.clone();
    row.body = value.to_string().into();
    row
}

/// How another gets in: an old row that changes, or one that was not there.
#[derive(Debug, Clone, Copy)]
enum By {
    Known,
    New,
}

#[tokio::test(start_paused = true)]
async fn p5_a_session_does_not_take_a_moved_machine_that_a_sibling_took_a_moment_before() {
    for by in [By::Known, By::New] {
        let family = family().await;
        let (first, twin) = (family.row_of(&family.machine).await, family.row_of(&family.twin).await);
        let moved = family.world.cloud.migrate(&family.machine).unwrap();
        let other = match by {
            By::Known => naming(&twin, &moved),
            By::New => twin_like(&twin, 2, &moved),
        };
        family.overtake(&first.key, &moved, other);
        keep_alive(&family.orchestrator, &family.session, seconds(50)).await;
        assert!(family.store.has_overtaken(), "{by:?}");
        family.shares_nothing().await;
        assert_ne!(view(&family.session).await.compute, Some(moved), "{by:?}: it is told to end");
    }
}

#[tokio::test(start_paused = true)]
async fn p4_what_is_being_ended_does_not_take_a_moved_machine_that_a_sibling_took_a_moment_before() {
    for by in [By::Known, By::New] {
        let family = family().await;
        family.orchestrator.end(family.session.id()).await.unwrap();
        pass(seconds(5)).await;
        let (first, twin) = (family.row_of(&family.machine).await, family.row_of(&family.twin).await);
        let moved = family.world.cloud.migrate(&family.twin).unwrap();
        let other = match by {
            By::Known => naming(&first, &moved),
            By::New => twin_like(&twin, 2, &moved),
        };
        family.overtake(&twin.key, &moved, other);
        pass(seconds(70)).await;
        assert!(family.store.has_overtaken(), "{by:?}");
        family.shares_nothing().await;
        pass(minutes(10)).await;
        assert!(family.world.cloud.live().is_empty());
        assert_eq!(view(&family.session).await.phase, Phase::Ended);
    }
}

/// What may have a machine that nobody may end, though its row does not name it: one that cannot be read, and one that is
/// still being searched for.
#[tokio::test(start_paused = true)]
async fn p4_the_machine_that_a_sibling_may_have_is_not_taken_by_what_is_being_ended() {
    for is_open in [false, true] {
        let family = family().await;
        family.world.cloud.vanish(&family.twin).unwrap();
        let moved = family.world.cloud.migrate(&family.machine).unwrap();
        let first = family.row_of(&family.machine).await;
        let mut other = altered(&first, |body| {
            body["phase"] = json!({ "is": "open" });
            body["compute"] = Value::Null;
        });
        if !is_open {
            other.body = "not a record".into();
        }
        // Nothing else looks at it.
        other.due_at = None;
        write(&family.world, other).await;
        keep_alive(&family.orchestrator, &family.session, minutes(20)).await;
        assert_eq!(family.world.cloud.live(), std::slice::from_ref(&moved), "open: {is_open}");
        write(&family.world, first).await;
        keep_alive(&family.orchestrator, &family.session, minutes(5)).await;
        let shown = view(&family.session).await;
        assert_eq!((shown.phase, shown.compute), (Phase::Ready, Some(moved)), "open: {is_open}");
        assert_eq!(family.world.phases().await, [("closed".to_owned(), 1), ("held".to_owned(), 1)].into());
    }
}

/// A rental is forgotten two days after it was closed, and its twin may take longer.
#[tokio::test(start_paused = true)]
async fn p4_siblings_are_known_after_the_first_of_them_is_forgotten() {
    let family = family().await;
    let third = family.world.cloud.clone_machine(&family.twin).unwrap();
    family.orchestrator.end(family.session.id()).await.unwrap();
    pass(seconds(5)).await;
    let (first, twin) = (family.row_of(&family.machine).await, family.row_of(&family.twin).await);
    family.world.cloud.vanish(&family.machine).unwrap();
    family.world.cloud.vanish(&third).unwrap();
    let ops = [Op::Delete(first.key), Op::Put(twin_like(&twin, 2, &third))];
    family.world.store.commit(family.commit(ops)).await.unwrap();
    pass(seconds(70)).await;
    family.shares_nothing().await;
    assert_eq!(family.world.phases().await, [("closed".to_owned(), 1), ("releasing".to_owned(), 1)].into());
}
