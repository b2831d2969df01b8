//! What machines refer to (volumes, templates, registry credentials), serverless endpoints, the catalog, the bills.

use std::collections::BTreeMap;
use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::{
    CallContext, ComputeId, EndpointId, ErrorKind, PortSpec, Provider, RentalKind, Result, Volume, VolumeId,
    VolumeRequest,
};
use atlas_runpod::{
    Billed, BillingQuery, Bucket, Endpoint, EndpointChange, EndpointRequest, FlashBoot, Registry, RunPod, Scaling,
    Template, TemplateRequest, Workers,
};
use atlas_tests::rental_order;
use serde_json::json;

use super::place::Place;

/// Where all of it stands, so that a machine there can have it.
pub(super) const CENTER: &str = "EU-RO-1";

/// What was made, for machines to refer to.
pub(super) struct Resources {
    runpod: RunPod,
    pub(super) volume: Volume,
    pub(super) registry: Registry,
    pub(super) template: Template,
}

impl Resources {
    /// Makes them, and lets each kind of call be made of them.
    pub(super) async fn make(place: &Place) -> Self {
        let runpod = place.runpod.clone();
        catalog_and_bills(&runpod).await.unwrap();
        let (volume, registry) = (volumes(&runpod).await.unwrap(), registries(&runpod).await.unwrap());
        let template = templates(&runpod, &registry).await.unwrap();
        endpoints(&runpod, &registry, &volume).await.unwrap();
        refused(&runpod, place).await;
        Self { runpod, volume, registry, template }
    }

    /// Ends them.
    pub(super) async fn end(self) {
        let context = CallContext::new();
        self.runpod.delete_volume(&context, &self.volume.id).await.unwrap();
        self.runpod.delete_template(&context, &self.template.id).await.unwrap();
        self.runpod.delete_registry(&context, &self.registry.id).await.unwrap();
        assert_eq!(self.runpod.list_volumes(&context).await.unwrap(), []);
        for kind in [Billed::Pods, Billed::Serverless, Billed::Volumes] {
            self.runpod.billing_history(&context, kind, &BillingQuery::new().bucket(Bucket::Hour)).await.unwrap();
        }
    }
}

async fn catalog_and_bills(runpod: &RunPod) -> Result<()> {
    let context = CallContext::new();
    assert!(!runpod.list_gpu_types(&context).await?.is_empty());
    for kind in [Billed::Pods, Billed::Serverless, Billed::Volumes] {
        for bucket in [Bucket::Hour, Bucket::Day, Bucket::Week, Bucket::Month, Bucket::Year] {
            runpod.billing_history(&context, kind, &BillingQuery::new().bucket(bucket).last(3)).await?;
        }
        runpod.billing_history(&context, kind, &BillingQuery::new().of("nothing1")).await?;
    }
    Ok(())
}

async fn volumes(runpod: &RunPod) -> Result<Volume> {
    let context = CallContext::new();
    let fast = VolumeRequest::new("eu-ro-1", 10).option("type", json!("HIGH_PERFORMANCE"));
    let mut made = Vec::new();
    for request in [VolumeRequest::new(CENTER, 10), fast] {
        let order = rental_order(runpod, RentalKind::Volume, request).await?;
        let volume = runpod.create_volume(&context, &order).await?;
        let rented = runpod.list_rented(&context, RentalKind::Volume).await?;
        let bearing = rented.iter().filter(|rented| rented.mark().is_some_and(|mark| mark.token == order.mark().token));
        assert_eq!(bearing.map(|rented| &rented.id).collect::<Vec<_>>(), [&ComputeId::new(volume.id.as_str())]);
        made.push(volume);
    }
    let fast = made.remove(1);
    assert_eq!(runpod.list_volumes(&context).await?.len(), 2);
    assert_eq!(runpod.grow_volume(&context, &fast.id, 20).await?.size_gb, 20);
    assert_eq!(runpod.get_volume(&context, &fast.id).await?.size_gb, 20);
    runpod.delete_volume(&context, &fast.id).await?;
    runpod.delete_volume(&context, &fast.id).await?;
    Ok(made.remove(0))
}

async fn registries(runpod: &RunPod) -> Result<Registry> {
    let context = CallContext::new();
    let password = Secret::new("a password");
    let gone = runpod.create_registry(&context, "gone", "me", &password).await?;
    let kept = runpod.create_registry(&context, "kept", "me", &password).await?;
    assert_eq!(runpod.list_registries(&context).await?.len(), 2);
    runpod.delete_registry(&context, &gone.id).await?;
    runpod.delete_registry(&context, &gone.id).await?;
    Ok(kept)
}

