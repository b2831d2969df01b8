//! Proof that the judge bites: what he must find is planted in a history that was clean before.

use std::time::Duration;

use atlas_core::ComputeId;
use atlas_orchestrator::{Orchestrator, Reason, Session};
use http::Method;
use serde_json::json;

use crate::judge::{Tale, Wrong, judge};
use crate::stage::{Stage, keep_alive, ready};

const TTL: Duration = Duration::from_mins(3);

/// Two users of whom one is there and one has left, and what they know.
struct Past {
    stage: Stage,
    orchestrator: Orchestrator,
    ada: Session,
    tales: Vec<Tale>,
}

impl Past {
    async fn begin() -> Self {
        let stage = Stage::in_memory(21, |server| server).await;
        let orchestrator = stage.open().await;
        let (ada, bob) = (ready(&orchestrator, "ada").await, ready(&orchestrator, "bob").await);
        let mut tales = Vec::new();
        for session in [&ada, &bob] {
            let mut tale = Tale::new(session.id(), TTL);
            let pod = session.endpoint().await.unwrap().compute;
            tale.handed.push((stage.now(), pod));
            tales.push(tale);
        }
        keep_alive(&orchestrator, &ada, Duration::from_mins(1)).await;
        orchestrator.touch(ada.id()).unwrap();
        tales[0].touched = Some(stage.now());
        tales[1].asked = Some(stage.now());
        orchestrator.end(bob.id()).await.unwrap();
        let receipt = bob.ended().await.unwrap().receipt.unwrap();
        tales[1].over = Some((receipt.at, receipt.reason));
        tales[1].gone = Some(stage.now());
        for (token, session) in stage.holders().await {
            tales.iter_mut().filter(|tale| tale.session == session).for_each(|tale| tale.tokens.extend([token]));
        }
        Self { stage, orchestrator, ada, tales }
    }

    fn pod(&self, user: usize) -> ComputeId {
        self.tales[user].handed[0].1.clone()
    }

    /// What the judge says, but for the pod that bills rightly.
    fn wrongs(&self) -> Vec<Wrong> {
        let rightly = Wrong::StillBills { pod: self.pod(0) };
        judge(&self.stage.cloud().ledger(), &self.tales).into_iter().filter(|wrong| *wrong != rightly).collect()
    }

    /// Somebody rents a pod past Atlas, with this name.
    async fn plant(&self, name: &str) -> ComputeId {
        let body = json!({
            "name": name, "image": "ghcr.io/me/app:1", "cloud": "SECURE", "gpu": { "id": "NVIDIA L4" }, "disk": 20,
        });
        let made = self.stage.manage(Method::POST, "/pods", &body).await;
        ComputeId::new(made["id"].as_str().unwrap())
    }

    fn name(&self, user: usize) -> String {
        let ledger = self.stage.cloud().ledger();
        ledger.rents.iter().find(|rent| rent.id == self.pod(user)).unwrap().name.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_history_is_called_clean() {
    let past = Past::begin().await;
    assert_eq!(past.wrongs(), []);
    // Not if the last pod never goes: the ledger must close.
    assert_eq!(judge(&past.stage.cloud().ledger(), &past.tales), [Wrong::StillBills { pod: past.pod(0) }]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_under_the_mark_of_a_session_that_is_over_is_a_leak() {
    let past = Past::begin().await;
    let pod = past.plant(&past.name(1)).await;
    let session = past.tales[1].session.clone();
    let token = past.tales[1].tokens.first().unwrap().to_string();
    let outlived = Wrong::Outlived { session: session.clone(), pod: pod.clone() };
    let twice = Wrong::TokenTwice { session, token };
    assert_eq!(past.wrongs(), [Wrong::StillBills { pod }, outlived.clone(), twice.clone()]);
    // The orchestrator finds and ends it, which makes it no better: it billed.
    keep_alive(&past.orchestrator, &past.ada, Duration::from_mins(8)).await;
    assert_eq!(past.stage.only_pod(), past.pod(0));
    assert_eq!(past.wrongs(), [outlived, twice]);
}

#[tokio::test(start_paused = true)]
async fn a_pod_of_nobody_is_a_leak() {
    let past = Past::begin().await;
    let pod = past.plant("somebody's own").await;
    assert_eq!(past.wrongs(), [Wrong::StillBills { pod: pod.clone() }, Wrong::Nobodys { pod }]);
}

#[tokio::test(start_paused = true)]
async fn a_second_pod_of_a_session_is_found_and_so_is_who_was_sent_to_it() {
    let mut past = Past::begin().await;
    let twin = past.plant(&past.name(0)).await;
    past.tales[0].handed.push((past.stage.now(), twin.clone()));
    let wrongs = past.wrongs();
    let session = past.tales[0].session.clone();
    let pods = [past.pod(0), twin.clone()];
    assert!(wrongs.contains(&Wrong::TwoAtOnce { session: session.clone(), pods: pods.clone() }), "{wrongs:?}");
    assert!(wrongs.contains(&Wrong::SentAstray { session, to: twin, rented: pods.to_vec() }), "{wrongs:?}");
    assert!(wrongs.iter().any(|wrong| matches!(wrong, Wrong::TokenTwice { .. })), "{wrongs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_ended_under_its_user_is_found() {
    let mut past = Past::begin().await;
    past.stage.manage(Method::DELETE, &format!("/pods/{}", past.pod(0)), &json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let session = past.tales[0].session.clone();
    assert_eq!(past.wrongs(), [Wrong::EndedEarly { session: session.clone(), pod: past.pod(0) }]);
    // A touch less, and a user who asked, make it right.
    past.tales[0].asked = Some(past.tales[0].touched.unwrap());
    assert_eq!(past.wrongs(), []);
    // No session is over for want of a pod, and none is idle before its time.
    past.tales[0].asked = None;
    for reason in [Reason::Lost, Reason::Idle, Reason::Asked, Reason::Failed] {
        past.tales[0].over = Some((past.stage.now(), reason));
        let blamed = Wrong::NoReason { session: session.clone(), reason: reason.to_string() };
        assert!(past.wrongs().contains(&blamed), "{reason}");
    }
}
