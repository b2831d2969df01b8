//! `atlas terminate`: the end of machines and their disks.

use atlas::{Account, ComputeId};
use clap::Args;
use serde_json::{Value, json};

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
        let mut ids: Vec<ComputeId> = Vec::new();
        for id in &self.ids {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        let named = ids.iter().map(ComputeId::as_str).collect::<Vec<_>>().join(", ");
        context.interrupt.may_leave(format!(
            "interrupted while ending {named}: what is recorded as being ended is carried on by `atlas reap`"
        ));
        // Each waits for its own proof, so that a slow one delays no other.
        let ending = ids.iter().map(|id| self.end(context, &account, id));
        let answers = context.interrupt.unless(async { Ok(futures_util::future::join_all(ending).await) }).await?;
        let (mut ended, mut failures): (Vec<Value>, Vec<Failure>) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok(value) => ended.push(value),
                Err(failure) => failures.push(failure),
            }
        }
        let word = if self.waiting.bound().is_some() { "terminated" } else { "is being terminated" };
        context.output.result(&ended, || {
            let line = |value: &Value| format!("{} {word}\n", value["id"].as_str().unwrap_or_default());
            ended.iter().map(line).collect()
        })?;
        // The worst comes last, where scripts look for it.
        failures.sort_by_key(|failure| failure.kind().exit());
        let worst = failures.pop();
        for failure in &failures {
            failure.say(context.output);
        }
        worst.map_or(Ok(()), Err)
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
