//! The way of every call: it arrives, is struck by faults, acts or is refused, takes its time, is answered or not.
//!
//! Invariant: what a call does is decided in one piece under the lock, before anything is awaited. A caller who goes
//! away in between therefore undoes nothing: what was sent lands.

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{CallContext, ComputeId, Effect, Error, ErrorKind, Result, SpawnToken, VolumeId};

use super::{Call, Mock, Moment, Outcome, State};
use crate::faults::{Fault, Operation, Strike};
use crate::model::{Cloud, Landing, Refusal};

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) operation: Operation,
    pub(super) compute: Option<&'a ComputeId>,
    pub(super) token: Option<SpawnToken>,
}

impl<'a> Subject<'a> {
    /// Nothing by name.
    pub(super) fn all(operation: Operation) -> Self {
        Self { operation, compute: None, token: None }
    }

    /// A machine, or whatever else has this id.
    pub(super) fn named(operation: Operation, id: &'a ComputeId) -> Self {
        Self { operation, compute: Some(id), token: None }
    }
}

/// One call on its way.
#[derive(Debug)]
pub(super) struct Visit {
    number: usize,
    operation: Operation,
    pub(super) account: String,
    pub(super) strikes: Vec<Strike>,
    pub(super) landing: Landing,
    /// How long it takes in all; `None` for ever.
    takes: Option<Duration>,
}

impl Visit {
    pub(super) fn is_struck_by(&self, fault: &Fault) -> bool {
        self.faults().any(|struck| struck == fault)
    }

    /// A name as the cloud writes it.
    pub(super) fn written(&self, mut name: String) -> String {
        for fault in self.faults() {
            match fault {
                Fault::CutsName(limit) => name.truncate(*limit),
                Fault::AltersName => name = name.replace('-', "_"),
                _ => {}
            }
        }
        name
    }

    pub(super) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.strikes.iter().map(|strike| &strike.fault)
    }
}

