//! A create: candidate after candidate, of which at most one comes to be.
//!
//! Invariant. The next candidate is tried only after the cloud said, in its own words, that it made nothing of the last
//! one. Whatever else comes ends the attempt, and its effect tells the caller whether a machine may exist.

use atlas_core::{CallContext, Compute, ComputeRequest, Effect, Error, ErrorKind, Provider, Result, SpawnOrder};
use bytes::Bytes;
use serde_json::Value;

use crate::account::RunPod;
use crate::catalog;
use crate::deadline::Deadline;
use crate::error::missing;
use crate::translate::candidates::Candidate;
use crate::translate::create::Plan;
use crate::translate::{check, mark};

impl RunPod {
    /// Makes one machine of an order.
    pub(crate) async fn make(&self, context: &CallContext, order: &SpawnOrder) -> Result<Compute> {
        // Whatever is wrong with it is found before anything is asked; the body that is sent is looked at as well.
        if catalog::asks(order.request()) {
            self.check(order.request())?;
        } else {
            check::fields(order.request(), self.nature())?;
        }
        self.refuse_expired(order.not_after())?;
        let deadline = Deadline::of(self.clock(), context);
        let candidates = deadline.reading(self.candidates(&deadline.context()?, order.request())).await;
        // Only reads were sent so far.
        let candidates = candidates.map_err(|error| error.with_effect(Effect::NotSent))?;
        let plan = Plan::of(order);
        let secrets = plan.secrets();
        let secrets: Vec<_> = secrets.iter().collect();
        let mut refused: Vec<(Candidate, Error)> = Vec::new();
        for (candidate, body) in bodies(&plan, candidates)? {
            match self.try_one(&deadline, order, body, &secrets, refused.is_empty()).await {
                Ok(pod) => return self.made(order, pod),
                Err(error) if may_go_on(&error) => refused.push((candidate, error)),
                Err(error) => return Err(error),
            }
        }
        Err(none_left(&refused))
    }

    async fn try_one(
        &self,
        deadline: &Deadline<'_>,
        order: &SpawnOrder,
        body: Bytes,
        secrets: &[&atlas_auth::Secret],
        is_first: bool,
    ) -> Result<Value> {
        // Those before it were refused: provably nothing exists.
        let unsent = |error: Error| if is_first { error } else { error.with_effect(Effect::Rejected) };
        let context = self.creating(deadline, order.not_after()).map_err(unsent)?;
        let made = self.api().create_pod(&context, body, secrets).await;
        made.map_err(|error| missing(error, named(order.request())))
    }

    /// The machine, if it came back under the mark that was sent.
    fn made(&self, order: &SpawnOrder, pod: Value) -> Result<Compute> {
        let id = pod.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kept = mark::keep(&pod, &id, order.mark());
        let compute = self.describe(pod)?;
        kept.map(|()| compute)
    }
}

/// What a request names of the account's own, for the error that says that there is no such thing. The credentials may
/// turn out to be a password, and are not quoted.
fn named(request: &ComputeRequest) -> String {
    let template = request.template_id.as_ref().map(|id| format!("template {id}"));
    let registry = request.registry_auth.as_ref().map(|_| "the registry's credentials".to_owned());
    let volume = request.network_volume_id.as_ref().map(|id| format!("network volume {id}"));
    let all: Vec<_> = template.into_iter().chain(registry).chain(volume).collect();
    if all.is_empty() { "something that the request names".to_owned() } else { all.join(", or ") }
}

/// The bodies of the candidates, each once. One that RunPod would refuse is left out, unless all are.
fn bodies(plan: &Plan<'_>, candidates: Vec<Candidate>) -> Result<Vec<(Candidate, Bytes)>> {
    let mut bodies: Vec<(Candidate, Bytes)> = Vec::new();
    let mut wrong = None;
    for candidate in candidates {
        match plan.body(&candidate) {
            // Options may make the same of two candidates.
            Ok(body) if bodies.iter().any(|(_, known)| *known == body) => {}
            Ok(body) => bodies.push((candidate, body)),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    match wrong {
        Some(error) if bodies.is_empty() => Err(error),
        _ => Ok(bodies),
    }
}

/// Whether the cloud made provably nothing of a candidate, for a reason that another one may not meet: no such machine is
/// free, or the account may not use that pool (403 on a create, by RunPod's description).
fn may_go_on(error: &Error) -> bool {
    error.effect() == Effect::Rejected
        && error.leftovers().is_empty()
        && matches!(error.kind(), ErrorKind::NoCapacity | ErrorKind::Forbidden)
}

/// What it comes to when every candidate was refused.
fn none_left(refused: &[(Candidate, Error)]) -> Error {
    let Some((_, last)) = refused.last() else {
        return Error::no_capacity("there is nothing to try").with_effect(Effect::NotSent);
    };
    if refused.len() == 1 {
        return last.clone().context(refused[0].0.told());
    }
    let tried: Vec<_> = refused.iter().map(|(candidate, _)| candidate.told()).collect();
    let all_forbidden = refused.iter().all(|(_, error)| error.kind() == ErrorKind::Forbidden);
    if all_forbidden {
        return last.clone().context(format!("tried {}", tried.join(", ")));
    }
    let mut error = Error::no_capacity(format!(
        "none is free of {}; or the regions, memory or CUDA versions asked for are too narrow, which RunPod says in the \
         same words",
        tried.join(", ")
    ));
    if let Some(status) = last.status() {
        error = error.with_status(status);
    }
    if let Some(id) = last.request_id() {
        error = error.with_request_id(id);
    }
    error
}
