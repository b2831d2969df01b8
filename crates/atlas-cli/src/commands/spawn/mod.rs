//! `atlas spawn`: a machine that no session holds.
//!
//! Invariant: when this command ends, the machine is either handed out (id and key are on stdout), or ended, or named in
//! the error together with what carries its ending on.

mod request;

use std::pin::pin;
use std::time::Duration;

use atlas::{Account, Auth, Effect, Error, Permission, Spawned};
use clap::Args;

use crate::context::Context;
use crate::failure::Failure;
use crate::{Outcome, describe};
use request::Asked;

/// How long, after Ctrl-C, the answer to a create that is under way is waited for, so that it can be undone.
const ANSWER: Duration = Duration::from_secs(30);

/// How long, after a failure, the end of the machine is waited for.
const UNDO: Duration = Duration::from_mins(1);

/// Rent a machine; it bills until it is terminated.
///
/// The rental is recorded before the cloud hears of it, so that nothing is forgotten, whatever happens in between. No
/// session holds the machine: no idle time ends it, `atlas terminate` does.
///
/// Its key is shown once and kept nowhere. With --auth signed-url the URLs in the answer hold for a day.
///
/// With several providers each is asked in turn; the next one only after a refusal which proves that nothing was made:
/// no capacity, or something that this cloud does not have.
///
/// On the provider local, no command means the built-in service, which answers on / whoever has the key.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Spawn {
    #[command(flatten)]
    asked: Asked,
    /// How the machine shall know its user: none, bearer or signed-url
    #[arg(long, value_name = "HOW", default_value = "none", help_heading = "Access")]
    auth: Auth,
    /// The account; several with commas are tried in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Where")]
    provider: Vec<String>,
    /// How to choose among several providers: order, or price (not in this version)
    #[arg(
        long,
        value_name = "HOW",
        value_parser = ["order", "price"],
        hide_possible_values = true,
        default_value = "order",
        help_heading = "Where"
    )]
    prefer: String,
    /// Return when the machine answers to its key; one that does not is ended again
    #[arg(long, help_heading = "Waiting")]
    wait: bool,
    /// How long to wait for that
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10m",
        value_parser = atlas::duration::parse,
        allow_hyphen_values = true,
        requires = "wait",
        help_heading = "Waiting"
    )]
    timeout: Duration,
    /// Show a machine that does not become ready, with its key, instead of ending it
    #[arg(long, requires = "wait", help_heading = "Waiting")]
    keep: bool,
}

const EXAMPLES: &str = "\
Examples:
  atlas spawn --provider local --port 8000/http --auth bearer --wait
  atlas spawn --provider local --port 8080/http --env GREETING=hello -- python3 server.py
  atlas spawn --gpu h100,a100_80g --image ghcr.io/me/app:1 --port 8000/http --wait --timeout 15m
  atlas spawn --provider team_a,team_b --gpu l4 --name try --json | jq -r .id";

