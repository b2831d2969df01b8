//! One account over a script, and RunPod's answers as its sheet has them.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, SeededEntropy, Timestamp};
use atlas_core::testing::Forgotten;
use atlas_core::testing::{Reply, ScriptedTransport, TokioClock};
use atlas_core::{
    Auth, CallContext, Compute, ComputeRequest, Credentials, Deployment, Installation, Intent, Mark, Provider,
    RentalOrder, Result, SpawnOrder, SpawnToken,
};
use atlas_runpod::RunPod;
use serde_json::{Value, json};

pub(crate) const KEY: &str = "rpa_CANARYKEY0123456789";
pub(crate) const TOKEN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const MARK: &str = "atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box";
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const NO_CAPACITY: &str = r#"{"title":"Bad Request","status":400,"detail":"There are no longer any instances available with the requested specifications. Please refresh and try again."}"#;
pub(crate) const NOT_FOUND: &str = r#"{"title":"Not Found","status":404,"detail":"pod not found"}"#;

/// An account whose cloud answers by script.
pub(crate) struct Rig {
    pub(crate) cloud: ScriptedTransport,
    pub(crate) runpod: RunPod,
    pub(crate) clock: Arc<TokioClock>,
}

pub(crate) fn account(cloud: &ScriptedTransport) -> Rig {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(NOW)));
    let runpod = RunPod::builder()
        .api_key(KEY)
        .transport(Arc::new(cloud.clone()))
        .clock(clock.clone())
        .entropy(Arc::new(SeededEntropy::new(1)))
        .build()
        .unwrap();
    Rig { cloud: cloud.clone(), runpod, clock }
}

pub(crate) fn mark() -> Mark {
    Mark::new(
        Deployment::parse("test").unwrap(),
        Installation::parse("abcdef").unwrap(),
        SpawnToken::parse(TOKEN).unwrap(),
        Some("box".to_owned()),
    )
}

pub(crate) fn context() -> CallContext {
    CallContext::new()
}

impl Rig {
    pub(crate) async fn order(&self, request: ComputeRequest) -> SpawnOrder {
        self.order_with(request, Auth::None).await
    }

    pub(crate) async fn order_with(&self, request: ComputeRequest, auth: Auth) -> SpawnOrder {
        let credentials = Credentials::mint(auth, &SeededEntropy::new(2));
        SpawnOrder::record(&Forgotten, &self.intent(), request, &credentials, self.runpod.traits()).await.unwrap()
    }

    pub(crate) async fn rental<R>(&self, request: R) -> RentalOrder<R> {
        RentalOrder::record(&Forgotten, &self.intent(), request, 191).await.unwrap()
    }

    pub(crate) async fn spawn(&self, request: ComputeRequest) -> Result<Compute> {
        let order = self.order(request).await;
        self.runpod.spawn(&context(), &order).await
    }

    /// Nothing is created more than five minutes later.
    fn intent(&self) -> Intent {
        let now = self.clock.now();
        let scope = self.runpod.scope(&context());
        Intent::machine(mark(), self.runpod.id(), scope, now, now.plus(Duration::from_mins(5)))
    }

    /// What was sent: method, path, query, body.
    pub(crate) fn sent(&self) -> String {
        self.cloud.transcript()
    }

    /// The body of the n-th request.
    pub(crate) fn body(&self, index: usize) -> Value {
        serde_json::from_slice(self.cloud.sent()[index].body()).unwrap()
    }
}

/// A pod as RunPod answers a create.
pub(crate) fn created() -> Value {
    json!({"id":"k3v9x1c7zq2m8p","name":MARK,"image":"ghcr.io/acme/t:1","args":"{\"cmd\":[\"/app/run\",\"--fast\"]}",
     "cmd":["/app/run","--fast"],"disk":50,"ports":["8000/http","22/tcp"],"env":{"ATLAS_MARK":MARK},"registry":null,
     "status":"PROVISIONING","actions":["stop","terminate"],"mounts":{},
     "gpu":{"id":"NVIDIA L4","count":1,"vcpuCount":12,"memory":50},"cloud":"SECURE","dataCenterId":null,"cudaVersion":null,
     "ssh":{"proxy":null,"direct":null},"template":null,"cost":0.39,"locked":false,"globalNetworking":{"enabled":false},
     "runtime":null,"createdAt":"2026-11-23T20:00:00Z","startedAt":null})
}

/// The same pod once it runs.
pub(crate) fn running() -> Value {
    let mut pod = created();
    pod["status"] = json!("RUNNING");
    pod["actions"] = json!(["stop", "restart", "terminate"]);
    pod["dataCenterId"] = json!("EU-RO-1");
    pod["mounts"] = json!({"network":[{"volumeId":"q1w2e3r4t5","path":"/workspace"}]});
    pod["ssh"]["direct"] =
        json!({"host":"203.0.113.7","port":17740,"username":"root","command":"ssh root@203.0.113.7 -p 17740"});
    pod["runtime"] = json!({"uptime":61,"gpus":[{"util":0,"memoryUtil":0}],"cpu":{"util":3},"memory":{"util":5},
     "ports":[{"private":22,"public":17740,"type":"tcp","ip":"203.0.113.7"},
              {"private":8000,"public":60936,"type":"http","ip":"100.65.18.211"}]});
    pod["startedAt"] = json!("2026-11-23T20:01:10Z");
    pod
}

/// The same pod once it is stopped.
pub(crate) fn stopped() -> Value {
    let mut pod = created();
    pod["status"] = json!("EXITED");
    pod["cost"] = json!(0.0);
    pod["actions"] = json!(["start", "terminate"]);
    pod
}

pub(crate) fn page(pods: &[Value], next: Option<&str>) -> String {
    json!({"pods": pods, "pagination": {"nextCursor": next, "hasNextPage": next.is_some()}}).to_string()
}

/// A refusal in RunPod's own words.
pub(crate) fn problem(status: u16, title: &str, detail: &str) -> String {
    json!({"title": title, "status": status, "detail": detail}).to_string()
}

/// The catalog's entry of a GPU.
pub(crate) fn card(id: &str, stock: &str, secure: f64, community: f64) -> Value {
    json!({"id": id, "name": id.trim_start_matches("NVIDIA "), "pool": null, "manufacturer": "NVIDIA", "memory": 24,
     "secure": secure > 0.0, "community": community > 0.0, "price": {"secure": secure, "community": community},
     "maxCount": {"secure": 8, "community": 4}, "availability": stock,
     "dataCenters": [{"id": "EU-RO-1", "name": "EU-RO-1", "availability": stock}]})
}

pub(crate) fn cards(cards: &[Value]) -> String {
    json!({"gpus": cards}).to_string()
}

pub(crate) fn centers() -> String {
    let center = |id: &str, region: &str| {
        json!({"id": id, "name": id, "region": region, "globalNetwork": true, "networkVolumeTypes": ["STANDARD"],
         "compliance": []})
    };
    json!({"dataCenters": [center("EU-RO-1", "EUROPE"), center("EU-FR-1", "EUROPE"), center("US-CA-2", "NORTH_AMERICA")]})
        .to_string()
}

/// How much of tokio's time has passed since it was made.
pub(crate) struct Stopwatch(TokioClock);

impl Stopwatch {
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.monotonic()
    }
}

pub(crate) fn stopwatch() -> Stopwatch {
    Stopwatch(TokioClock::new(Timestamp::EPOCH))
}

/// The answer that asks for a pause of so many seconds, and made nothing.
pub(crate) fn slow_down(seconds: &str) -> Reply {
    Reply::new(429, problem(429, "Too Many Requests", "slow down")).header("retry-after", seconds)
}
