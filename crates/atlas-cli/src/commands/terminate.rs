//! `atlas terminate`: the end of machines and their disks.

use atlas::{Account, ComputeId};
use clap::Args;
use serde_json::{Value, json};

use super::ending;
use crate::Outcome;
use crate::arguments::{Named, Permitted, Waiting, machine_id};
use crate::context::Context;
use crate::failure::Failure;

/// Destroy machines and their disks.
///
/// Returns when each is proven gone. One that is gone already is a success if a rental here knows it. All are tried; if
/// some fail, each failure is shown, and the exit code is the highest among theirs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Terminate {
    /// What the cloud calls the machines; after `--` an id may begin with a dash
    #[arg(required = true, value_name = "ID", value_parser = machine_id)]
    ids: Vec<ComputeId>,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    permitted: Permitted,
}

const EXAMPLES: &str = "\
Examples:
  atlas terminate --provider local ID
  atlas terminate --provider local ID1 ID2 ID3 --timeout 5m
  atlas list --provider local --json | jq -r '.[].id' | xargs atlas terminate --provider local";

impl Terminate {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let ids: Vec<String> = self.ids.iter().map(ToString::to_string).collect();
        let word = if self.waiting.bound().is_some() { "terminated" } else { "is being terminated" };
        ending::all(context, &ids, word, async |id| self.end(context, &account, &ComputeId::new(id)).await).await
    }

    async fn end(&self, context: &Context, account: &Account, id: &ComputeId) -> Result<Value, Failure> {
        let permission = self.permitted.permission();
        let provider = account.provider().id();
        let status = if let Some(timeout) = self.waiting.bound() {
            context.output.progress(&format!("ending {id}"));
            account.terminate_with(id, permission, timeout).await?;
            "terminated"
        } else {
            account.terminate_soon(id, permission).await?;
            "terminating"
        };
        Ok(json!({ "id": id, "provider": provider, "status": status }))
    }
}
