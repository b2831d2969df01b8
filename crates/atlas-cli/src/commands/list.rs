//! `atlas list`: the computes of all accounts, and rentals of which no compute is known.

use atlas::{
    Account, Compute, ComputeFilter, ComputeStatus, Deployment, IntentPhase, IntentRecord, ProviderId, RentalKind,
};
use clap::Args;
use futures_util::future::join_all;

use crate::context::Context;
use crate::failure::Failure;
use crate::{Outcome, describe};

/// Show machines, stopped ones too.
///
/// Without --provider every account is asked that is configured or has a rental here. Shown are the machines of this
/// deployment; --all shows the others of the account as well, and those that are gone but that the cloud still names.
///
/// What a rental here says and no machine shows (a create whose answer was lost, an end that is not proven) stands
/// on standard error, and so does how many volumes and endpoints were rented here; the result, also with --json, is a list
/// of machines and nothing else. If an account cannot be asked, the machines of the others are shown, and the command
/// fails.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct List {
    /// Only this account
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only machines in this state: starting, running, stopping, stopped, exited, failed, ... (several with commas)
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<String>,
    /// Only machines whose name contains this
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    name: Option<String>,
    /// Only machines in this region
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Only machines with this GPU
    #[arg(long, value_name = "GPU")]
    gpu: Option<String>,
    /// Also machines that do not bear the mark of this deployment
    #[arg(long)]
    all: bool,
}

const EXAMPLES: &str = "\
Examples:
  atlas list
  atlas list --provider local --status running,stopped
  atlas list --all --json | jq -r '.[].id'";

/// What one account has.
struct Seen {
    computes: Vec<Compute>,
    records: Vec<IntentRecord>,
}

impl List {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        if let Some(word) =
            self.status.iter().find(|word| matches!(ComputeStatus::from_word(word), ComputeStatus::Other(_)))
        {
            let known = ComputeStatus::KNOWN.map(|status| status.as_str().to_owned()).join(", ");
            return Err(Failure::usage(format!("\"{word}\" is no status; known are {known}")));
        }
        let ids = context.accounts(self.provider.as_deref())?;
        if ids.is_empty() {
            context.output.note("no account is configured and nothing is rented here; name an account with --provider");
        }
        context.tell_unreadable()?;
        let filter = self.filter();
        let asked = join_all(ids.iter().map(|id| self.look(context, id, &filter)));
        let answers = context.interrupt.unless(async { Ok(asked.await) }).await?;

        let mut computes = Vec::new();
        let mut failures = Vec::new();
        for answer in answers {
            match answer {
                Ok(seen) => {
                    let notes = self.notes(&seen);
                    computes.extend(seen.computes);
                    for note in notes {
                        context.output.note(&note);
                    }
                }
                Err(failure) => failures.push(failure),
            }
        }
        context.output.result(&computes, || {
            let table = describe::table(&computes);
            if table.is_empty() { String::new() } else { context.output.table(&table) }
        })?;
        let last = failures.pop();
        for failure in &failures {
            failure.say(context.output);
        }
        last.map_or(Ok(()), Err)
    }

    fn filter(&self) -> ComputeFilter {
        let mut filter = ComputeFilter::all();
        filter.statuses = self.status.iter().map(|word| ComputeStatus::from_word(word)).collect();
        filter.name.clone_from(&self.name);
        filter.region.clone_from(&self.region);
        filter.gpu.clone_from(&self.gpu);
        filter.marked = !self.all;
        filter
    }

    async fn look(&self, context: &Context, id: &ProviderId, filter: &ComputeFilter) -> Result<Seen, Failure> {
        let account: Account = context.build(id.as_str())?;
        let named = |error: atlas::Error| error.with_provider(id).with_operation("list");
        let mut computes = account.list(filter).await.map_err(named)?;
        let deployment = &context.atlas.config().deployment;
        computes.retain(|compute| self.shows(compute, deployment));
        let records = account.records().await.map_err(named)?;
        Ok(Seen { computes, records })
    }

    fn shows(&self, compute: &Compute, deployment: &Deployment) -> bool {
        let ours = compute.mark.as_ref().is_some_and(|mark| mark.deployment == *deployment);
        let there = compute.status != ComputeStatus::Terminated || self.status.iter().any(|word| word == "terminated");
        self.all || (ours && there)
    }

    /// The rentals that the machines do not tell of. Where a filter hides machines, nothing can be said about them.
    fn notes(&self, seen: &Seen) -> Vec<String> {
        let filtered = !self.status.is_empty() || self.name.is_some() || self.region.is_some() || self.gpu.is_some();
        if filtered {
            Vec::new()
        } else {
            // A listing of machines shows no volume, so that its absence there says nothing.
            let is_kept_elsewhere = |record: &IntentRecord| {
                record.intent.kind != RentalKind::Machine && matches!(record.phase, IntentPhase::Bound { .. })
            };
            let (kept, told): (Vec<_>, Vec<_>) = seen.records.iter().partition(|record| is_kept_elsewhere(record));
            let notes = told.into_iter().filter_map(|record| note(record, seen.shows(record)));
            notes.chain(others(&kept)).collect()
        }
    }
}