async fn templates(runpod: &RunPod, registry: &Registry) -> Result<Template> {
    let context = CallContext::new();
    let mut full = TemplateRequest::new("full", "ghcr.io/me/app:1")
        .command(["serve", "--all of it"])
        .disk_gb(20)
        .port(PortSpec::http(8000))
        .port(PortSpec::tcp(22))
        .env("A", "b")
        .option("mounts", json!({"persistent": {"size": 10, "path": "/data"}}));
    full.registry = Some(registry.id.clone());
    let kept = runpod.create_template(&context, &full).await?;
    let gone = runpod.create_template(&context, &TemplateRequest::new("least", "i").serverless()).await?;
    assert_eq!(runpod.list_templates(&context).await?.len(), 2);
    assert!(runpod.get_template(&context, &gone.id).await?.serverless);
    let other = TemplateRequest::new("other", "j").env("C", "d").serverless();
    assert_eq!(runpod.replace_template(&context, &gone.id, &other).await?.name, "other");
    runpod.delete_template(&context, &gone.id).await?;
    runpod.delete_template(&context, &gone.id).await?;
    Ok(kept)
}

async fn endpoints(runpod: &RunPod, registry: &Registry, volume: &Volume) -> Result<()> {
    let context = CallContext::new();
    let template = runpod.create_template(&context, &TemplateRequest::new("worker", "i").serverless()).await?;
    let mut full = EndpointRequest::gpu("ghcr.io/me/work:1", ["a40", "ADA_24"])
        .name("full")
        .workers(Workers::new(0, 2).idle_timeout(Duration::from_secs(5)))
        .scaling(Scaling::QueueDelay(Duration::from_millis(2500)))
        .timeout(Duration::from_mins(5))
        .flash_boot(FlashBoot::On)
        .data_center("eu-ro-1")
        .env("A", "b");
    full.command = vec!["work".to_owned(), "--hard".to_owned()];
    full.gpu_count = 2;
    full.disk_gb = Some(20);
    full.registry = Some(registry.id.clone());
    full.network_volumes = vec![volume.id.as_str().to_owned()];
    let balancer = EndpointRequest::cpu("i", "cpu5c", 4).load_balancer(3).port(PortSpec::http(8000));
    let counting =
        EndpointRequest::cpu("i", "cpu3g", 2).scaling(Scaling::RequestCount(4)).flash_boot(FlashBoot::Priority);
    let under = EndpointRequest::gpu("i", ["AMPERE_24"]).template(template.id.clone());
    let mut made = Vec::new();
    for request in [full, balancer, counting, under] {
        let order = rental_order(runpod, RentalKind::Endpoint, request).await?;
        let endpoint = runpod.create_endpoint(&context, &order).await?;
        let rented = runpod.list_rented(&context, RentalKind::Endpoint).await?;
        let bearing = rented.iter().filter(|rented| rented.mark().is_some_and(|mark| mark.token == order.mark().token));
        assert_eq!(bearing.map(|rented| &rented.id).collect::<Vec<_>>(), [&ComputeId::new(endpoint.id.as_str())]);
        made.push(endpoint);
    }
    change(runpod, &made[0]).await?;
    assert!(runpod.list_endpoints(&context).await?.len() >= made.len());
    for endpoint in &made {
        runpod.endpoint_workers(&context, &endpoint.id).await?;
        runpod.delete_endpoint(&context, &endpoint.id).await?;
        runpod.delete_endpoint(&context, &endpoint.id).await?;
    }
    runpod.delete_template(&context, &template.id).await
}

/// Each thing that can be changed of an endpoint: alone, and all together.
async fn change(runpod: &RunPod, endpoint: &Endpoint) -> Result<()> {
    let context = CallContext::new();
    let mut flash = EndpointChange::new();
    flash.flash_boot = Some(FlashBoot::Off);
    let alone = [
        EndpointChange::new().workers(Workers::new(1, 4)),
        EndpointChange::new().scaling(Scaling::RequestCount(2)),
        EndpointChange::new().timeout(Duration::from_mins(9)),
        EndpointChange::new().image("ghcr.io/me/work:2"),
        EndpointChange::new().env(BTreeMap::from([("B".to_owned(), Secret::new("c"))])),
        flash,
        EndpointChange::new().workers(Workers::new(0, 1)).scaling(Scaling::QueueDelay(Duration::from_secs(9))),
    ];
    for change in &alone {
        let changed = runpod.update_endpoint(&context, &endpoint.id, change).await?;
        assert_eq!(changed.mark, endpoint.mark);
    }
    assert_eq!(runpod.get_endpoint(&context, &endpoint.id).await?.workers_max, Some(1));
    Ok(())
}

/// What is refused is an answer too.
async fn refused(runpod: &RunPod, place: &Place) {
    let context = CallContext::new();
    let gone = runpod.get_endpoint(&context, &EndpointId::new("gone12345")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(runpod.get_template(&context, "gone12345").await.unwrap_err().is_not_found());
    assert!(runpod.get_volume(&context, &VolumeId::new("gone12345")).await.unwrap_err().is_not_found());
    let stranger = CallContext::new().with_key(Secret::new("rpa_OFNOBODY"));
    assert_eq!(runpod.list_templates(&stranger).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    let key = "rpa_READSALONE0000000000000000000000000000000";
    place.admin("keys", json!({"key": key, "reach": "read-only"})).await;
    let reader = CallContext::new().with_key(Secret::new(key));
    let refusal = runpod.create_template(&reader, &TemplateRequest::new("t", "i")).await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Forbidden);
}
