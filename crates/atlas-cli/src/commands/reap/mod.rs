//! `atlas reap`: one reconciliation now. What the store does not hold is told, not ended.

mod line;

use std::time::Duration;

use atlas::orchestrator::{Orchestrator, ReapOptions};
use atlas::{Account, Effect, ErrorKind, IntentRecord, ProviderId, RentalKind, Rented};
use clap::Args;
use futures_util::future::join_all;

use super::demo::Home;
use crate::Outcome;
use crate::context::Context;
use crate::failure::Failure;
use line::{Line, finding_lines, plain_line, record_line, tell, words};

/// How long what is being ended may take until it is proven gone.
const ENDINGS: Duration = Duration::from_mins(1);

/// Compare the clouds with what is recorded here, once, and end what nobody holds.
///
/// A machine whose create landed late, or that was left by a process that died, is ended when it is seen for the second
/// time, the grace after the first; run it twice, or with --wait. Machines that this store does not know are told and
/// priced, and left alone. Machines spawned by hand are never ended. A missing or new store ends nothing.
///
/// Volumes and endpoints are rentals too, and go the same way: one that was handed out is kept until somebody asks for its
/// end; one of a create that was never answered is kept if it is found in time. Landing later, an endpoint is ended, and a
/// volume kept and told: somebody may have filled it.
///
/// An account that cannot be looked at keeps nobody from looking at the others; the command then fails at the end.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Reap {
    /// Only this account
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Wait for the grace, and look a second time
    #[arg(long)]
    wait: bool,
    /// Also end machines of this deployment that this store does not know, at their second sighting
    #[arg(long)]
    aliens: bool,
}

const EXAMPLES: &str = "\
Examples:
  atlas reap --dry-run
  atlas reap --wait
  atlas reap --provider local --json";

/// What one look at everything gave.
#[derive(Debug, Default)]
struct Seen {
    lines: Vec<Line>,
    /// What could not be looked at, each with its reason.
    failures: Vec<Failure>,
}

impl Seen {
    fn take(&mut self, part: Result<Vec<Line>, Failure>) {
        match part {
            Ok(lines) => lines.into_iter().for_each(|line| tell(&mut self.lines, line)),
            Err(failure) => self.failures.push(failure),
        }
    }

    /// What was seen of `id` is all that there is, or not: each account is told once.
    fn misses(&self, id: &ProviderId) -> bool {
        self.failures.iter().any(|failure| failure.error().provider() == Some(id))
    }
}

