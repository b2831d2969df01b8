//! `atlas volume`: network volumes. They bill until they are deleted, so each is a rental, recorded before it is made.

mod create;

use std::num::NonZeroU32;

use atlas::{
    Account, Capability, ComputeId, Deployment, IntentRecord, Permission, ProviderId, RentalKind, Volume as Shown,
    VolumeId,
};
use clap::{Args, Subcommand};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::ending;
use crate::Outcome;
use crate::arguments::{Named, Waiting, volume_id};
use crate::context::Context;
use crate::describe::{dollars, user_name};
use crate::failure::Failure;
use crate::table::{Table, pairs};

/// Make, show, grow and delete network volumes
///
/// A network volume is a disk that outlives machines. It bills until it is deleted.
#[derive(Debug, Subcommand)]
pub(crate) enum Volume {
    Create(create::Create),
    List(List),
    Get(Get),
    Grow(Grow),
    Delete(Delete),
}

/// Show network volumes.
///
/// Without --provider every account is asked that is configured or has a rental here, and that has network volumes. Shown
/// are the volumes of this deployment; --all shows the others of the account as well.
///
/// What a rental here says and no volume shows (a create whose answer was lost, an end that is not proven) stands on
/// standard error. If an account cannot be asked, the volumes of the others are shown, and the command fails.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  atlas volume list\n  atlas volume list --provider runpod --all --json | jq -r '.[].id'"
)]
pub(crate) struct List {
    /// Only this account
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Also volumes that do not bear the mark of this deployment
    #[arg(long)]
    all: bool,
}

/// Show one network volume.
///
/// One that was made a moment ago, and that its cloud does not show yet, is asked for again until the cloud must know it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas volume get --provider runpod ID")]
pub(crate) struct Get {
    /// What the cloud calls the volume
    #[arg(allow_hyphen_values = true, value_parser = volume_id)]
    id: String,
    #[command(flatten)]
    named: Named,
}

/// Make a network volume larger; its price rises with it.
///
/// None can be made smaller. To ask for the size that it has already is a success.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas volume grow --provider runpod ID --size-gb 200")]
pub(crate) struct Grow {
    /// What the cloud calls the volume
    #[arg(allow_hyphen_values = true, value_parser = volume_id)]
    id: String,
    /// How large it shall be, in gigabytes
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    size_gb: NonZeroU32,
    #[command(flatten)]
    named: Named,
}

/// Delete network volumes and all that is on them.
///
/// Returns when each is proven gone. One that is gone already is a success if a rental here knows it. All are tried; if
/// some fail, each failure is shown, and the exit code is the highest among theirs.
#[derive(Debug, Args)]
#[command(after_help = DELETE_EXAMPLES)]
pub(crate) struct Delete {
    /// What the cloud calls the volumes
    #[arg(required = true, value_name = "ID", value_parser = volume_id)]
    ids: Vec<String>,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
    /// Also a volume that does not bear the mark of this deployment
    #[arg(long)]
    foreign: bool,
}

const DELETE_EXAMPLES: &str = "\
Examples:
  atlas volume delete --provider runpod ID
  atlas volume delete --provider runpod ID1 ID2 --timeout 5m";

impl Volume {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Get(get) => {
                let account = context.account(get.named.provider.as_deref())?;
                let id = VolumeId::new(get.id);
                let volume = context.interrupt.unless(async { Ok(account.get_volume(&id).await?) }).await?;
                show(context, &volume)
            }
            Self::Grow(grow) => {
                let account = context.account(grow.named.provider.as_deref())?;
                let id = VolumeId::new(grow.id);
                context.interrupt.may_leave(format!("interrupted; volume {id} may be larger now, and dearer"));
                let growing = async { Ok(account.grow_volume(&id, grow.size_gb.get()).await?) };
                let volume = context.interrupt.unless(growing).await?;
                show(context, &volume)
            }
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let word = if self.waiting.bound().is_some() { "deleted" } else { "is being deleted" };
        ending::all(context, &self.ids, word, async |id| self.end(context, &account, id).await).await
    }

    async fn end(&self, context: &Context, account: &Account, id: &str) -> Result<Value, Failure> {
        let permission = Permission::ordinary().foreign(self.foreign);
        let (provider, id) = (account.provider().id(), VolumeId::new(id));
        let status = if let Some(timeout) = self.waiting.bound() {
            context.output.progress(&format!("deleting {id}"));
            account.delete_volume_with(&id, permission, timeout).await?;
            "deleted"
        } else {
            account.delete_volume_soon(&id, permission).await?;
            "deleting"
        };
        Ok(json!({ "id": id, "provider": provider, "status": status }))
    }
}

