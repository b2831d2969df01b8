//! The way of every call that faults can strike: it arrives, acts or is refused, and is answered or not.
//!
//! Invariant: what a call does is decided in one piece under the lock, before anything is awaited. A client that goes
//! away in between undoes nothing.

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, VolumeId};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::app::{App, World};
use super::dialect::Dialect;
use super::keys::Caller;
use super::reply::{self, Answer};
use crate::faults::{Fault, Operation, Strike, WireFault};
use crate::model::Landing;

/// One call on its way.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) account: String,
    pub(super) landing: Landing,
    pub(super) strikes: Vec<Strike>,
    pub(super) now: Timestamp,
}

impl Visit {
    /// A call that no fault knows of.
    pub(super) fn unharmed(account: &str, now: Timestamp) -> Self {
        let landing = Landing { at: now, call: None, hidden_for: Duration::ZERO };
        Self { account: account.to_owned(), landing, strikes: Vec::new(), now }
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.strikes.iter().map(|strike| &strike.fault)
    }

    pub(super) fn is_struck_by(&self, fault: &Fault) -> bool {
        self.faults().any(|struck| struck == fault)
    }
}

impl App {
    /// Makes one call of management in REST.
    pub(super) async fn visit(
        &self,
        caller: &Caller,
        operation: Operation,
        named: Option<&ComputeId>,
        act: impl FnOnce(&mut World, &Visit) -> Answer,
    ) -> Response {
        let act = |world: &mut World, visit: &Visit| act(world, visit).unwrap_or_else(IntoResponse::into_response);
        self.visit_in(Dialect::Rest, &caller.account, operation, named, act).await
    }

    /// Makes one call in whatever dialect its errors are told.
    pub(super) async fn visit_in(
        &self,
        dialect: Dialect,
        account: &str,
        operation: Operation,
        named: Option<&ComputeId>,
        act: impl FnOnce(&mut World, &Visit) -> Response,
    ) -> Response {
        let (response, faults) = self.with(|world, now| {
            let visit = arrive(world, account, operation, named, now);
            let refusal = visit.faults().find_map(|fault| dialect.refusal(fault));
            let response = refusal.unwrap_or_else(|| veil(act(world, &visit), &visit, operation, dialect));
            (response, visit.strikes)
        });
        self.ring();
        for strike in &faults {
            match strike.fault {
                Fault::AnswersLate(span) => tokio::time::sleep(span).await,
                Fault::NeverAnswers => std::future::pending().await,
                _ => {}
            }
        }
        response
    }
}

fn arrive(world: &mut World, account: &str, operation: Operation, named: Option<&ComputeId>, now: Timestamp) -> Visit {
    let strikes = world.plan.strike(operation, named, now, &world.chance);
    let elsewhere = strikes.iter().any(|strike| strike.fault == Fault::AnotherAccount);
    let account = if elsewhere { "another" } else { account }.to_owned();
    befall(world, operation, &strikes, named, &account, now);
    let mut landing = Landing { at: now, call: Some(world.number()), hidden_for: Duration::ZERO };
    for strike in &strikes {
        match strike.fault {
            Fault::LandsLate(span) => landing = Landing { at: now.plus(span), call: None, ..landing },
            Fault::AppearsLate(span) => landing.hidden_for += span,
            _ => {}
        }
    }
    Visit { account, landing, strikes, now }
}

/// What befalls pods and volumes before the call arrives at them.
fn befall(
    world: &mut World,
    operation: Operation,
    strikes: &[Strike],
    named: Option<&ComputeId>,
    account: &str,
    now: Timestamp,
) {
    for strike in strikes {
        if !matches!(strike.fault, Fault::Migrates | Fault::Hides(_)) {
            continue;
        }
        let struck = match strike.compute.as_ref().or(named) {
            Some(one) => vec![one.clone()],
            None if operation.meets_volumes() => {
                world.cloud.list_volumes(account, now).map(|volume| ComputeId::new(volume.id.as_str())).collect()
            }
            None => world.cloud.list(account, now).map(|machine| machine.id.clone()).collect(),
        };
        for one in struck {
            // What is not there cannot move or hide: then nothing happens.
            match strike.fault {
                Fault::Migrates => drop(world.cloud.migrate(&one, now)),
                Fault::Hides(span) if operation.meets_volumes() => {
                    drop(world.cloud.hide_volume(&VolumeId::new(one.as_str()), now.plus(span)));
                }
                Fault::Hides(span) => {
                    if let Ok(machine) = world.cloud.machine_mut(&one) {
                        machine.hidden_until = now.plus(span);
                    }
                }
                _ => {}
            }
        }
    }
}

/// What the client sees of an answer.
fn veil(answer: Response, visit: &Visit, operation: Operation, dialect: Dialect) -> Response {
    for fault in visit.faults() {
        match fault {
            Fault::ActsThenErrs => return dialect.failed(),
            Fault::LosesAnswer => return reply::hang_up(),
            Fault::LandsLate(_) if operation.makes() => return reply::hang_up(),
            Fault::Garbles => return reply::garbled(answer.status()),
            Fault::Wire(WireFault::CutBody) => return reply::cut(answer.status()),
            Fault::Wire(WireFault::HtmlPage) => return reply::page(StatusCode::OK, "Just a moment..."),
            Fault::Wire(WireFault::HtmlGatewayTimeout) => {
                return reply::page(StatusCode::GATEWAY_TIMEOUT, "Gateway time-out");
            }
            Fault::Wire(WireFault::NullBody) if answer.status().is_success() => {
                return reply::with_type(StatusCode::OK, "application/json", Body::from("null"));
            }
            _ => {}
        }
    }
    answer
}
