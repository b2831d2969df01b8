//! What bills and is no pod, through an account: network volumes and endpoints, recorded, found again, ended until that is
//! proven (rule O1).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use atlas_core::config::Config;
use atlas_core::http::{Request, Response, Transport};
use atlas_core::{
    Account, Atlas, ComputeId, Effect, Error, ErrorKind, IntentPhase, Permission, RentalKind, Result, Settled,
    VolumeRequest,
};
use atlas_runpod::{EndpointRequest, RunPodAccount};
use atlas_sim::server::Server;
use atlas_sim::{Fault, Operation, Rule};
use tempfile::TempDir;

use crate::ground::Ground;

const GRACE: Duration = Duration::from_secs(30);

/// A way to the cloud on which the answers of some operation are lost.
#[derive(Debug)]
struct Loses {
    inner: Arc<dyn Transport>,
    operation: &'static str,
    sent: AtomicUsize,
}

#[async_trait]
impl Transport for Loses {
    async fn send(&self, request: Request) -> Result<Response> {
        let is_lost = request.operation() == self.operation;
        let answer = self.inner.send(request).await?;
        if is_lost {
            self.sent.fetch_add(1, Ordering::Relaxed);
            return Err(Error::transport("the connection to the cloud broke"));
        }
        Ok(answer)
    }
}

fn account(state: &TempDir, ground: &Ground, transport: Option<Arc<dyn Transport>>) -> Account {
    let runpod = ground.account();
    let runpod = if let Some(transport) = transport { runpod.transport(transport) } else { runpod };
    let config = Config::builder().state_dir(state.path()).build();
    Atlas::builder(config).build().account(Arc::new(runpod.build().unwrap())).unwrap()
}

fn worker() -> EndpointRequest {
    EndpointRequest::cpu("ghcr.io/me/worker:1", "cpu3g", 4).name("work")
}

async fn settle(account: &Account) -> Settled {
    let records = account.records().await.unwrap();
    assert_eq!(records.len(), 1, "{records:?}");
    account.settle(&records[0], GRACE).await.unwrap()
}

async fn phase(account: &Account) -> IntentPhase {
    account.records().await.unwrap().remove(0).phase
}

#[tokio::test]
async fn an_endpoint_is_rented_kept_and_ended() {
    let (ground, state) = (Ground::of(Server::builder()).await, tempfile::tempdir().unwrap());
    let account = account(&state, &ground, None);
    let made = account.rent_endpoint(worker()).await.unwrap();
    let record = account.records().await.unwrap().remove(0);
    assert_eq!(record.intent.kind, RentalKind::Endpoint);
    assert_eq!(made.mark.as_ref().map(|mark| mark.token), Some(record.intent.token()));
    let Settled::Plain(kept) = settle(&account).await else { panic!("it is there and is to be kept") };
    assert_eq!((kept.kind, kept.id.as_str()), (RentalKind::Endpoint, made.id.as_str()));
    account.end_endpoint(&made.id).await.unwrap();
    assert!(matches!(phase(&account).await, IntentPhase::Closed { .. }));
    let left = account.list_rented(RentalKind::Endpoint).await.unwrap();
    assert!(left.iter().all(|rented| rented.id.as_str() != made.id.as_str()), "{left:?}");
}

#[tokio::test]
async fn c8_an_endpoint_whose_answer_was_lost_is_handed_out_and_made_once() {
    let (ground, state) = (Ground::of(Server::builder()).await, tempfile::tempdir().unwrap());
    let loses = Arc::new(Loses {
        inner: Arc::clone(&ground.transport),
        operation: "create_endpoint",
        sent: AtomicUsize::new(0),
    });
    let before = account(&state, &ground, None).list_rented(RentalKind::Endpoint).await.unwrap().len();
    let account = account(&state, &ground, Some(loses.clone()));
    let made = account.rent_endpoint(worker()).await.unwrap();
    assert_eq!(loses.sent.load(Ordering::Relaxed), 1);
    let is_made = |compute: &ComputeId| compute.as_str() == made.id.as_str();
    assert!(matches!(phase(&account).await, IntentPhase::Bound { compute } if is_made(&compute)));
    let Settled::Plain(kept) = settle(&account).await else { panic!("it is there and is to be kept") };
    assert!(is_made(&kept.id));
    assert_eq!(account.list_rented(RentalKind::Endpoint).await.unwrap().len(), before + 1);
}

#[tokio::test]
async fn c6_an_endpoint_that_runpod_cannot_make_is_refused_before_it_is_recorded() {
    let (ground, state) = (Ground::of(Server::builder()).await, tempfile::tempdir().unwrap());
    let account = account(&state, &ground, None);
    let error = account.rent_endpoint(worker().timeout(Duration::ZERO)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    let error = account.create_volume(VolumeRequest::new("EU-RO-1", 5)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(account.records().await.unwrap().is_empty());
    // An account of another cloud has no such thing.
    let config = Config::builder().state_dir(state.path()).build();
    let other = Atlas::builder(config).build().account(Arc::new(atlas_sim::Mock::builder().build())).unwrap();
    assert_eq!(other.rent_endpoint(worker()).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn c8_a_volume_whose_answer_was_lost_is_handed_out_and_ended_when_it_is_asked() {
    let (ground, state) = (Ground::of(Server::builder()).await, tempfile::tempdir().unwrap());
    ground.cloud.inject(Rule::on(Operation::CreateVolume, Fault::LosesAnswer));
    let account = account(&state, &ground, None);
    let made = account.create_volume(VolumeRequest::new("EU-RO-1", 50).name("data")).await.unwrap();
    let Settled::Plain(kept) = settle(&account).await else { panic!("it is there and is to be kept") };
    assert_eq!((kept.kind, kept.id.as_str()), (RentalKind::Volume, made.id.as_str()));
    assert_eq!(ground.cloud.ledger().open().count(), 1, "it was made once");
    account.end_rented_soon(RentalKind::Volume, &kept.id, Permission::ordinary()).await.unwrap();
    assert_eq!(settle(&account).await, Settled::Releasing, "one look proves no end");
    assert_eq!(ground.cloud.ledger().open().count(), 0);
    assert!(matches!(phase(&account).await, IntentPhase::Releasing { .. }));
}
