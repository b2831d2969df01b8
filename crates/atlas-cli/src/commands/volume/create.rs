//! `atlas volume create`.

use std::num::NonZeroU32;

use atlas::{Volume, VolumeRequest};
use clap::Args;

use super::super::making;
use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;

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
        let show = |volume: &Volume| super::show(context, volume);
        making::hand_out(context, &account, account.create_volume(request), show).await
    }
}
