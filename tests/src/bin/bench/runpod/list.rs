//! A listing of ten thousand pods against serde_json alone. The cloud's pages are kept in memory, so that no socket is
//! measured along.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use atlas_core::http::{Request, ReqwestTransport, Response, Transport};
use atlas_core::{CallContext, ComputeFilter, Error, Provider};
use atlas_tests::{Outcome, machine_order};
use bytes::Bytes;
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::Value;

use super::bare::Pod;
use super::cloud::{Cloud, request};
use super::cpu::compare;
use crate::figure::{Figure, Goal};
use crate::numbers::count;

const PODS: usize = 10_000;
const AT_ONCE: usize = 50;

/// The cloud's pages: asked of the cloud once, and from then on out of memory.
#[derive(Debug)]
struct Pages {
    connections: ReqwestTransport,
    known: Mutex<HashMap<String, Bytes>>,
}

#[async_trait]
impl Transport for Pages {
    async fn send(&self, request: Request) -> atlas_core::Result<Response> {
        let query = request.url().query().unwrap_or_default().to_owned();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&query).cloned();
        if let Some(page) = known {
            return Ok(Response::new(StatusCode::OK, HeaderMap::new(), page));
        }
        let answer = self.connections.send(request).await?;
        if !answer.status.is_success() {
            return Err(Error::unknown(format!("the cloud answered {}", answer.status)));
        }
        let page = Bytes::copy_from_slice(answer.bytes());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(query, page);
        Ok(answer)
    }
}

/// A page, read with serde_json: each pod as it came, for Atlas keeps that too.
#[derive(Deserialize)]
struct Page {
    pods: Vec<Value>,
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let cloud = Cloud::start()?;
    fill(&cloud).await?;
    let pages = Arc::new(Pages { connections: ReqwestTransport::new()?, known: Mutex::default() });
    let account = cloud.account_over(pages.clone())?;
    let listed = account.list(&CallContext::new(), &ComputeFilter::all()).await?.len();
    if listed != PODS {
        return Err(format!("{listed} pods were listed").into());
    }
    let bodies: Vec<Bytes> = pages.known.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    let ours = async || -> Outcome<()> {
        std::hint::black_box(account.list(&CallContext::new(), &ComputeFilter::all()).await?);
        Ok(())
    };
    let by_hand = async || -> Outcome<()> {
        let mut all: Vec<(Pod, Value)> = Vec::new();
        for body in &bodies {
            for raw in serde_json::from_slice::<Page>(body)?.pods {
                all.push((Pod::deserialize(&raw)?, raw));
            }
        }
        std::hint::black_box(all);
        Ok(())
    };
    let compared = compare(ours, by_hand).await?;
    let bytes: usize = bodies.iter().map(Bytes::len).sum();
    Ok(vec![Figure {
        what: "processor time of a list of 10,000 pods ÷ serde_json into the same",
        goal: Goal::AtMost(2.0),
        value: compared.ratio(),
        unit: "×",
        detail: format!("{:.1} MB of pages; {}", count(bytes) / 1e6, compared.each(count(PODS))),
    }])
}

async fn fill(cloud: &Cloud) -> Outcome<()> {
    let account = cloud.account()?;
    for _ in 0..PODS / AT_ONCE {
        let spawning = (0..AT_ONCE).map(|_| async {
            let order = machine_order(&account, request()).await?;
            account.spawn(&CallContext::new(), &order).await
        });
        try_join_all(spawning).await?;
    }
    Ok(())
}