impl Seen {
    /// Whether a machine of this record is shown. Twins bear one token, so a machine belongs to the record that names it,
    /// and only one that no living record names may still be of the create itself.
    fn shows(&self, record: &IntentRecord) -> bool {
        let token = record.intent.token();
        let names = |record: &IntentRecord, compute: &Compute| record.compute.as_ref() == Some(&compute.id);
        let is_named = |compute: &Compute| self.records.iter().any(|other| other.is_living() && names(other, compute));
        let mut twins =
            self.computes.iter().filter(|compute| compute.mark.as_ref().is_some_and(|mark| mark.token == token));
        twins.any(|compute| names(record, compute) || (!record.taken_over && !is_named(compute)))
    }
}

/// How many volumes and endpoints there are beside the machines: they bill too.
fn others(kept: &[&IntentRecord]) -> Vec<String> {
    let of = |kind: RentalKind, one: &str, many: &str, where_shown: &str| {
        let records: Vec<_> = kept.iter().filter(|record| record.intent.kind == kind).collect();
        let first = records.first()?;
        let what = if records.len() == 1 { format!("1 {kind} is") } else { format!("{} {kind}s are", records.len()) };
        let (provider, verb) = (&first.intent.provider, if records.len() == 1 { one } else { many });
        Some(format!("{provider}: {what} rented here as well, and {verb} until deleted; {where_shown} shows which"))
    };
    let volumes = of(RentalKind::Volume, "bills", "bill", "`atlas volume list`");
    let endpoints = of(RentalKind::Endpoint, "may bill", "may bill", "`atlas endpoint list`");
    volumes.into_iter().chain(endpoints).collect()
}

/// What is to be said of a rental, of which a machine, or whatever it is of, is `shown` or not.
pub(super) fn note(record: &IntentRecord, shown: bool) -> Option<String> {
    let intent = &record.intent;
    let (kind, provider, token) = (intent.kind, &intent.provider, intent.token());
    let one = kind.one();
    let end = match kind {
        RentalKind::Machine => "`atlas terminate` or ",
        RentalKind::Volume => "`atlas volume delete` or ",
        RentalKind::Endpoint => "`atlas endpoint delete` or ",
        _ => "",
    };
    match &record.phase {
        IntentPhase::Open | IntentPhase::Bound { .. } if shown => None,
        IntentPhase::Open => Some(format!(
            "{provider}: a create of {} has no answer yet, so {one} may exist (rental {token}); \
             `atlas reap` finds out",
            intent.opened_at
        )),
        IntentPhase::Bound { compute } => Some(format!(
            "{provider}: {kind} {compute} is not shown by its cloud and not proven gone (rental {token}); \
             `atlas reap` finds out"
        )),
        IntentPhase::Releasing { compute, since, why } => Some(format!(
            "{provider}: {kind} {compute} is being ended since {since} ({why}) and not proven gone; \
             {end}`atlas reap` carries it on"
        )),
        IntentPhase::Closed { proof, .. } if shown => {
            Some(format!("{provider}: {one} of rental {token} is there although it was closed: {proof}"))
        }
        _ => None,
    }
}
