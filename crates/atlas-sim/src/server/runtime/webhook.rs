//! Calls back: the job as it ended, to an address on loopback. To any other nothing is sent, and it counts as not
//! accepted: nothing outside this machine is ever contacted.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use url::{Host, Url};

use super::job;
use crate::model::Delivery;
use crate::server::app::App;

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many are told at the same time.
const AT_ONCE: usize = 64;

/// Makes what deliveries are due, until dropped.
pub(in crate::server) async fn deliver(app: App) -> Infallible {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut tries = JoinSet::new();
    loop {
        for delivery in app.with(|world, now| world.cloud.take_deliveries(now)) {
            let (app, free) = (app.clone(), Arc::clone(&free));
            tries.spawn(async move {
                let _permit = free.acquire().await;
                let is_accepted = tokio::time::timeout(PATIENCE, post(&delivery)).await.unwrap_or(false);
                app.with(|world, _| world.cloud.delivered(delivery, is_accepted));
            });
        }
        while tries.try_join_next().is_some() {}
        app.pause().await;
    }
}

/// One try; whether it was answered with 200.
async fn post(delivery: &Delivery) -> bool {
    let Some((url, address)) = Url::parse(delivery.url.expose()).ok().and_then(|url| Some((url.clone(), local(&url)?)))
    else {
        return false;
    };
    answered(&url, address, body(delivery)).await == Some(StatusCode::OK)
}

async fn answered(url: &Url, address: (IpAddr, u16), body: Bytes) -> Option<StatusCode> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    let request = Request::post(target)
        .header(HOST, format!("{}:{}", address.0, address.1))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))
        .ok()?;
    // The connection lives as long as the question: both are dropped together.
    tokio::select! {
        response = sender.send_request(request) => response.ok().map(|response| response.status()),
        _ = connection => None,
    }
}

/// The address of a URL on loopback.
fn local(url: &Url) -> Option<(IpAddr, u16)> {
    let address = match url.host()? {
        Host::Ipv4(address) => IpAddr::from(address),
        Host::Ipv6(address) => IpAddr::from(address),
        Host::Domain("localhost") => IpAddr::from([127, 0, 0, 1]),
        Host::Domain(_) => return None,
    };
    (url.scheme() == "http" && address.is_loopback()).then_some((address, url.port_or_known_default()?))
}

/// The job, with what it was asked and whom it tells.
fn body(delivery: &Delivery) -> Bytes {
    let mut told = job::shown(&delivery.job, delivery.due_at);
    told["input"] = delivery.job.plan.input.clone();
    told["webhook"] = Value::from(delivery.url.expose());
    Bytes::from(told.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Url, local};

    #[test]
    fn only_loopback_is_ever_told() {
        let is_local = |url: &str| local(&Url::parse(url).unwrap()).is_some();
        for url in ["http://127.0.0.1:1/a", "http://localhost:80/", "http://[::1]:9/x", "http://127.9.9.9/"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["http://example.com/", "https://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/latest"] {
            assert!(!is_local(url), "{url}");
        }
    }
}
