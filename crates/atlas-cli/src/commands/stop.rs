//! `atlas stop`: the disk stays.

use atlas::ComputeId;
use clap::Args;
use serde_json::json;

use crate::arguments::{Named, Permitted, Waiting, machine_id};
use crate::context::Context;
use crate::{Outcome, describe};

/// Stop a machine, keeping its disk.
///
/// Returns when a read shows it stopped. What a cloud bills for a stopped machine is its own affair.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Stop {
    /// What the cloud calls the machine
    #[arg(allow_hyphen_values = true, value_parser = machine_id)]
    id: ComputeId,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    permitted: Permitted,
}

const EXAMPLES: &str = "\
Examples:
  atlas stop --provider local ID
  atlas stop --provider local ID --timeout 5m
  atlas stop --provider local ID --no-wait";

impl Stop {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let id = self.id;
        let permission = self.permitted.permission();
        context.interrupt.may_leave(format!("interrupted; machine {id} may have been asked to stop"));
        let Some(timeout) = self.waiting.bound() else {
            context.interrupt.unless(async { Ok(account.stop_soon(&id, permission).await?) }).await?;
            let asked = json!({ "id": id, "provider": account.provider().id(), "status": "stopping" });
            context.output.result(&asked, || format!("{id} is asked to stop"))?;
            return Ok(());
        };
        context.output.progress(&format!("stopping {id}"));
        let stopping = async { Ok(account.stop(&id, permission, timeout).await?) };
        let compute = context.interrupt.unless(stopping).await?;
        context.output.result(&compute, || describe::in_a_word(&compute))?;
        Ok(())
    }
}
