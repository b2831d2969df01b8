//! `atlas start`: a stopped machine, under the same keys.

use atlas::ComputeId;
use clap::Args;
use serde_json::json;

use crate::arguments::{Named, Waiting, machine_id};
use crate::context::Context;
use crate::{Outcome, describe};

/// Start a stopped machine; it bills again.
///
/// It keeps its keys. Its ports may have moved: read them from the answer. Returns when a read shows it running.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Start {
    /// What the cloud calls the machine
    #[arg(allow_hyphen_values = true, value_parser = machine_id)]
    id: ComputeId,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
}

const EXAMPLES: &str = "\
Examples:
  atlas start --provider local ID
  atlas start --provider local ID --json | jq -r '.ports[0].url'";

impl Start {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let id = self.id;
        context
            .interrupt
            .may_leave(format!("interrupted; machine {id} may have been asked to start, and then it bills"));
        let Some(timeout) = self.waiting.bound() else {
            context.interrupt.unless(async { Ok(account.start_soon(&id).await?) }).await?;
            let asked = json!({ "id": id, "provider": account.provider().id(), "status": "starting" });
            context.output.result(&asked, || format!("{id} is asked to start"))?;
            return Ok(());
        };
        context.output.progress(&format!("starting {id}"));
        let compute = context.interrupt.unless(async { Ok(account.start(&id, timeout).await?) }).await?;
        context.output.result(&compute, || describe::in_a_word(&compute))?;
        Ok(())
    }
}
