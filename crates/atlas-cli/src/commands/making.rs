//! Making what bills and is no machine.
//!
//! Invariant: when the command ends, what was made is either handed out (its id is on stdout), or deleted again, or named in
//! the error together with what carries its ending on.

use std::pin::pin;
use std::time::Duration;

use atlas::{Account, ComputeId, Effect, Error, Permission, Rentable, RentalKind};

use crate::Outcome;
use crate::context::Context;
use crate::failure::Failure;

/// How long, after Ctrl-C, the answer to a create that is under way is waited for, so that it can be undone.
const ANSWER: Duration = Duration::from_secs(30);

/// How long, after a failure, the end of what was made is waited for.
const UNDO: Duration = Duration::from_mins(1);

/// Waits for a create and shows what came of it.
pub(super) async fn hand_out<T: Rentable>(
    context: &Context,
    account: &Account,
    creating: impl Future<Output = atlas::Result<T>>,
    show: impl FnOnce(&T) -> Outcome,
) -> Outcome {
    let (one, provider) = (T::KIND.one(), account.provider().id());
    context.output.progress(&format!("making {one} on {provider}"));
    context.interrupt.may_leave(format!(
        "interrupted while a create was being answered: {one} may exist on {provider}; `atlas reap` finds out"
    ));
    let made = answer(context, account, creating).await?;
    let id = made.rented().id;
    context.interrupt.may_leave(format!("interrupted; {} {id} is there on {provider}", T::KIND));
    match show(&made) {
        Ok(()) => Ok(()),
        // Nobody has learnt its id, so nobody uses it.
        Err(failure) => Err(undo(context, account, T::KIND, &id, failure.of_what_bills()).await),
    }
}

/// Makes it. After Ctrl-C the answer is waited for all the same: a create cannot be taken back before it is known.
async fn answer<T: Rentable>(
    context: &Context,
    account: &Account,
    creating: impl Future<Output = atlas::Result<T>>,
) -> Result<T, Failure> {
    let mut creating = pin!(creating);
    tokio::select! {
        biased;
        made = &mut creating => return made.map_err(|error| unsure(T::KIND, error.is_safe_to_resend(), error.into())),
        () = context.interrupt.requested() => {}
    }
    context.output.progress("interrupted: waiting for the cloud's answer, to undo it (again to leave at once)");
    Err(match tokio::time::timeout(ANSWER, creating).await {
        Ok(Ok(made)) => undo(context, account, T::KIND, &made.rented().id, Failure::interrupted("interrupted")).await,
        Ok(Err(error)) if error.is_safe_to_resend() => Failure::interrupted("interrupted; nothing was made"),
        Ok(Err(error)) => unsure(T::KIND, false, Failure::from_interrupt(error.context("interrupted"))),
        Err(_) => Failure::interrupted_leaving(format!(
            "interrupted, and {} did not answer: {} may exist; `atlas reap` finds out",
            account.provider().id(),
            T::KIND.one()
        )),
    })
}

/// What to do about a create of which nobody knows whether it made something: what matters most about it.
fn unsure(kind: RentalKind, is_sure: bool, failure: Failure) -> Failure {
    if is_sure {
        return failure;
    }
    let one = kind.one();
    failure.with_hint(format!("{one} may exist, and bill: `atlas reap` finds out; to ask again may make another one"))
}

/// Deletes what is not handed out. The failure that led here is the one that counts.
async fn undo(context: &Context, account: &Account, kind: RentalKind, id: &ComputeId, failure: Failure) -> Failure {
    let provider = account.provider().id();
    context.output.progress(&format!("deleting {kind} {id} again"));
    context.interrupt.may_leave(format!(
        "interrupted while {kind} {id} on {provider} was being deleted; `atlas reap` carries it on"
    ));
    let ended = account.end_rented(kind, id, Permission::ordinary(), UNDO).await;
    failure.map(|error| {
        let message = match &ended {
            Ok(()) => format!("{}; {kind} {id} was deleted again", error.message()),
            Err(failed) => {
                format!("{}; {kind} {id} is still being deleted ({failed}): run `atlas reap`", error.message())
            }
        };
        // Written anew: the old one names it as left over.
        let anew = Error::new(error.kind(), message).with_operation(makes(kind)).with_provider(provider);
        match ended {
            Ok(()) => anew.with_effect(Effect::Rejected),
            Err(_) => anew.with_leftover(id.clone()),
        }
    })
}

/// The operation, as errors name it.
const fn makes(kind: RentalKind) -> &'static str {
    match kind {
        RentalKind::Volume => "create_volume",
        RentalKind::Endpoint => "create_endpoint",
        _ => "spawn",
    }
}
