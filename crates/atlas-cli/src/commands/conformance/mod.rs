//! `atlas conformance`: what every provider promises, held against a configured one.

mod means;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas::conformance::{Harness, Options, run};
use atlas::{Account, Capability, ComputeRequest, Error, ErrorKind, JobRequest, Money, Provider, VolumeRequest};
use clap::Args;
use serde_json::Value;

use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;
use crate::failure::Failure;
use means::Means;

/// Hold a provider against all that providers promise.
///
/// It rents the cheapest machines that the cases need, under the deployment `conformance`, and ends them. What cannot be
/// proven from outside is shown as not provable and fails nothing; a broken promise is exit 1.
///
/// Jobs, volumes and options are proven where you say which. What jobs and volumes cost is not counted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Conformance {
    #[command(flatten)]
    named: Named,
    /// How many dollars may be spent at the most
    #[arg(long, value_name = "USD", default_value = "1", value_parser = Money::parse, allow_hyphen_values = true)]
    spend_limit: Money,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// The GPU to rent [default: none where machines without one can be rented, else the cheapest]
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,
    /// The image to run, where the provider runs images
    #[arg(long, value_name = "IMAGE", default_value = "nginx:alpine")]
    image: String,
    /// Write the report as JUnit XML, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    more: means::Asked,
}

const EXAMPLES: &str = "\
Examples:
  atlas conformance --provider local
  atlas conformance --provider runpod --spend-limit 0.50 --junit report.xml
  atlas conformance --provider runpod --only volume/ --volume-region EU-RO-1
  atlas conformance --provider runpod --only job/ --endpoint ID --input '{\"seconds\":2,\"chunks\":3}'";

/// An account, without any means to make its cloud fail.
struct Held {
    account: Account,
    machine: ComputeRequest,
    price: Option<Money>,
    means: Means,
}

#[async_trait]
impl Harness for Held {
    fn provider(&self) -> Arc<dyn Provider> {
        self.account.provider().clone()
    }

    fn machine(&self) -> ComputeRequest {
        self.machine.clone()
    }

    fn is_free(&self) -> bool {
        // What it costs is the user's to know: a price of nothing is shown, and no promise broken.
        true
    }

    fn volume(&self) -> Option<VolumeRequest> {
        self.means.volume.clone()
    }

    fn job(&self) -> Option<JobRequest> {
        self.means.job.clone()
    }

    fn option(&self) -> Option<(String, Value, String)> {
        self.means.option.clone()
    }

    fn forbidden_options(&self) -> Vec<(String, Value)> {
        self.means.forbidden.clone()
    }

    fn price_per_hour(&self) -> Option<Money> {
        self.price
    }

    fn has_key(&self) -> bool {
        self.account.provider().traits().kind != "local"
    }

    fn patience(&self) -> Duration {
        Duration::from_mins(10)
    }
}

impl Conformance {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        if self.spend_limit < Money::ZERO {
            return Err(Failure::usage("--spend-limit is less than nothing"));
        }
        if let Some(path) = &self.junit {
            crate::written::check_place("--junit", path)?;
        }
        let account = context.account(self.named.provider.as_deref())?;
        let means = self.more.read(&account)?;
        let id = account.provider().id();
        context.interrupt.may_leave(format!(
            "interrupted; what bears the mark of deployment conformance may be left, see `atlas list --all --provider {id}` \
             and `atlas volume list --all --provider {id}`; the next run ends what is older than an hour"
        ));
        let machine = context.interrupt.unless(self.machine(&account)).await?;
        means.check(&account, &machine)?;
        let price = context.interrupt.unless(async { Ok(price(context, &account, &machine).await) }).await?;
        let mut options = Options::default().spend_limit(self.spend_limit);
        if let Some(words) = &self.only {
            options = options.only(words.as_str());
        }
        context.output.progress("holding the provider against the table; this takes a while at a real cloud");
        let harness = Held { account, machine, price, means };
        let report = context.interrupt.unless(async { Ok(run(&harness, &options).await) }).await?;
        context.output.result(&report, || report.to_string())?;
        if let Some(path) = &self.junit {
            crate::written::write("--junit", path, report.to_junit().as_bytes())?;
        }
        if report.holds() {
            return Ok(());
        }
        let broken = report.failed();
        let left = if report.left.is_empty() { "" } else { "; something is left, see the report" };
        let message = format!("{} promises are broken: {}{left}", broken.len(), broken.join(", "));
        Err(Failure::from(Error::new(ErrorKind::Provider, message).with_provider(&report.provider)))
    }

    /// The cheapest machine that the account rents.
    async fn machine(&self, account: &Account) -> Result<ComputeRequest, Failure> {
        let provider = account.provider();
        let traits = provider.traits();
        let mut request = match &self.gpu {
            Some(name) => ComputeRequest::gpu(name),
            None if traits.has(Capability::Cpu) => ComputeRequest::cpu(),
            None => {
                let types = account.gpu_types().await?;
                let cheapest =
                    types.iter().filter_map(|gpu| Some((gpu.lowest_price()?, gpu))).min_by_key(|(price, _)| *price);
                let (_, gpu) =
                    cheapest.ok_or_else(|| Failure::usage("nothing in the catalog has a price: name --gpu"))?;
                ComputeRequest::gpu(&gpu.name)
            }
        };
        if traits.has(Capability::Images) {
            request = request.image(&self.image);
        }
        request = request.http_port(80);
        // Some clouds want to be told how many virtual CPUs.
        if provider.check(&request).is_err() && request.gpu.is_empty() {
            request = request.cpus(2);
        }
        provider.check(&request)?;
        Ok(request)
    }
}

/// The most that such a machine costs an hour, as the catalog says.
async fn price(context: &Context, account: &Account, machine: &ComputeRequest) -> Option<Money> {
    if machine.gpu.is_empty() || !account.provider().traits().has(Capability::Catalog) {
        return None;
    }
    let types = account.gpu_types().await.inspect_err(|error| {
        context
            .output
            .note(&format!("the catalog tells no price, so a machine is taken to cost a dollar an hour: {error}"));
    });
    let is_meant = |name: &str| machine.gpu.iter().any(|wanted| wanted == name);
    let types = types.ok()?;
    let meant = types.iter().filter(|gpu| is_meant(&gpu.name) || gpu.canonical.as_deref().is_some_and(is_meant));
    meant.flat_map(|gpu| &gpu.offers).filter(|offer| !offer.spot).filter_map(|offer| offer.price_per_hour).max()
}
