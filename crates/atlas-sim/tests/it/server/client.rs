//! A client that knows nothing of clouds: one connection a question, and all of the answer.

use std::net::SocketAddr;
use std::time::Duration;

use atlas_sim::server::{Pace, Running, Server, Timing};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `detail` of a problem, after its shape was looked at.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert!(body["title"].is_string());
        body["detail"].as_str().unwrap().to_owned()
    }
}

/// A simulated RunPod, and how to talk to it.
pub(crate) struct Cloud {
    pub(crate) running: Running,
    pub(crate) key: String,
}

impl Cloud {
    /// Time by hand, everything at once.
    pub(crate) async fn start() -> Self {
        Self::of(Server::builder().clock(Pace::ByHand).timing(Timing::at_once())).await
    }

    pub(crate) async fn of(server: Server) -> Self {
        let running = server.start().await.unwrap();
        let key = running.config().api_key;
        Self { running, key }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    /// One question with whatever headers; `None` if the connection was closed without an answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Option<Answer> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address().to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let asked = async move {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes();
            let text = String::from_utf8(body.to_vec()).unwrap();
            Some(Answer { status: parts.status.as_u16(), headers: parts.headers, text })
        };
        let (answer, _) = tokio::join!(tokio::time::timeout(Duration::from_secs(30), asked), connection);
        answer.expect("no answer within half a minute")
    }

    /// One question with the key.
    pub(crate) async fn try_call(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Option<Answer> {
        let key = format!("Bearer {}", self.key);
        self.ask(method, path, &[("authorization", &key)], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_call(Method::GET, path, "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_call(Method::POST, path, body.to_string()).await.unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.try_call(Method::PATCH, path, body.to_string()).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.try_call(Method::DELETE, path, "").await.unwrap()
    }

    /// Rents a pod like this one; its id.
    pub(crate) async fn rent(&self, body: &Value) -> String {
        let answer = self.post("/v2/pods", body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn status(&self, id: &str) -> String {
        self.get(&format!("/v2/pods/{id}")).await.json()["status"].as_str().unwrap_or("gone").to_owned()
    }

    /// Lets a fault happen as a file would write it.
    pub(crate) async fn inject(&self, fault: &Value) {
        let answer = self.post("/admin/faults", fault).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.running.advance(Duration::from_secs(seconds));
    }
}

/// A pod that nothing stands in the way of.
pub(crate) fn pod() -> Value {
    json!({
        "name": "one",
        "image": "ghcr.io/me/app:1",
        "cloud": "SECURE",
        "gpu": { "id": "NVIDIA L4" },
        "disk": 40,
        "ports": ["8000/http", "22/tcp"],
        "env": { "ATLAS_PRESHARED_KEY": "its key" },
    })
}

/// The same with these fields changed; `null` takes one away.
pub(crate) fn pod_with(change: &Value) -> Value {
    let mut pod = pod();
    for (name, value) in change.as_object().unwrap() {
        if value.is_null() {
            pod.as_object_mut().unwrap().remove(name);
        } else {
            pod[name] = value.clone();
        }
    }
    pod
}
