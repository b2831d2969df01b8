//! The main job: a pod for a user.

use atlas_core::{CallContext, ComputeFilter, Provider};
use atlas_sim::server::{Pace, Server, Timing};

use crate::ground::Ground;

#[tokio::test]
async fn a_cloud_where_nothing_is_rented_lists_nothing() {
    let ground = Ground::of(Server::builder().clock(Pace::ByHand).timing(Timing::at_once())).await;
    let account = ground.account().build().unwrap();
    let all = account.list(&CallContext::new(), &ComputeFilter::all()).await.unwrap();
    assert_eq!(all, []);
    assert_eq!(ground.cloud.ledger().open().count(), 0);
}
