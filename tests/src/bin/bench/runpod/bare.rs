//! RunPod by hand: reqwest, the same requests, and nothing that nobody would write.

use atlas_tests::Outcome;
use bytes::Bytes;
use reqwest::{Client, RequestBuilder};
use serde::Deserialize;
use serde_json::Value;

/// A client with a key.
#[derive(Clone)]
pub(crate) struct Bare {
    client: Client,
    base: String,
    key: String,
}

/// What a person would want to know of a pod: the same that Atlas reads.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "what is read is kept, as it would be by whoever wants it")]
pub(crate) struct Pod {
    pub(crate) id: String,
    name: Option<String>,
    status: Option<String>,
    image: Option<String>,
    cost: Option<f64>,
    gpu: Option<Gpu>,
    ports: Option<Vec<String>>,
    data_center_id: Option<String>,
    created_at: Option<String>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is kept, as it would be by whoever wants it")]
struct Gpu {
    id: Option<String>,
    count: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is kept, as it would be by whoever wants it")]
struct Runtime {
    ports: Option<Vec<Port>>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is read is kept, as it would be by whoever wants it")]
struct Port {
    private: Option<u16>,
    public: Option<u16>,
    r#type: Option<String>,
    ip: Option<String>,
}

impl Bare {
    pub(crate) fn new(base: &str, key: &str) -> Outcome<Self> {
        let client = Client::builder().no_proxy().user_agent("by-hand").build()?;
        Ok(Self { client, base: base.to_owned(), key: key.to_owned() })
    }

    /// The whole body of the answer, which must be a success.
    async fn ask(&self, request: RequestBuilder) -> Outcome<Bytes> {
        let answer = request.bearer_auth(&self.key).header("accept", "application/json").send().await?;
        Ok(answer.error_for_status()?.bytes().await?)
    }

    pub(crate) async fn get(&self, path: &str) -> Outcome<Bytes> {
        self.ask(self.client.get(format!("{}/{path}", self.base))).await
    }

    pub(crate) async fn create_pod(&self, body: &Value) -> Outcome<Pod> {
        let request = self.client.post(format!("{}/pods", self.base));
        let request = request.header("content-type", "application/json").body(serde_json::to_vec(body)?);
        Ok(serde_json::from_slice(&self.ask(request).await?)?)
    }

    pub(crate) async fn delete_pod(&self, id: &str) -> Outcome<()> {
        self.ask(self.client.delete(format!("{}/pods/{id}", self.base))).await.map(drop)
    }
}
