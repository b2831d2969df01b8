//! The way to the cloud, as it may be: with small pages, and once with nobody at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use atlas_core::Result;
use atlas_core::http::{Request, Response, Transport};
use reqwest::Url;
use tokio::net::TcpSocket;

/// A transport that asks for small pages, so that few pods span several, and that can lead a create nowhere. Clones are
/// the same.
#[derive(Debug, Clone)]
pub(super) struct Way {
    inner: Arc<dyn Transport>,
    page: u32,
    next_create_goes_nowhere: Arc<AtomicBool>,
}

impl Way {
    pub(super) fn to(inner: Arc<dyn Transport>, page: u32) -> Self {
        Self { inner, page, next_create_goes_nowhere: Arc::default() }
    }

    /// The connection of the next create of a pod is refused.
    pub(super) fn lead_the_next_create_nowhere(&self) {
        self.next_create_goes_nowhere.store(true, Ordering::Relaxed);
    }

    pub(super) fn heal(&self) {
        self.next_create_goes_nowhere.store(false, Ordering::Relaxed);
    }

    fn shortened(&self, url: &Url) -> Url {
        let mut short = url.clone();
        let page = self.page.to_string();
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        if !pairs.is_empty() {
            let shorter = |(name, value)| if name == "limit" { (name, page.clone()) } else { (name, value) };
            short.query_pairs_mut().clear().extend_pairs(pairs.into_iter().map(shorter));
        }
        short
    }
}

#[async_trait]
impl Transport for Way {
    async fn send(&self, request: Request) -> Result<Response> {
        let mut url = self.shortened(request.url());
        let is_create = request.operation() == "spawn" && *request.method() == "POST";
        if !(is_create && self.next_create_goes_nowhere.swap(false, Ordering::Relaxed)) {
            return self.inner.send(request.with_url(url)).await;
        }
        // Bound and never listened at: the port stays nobody's while the request is under way.
        let nobody = TcpSocket::new_v4().unwrap();
        nobody.bind(([127, 0, 0, 1], 0).into()).unwrap();
        url.set_port(Some(nobody.local_addr().unwrap().port())).unwrap();
        self.inner.send(request.with_url(url)).await
    }
}
