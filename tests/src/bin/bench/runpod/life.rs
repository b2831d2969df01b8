//! `spawn` and `terminate` of a machine against a POST and a DELETE by hand.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use atlas_core::http::{Request, ReqwestTransport, Response, Transport};
use atlas_core::{CallContext, Provider};
use atlas_tests::{Outcome, machine_order};
use bytes::Bytes;
use serde_json::Value;

use super::cloud::{Cloud, request};
use super::cpu::compare;
use crate::figure::{Figure, Goal};

/// So many lives a round.
const LIVES: u32 = 200;

/// Notes what was sent first.
#[derive(Debug)]
struct First {
    connections: ReqwestTransport,
    body: Mutex<Option<Bytes>>,
}

#[async_trait]
impl Transport for First {
    async fn send(&self, request: Request) -> atlas_core::Result<Response> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| request.body().clone());
        self.connections.send(request).await
    }
}

/// What Atlas sends to make such a machine.
async fn body(cloud: &Cloud) -> Outcome<Value> {
    let first = Arc::new(First { connections: ReqwestTransport::new()?, body: Mutex::default() });
    let account = cloud.account_over(first.clone())?;
    let made = account.spawn(&CallContext::new(), &machine_order(&account, request()).await?).await?;
    account.terminate(&CallContext::new(), &made.id).await?;
    let body = first.body.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or("nothing was sent")?;
    Ok(serde_json::from_slice(&body)?)
}

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let cloud = Cloud::start()?;
    let (account, bare, body) = (cloud.account()?, cloud.bare()?, body(&cloud).await?);
    let ours = async || -> Outcome<()> {
        for _ in 0..LIVES {
            let order = machine_order(&account, request()).await?;
            let made = account.spawn(&CallContext::new(), &order).await?;
            account.terminate(&CallContext::new(), &made.id).await?;
        }
        Ok(())
    };
    let by_hand = async || -> Outcome<()> {
        for _ in 0..LIVES {
            let made = bare.create_pod(&body).await?;
            bare.delete_pod(&made.id).await?;
        }
        Ok(())
    };
    let compared = compare(ours, by_hand).await?;
    Ok(vec![Figure {
        what: "processor time of a spawn and a terminate ÷ the same two requests by hand",
        goal: Goal::AtMost(1.15),
        value: compared.ratio(),
        unit: "×",
        detail: compared.each(f64::from(LIVES)),
    }])
}