impl Mock {
    /// Makes one call. `act` is told whose account it acts in, when it lands, and the time.
    pub(super) async fn call<T>(
        &self,
        context: &CallContext,
        subject: Subject<'_>,
        act: impl FnOnce(&mut Cloud, &Visit, Timestamp) -> Result<T, Refusal> + Send,
    ) -> Result<T>
    where
        T: Send,
    {
        let visit = self.arrive(context, subject);
        let work = self.carry_out(&visit, act);
        let outcome = match context.timeout() {
            None => work.await,
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let limit = atlas_core::duration::format(limit);
                Err(Error::timeout(format!("the cloud did not answer within {limit}; it may have acted")))
            }),
        };
        let outcome = outcome.map_err(|error| self.named(error, subject.operation));
        if let Some(call) = self.lock().call_mut(visit.number) {
            call.outcome = match &outcome {
                Ok(_) => Outcome::Done,
                Err(error) => Outcome::Failed(error.kind()),
            };
        }
        self.call_back();
        outcome
    }

    /// Says which account and which operation an error comes from.
    pub(super) fn named(&self, error: Error, operation: Operation) -> Error {
        error.with_provider(&self.0.id).with_operation(operation.name())
    }

    fn arrive(&self, context: &CallContext, subject: Subject<'_>) -> Visit {
        let mut state = self.lock();
        let now = self.now_in(&state);
        let now = state.cloud.settle(now);
        let state = &mut *state;
        let Subject { operation, compute, token } = subject;
        let strikes = state.plan.strike(operation, compute, now, &state.chance);
        let elsewhere = strikes.iter().any(|strike| strike.fault == Fault::AnotherAccount);
        let account = if elsewhere { "another".to_owned() } else { state.account(context.key()).1 };
        befall(state, operation, &strikes, compute, &account, now);
        let number = state.next_call();
        let faults = strikes.iter().map(|strike| strike.fault.clone()).collect();
        let compute = compute.cloned();
        state.calls.push(Call { at: now, operation, compute, token, faults, outcome: Outcome::Unanswered });
        let takes = self.usual_time(operation);
        Visit {
            number,
            operation,
            account,
            landing: self.landing(&strikes, takes, number, now),
            takes: late(&strikes, takes),
            strikes,
        }
    }

    fn usual_time(&self, operation: Operation) -> Duration {
        match operation {
            Operation::Spawn | Operation::CreateVolume => self.0.create_takes,
            Operation::Terminate | Operation::DeleteVolume | Operation::EndEndpoint => self.0.delete_takes,
            _ => self.0.call_takes,
        }
    }

    fn landing(&self, strikes: &[Strike], takes: Duration, number: usize, now: Timestamp) -> Landing {
        let mut landing = Landing { at: now, call: Some(number), hidden_for: Duration::ZERO };
        if self.0.moment == Moment::Departure {
            landing.at = now.plus(takes);
        }
        for strike in strikes {
            match strike.fault {
                Fault::LandsLate(span) => {
                    landing.at = landing.at.plus(span);
                    landing.call = None;
                }
                Fault::AppearsLate(span) => landing.hidden_for += span,
                _ => {}
            }
        }
        landing
    }

    async fn carry_out<T>(
        &self,
        visit: &Visit,
        act: impl FnOnce(&mut Cloud, &Visit, Timestamp) -> Result<T, Refusal> + Send,
    ) -> Result<T> {
        if let Some(refusal) = visit.faults().find_map(Fault::refusal) {
            pause(visit.takes).await;
            return Err(refusal);
        }
        let outcome = if visit.operation.reads() && self.0.moment == Moment::Departure {
            pause(visit.takes).await;
            self.act(visit, act)
        } else {
            let outcome = self.act(visit, act);
            pause(visit.takes).await;
            let mut state = self.lock();
            let now = self.now_in(&state);
            state.cloud.land_call(visit.number, now);
            outcome
        };
        match visit.faults().find_map(|fault| fault.lost_answer(visit.operation)) {
            Some(lost) => Err(lost),
            None => outcome,
        }
    }

    fn act<T>(
        &self,
        visit: &Visit,
        act: impl FnOnce(&mut Cloud, &Visit, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T> {
        let mut state = self.lock();
        let now = self.now_in(&state);
        let now = state.cloud.settle(now);
        let done = state.cloud.admit_call(now).and_then(|()| act(&mut state.cloud, visit, now));
        done.map_err(|refusal| refused(&refusal, visit.operation.thing()))
    }
}

/// What befalls machines and volumes before the call arrives at them.
fn befall(
    state: &mut State,
    operation: Operation,
    strikes: &[Strike],
    named: Option<&ComputeId>,
    account: &str,
    now: Timestamp,
) {
    for strike in strikes.iter().filter(|strike| matches!(strike.fault, Fault::Migrates | Fault::Hides(_))) {
        let struck = match strike.compute.as_ref().or(named) {
            Some(compute) => vec![compute.clone()],
            None if operation.meets_volumes() => {
                state.cloud.list_volumes(account, now).map(|volume| ComputeId::new(volume.id.as_str())).collect()
            }
            None => state.cloud.list(account, now).map(|machine| machine.id.clone()).collect(),
        };
        for compute in struck {
            // What is not there cannot move or hide: then nothing happens.
            match &strike.fault {
                Fault::Hides(span) if operation.meets_volumes() => {
                    drop(state.cloud.hide_volume(&VolumeId::new(compute.as_str()), now.plus(*span)));
                }
                Fault::Hides(span) => {
                    if let Ok(machine) = state.cloud.machine_mut(&compute) {
                        machine.hidden_until = now.plus(*span);
                    }
                }
                _ => drop(state.cloud.migrate(&compute, now)),
            }
        }
    }
}

fn late(strikes: &[Strike], takes: Duration) -> Option<Duration> {
    strikes.iter().try_fold(takes, |takes, strike| match strike.fault {
        Fault::AnswersLate(span) => Some(takes + span),
        Fault::NeverAnswers => None,
        _ => Some(takes),
    })
}

async fn pause(takes: Option<Duration>) {
    match takes {
        None => std::future::pending().await,
        Some(Duration::ZERO) => {}
        Some(span) => tokio::time::sleep(span).await,
    }
}

/// The cloud's refusal as an error.
pub(super) fn refused(refusal: &Refusal, thing: &str) -> Error {
    match refusal {
        Refusal::NotFound => Error::not_found(format!("the cloud knows no such {thing}")).with_status(404),
        Refusal::NoCapacity(what) => {
            Error::no_capacity(format!("no {what} is free; try again, or ask for another")).with_status(409)
        }
        Refusal::TooMany { retry_after } => Error::new(ErrorKind::RateLimited, "too many calls")
            .with_effect(Effect::Rejected)
            .with_status(429)
            .with_retry_after(*retry_after),
        Refusal::NameTaken(id) => {
            Error::conflict(format!("machine {id} lives and has this name already")).with_status(409)
        }
        Refusal::NoPlace(place) => {
            impossible(format!("\"{}\" is no data centre with network volumes", atlas_core::error::excerpt(place)))
        }
        Refusal::NoVolume(id) => impossible(format!("there is no network volume {id}")),
        Refusal::VolumeElsewhere { volume, region } => {
            impossible(format!("network volume {volume} is in {region}, and what needs it may not stand there"))
        }
        Refusal::TooSmall { size_gb } => {
            impossible(format!("the network volume has {size_gb} GB already, and none becomes smaller"))
        }
        Refusal::InUse(users) => {
            let users: Vec<_> = users.iter().map(ComputeId::as_str).collect();
            let message = format!("the network volume is attached to {}: end that first", users.join(", "));
            Error::conflict(message).with_status(409)
        }
        Refusal::NotRetriable(_) => Error::conflict("only a job that failed can be tried again").with_status(409),
        Refusal::Busy(phase) => {
            let doing = super::translate::status(*phase);
            Error::conflict(format!("the machine is {doing}: ask again when it is not")).with_status(409)
        }
    }
}

/// What the cloud understood and can never do.
fn impossible(message: String) -> Error {
    Error::validation(message).with_effect(Effect::Rejected).with_status(400)
}
