//! A pod's whole life, and every way to ask for one.

use std::time::Duration;

use atlas_core::{
    CallContext, CloudType, Compute, ComputeFilter, ComputeId, ComputeRequest, ComputeStatus, Error, ErrorKind,
    LogOptions, PortSpec, Provider, Result,
};
use atlas_runpod::{PodOptions, RunPod};
use atlas_tests::machine_order;
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use serde_json::json;

use super::place::Place;
use super::resources::{CENTER, Resources};

/// One more than the cloud puts on a page, so that a listing follows a cursor.
const MORE_THAN_A_PAGE: usize = 1001;

/// So many are made at once.
const AT_ONCE: usize = 50;

/// How long a pod may take to come to the status that is waited for, on however busy a machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The pods of one place.
pub(super) struct Machines<'a> {
    place: &'a Place,
    runpod: &'a RunPod,
    resources: &'a Resources,
    context: CallContext,
}

impl<'a> Machines<'a> {
    pub(super) fn of(place: &'a Place, resources: &'a Resources) -> Self {
        Self { place, runpod: &place.runpod, resources, context: CallContext::new() }
    }

    pub(super) async fn live(&self) {
        for request in self.requests() {
            let made = self.spawn(request).await.unwrap();
            self.runpod.terminate(&self.context, &made.id).await.unwrap();
        }
        self.whole_life().await.unwrap();
        self.log().await;
        self.refusals().await;
        self.many().await.unwrap();
    }

    /// Between them, everything that the translation of a request can send.
    fn requests(&self) -> Vec<ComputeRequest> {
        let app = |request: ComputeRequest| request.image("ghcr.io/me/app:1").http_port(8000);
        let full = app(ComputeRequest::gpu("l4").or("a40"))
            .name("full")
            .cloud_type(CloudType::Secure)
            .gpu_count(2)
            .cpus(6)
            .memory_mb(50_000)
            .region(CENTER)
            .volume_gb(10)
            .container_disk_gb(60)
            .port(PortSpec::tcp(22))
            .symmetric_ports(2)
            .env("A", "b")
            .command(["serve", "--all of it"])
            .registry_auth(self.resources.registry.id.clone())
            .min_cuda("12.4")
            .global_networking()
            .ssh();
        let native = app(ComputeRequest::gpu("NVIDIA L4"))
            .option("entrypoint", json!(["/bin/sh", "-c"]))
            .option("cmd", json!(["serve"]))
            .option("startJupyter", json!(true));
        vec![
            full,
            app(ComputeRequest::gpu("rtx_4090")).cloud_type(CloudType::Community).cuda_versions(&["12.8", "13.0"]),
            app(ComputeRequest::gpu("l40s")).network_volume(self.resources.volume.id.as_str()),
            app(ComputeRequest::gpu("l4")).region("ro").region("north_america"),
            ComputeRequest::gpu("l4").template(self.resources.template.id.clone()),
            app(ComputeRequest::cpu()).cpus(4).memory_mb(16_000).container_disk_gb(10),
            app(ComputeRequest::cpu()).network_volume(self.resources.volume.id.as_str()),
            native,
        ]
    }

    async fn spawn(&self, request: ComputeRequest) -> Result<Compute> {
        let order = machine_order(self.runpod, request).await?;
        self.runpod.spawn(&self.context, &order).await
    }

    fn plain() -> ComputeRequest {
        ComputeRequest::gpu("l4").image("i").http_port(8000).port(PortSpec::tcp(22)).volume_gb(10)
    }

    async fn whole_life(&self) -> Result<()> {
        let order = machine_order(self.runpod, Self::plain().name("life")).await?;
        let id = self.runpod.spawn(&self.context, &order).await?.id;
        let found = self.runpod.find_spawned(&self.context, order.token()).await?;
        assert_eq!(found.matches.iter().map(|compute| &compute.id).collect::<Vec<_>>(), [&id]);
        let running = self.until(&id, &ComputeStatus::Running).await?;
        self.list(&running).await?;
        self.runpod.stop(&self.context, &id).await?;
        self.runpod.stop(&self.context, &id).await?;
        self.until(&id, &ComputeStatus::Stopped).await?;
        self.runpod.start(&self.context, &id).await?;
        self.until(&id, &ComputeStatus::Running).await?;
        assert_eq!(self.runpod.restart(&self.context, &id).await?.id, id);
        self.until(&id, &ComputeStatus::Running).await?;
        self.runpod.terminate(&self.context, &id).await?;
        self.runpod.terminate(&self.context, &id).await?;
        self.until(&id, &ComputeStatus::Terminated).await.map(drop)
    }

