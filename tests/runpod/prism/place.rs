//! Where the simulated RunPod is: in this process, or in another one and behind Prism.

use std::sync::Arc;

use atlas_core::http::{Request, ReqwestTransport, Response, Transport, base_url};
use atlas_runpod::{RunPod, RunPodBuilder};
use atlas_sim::server::{Running, Server, Timing};
use serde_json::{Value, json};

use super::recorder::Recorder;

/// The addresses of a simulated RunPod, and the account whose calls are held against the description.
pub(super) struct Place {
    pub(super) recorder: Arc<Recorder>,
    /// The account under test.
    pub(super) runpod: RunPod,
    /// The same account past Prism, to prepare what is looked at.
    pub(super) direct: RunPod,
    addresses: Addresses,
    connections: ReqwestTransport,
    _cloud: Option<Running>,
}

struct Addresses {
    /// Through Prism, where there is one.
    base_url: String,
    direct_url: String,
    runtime_url: String,
    graphql_url: String,
    proxy_url: String,
    admin_url: String,
    key: String,
}

impl Addresses {
    fn account(&self, base_url: &str) -> RunPodBuilder {
        RunPod::builder()
            .api_key(self.key.clone())
            .base_url(base_url)
            .runtime_url(&self.runtime_url)
            .graphql_url(&self.graphql_url)
            .proxy_url(&self.proxy_url)
    }
}

impl Place {
    /// One in this process, with nothing before it, where everything happens at once.
    pub(super) async fn near() -> Self {
        let cloud = Server::builder().timing(Timing::at_once()).start().await.unwrap();
        let config = cloud.config();
        let addresses = Addresses {
            base_url: config.base_url.clone(),
            direct_url: config.base_url,
            runtime_url: config.runtime_url,
            graphql_url: config.graphql_url,
            proxy_url: config.proxy_url,
            admin_url: cloud.admin_url(),
            key: config.api_key,
        };
        Self::of(addresses, Some(cloud))
    }

    /// The one that `cargo xtask prism` has started.
    pub(super) fn behind_prism() -> Self {
        let variable = |name: &str| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: call cargo xtask prism DESCRIPTION"))
        };
        let setting = |name: &str| variable(&format!("ATLAS_PROVIDERS__RUNPOD__{name}"));
        let addresses = Addresses {
            base_url: setting("BASE_URL"),
            direct_url: variable("ATLAS_PRISM_UPSTREAM"),
            runtime_url: setting("RUNTIME_URL"),
            graphql_url: setting("GRAPHQL_URL"),
            proxy_url: setting("PROXY_URL"),
            admin_url: variable("ATLAS_PRISM_ADMIN"),
            key: setting("API_KEY"),
        };
        assert_ne!(addresses.base_url, addresses.direct_url, "Prism does not stand before the simulated RunPod");
        Self::of(addresses, None)
    }

    fn of(addresses: Addresses, cloud: Option<Running>) -> Self {
        let recorder = Recorder::new();
        let runpod = addresses.account(&addresses.base_url).transport(recorder.clone()).build().unwrap();
        let direct = addresses.account(&addresses.direct_url).build().unwrap();
        Self { recorder, runpod, direct, addresses, connections: ReqwestTransport::new().unwrap(), _cloud: cloud }
    }

    /// The account under test, noted elsewhere.
    pub(super) fn account(&self, recorder: &Arc<Recorder>) -> RunPod {
        self.addresses.account(&self.addresses.base_url).transport(recorder.clone()).build().unwrap()
    }

    /// Tells the simulated RunPod what to be like.
    pub(super) async fn admin(&self, path: &str, body: Value) {
        let url = base_url("admin_url", &format!("{}/{path}", self.addresses.admin_url)).unwrap();
        self.asked(Request::post(url, "admin").json(&body).unwrap()).await;
    }

    /// There is no more of this GPU.
    pub(super) async fn runs_out_of(&self, gpu: &str) {
        self.admin("stock", json!({"gpu": gpu, "count": 0})).await;
    }

    /// What bills still.
    pub(super) async fn open_rents(&self) -> Vec<String> {
        let url = base_url("admin_url", &format!("{}/ledger", self.addresses.admin_url)).unwrap();
        let ledger: Value = self.asked(Request::get(url, "admin")).await.json().unwrap();
        let rents = ledger["rents"].as_array().unwrap();
        rents.iter().filter(|rent| rent["ended_at"].is_null()).map(ToString::to_string).collect()
    }

    async fn asked(&self, request: Request) -> Response {
        let answer = self.connections.send(request).await.unwrap();
        assert!(answer.status.is_success(), "{}: {}", answer.status, String::from_utf8_lossy(answer.bytes()));
        answer
    }
}
