//! Ways to the simulated cloud: one that opens no socket, and one that dies with the process that holds it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use atlas_core::http::{Request, Response, Transport};
use atlas_core::{Error, Probe, ProbeAnswer, ProbeRequest, Result};
use bytes::Bytes;
use http::Method;
use http::header::{AUTHORIZATION, USER_AGENT};

use serde_json::Value;

use crate::ground::Ground;

/// Connections in memory to one cloud, and to the pods behind its proxy: under paused time no call takes any but the
/// cloud's own.
#[derive(Clone)]
pub(crate) struct InMemory(pub(crate) Arc<Ground>);

impl fmt::Debug for InMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InMemory")
    }
}

impl InMemory {
    async fn ask(&self, request: http::request::Builder, body: Bytes) -> std::io::Result<http::Response<Bytes>> {
        self.0.cloud.ask(request.header(USER_AGENT, "atlas").body(body).map_err(std::io::Error::other)?).await
    }

    /// Asks something in JSON, which must succeed.
    pub(crate) async fn call(&self, method: Method, url: &str, key: Option<&str>, body: &Value) -> Value {
        let mut question = http::Request::builder().method(method).uri(url);
        if let Some(key) = key {
            question = question.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let answer = self.ask(question, body.to_string().into()).await.unwrap();
        assert!(answer.status().is_success(), "{url}: {answer:?}");
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    /// Asks an address, with a key or without; the status that came back.
    pub(crate) async fn status(&self, url: &str, key: Option<&str>) -> u16 {
        let mut question = http::Request::get(url);
        if let Some(key) = key {
            question = question.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        self.ask(question, Bytes::new()).await.unwrap().status().as_u16()
    }
}

#[async_trait]
impl Transport for InMemory {
    async fn send(&self, request: Request) -> Result<Response> {
        let mut question = http::Request::builder().method(request.method()).uri(request.url().as_str());
        for (name, value) in request.headers() {
            question = question.header(name, value);
        }
        let answer = self.ask(question, request.body().clone()).await;
        let answer = answer.map_err(|cause| Error::transport(format!("the connection to the cloud broke: {cause}")))?;
        let (head, body) = answer.into_parts();
        Ok(Response::new(head.status, head.headers, body))
    }
}

#[async_trait]
impl Probe for InMemory {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        let mut question = http::Request::get(request.url.expose());
        if let Some(bearer) = &request.bearer {
            question = question.header(AUTHORIZATION, format!("Bearer {}", bearer.expose()));
        }
        let answer = tokio::time::timeout(request.timeout, self.ask(question, Bytes::new())).await;
        let answer = answer.map_err(|_| Error::timeout("the machine did not answer"))?;
        let answer = answer.map_err(|cause| Error::transport(format!("the machine broke off: {cause}")))?;
        let head = ProbeAnswer::new(answer.status().as_u16());
        Ok(answer.headers().keys().fold(head, |head, name| head.with_header(name.as_str())))
    }
}

/// The way that one process has: when that process dies, it sends nothing and hears nothing any more.
#[derive(Debug)]
pub(crate) struct Mortal<T: ?Sized> {
    pub(crate) dead: Arc<AtomicBool>,
    pub(crate) way: Arc<T>,
}

impl<T: ?Sized> Mortal<T> {
    async fn alive<A>(&self, call: impl Future<Output = A>) -> A {
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let answer = call.await;
        if self.dead.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        answer
    }
}

#[async_trait]
impl Transport for Mortal<dyn Transport> {
    async fn send(&self, request: Request) -> Result<Response> {
        self.alive(self.way.send(request)).await
    }
}

#[async_trait]
impl Probe for Mortal<dyn Probe> {
    async fn ask(&self, request: &ProbeRequest) -> Result<ProbeAnswer> {
        self.alive(self.way.ask(request)).await
    }
}
