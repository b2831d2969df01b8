//! `atlas get`: one compute.

use atlas::ComputeId;
use clap::Args;

use crate::arguments::{Named, machine_id};
use crate::context::Context;
use crate::table::pairs;
use crate::{Outcome, describe};

/// Show one machine.
///
/// A machine that was made a moment ago, and that its cloud does not show yet, is asked for again until the cloud must
/// know it.
///
/// With --json, the code with which a command ended that is over stands in `exit_code`, where the cloud tells it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Get {
    /// What the cloud calls the machine
    #[arg(allow_hyphen_values = true, value_parser = machine_id)]
    id: ComputeId,
    #[command(flatten)]
    named: Named,
}

const EXAMPLES: &str = "\
Examples:
  atlas get --provider local ID
  atlas get --provider local ID --json | jq -r '.ports[0].url'";

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let id = self.id;
        let compute = context.interrupt.unless(async { Ok(account.get(&id).await?) }).await?;
        context.output.result(&compute, || pairs(&describe::details(&compute)))?;
        Ok(())
    }
}