    /// Each filter, as it admits a machine and as it does not.
    async fn list(&self, one: &Compute) -> Result<()> {
        let all = ComputeFilter::all;
        let filters = |status, name: &str, region: &str, gpu: &str| {
            let (mut by_status, mut by_name, mut by_region, mut by_gpu) = (all(), all(), all(), all());
            by_status.statuses = vec![status];
            by_name.name = Some(name.to_owned());
            by_region.region = Some(region.to_owned());
            by_gpu.gpu = Some(gpu.to_owned());
            [by_status, by_name, by_region, by_gpu]
        };
        let region = one.region.clone().unwrap_or_default();
        for (filters, admitted) in [
            (filters(ComputeStatus::Running, "life", &region, "l4"), true),
            (filters(ComputeStatus::Stopped, "death", "XX-1", "h100"), false),
        ] {
            for filter in filters {
                let listed = self.runpod.list(&self.context, &filter).await?;
                assert_eq!(listed.iter().any(|compute| compute.id == one.id), admitted, "{filter:?}");
            }
        }
        Ok(())
    }

    /// Reads until the machine has this status. One that is gone counts as terminated; while one is read, an uptime that
    /// is not known yet, an address that is not there yet, and so on, are all answers to be held against the description.
    async fn until(&self, id: &ComputeId, status: &ComputeStatus) -> Result<Compute> {
        let reading = async {
            loop {
                match self.runpod.get(&self.context, id).await {
                    Ok(compute) if compute.status == *status => return Ok(compute),
                    Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    Err(error) if error.is_not_found() && *status == ComputeStatus::Terminated => {
                        return Ok(Compute::new(self.runpod.id(), "runpod", id.clone(), status.clone()));
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        let late = |_| Error::timeout(format!("{id} did not become {status}"));
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    /// Prism passes a log on only when it has ended, which it does when its pod is gone. So the pod goes while it is read;
    /// where it went before the log was opened, that is tried again with more time between.
    async fn log(&self) {
        let mut pause = Duration::from_millis(200);
        for _ in 0..6 {
            let id = self.spawn(Self::plain()).await.unwrap().id;
            self.place.admin(&format!("pods/{id}/log"), json!({"text": "first\nsecond"})).await;
            let log = self.runpod.logs(&self.context, &id, &LogOptions::follow()).unwrap();
            let ending = async {
                tokio::time::sleep(pause).await;
                self.place.direct.terminate(&self.context, &id).await.unwrap();
            };
            let (lines, ()) = tokio::join!(log.try_collect::<Vec<_>>(), ending);
            match lines {
                Ok(lines) => return assert_eq!(lines, ["first\n", "second\n"]),
                Err(error) => assert!(error.is_not_found(), "{error}"),
            }
            pause *= 3;
        }
        panic!("the log could not be opened while its pod was there");
    }

    /// What is refused is an answer too.
    async fn refusals(&self) {
        let gone = ComputeId::new("gone1234567890");
        assert!(self.runpod.get(&self.context, &gone).await.unwrap_err().is_not_found());
        assert!(self.runpod.stop(&self.context, &gone).await.unwrap_err().is_not_found());
        assert!(self.runpod.restart(&self.context, &gone).await.unwrap_err().is_not_found());
        let kind =
            |made: Result<Compute>| made.map_or_else(|error| error.kind(), |made| panic!("{} was made", made.id));
        let none = Self::plain().option("gpu", json!({"id": "none"}));
        assert_eq!(kind(self.spawn(none).await), ErrorKind::Validation);
        let nowhere = Self::plain().template("gone12345");
        assert_eq!(kind(self.spawn(nowhere).await), ErrorKind::NotFound);
        // The first of the list is refused, the second is had; then there is none at all.
        self.runpod.list_gpu_types(&self.context).await.unwrap();
        self.place.runs_out_of("NVIDIA L40").await;
        let either = ComputeRequest::gpu("l40").or("l4").image("i").cloud_type(CloudType::Secure);
        let made = self.spawn(either).await.unwrap();
        assert_eq!(made.gpu_type.as_deref(), Some("l4"));
        self.runpod.terminate(&self.context, &made.id).await.unwrap();
        let none = ComputeRequest::gpu("l40").image("i").cloud_type(CloudType::Secure);
        assert_eq!(kind(self.spawn(none).await), ErrorKind::NoCapacity);
    }

    /// More than a page: prepared past Prism, listed through it.
    async fn many(&self) -> Result<()> {
        let direct = &self.place.direct;
        let mut made = Vec::new();
        while made.len() < MORE_THAN_A_PAGE {
            let spawning = (0..AT_ONCE).map(|_| async {
                let order =
                    machine_order(direct, ComputeRequest::cpu().image("i").option("cpu", json!({"id": "cpu3c"})))
                        .await?;
                direct.spawn(&self.context, &order).await.map(|compute| compute.id)
            });
            made.extend(try_join_all(spawning).await?);
        }
        let listed = self.runpod.list(&self.context, &ComputeFilter::all()).await?;
        assert!(made.iter().all(|id| listed.iter().any(|compute| compute.id == *id)));
        for ids in made.chunks(AT_ONCE) {
            try_join_all(ids.iter().map(|id| direct.terminate(&self.context, id))).await?;
        }
        Ok(())
    }
}