impl Spawn {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        if self.prefer == "price" {
            let message =
                "--prefer price needs the clouds' live prices, which this version does not read; use --prefer order";
            return Err(Failure::from(Error::unsupported(message).with_operation("spawn")));
        }
        if self.timeout < Duration::from_secs(1) {
            return Err(Failure::usage("--timeout must be at least one second: no machine is ready at once"));
        }
        let request = self.asked.request()?;
        request.validate()?;
        let accounts = match self.provider.as_slice() {
            [] => vec![context.account(None)?],
            names => names.iter().map(|name| context.account(Some(name))).collect::<Result<_, _>>()?,
        };
        let names = accounts.iter().map(|account| account.provider().id().as_str()).collect::<Vec<_>>().join(", ");
        context.output.progress(&format!("renting on {names}"));
        context.interrupt.may_leave(format!(
            "interrupted while a create was being answered: a machine may exist on {names}; `atlas reap` finds out"
        ));
        let (account, mut spawned) = self.rent(context, &accounts, &request, &names).await?;
        let id = spawned.compute.id.clone();
        context.interrupt.may_leave(format!("interrupted; machine {id} is there on {}", spawned.compute.provider));
        let mut late = None;
        if self.wait {
            match self.wait_for(context, account, &spawned).await {
                Ok(ready) => spawned.compute = ready,
                Err(failure) if self.keep => late = Some(failure),
                Err(failure) => return Err(undo(context, account, &spawned, failure).await),
            }
        }
        match self.hand_out(context, &spawned) {
            Ok(()) => late.map_or(Ok(()), Err),
            // Nobody knows its id or its key, so it is of no use to anybody.
            Err(failure) => Err(undo(context, account, &spawned, failure.of_what_bills()).await),
        }
    }

    /// Rents. After Ctrl-C the answer is waited for all the same: a create cannot be taken back before it is known.
    async fn rent<'a>(
        &self,
        context: &Context,
        accounts: &'a [Account],
        request: &atlas::ComputeRequest,
        names: &str,
    ) -> Result<(&'a Account, Spawned), Failure> {
        let mut renting = pin!(Account::spawn_on_first(accounts, request, self.auth));
        tokio::select! {
            biased;
            rented = &mut renting => return rented.map_err(refused),
            () = context.interrupt.requested() => {}
        }
        context.output.progress("interrupted: waiting for the cloud's answer, to undo it (again to leave at once)");
        Err(match tokio::time::timeout(ANSWER, renting).await {
            Ok(Ok((account, spawned))) => undo(context, account, &spawned, Failure::interrupted("interrupted")).await,
            Ok(Err(error)) if error.is_safe_to_resend() => Failure::interrupted("interrupted; nothing was rented"),
            Ok(Err(error)) => Failure::from_interrupt(error.context("interrupted")).with_hint(MAY_EXIST),
            Err(_) => Failure::interrupted_leaving(format!(
                "interrupted, and {names} did not answer: a machine may exist; `atlas reap` finds out"
            )),
        })
    }

    async fn wait_for(
        &self,
        context: &Context,
        account: &Account,
        spawned: &Spawned,
    ) -> Result<atlas::Compute, Failure> {
        let bound = atlas::duration::format(self.timeout);
        context
            .output
            .progress(&format!("machine {} is there; waiting until it answers, at most {bound}", spawned.compute.id));
        tokio::select! {
            biased;
            ready = account.wait_ready(spawned, self.timeout) => Ok(ready?),
            () = context.interrupt.requested() => {
                let error = Error::unknown("interrupted before the machine was ready");
                Err(Failure::from_interrupt(error.with_leftover(spawned.compute.id.clone())))
            }
        }
    }

    fn hand_out(&self, context: &Context, spawned: &Spawned) -> Outcome {
        let now = context.atlas.clock().now();
        let words = if context.output.is_json() { String::new() } else { describe::spawned_in_words(spawned, now)? };
        context.output.result(&describe::spawned_as_json(spawned, now)?, || words)?;
        let http: Vec<_> = spawned.compute.ports.iter().filter(|port| port.protocol == atlas::Protocol::Http).collect();
        if self.auth == Auth::SignedUrl && http.iter().all(|port| port.url.is_none()) {
            context.output.note(if http.is_empty() {
                "the machine has no http port, so there is no URL to sign; open one with --port"
            } else {
                "the machine has no address yet, so no URL could be signed; use --wait"
            });
        }
        Ok(())
    }
}

/// What to do about a create of which nobody knows whether it made something.
const MAY_EXIST: &str = "a machine may exist, and bill: `atlas reap` finds out; spawning again may make a second one";

/// A create that failed. Whether a machine may exist all the same is what matters most about it.
fn refused(error: Error) -> Failure {
    let is_unsure = !error.is_safe_to_resend();
    let failure = Failure::from(error);
    if is_unsure { failure.with_hint(MAY_EXIST) } else { failure }
}

/// Ends a machine that is not handed out. The failure that led here is the one that counts.
async fn undo(context: &Context, account: &Account, spawned: &Spawned, failure: Failure) -> Failure {
    let id = &spawned.compute.id;
    context.output.progress(&format!("ending machine {id} again"));
    context.interrupt.may_leave(format!(
        "interrupted while machine {id} on {} was being ended; `atlas reap` carries it on",
        spawned.compute.provider
    ));
    let ended = account.terminate_with(id, Permission::ordinary(), UNDO).await;
    failure.map(|error| {
        let message = match &ended {
            Ok(()) => format!("{}; machine {id} was ended again", error.message()),
            Err(failed) => {
                format!("{}; machine {id} is still being ended ({failed}): run `atlas reap`", error.message())
            }
        };
        // Written anew: the old one names the machine as left over.
        let anew = Error::new(error.kind(), message).with_operation("spawn").with_provider(&spawned.compute.provider);
        match ended {
            Ok(()) => anew.with_effect(Effect::Rejected),
            Err(_) => anew.with_leftover(id.clone()),
        }
    })
}