/// What one account has.
struct Seen {
    volumes: Vec<Shown>,
    /// What a rental here says and no volume of the account shows.
    notes: Vec<String>,
}

impl List {
    async fn run(self, context: &Context) -> Outcome {
        let ids = context.accounts(self.provider.as_deref())?;
        context.tell_unreadable()?;
        let asked = join_all(ids.iter().map(|id| self.look(context, id)));
        let answers = context.interrupt.unless(async { Ok(asked.await) }).await?;
        let (mut volumes, mut failures, mut asked) = (Vec::new(), Vec::new(), false);
        for answer in answers {
            match answer {
                Ok(None) => {}
                Ok(Some(seen)) => {
                    asked = true;
                    seen.notes.iter().for_each(|note| context.output.note(note));
                    volumes.extend(seen.volumes);
                }
                Err(failure) => failures.push(failure),
            }
        }
        if !asked && failures.is_empty() {
            context.output.note("no account in use has network volumes; `atlas providers` says which kinds have them");
        }
        context.output.result(&volumes, || {
            let table = table(&volumes);
            if table.is_empty() { String::new() } else { context.output.table(&table) }
        })?;
        let last = failures.pop();
        for failure in &failures {
            failure.say(context.output);
        }
        last.map_or(Ok(()), Err)
    }

    /// What this account has; `None` for one that has no network volumes and was not named.
    async fn look(&self, context: &Context, id: &ProviderId) -> Result<Option<Seen>, Failure> {
        let account: Account = context.build(id.as_str())?;
        if self.provider.is_none() && !account.provider().traits().has(Capability::NetworkVolumes) {
            return Ok(None);
        }
        let named = |error: atlas::Error| error.with_provider(id).with_operation("list_volumes");
        let mut volumes = account.list_volumes().await.map_err(named)?;
        let records = account.records().await.map_err(named)?;
        let of_volumes = records.iter().filter(|record| record.intent.kind == RentalKind::Volume);
        let notes = of_volumes.filter_map(|record| note(record, &volumes)).collect();
        let deployment = &context.atlas.config().deployment;
        // One that a record tells of is ours under any name, but for another's mark.
        let is_told = |volume: &Shown| {
            let id = ComputeId::new(volume.id.as_str());
            volume.mark().is_none() && records.iter().any(|record| record.tells_of(RentalKind::Volume, &id))
        };
        volumes.retain(|volume| self.all || is_ours(volume, deployment) || is_told(volume));
        Ok(Some(Seen { volumes, notes }))
    }
}

fn is_ours(volume: &Shown, deployment: &Deployment) -> bool {
    volume.mark().is_some_and(|mark| mark.deployment == *deployment)
}

/// What is to be said of a rental that the volumes do not tell of.
fn note(record: &IntentRecord, shown: &[Shown]) -> Option<String> {
    let bears = |volume: &Shown| volume.mark().is_some_and(|mark| mark.token == record.intent.token());
    let is_shown = shown
        .iter()
        .any(|volume| record.compute.as_ref().map_or_else(|| bears(volume), |id| id.as_str() == volume.id.as_str()));
    super::list::note(record, is_shown)
}

fn table(volumes: &[Shown]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "PROVIDER", "SIZE", "REGION", "PRICE/H", "CREATED"]);
    for volume in volumes {
        table.row([
            volume.id.to_string(),
            user_name(volume.mark().as_ref(), volume.name.as_deref()),
            volume.provider.to_string(),
            format!("{} GB", volume.size_gb),
            volume.region.clone().unwrap_or_default(),
            volume.cost_per_hour.map(dollars).unwrap_or_default(),
            volume.created_at.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    table
}

fn show(context: &Context, volume: &Shown) -> Outcome {
    context.output.result(volume, || {
        let mut lines = vec![
            ("id", volume.id.to_string()),
            ("name", user_name(volume.mark().as_ref(), volume.name.as_deref())),
            ("provider", volume.provider.to_string()),
            ("size", format!("{} GB", volume.size_gb)),
            ("region", volume.region.clone().unwrap_or_default()),
            ("price/h", volume.cost_per_hour.map(dollars).unwrap_or_default()),
            ("created", volume.created_at.map(|at| at.to_string()).unwrap_or_default()),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        pairs(&lines)
    })?;
    Ok(())
}
