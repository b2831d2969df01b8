//! `atlas gpus`: what can be rented now, and for how much.

use atlas::{CloudType, GpuOffer, GpuType, ProviderId};
use clap::Args;
use serde::Serialize;

use crate::Outcome;
use crate::arguments::Named;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::Table;

/// Show the GPUs that can be rented now, with live prices and stock.
///
/// Without --provider, every account that is configured or has a machine is asked; if there is none, that is an error.
/// An account that cannot be asked is named on stderr, and the others are shown.
///
/// Without --gpu only what holds for a whole cloud is shown; with it, or where a cloud says nothing of the whole, each of
/// its regions. --json always has everything.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Gpus {
    /// Only this GPU, by its canonical or the cloud's own name
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,
    #[command(flatten)]
    named: Named,
}

const EXAMPLES: &str = "\
Examples:
  atlas gpus --provider runpod
  atlas gpus --gpu h100 --json | jq -r 'min_by(.offers[].price_per_hour | tonumber)'";

/// One model at one account.
#[derive(Debug, Serialize)]
struct Row {
    provider: ProviderId,
    #[serde(flatten)]
    gpu: GpuType,
}

impl Gpus {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let wanted = self.gpu.as_deref();
        let names = match &self.named.provider {
            Some(name) => vec![name.clone()],
            None => context.atlas.in_use()?.iter().map(ToString::to_string).collect(),
        };
        if names.is_empty() {
            return Err(nobody_to_ask(context));
        }
        let (mut rows, mut failures) = (Vec::new(), Vec::new());
        for name in &names {
            match context.interrupt.unless(ask(context, name)).await {
                Ok(found) => rows.extend(found.into_iter().filter(|row| wanted.is_none_or(|name| row.is(name)))),
                Err(failure) if names.len() == 1 || context.interrupt.is_requested() => return Err(failure),
                // Who has no catalog was not asked for one by name.
                Err(failure) if failure.error().kind() == atlas::ErrorKind::Unsupported => {}
                Err(failure) => failures.push(failure),
            }
        }
        rows.sort_by(|left, right| {
            let key = |row: &Row| (row.gpu.canonical.is_none(), row.gpu.canonical.clone(), row.gpu.lowest_price());
            key(left).cmp(&key(right)).then_with(|| left.gpu.name.cmp(&right.gpu.name))
        });
        context.output.result(&rows, || context.output.table(&table(&rows, wanted.is_some())))?;
        if rows.is_empty() && failures.is_empty() {
            let asked = names.join(", ");
            context.output.note(&match wanted {
                Some(name) => format!("nobody asked has a GPU called {name} (asked: {asked})"),
                None => format!("nobody asked has a catalog (asked: {asked}); `atlas providers` says who has one"),
            });
        }
        for failure in &failures {
            failure.say(context.output);
        }
        failures.pop().map_or(Ok(()), Err)
    }
}

/// An empty catalog would say that nothing can be rented, where nobody was asked.
fn nobody_to_ask(context: &Context) -> Failure {
    let known: Vec<_> = context.atlas.known().iter().map(ToString::to_string).collect();
    Failure::usage("no provider is configured, so that there is nobody to ask for a catalog").with_hint(format!(
        "name one with --provider ({}), or write it into an atlas.yaml, as default_provider or below providers",
        known.join(", ")
    ))
}

async fn ask(context: &Context, name: &str) -> Result<Vec<Row>, Failure> {
    let account = context.build(name)?;
    let provider = account.provider().id().clone();
    let types = account.gpu_types().await?;
    Ok(types.into_iter().map(|gpu| Row { provider: provider.clone(), gpu }).collect())
}

impl Row {
    fn is(&self, name: &str) -> bool {
        let canonical = self.gpu.canonical.as_deref();
        canonical.is_some_and(|known| known.eq_ignore_ascii_case(name)) || self.gpu.name.eq_ignore_ascii_case(name)
    }
}

fn table(rows: &[Row], in_full: bool) -> Table {
    let mut table = Table::new(&["GPU", "PROVIDER", "CLOUD'S NAME", "MEMORY", "CLOUD", "REGION", "PRICE/H", "STOCK"]);
    for row in rows {
        let gpu = &row.gpu;
        let whole = gpu.offers.iter().any(|offer| offer.region.is_none());
        for offer in gpu.offers.iter().filter(|offer| in_full || !whole || offer.region.is_none()) {
            table.row([
                gpu.canonical.clone().unwrap_or_default(),
                row.provider.to_string(),
                gpu.name.clone(),
                format!("{} GB", gpu.memory_gb),
                part(offer).to_owned(),
                offer.region.clone().unwrap_or_default(),
                offer.price_per_hour.map(crate::describe::dollars).unwrap_or_default(),
                offer.stock.as_ref().map(ToString::to_string).unwrap_or_default(),
            ]);
        }
    }
    table
}

fn part(offer: &GpuOffer) -> &'static str {
    match (offer.cloud_type, offer.spot) {
        (CloudType::Secure, false) => "secure",
        (CloudType::Secure, true) => "secure, spot",
        (CloudType::Community, false) => "community",
        (CloudType::Community, true) => "community, spot",
        (_, true) => "spot",
        (_, false) => "",
    }
}