impl Reap {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let mut seen = self.look(context).await?;
        if self.wait && !self.dry_run {
            let grace = context.atlas.config().orchestrator.reap_grace;
            let is_due = |line: &Line| matches!(line.is, "seen_once" | "may_land" | "missing") || self.ends_alien(line);
            if seen.lines.iter().any(is_due) {
                context.output.progress(&format!("looking again in {}", atlas::duration::format(grace)));
                let pause = grace + Duration::from_secs(1);
                let waited = async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                };
                context.interrupt.unless(waited).await?;
                seen = self.look(context).await?;
            }
        }
        let Seen { lines, mut failures } = seen;
        context.output.result(&lines, || words(&lines, failures.is_empty()))?;
        // The worst comes last, where scripts look for it.
        failures.sort_by_key(|failure| failure.kind().exit());
        let worst = failures.pop();
        for failure in &failures {
            failure.say(context.output);
        }
        worst.map_or(Ok(()), Err)
    }

    fn ends_alien(&self, line: &Line) -> bool {
        self.aliens && line.is == "alien"
    }

    async fn look(&self, context: &Context) -> Result<Seen, Failure> {
        let accounts = context.accounts(self.provider.as_deref())?;
        context.tell_unreadable()?;
        let mut seen = Seen::default();
        // At once, so that a slow cloud delays no other.
        for (id, records) in accounts.iter().zip(join_all(accounts.iter().map(|id| self.records(context, id))).await) {
            match records {
                Ok(records) => {
                    seen.lines.extend(records.lines);
                    seen.failures.extend(records.failures);
                }
                Err(failure) => seen.failures.push(failure.map(|error| error.with_provider(id))),
            }
        }
        let tracked = self.store(context, &accounts, &mut seen).await;
        seen.take(tracked);
        seen.take(self.demo(context).await);
        Ok(seen)
    }

    /// The rentals that no store tracks.
    async fn records(&self, context: &Context, id: &ProviderId) -> Result<Seen, Failure> {
        let account = context.build(id.as_str())?;
        let grace = context.atlas.config().orchestrator.reap_grace;
        let mut seen = Seen::default();
        let mut silent = Silent::default();
        let mut records = account.records().await?;
        // Machines first: they cost the most, and have users.
        records.sort_by_key(|record| record.intent.kind != RentalKind::Machine);
        for record in &records {
            let kind = record.intent.kind;
            let settled = match silent.is(kind) {
                true => Ok(None),
                false if self.dry_run => account.can_settle(record).await.map(|()| None),
                false => account.settle(record, grace).await.map(Some),
            };
            let settled = settled.unwrap_or_else(|error| {
                silent.learn(kind, &error);
                let rental = format!("rental {}", record.intent.token());
                let error = error.with_provider(id);
                let is_named = error.message().contains(&rental);
                seen.failures.push(Failure::from(if is_named { error } else { error.context(rental) }));
                None
            });
            seen.lines.extend(record_line(record, settled));
        }
        others(context, &account, &records, &silent, &mut seen).await;
        Ok(seen)
    }

    /// What the store tracks, against what the accounts show.
    async fn store(&self, context: &Context, accounts: &[ProviderId], seen: &mut Seen) -> Result<Vec<Line>, Failure> {
        let there = atlas::files::exists(&context.atlas.config().state_dir.join("store.redb"));
        let builder = Orchestrator::builder(context.another()).without_background().also_watch(accounts.to_vec());
        // Without a store everything of this deployment is unknown: told, and nothing ended.
        let is_file = context.atlas.config().store == atlas::config::StoreSetting::Redb;
        let builder = if there || !is_file { builder.only_existing() } else { builder.in_memory() };
        let orchestrator = builder.open().await?;
        let options = ReapOptions::default().dry_run(self.dry_run || !there).aliens(self.aliens && there);
        let report = orchestrator.reap(options).await?;
        if there && !self.dry_run {
            let left = orchestrator.finish_endings(ENDINGS).await?;
            if left > 0 {
                context.output.note(&format!(
                    "{left} rentals are still being ended; the orchestrator, or another `atlas reap`, goes on"
                ));
            }
        }
        orchestrator.shutdown(Duration::from_secs(5)).await?;
        for (provider, error) in &report.unread {
            if !seen.misses(provider) {
                let error = error.clone().with_provider(provider);
                seen.failures.push(Failure::from(error.context("no complete listing, so nothing was judged")));
            }
        }
        Ok(finding_lines(&report))
    }

    /// What an interrupted demo left: its sessions are ended, and what its store does not know is told.
    async fn demo(&self, context: &Context) -> Result<Vec<Line>, Failure> {
        let Some(home) = Home::take_existing(&context.atlas.config().state_dir)? else { return Ok(Vec::new()) };
        let there = home.has_store();
        let orchestrator = home.orchestrator(there && !self.dry_run).await?;
        let options = ReapOptions::default().dry_run(self.dry_run || !there).aliens(self.aliens && there);
        let report = orchestrator.reap(options).await?;
        let mut lines = finding_lines(&report);
        // Those are told as sessions.
        lines.retain(|line| line.is != "tracked");
        for line in &mut lines {
            line.why = format!("of an `atlas demo` in {}: {}", home.path().display(), line.why);
        }
        for view in orchestrator.sessions().await? {
            lines.push(Line {
                provider: view.provider.to_string(),
                kind: RentalKind::Machine,
                compute: view.compute.as_ref().map(ToString::to_string),
                rental: view.rental.as_ref().map(ToString::to_string),
                is: "demo",
                why: format!("{} was left by an interrupted `atlas demo` in {}", view.user, home.path().display()),
                cost_per_hour: Some(view.cost_per_hour),
            });
            if !self.dry_run {
                orchestrator.end_because(&view.id, "an interrupted demo left it", "atlas reap").await?;
            }
        }
        if self.dry_run {
            orchestrator.shutdown(Duration::from_secs(5)).await?;
        } else {
            orchestrator.shutdown_and_end_all(ENDINGS).await?;
        }
        Ok(lines)
    }
}

