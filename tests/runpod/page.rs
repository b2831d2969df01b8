//! A page in a user's browser: it talks to its pod itself, and sends the headers that a script cannot leave out.

use std::sync::Once;

use atlas_orchestrator::Endpoint;
use reqwest::header::{AUTHORIZATION, ORIGIN};
use reqwest::{Client, Method, Response, StatusCode};

/// See the module.
pub(crate) struct Page {
    client: Client,
}

/// From where the page was loaded.
pub(crate) const SITE: &str = "https://app.example";

impl Page {
    pub(crate) fn open() -> Self {
        static TLS: Once = Once::new();
        TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        Self { client: Client::builder().no_proxy().build().unwrap() }
    }

    /// A question of the page's script.
    pub(crate) async fn ask(&self, url: &str, key: Option<&str>) -> Response {
        let question = self.client.get(url).header(ORIGIN, SITE);
        let question = match key {
            Some(key) => question.header(AUTHORIZATION, format!("Bearer {key}")),
            None => question,
        };
        question.send().await.unwrap()
    }

    pub(crate) async fn status(&self, url: &str, key: Option<&str>) -> StatusCode {
        self.ask(url, key).await.status()
    }

    /// What is answered to whatever anybody sends to an address.
    pub(crate) async fn post(&self, url: &str, body: String) -> StatusCode {
        self.client.post(url).body(body).send().await.unwrap().status()
    }

    /// Which pod answers at an endpoint to its key.
    pub(crate) async fn pod_at(&self, at: &Endpoint) -> String {
        let answer = self.ask(at.first_http().unwrap(), Some(at.credentials.expose())).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let text = answer.text().await.unwrap();
        let about: serde_json::Value = serde_json::from_str(&text).unwrap();
        about["compute_id"].as_str().unwrap().to_owned()
    }

    /// The question that a browser itself asks before it lets a script send a key.
    pub(crate) async fn preflight(&self, url: &str) -> Response {
        self.client
            .request(Method::OPTIONS, url)
            .header(ORIGIN, SITE)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization")
            .send()
            .await
            .unwrap()
    }
}
