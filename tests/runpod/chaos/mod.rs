//! Every operation of the provider under every fault of the cloud: what its caller is told, how often the cloud was asked,
//! and what then stands in the cloud's own books. A table that a person can read, and promises that hold in each cell.

mod cell;
mod deed;
mod deeds;
mod site;
mod table;

use std::sync::Arc;

use atlas_core::http::{ReqwestTransport, Transport};

use deed::Deed;

/// Runs these deeds under every fault that can happen in them, and shows what came of it.
async fn chaos(deeds: &[Deed]) -> String {
    let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::new().unwrap());
    let table = table::run(deeds, &transport).await;
    let broken = table.broken();
    assert!(broken.is_empty(), "{} promises are broken:\n{}", broken.len(), broken.join("\n"));
    table.to_string()
}

#[tokio::test]
async fn pods() {
    insta::assert_snapshot!("chaos_pods", chaos(&deeds::pods()).await);
}

#[tokio::test]
async fn reads_of_pods() {
    insta::assert_snapshot!("chaos_pods_read", chaos(&deeds::reads_of_pods()).await);
}

#[tokio::test]
async fn jobs() {
    insta::assert_snapshot!("chaos_jobs", chaos(&deeds::jobs()).await);
}

#[tokio::test]
async fn volumes() {
    insta::assert_snapshot!("chaos_volumes", chaos(&deeds::volumes()).await);
}

#[tokio::test]
async fn endpoints() {
    insta::assert_snapshot!("chaos_endpoints", chaos(&deeds::endpoints()).await);
}

#[tokio::test]
async fn the_account() {
    insta::assert_snapshot!("chaos_account", chaos(&deeds::account()).await);
}