/// Of what an account gave no answer: what was not told for one record will not be for the next.
#[derive(Debug, Default)]
struct Silent {
    /// It does not open to the key, or no connection comes about: nothing of it answers.
    all: bool,
    /// Clouds have an interface for each kind, and one that hangs says nothing of the others.
    kinds: Vec<RentalKind>,
}

impl Silent {
    fn is(&self, kind: RentalKind) -> bool {
        self.all || self.kinds.contains(&kind)
    }

    fn learn(&mut self, kind: RentalKind, error: &atlas::Error) {
        match error.kind() {
            ErrorKind::Unauthorized => self.all = true,
            // No connection came about at all.
            ErrorKind::Transport if error.effect() == Effect::NotSent => self.all = true,
            ErrorKind::Timeout => self.kinds.push(kind),
            _ => {}
        }
    }
}

/// The volumes and endpoints of this deployment, whether a record here tells of them or not: they bill too. One that a
/// record tells of is ours under any name, but for another's mark.
async fn others(context: &Context, account: &Account, records: &[IntentRecord], silent: &Silent, seen: &mut Seen) {
    let provider = account.provider();
    for kind in RentalKind::ALL {
        if silent.is(kind) || !kind.capability().is_some_and(|capability| provider.traits().has(capability)) {
            continue;
        }
        match account.list_rented(kind).await {
            Ok(all) => {
                let deployment = &context.atlas.config().deployment;
                let is_ours = |rented: &Rented| rented.mark().is_some_and(|mark| mark.deployment == *deployment);
                for rented in &all {
                    let record = records.iter().find(|record| record.tells_of(kind, &rented.id));
                    if !is_ours(rented) && (record.is_none() || rented.mark().is_some()) {
                        continue;
                    }
                    tell(&mut seen.lines, plain_line(provider.id(), rented, record));
                }
            }
            // Each account is told once.
            Err(_) if seen.misses(provider.id()) => {}
            Err(error) => {
                let error = error.with_provider(provider.id());
                seen.failures.push(Failure::from(error.context(format!("the {kind}s were not looked at"))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! One interface that hangs keeps nobody from the rest of its account.

    use super::*;

    #[test]
    fn what_hangs_for_one_kind_is_asked_for_the_others() {
        let mut silent = Silent::default();
        silent.learn(RentalKind::Volume, &atlas::Error::new(ErrorKind::Provider, "busy"));
        silent.learn(
            RentalKind::Volume,
            &atlas::Error::new(ErrorKind::Transport, "cut off").with_effect(Effect::Unknown),
        );
        assert!(!silent.is(RentalKind::Volume), "it may answer for the next");
        silent.learn(RentalKind::Volume, &atlas::Error::timeout("no answer"));
        assert_eq!(RentalKind::ALL.map(|kind| silent.is(kind)), [false, true, false]);
        for error in [
            atlas::Error::new(ErrorKind::Unauthorized, "no such key"),
            atlas::Error::new(ErrorKind::Transport, "no connection").with_effect(Effect::NotSent),
        ] {
            let mut silent = Silent::default();
            silent.learn(RentalKind::Volume, &error);
            assert_eq!(RentalKind::ALL.map(|kind| silent.is(kind)), [true; 3], "{error}");
        }
    }
}
