//! Every fault that any call can meet, in every call that is not about machines: which error, whether the cloud acted, and
//! that nothing is left of the fault afterwards.

use atlas_core::{
    ComputeId, Effect, EndpointId, ErrorKind, JobId, JobRequest, Provider, RentalKind, Result, VolumeId, VolumeOrder,
    VolumeRequest,
};
use atlas_sim::{EndpointSpec, Fault, Operation};
use futures_util::StreamExt;
use serde_json::json;

use crate::support::{Caller, context};
use crate::volumes::order;

/// A cloud in which each call has something to act on.
struct Site {
    caller: Caller,
    endpoint: EndpointId,
    job: JobId,
    volume: VolumeId,
    order: VolumeOrder,
}

impl Site {
    async fn new() -> Self {
        let caller = Caller::default();
        let endpoint = caller.cloud.add_endpoint(EndpointSpec::new("work")).unwrap();
        let request = JobRequest::new(endpoint.as_str(), json!({ "seconds": 60, "chunks": 60 }));
        let job = caller.cloud.run_job(&context(), &request).await.unwrap().id;
        let volume = caller.cloud.foreign_volume("data", "mock-east", 10);
        let order = order(&caller, VolumeRequest::new("mock-east", 10)).await;
        caller.pass(30);
        Self { caller, endpoint, job, volume, order }
    }

    async fn call(&self, operation: Operation) -> Result<()> {
        let (cloud, context, endpoint) = (&self.caller.cloud, context(), ComputeId::new(self.endpoint.as_str()));
        match operation {
            Operation::GpuTypes => cloud.list_gpu_types(&context).await.map(drop),
            Operation::RunJob => {
                cloud.run_job(&context, &JobRequest::new(self.endpoint.as_str(), json!({}))).await.map(drop)
            }
            Operation::GetJob => cloud.get_job(&context, &self.endpoint, &self.job).await.map(drop),
            Operation::CancelJob => cloud.cancel_job(&context, &self.endpoint, &self.job).await.map(drop),
            Operation::StreamJob => {
                let once = context.with_retries(0);
                cloud.stream_job(&once, &self.endpoint, &self.job)?.next().await.unwrap().map(drop)
            }
            Operation::CreateVolume => cloud.create_volume(&context, &self.order).await.map(drop),
            Operation::GetVolume => cloud.get_volume(&context, &self.volume).await.map(drop),
            Operation::ListVolumes => cloud.list_volumes(&context).await.map(drop),
            Operation::GrowVolume => cloud.grow_volume(&context, &self.volume, 20).await.map(drop),
            Operation::DeleteVolume => cloud.delete_volume(&context, &self.volume).await,
            Operation::ListEndpoints => cloud.list_rented(&context, RentalKind::Endpoint).await.map(drop),
            Operation::EndEndpoint => cloud.end_rented(&context, RentalKind::Endpoint, &endpoint).await,
            other => panic!("{other} is about machines"),
        }
    }

    /// Everything that a call can change, in one text.
    fn shown(&self) -> String {
        let cloud = &self.caller.cloud;
        format!("{:?} {:?} {:?}", cloud.ledger(), cloud.jobs(&self.endpoint), cloud.volumes())
    }
}

#[tokio::test]
async fn every_call_meets_every_fault_and_forgets_it() {
    use ErrorKind::{Decode, Forbidden, Provider, RateLimited, Timeout, Transport, Unauthorized};
    let table = [
        (Fault::FailsBefore, Transport, Effect::NotSent, false),
        (Fault::Errs, Provider, Effect::Unknown, false),
        (Fault::RateLimited(std::time::Duration::ZERO), RateLimited, Effect::Rejected, false),
        (Fault::Unauthorized, Unauthorized, Effect::Rejected, false),
        (Fault::Forbidden, Forbidden, Effect::Rejected, false),
        (Fault::ActsThenErrs, Provider, Effect::Unknown, true),
        (Fault::LosesAnswer, Timeout, Effect::Unknown, true),
        (Fault::Garbles, Decode, Effect::Unknown, true),
    ];
    let machines = [
        Operation::Spawn,
        Operation::Get,
        Operation::List,
        Operation::Find,
        Operation::Terminate,
        Operation::Stop,
        Operation::Start,
    ];
    let changes = [
        Operation::RunJob,
        Operation::CancelJob,
        Operation::CreateVolume,
        Operation::GrowVolume,
        Operation::DeleteVolume,
        Operation::EndEndpoint,
    ];
    let heard = Operation::ALL.into_iter().filter(|operation| !operation.is_served_only());
    for operation in heard.filter(|operation| !machines.contains(operation)) {
        for (fault, kind, effect, acts) in &table {
            let site = Site::new().await;
            let before = site.shown();
            site.caller.inject(operation, fault.clone());
            let error = site.call(operation).await.expect_err("the fault must be seen");
            let case = format!("{fault} in {operation}");
            assert_eq!(
                (error.kind(), error.effect(), error.operation()),
                (*kind, *effect, Some(operation.name())),
                "{case}"
            );
            assert_eq!(site.shown() != before, *acts && changes.contains(&operation), "{case}");
            site.call(operation).await.unwrap_or_else(|error| panic!("{case} is left: {error}"));
        }
    }
}
