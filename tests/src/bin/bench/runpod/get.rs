//! A GET through the whole HTTP stack (deadline, retry, limit, time-out, key, trace) against one by hand, on loopback.

use std::sync::Arc;

use atlas_auth::Secret;
use atlas_core::http::{HttpClient, Request, ReqwestTransport, base_url};
use atlas_core::{CallContext, Provider, ProviderId};
use atlas_tests::{Outcome, machine_order};

use super::cloud::{Cloud, request};
use super::cpu::compare;
use crate::figure::{Figure, Goal};

/// So many a round.
const GETS: u32 = 500;

pub(crate) async fn run() -> Outcome<Vec<Figure>> {
    let cloud = Cloud::start()?;
    let (account, bare) = (cloud.account()?, cloud.bare()?);
    let made = account.spawn(&CallContext::new(), &machine_order(&account, request()).await?).await?;
    let path = format!("pods/{}", made.id);
    let url = base_url("base_url", &format!("{}/{path}", cloud.base_url()?))?;
    let transport = Arc::new(ReqwestTransport::new()?);
    let stack = HttpClient::builder(&ProviderId::parse("runpod")?, "rest", transport);
    let stack = stack.key(Some(Secret::new(cloud.key()?))).build();
    let ours = async || -> Outcome<()> {
        for _ in 0..GETS {
            let answer = stack.send(&CallContext::new(), Request::get(url.clone(), "get")).await?;
            std::hint::black_box(answer.bytes());
        }
        Ok(())
    };
    let by_hand = async || -> Outcome<()> {
        for _ in 0..GETS {
            std::hint::black_box(bare.get(&path).await?);
        }
        Ok(())
    };
    let compared = compare(ours, by_hand).await?;
    Ok(vec![Figure {
        what: "processor time of a GET through the whole HTTP stack ÷ one by hand",
        goal: Goal::AtMost(1.15),
        value: compared.ratio(),
        unit: "×",
        detail: compared.each(f64::from(GETS)),
    }])
}
