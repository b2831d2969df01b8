//! `atlas endpoint create`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use atlas::runpod::{Endpoint, EndpointRequest, RunPodAccount, Workers};
use clap::Args;

use super::super::making;
use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;
use crate::failure::Failure;
use crate::input;

/// Make a serverless endpoint; each of its workers bills while it is up.
///
/// With --workers-min 0 none is up, and nothing bills, until a job comes. Any more are always up, and bill around the
/// clock, until the endpoint is deleted.
///
/// The rental is recorded before the cloud hears of it, so that nothing is forgotten, whatever happens in between. When
/// the cloud's answer is lost, `atlas reap` finds out what became of it; an endpoint that is there is kept.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Create {
    /// The container image of its workers
    #[arg(
        long,
        value_name = "IMAGE",
        required_unless_present = "template",
        conflicts_with = "template",
        help_heading = "What runs"
    )]
    image: Option<String>,
    /// A serverless template of the cloud instead
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "What runs")]
    template: Option<String>,
    /// Credentials of the image's registry, by the cloud's id
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "What runs")]
    registry_auth: Option<String>,
    /// A variable of the environment; repeat for more
    #[arg(long, value_name = "NAME=VALUE", allow_hyphen_values = true, help_heading = "What runs")]
    env: Vec<String>,
    /// A file of variables, a line NAME=VALUE each; --env goes before it
    #[arg(long, value_name = "FILE", help_heading = "What runs")]
    env_file: Option<PathBuf>,
    /// How long a job may take where it does not say itself
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = atlas::duration::parse, allow_hyphen_values = true, help_heading = "What runs")]
    execution_timeout: Duration,
    /// Your name for the endpoint
    #[arg(long, allow_hyphen_values = true, help_heading = "What runs")]
    name: Option<String>,
    /// GPUs that will do, such as l4,a40; a cloud's own name, and a pool's, is taken too
    #[arg(
        long,
        value_name = "GPU",
        value_delimiter = ',',
        required_unless_present = "cpu",
        conflicts_with = "cpu",
        help_heading = "Workers"
    )]
    gpu: Vec<String>,
    /// How many GPUs a worker has [default: 1]
    #[arg(long, value_name = "N", requires = "gpu", allow_negative_numbers = true, help_heading = "Workers")]
    gpu_count: Option<u32>,
    /// Workers without a GPU: the cloud's flavour and how many virtual CPUs, such as cpu3c:2; repeat for more
    #[arg(long, value_name = "FLAVOUR:N", value_parser = flavour, help_heading = "Workers")]
    cpu: Vec<(String, u32)>,
    /// How many are always up; each bills around the clock
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, help_heading = "Workers")]
    workers_min: u32,
    /// How many there are at the most
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true, help_heading = "Workers")]
    workers_max: u32,
    /// How long a worker that has nothing to do stays up, and bills
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = atlas::duration::parse, allow_hyphen_values = true, help_heading = "Workers")]
    idle_timeout: Duration,
    /// The disk of a worker's container, in gigabytes
    #[arg(long, value_name = "G", allow_negative_numbers = true, help_heading = "Workers")]
    disk_gb: Option<u32>,
    /// A network volume to attach; repeat for more, one for each data centre at the most
    #[arg(long, value_name = "ID", allow_hyphen_values = true, help_heading = "Workers")]
    network_volume: Vec<String>,
    /// A data centre that will do, in the cloud's own words; repeat for more [default: any]
    #[arg(long, value_name = "REGION", help_heading = "Where")]
    region: Vec<String>,
    /// One of the provider's own options; repeat for more
    #[arg(long, value_name = "KEY=JSON", help_heading = "Where")]
    opt: Vec<String>,
    #[command(flatten)]
    named: Named,
}

const EXAMPLES: &str = "\
Examples:
  atlas endpoint create --provider runpod --image ghcr.io/me/worker:1 --gpu l4,a40 --name thumbs
  atlas endpoint create --template ID --gpu h100 --workers-max 5 --idle-timeout 1m --json
  atlas endpoint create --image ghcr.io/me/worker:1 --cpu cpu3c:2 --opt 'flashboot=\"FLASHBOOT\"'
  atlas job run --provider runpod --endpoint ID --input '{\"prompt\": \"a cat\"}'";

/// Variables and options may hold secrets.
impl fmt::Debug for Create {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Create").field("image", &self.image).field("gpu", &self.gpu).finish_non_exhaustive()
    }
}

/// Reads a flavour and its number of virtual CPUs.
fn flavour(text: &str) -> Result<(String, u32), String> {
    let read = text.split_once(':').filter(|(name, _)| !name.is_empty());
    let read = read.and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
    read.ok_or_else(|| "write it as a flavour and a number of virtual CPUs, such as cpu3c:2".to_owned())
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Outcome {
        let request = self.request()?;
        let account = context.account(self.named.provider.as_deref())?;
        let show = |endpoint: &Endpoint| {
            super::show(context, endpoint)?;
            if let Some(min @ 1..) = endpoint.workers_min {
                let (workers, they) = if min == 1 { ("1 worker is", "it bills") } else { ("workers are", "they bill") };
                let count = if min == 1 { String::new() } else { format!("{min} ") };
                context.output.note(&format!(
                    "{count}{workers} always up: {they} around the clock, with jobs or without, until \
                     `atlas endpoint delete --provider {} {}`",
                    endpoint.provider, endpoint.id
                ));
            }
            Ok(())
        };
        making::hand_out(context, &account, account.rent_endpoint(request), show).await
    }

    pub(super) fn request(&self) -> Result<EndpointRequest, Failure> {
        let image = self.image.clone().unwrap_or_default();
        let mut request = EndpointRequest::gpu(image, self.gpu.iter().map(String::as_str));
        if let Some(template) = &self.template {
            request = request.template(template);
        }
        request = request.workers(Workers::new(self.workers_min, self.workers_max).idle_timeout(self.idle_timeout));
        request.name.clone_from(&self.name);
        request.gpu_count = self.gpu_count.unwrap_or(request.gpu_count);
        request.cpu.clone_from(&self.cpu);
        request.timeout = self.execution_timeout;
        request.disk_gb = self.disk_gb;
        request.network_volumes.clone_from(&self.network_volume);
        request.data_centers.clone_from(&self.region);
        request.registry.clone_from(&self.registry_auth);
        request.env.extend(input::environment(self.env_file.as_deref(), &self.env)?);
        request.provider_opts = input::options(&self.opt)?;
        Ok(request)
    }
}
