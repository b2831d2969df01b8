//! `atlas volume create`.
//!
//! Invariant: when this command ends, the volume is either handed out (its id is on stdout), or deleted again, or named in
//! the error together with what carries its ending on.

use std::num::NonZeroU32;
use std::pin::pin;
use std::time::Duration;

use atlas::{Account, Effect, Error, Permission, Volume, VolumeRequest};
use clap::Args;

use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;
use crate::failure::Failure;

/// How long, after Ctrl-C, the answer to a create that is under way is waited for, so that it can be undone.
const ANSWER: Duration = Duration::from_secs(30);

/// How long, after a failure, the end of the volume is waited for.
const UNDO: Duration = Duration::from_mins(1);

/// Make a network volume; it bills until it is deleted.
///
/// The rental is recorded before the cloud hears of it, so that nothing is forgotten, whatever happens in between. When
/// the cloud's answer is lost, the volume is looked for; one that is not seen in time `atlas reap` finds, and it is kept.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// The data centre, in the cloud's own words
    #[arg(long, value_name = "REGION")]
    region: String,
    /// Its size, in gigabytes
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    size_gb: NonZeroU32,
    /// Your name for the volume
    #[arg(long, allow_hyphen_values = true)]
    name: Option<String>,
    /// One of the provider's own options; repeat for more
    #[arg(long, value_name = "KEY=JSON")]
    opt: Vec<String>,
    #[command(flatten)]
    named: Named,
}

const EXAMPLES: &str = "\
Examples:
  atlas volume create --provider runpod --region EU-RO-1 --size-gb 100 --name models
  atlas volume create --region EU-RO-1 --size-gb 50 --json | jq -r .id
  atlas spawn --provider runpod --gpu l4 --network-volume ID";

impl Create {
    pub(super) async fn run(self, context: &Context) -> Outcome {
        let mut request = VolumeRequest::new(self.region.as_str(), self.size_gb.get());
        request.name.clone_from(&self.name);
        request.provider_opts = crate::input::options(&self.opt)?;
        request.validate()?;
        let account = context.account(self.named.provider.as_deref())?;
        let name = account.provider().id();
        context.output.progress(&format!("making a volume on {name}"));
        context.interrupt.may_leave(format!(
            "interrupted while a create was being answered: a volume may exist on {name}; `atlas reap` finds out"
        ));
        let volume = make(context, &account, request).await?;
        context.interrupt.may_leave(format!("interrupted; volume {} is there on {name}", volume.id));
        match super::show(context, &volume) {
            Ok(()) => Ok(()),
            // Nobody has learnt its id, and there is nothing on it yet.
            Err(failure) => Err(undo(context, &account, &volume, failure.of_what_bills()).await),
        }
    }
}

/// Makes it. After Ctrl-C the answer is waited for all the same: a create cannot be taken back before it is known.
async fn make(context: &Context, account: &Account, request: VolumeRequest) -> Result<Volume, Failure> {
    let mut making = pin!(account.create_volume(request));
    tokio::select! {
        biased;
        made = &mut making => return made.map_err(failed),
        () = context.interrupt.requested() => {}
    }
    context.output.progress("interrupted: waiting for the cloud's answer, to undo it (again to leave at once)");
    Err(match tokio::time::timeout(ANSWER, making).await {
        Ok(Ok(volume)) => undo(context, account, &volume, Failure::interrupted("interrupted")).await,
        Ok(Err(error)) if error.is_safe_to_resend() => Failure::interrupted("interrupted; nothing was made"),
        Ok(Err(error)) => Failure::from_interrupt(error.context("interrupted")).with_hint(MAY_EXIST),
        Err(_) => Failure::interrupted_leaving(format!(
            "interrupted, and {} did not answer: a volume may exist; `atlas reap` finds out",
            account.provider().id()
        )),
    })
}

/// What to do about a create of which nobody knows whether it made something.
const MAY_EXIST: &str = "a volume may exist, and bill: `atlas reap` finds out; to ask again may make another one";

/// A create that failed. Whether a volume may exist all the same is what matters most about it.
fn failed(error: Error) -> Failure {
    let is_unsure = !error.is_safe_to_resend();
    let failure = Failure::from(error);
    if is_unsure { failure.with_hint(MAY_EXIST) } else { failure }
}

/// Deletes a volume that is not handed out. The failure that led here is the one that counts.
async fn undo(context: &Context, account: &Account, volume: &Volume, failure: Failure) -> Failure {
    let id = &volume.id;
    context.output.progress(&format!("deleting volume {id} again"));
    context.interrupt.may_leave(format!(
        "interrupted while volume {id} on {} was being deleted; `atlas reap` carries it on",
        volume.provider
    ));
    let ended = account.delete_volume_with(id, Permission::ordinary(), UNDO).await;
    failure.map(|error| {
        let message = match &ended {
            Ok(()) => format!("{}; volume {id} was deleted again", error.message()),
            Err(failed) => {
                format!("{}; volume {id} is still being deleted ({failed}): run `atlas reap`", error.message())
            }
        };
        // Written anew: the old one names the volume as left over.
        let anew = Error::new(error.kind(), message).with_operation("create_volume").with_provider(&volume.provider);
        match ended {
            Ok(()) => anew.with_effect(Effect::Rejected),
            Err(_) => anew.with_leftover(atlas::ComputeId::new(id.as_str())),
        }
    })
}
