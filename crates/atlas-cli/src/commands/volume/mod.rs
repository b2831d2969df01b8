//! `atlas volume`: network volumes. They bill until they are deleted, so each is a rental, recorded before it is made.

mod create;

use std::num::NonZeroU32;

use atlas::{Account, Capability, Permission, Volume as Shown, VolumeId};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ending;
use super::holdings::{self, Asked};
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
    #[command(flatten)]
    asked: Asked,
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
            Self::List(list) => {
                let has = |account: &Account| account.provider().traits().has(Capability::NetworkVolumes);
                let read = async |account: &Account| account.list_volumes().await;
                holdings::list(context, &list.asked, "list_volumes", has, read, table).await
            }
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
