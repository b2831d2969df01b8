//! What bills and is no machine, listed: what the clouds show, and what the records here say that no cloud shows.

use atlas::{Account, IntentRecord, ProviderId, Rentable, Rented};
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use crate::Outcome;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::Table;

/// Of which accounts, and how much.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Only this account
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Also those that do not bear the mark of this deployment
    #[arg(long)]
    all: bool,
}

/// What one account has.
struct Seen<T> {
    things: Vec<T>,
    /// What a rental here says and nothing of the account shows.
    notes: Vec<String>,
}

/// Shows them. Without a named account all in use are asked that `has` any.
pub(super) async fn list<T: Rentable + Serialize>(
    context: &Context,
    asked: &Asked,
    operation: &'static str,
    has: impl Fn(&Account) -> bool,
    read: impl AsyncFn(&Account) -> atlas::Result<Vec<T>>,
    table: impl FnOnce(&[T]) -> Table,
) -> Outcome {
    let ids = context.accounts(asked.provider.as_deref())?;
    context.tell_unreadable()?;
    let look = async |id: &ProviderId| {
        let account = context.build(id.as_str())?;
        if asked.provider.is_none() && !has(&account) {
            return Ok(None);
        }
        let named = |error: atlas::Error| error.with_provider(id).with_operation(operation);
        let things = read(&account).await.map_err(named)?;
        let records = account.records().await.map_err(named)?;
        Ok::<_, Failure>(Some(seen(context, things, &records, asked.all)))
    };
    let looking = join_all(ids.iter().map(look));
    let answers = context.interrupt.unless(async { Ok(looking.await) }).await?;
    let (mut things, mut failures, mut was_asked) = (Vec::new(), Vec::new(), false);
    for answer in answers {
        match answer {
            Ok(None) => {}
            Ok(Some(seen)) => {
                was_asked = true;
                seen.notes.iter().for_each(|note| context.output.note(note));
                things.extend(seen.things);
            }
            Err(failure) => failures.push(failure),
        }
    }
    if !was_asked && failures.is_empty() {
        context.output.note(&format!("no account in use has {}s; `atlas providers` says which kinds can", T::KIND));
    }
    context.output.result(&things, || {
        let table = table(&things);
        if table.is_empty() { String::new() } else { context.output.table(&table) }
    })?;
    let last = failures.pop();
    for failure in &failures {
        failure.say(context.output);
    }
    last.map_or(Ok(()), Err)
}

fn seen<T: Rentable>(context: &Context, mut things: Vec<T>, records: &[IntentRecord], all: bool) -> Seen<T> {
    let shown: Vec<Rented> = things.iter().map(Rentable::rented).collect();
    let of_kind = records.iter().filter(|record| record.intent.kind == T::KIND);
    let notes = of_kind.filter_map(|record| note(record, &shown)).collect();
    let deployment = &context.atlas.config().deployment;
    // One that a record tells of is ours under any name, but for another's mark.
    things.retain(|thing| {
        let rented = thing.rented();
        let is_told = || records.iter().any(|record| record.tells_of(T::KIND, &rented.id));
        all || rented.mark().map_or_else(is_told, |mark| mark.deployment == *deployment)
    });
    Seen { things, notes }
}

/// What is to be said of a rental that what is `shown` does not tell of.
fn note(record: &IntentRecord, shown: &[Rented]) -> Option<String> {
    let is_it = |rented: &Rented| match &record.compute {
        Some(id) => *id == rented.id,
        None => rented.mark().is_some_and(|mark| mark.token == record.intent.token()),
    };
    super::list::note(record, shown.iter().any(is_it))
}
