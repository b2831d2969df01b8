//! `atlas endpoint`: serverless endpoints. Each of their workers bills while it is up, so each endpoint is a rental, recorded
//! before it is made. What RunPod alone has a word for stays within these files.

mod create;

use atlas::runpod::{Endpoint as Shown, RunPod, RunPodAccount};
use atlas::{Account, ComputeId, EndpointId, Permission, Rentable, RentalKind};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ending;
use super::holdings::{self, Asked};
use crate::Outcome;
use crate::arguments::{Named, Waiting, endpoint_id};
use crate::context::Context;
use crate::describe::user_name;
use crate::failure::Failure;
use crate::table::{Table, pairs};

/// Make, show and delete serverless endpoints
///
/// An endpoint takes jobs, and its cloud starts workers for them. Each worker bills while it is up: those that are always up
/// around the clock.
#[derive(Debug, Subcommand)]
pub(crate) enum Endpoint {
    Create(Box<create::Create>),
    List(List),
    Get(Get),
    Delete(Delete),
}

/// Show serverless endpoints, and which of them bill while nothing is to be done.
///
/// Without --provider every account is asked that is configured or has a rental here, and that has endpoints. Shown are the
/// endpoints of this deployment; --all shows the others of the account as well.
///
/// What a rental here says and no endpoint shows (a create whose answer was lost, an end that is not proven) stands on
/// standard error. If an account cannot be asked, the endpoints of the others are shown, and the command fails.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  atlas endpoint list\n  atlas endpoint list --provider runpod --all --json | jq -r '.[].id'"
)]
pub(crate) struct List {
    #[command(flatten)]
    asked: Asked,
}

/// Show one serverless endpoint.
///
/// One that was made a moment ago, and that its cloud does not show yet, is asked for again until the cloud must know it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  atlas endpoint get --provider runpod ID")]
pub(crate) struct Get {
    /// What the cloud calls the endpoint
    #[arg(allow_hyphen_values = true, value_parser = endpoint_id)]
    id: String,
    #[command(flatten)]
    named: Named,
}

/// Delete serverless endpoints: their workers end, their jobs are cancelled.
///
/// Returns when each is proven gone. One that is gone already is a success if a rental here knows it. All are tried; if
/// some fail, each failure is shown, and the exit code is the highest among theirs.
#[derive(Debug, Args)]
#[command(after_help = DELETE_EXAMPLES)]
pub(crate) struct Delete {
    /// What the cloud calls the endpoints
    #[arg(required = true, value_name = "ID", value_parser = endpoint_id)]
    ids: Vec<String>,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
    /// Also an endpoint that does not bear the mark of this deployment
    #[arg(long)]
    foreign: bool,
}

const DELETE_EXAMPLES: &str = "\
Examples:
  atlas endpoint delete --provider runpod ID
  atlas endpoint delete --provider runpod ID1 ID2 --timeout 5m";

impl Endpoint {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(list) => {
                let has = |account: &Account| account.provider().native::<RunPod>().is_some();
                let read = async |account: &Account| account.list_endpoints().await;
                holdings::list(context, &list.asked, "list_endpoints", has, read, table).await
            }
            Self::Get(get) => {
                let account = context.account(get.named.provider.as_deref())?;
                let id = EndpointId::new(get.id);
                let endpoint = context.interrupt.unless(async { Ok(account.get_endpoint(&id).await?) }).await?;
                show(context, &endpoint)
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
        let (provider, id) = (account.provider().id(), ComputeId::new(id));
        let status = if let Some(timeout) = self.waiting.bound() {
            context.output.progress(&format!("deleting {id}"));
            account.end_rented(RentalKind::Endpoint, &id, permission, timeout).await?;
            "deleted"
        } else {
            account.end_rented_soon(RentalKind::Endpoint, &id, permission).await?;
            "deleting"
        };
        Ok(json!({ "id": id, "provider": provider, "status": status }))
    }
}

fn table(endpoints: &[Shown]) -> Table {
    let mut table = Table::new(&["ID", "NAME", "PROVIDER", "WORKERS", "BILLS", "WHERE", "CREATED"]);
    for endpoint in endpoints {
        table.row([
            endpoint.id.to_string(),
            name(endpoint),
            endpoint.provider.to_string(),
            workers(endpoint),
            bills(endpoint).to_owned(),
            endpoint.data_centers.join(" "),
            endpoint.created_at.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    table
}

fn show(context: &Context, endpoint: &Shown) -> Outcome {
    context.output.result(endpoint, || {
        let mut lines = vec![
            ("id", endpoint.id.to_string()),
            ("name", name(endpoint)),
            ("provider", endpoint.provider.to_string()),
            ("kind", endpoint.kind.as_ref().map(|kind| kind.as_str().to_lowercase()).unwrap_or_default()),
            ("workers", workers(endpoint)),
            ("bills", bills(endpoint).to_owned()),
            ("where", endpoint.data_centers.join(" ")),
            ("created", endpoint.created_at.map(|at| at.to_string()).unwrap_or_default()),
        ];
        lines.retain(|(_, value)| !value.is_empty());
        pairs(&lines)
    })?;
    Ok(())
}

fn name(endpoint: &Shown) -> String {
    user_name(endpoint.rented().mark().as_ref(), endpoint.name.as_deref())
}

fn workers(endpoint: &Shown) -> String {
    match (endpoint.workers_min, endpoint.workers_max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ => String::new(),
    }
}

/// When it costs money.
fn bills(endpoint: &Shown) -> &'static str {
    match (endpoint.workers_min, endpoint.workers_max) {
        (Some(1..), _) => "around the clock",
        (Some(0), Some(0)) => "never: it is off",
        (Some(0), _) => "while a worker is up",
        (None, _) => "",
    }
}

#[cfg(test)]
mod tests;
