//! One reconciliation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use atlas_auth::Timestamp;
use atlas_core::config::AlienPolicy;
use atlas_core::{Compute, ComputeFilter, ComputeId, ComputeStatus, Intent, Provider, ProviderId, Traits};
use serde::Serialize;

use super::judge::{Finding, FindingKind, Known, Verdict, judge};
use super::sighting::{Sighting, SightingKind, Sightings, sightings};
use crate::books::{Change, Expect, Read, small_row};
use crate::drive::{Machine, power_shown, twin_of};
use crate::events::{Event, What};
use crate::inner::Inner;
use crate::rental::{self, Holder, RentalPhase, RentalRecord, billed_since};
use crate::session::{Reason, Receipt};
use crate::store::{CommitError, Kind};
use crate::{Error, RentalId, Result};

/// How a reconciliation is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReapOptions {
    /// Only says what would be done.
    pub dry_run: bool,
    /// Also ends aliens at their second sighting, whatever the policy says.
    pub aliens: bool,
}

impl ReapOptions {
    /// Only says what would be done.
    #[must_use]
    pub const fn dry_run(mut self, only_say: bool) -> Self {
        self.dry_run = only_say;
        self
    }

    /// Also ends aliens at their second sighting.
    #[must_use]
    pub const fn aliens(mut self, end: bool) -> Self {
        self.aliens = end;
        self
    }
}

/// What one reconciliation found.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct ReapReport {
    /// Every machine of this deployment that the accounts show.
    pub findings: Vec<Finding>,
    /// Accounts that gave no complete listing: nothing was judged there.
    pub unread: Vec<(ProviderId, atlas_core::Error)>,
}

/// Compares every account with the store.
pub(crate) async fn reap(inner: &Arc<Inner>, options: ReapOptions) -> Result<ReapReport> {
    let mut report = ReapReport::default();
    let mut judged = BTreeSet::new();
    let Sightings { known, unreadable } = sightings(inner).await?;
    let mut seen_before: BTreeMap<_, _> = known.into_iter().map(|read| (read.record.key(), read)).collect();
    if !options.dry_run {
        // What it says of is seen anew: in its place nothing could be written, and nothing would ever be seen twice.
        for row in unreadable {
            tolerate_conflict(inner.books.change().delete(row.key, row.version).commit().await)?;
        }
    }
    for id in inner.accounts.keys() {
        let listed = match inner.account(id) {
            Ok(provider) => list(inner, &*provider).await.map(|computes| (provider, computes)),
            Err(Error::Core(error)) => Err(error),
            Err(error) => return Err(error),
        };
        let (provider, computes) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                report.unread.push((id.clone(), error));
                continue;
            }
        };
        judged.insert(id.clone());
        // One that is terminated stands for nothing: its cloud may show it beside the new id that it moved to (P5).
        let standing = computes.iter().filter(|compute| is_standing(compute));
        let listed: BTreeSet<_> = standing.map(|compute| compute.id.clone()).collect();
        for compute in &computes {
            let before = seen_before.remove(&super::sighting::row_key(id, &compute.id));
            if let Some(kind) = look(inner, &*provider, compute, &listed, before, options).await? {
                report.findings.push(Finding {
                    provider: id.clone(),
                    compute: compute.id.to_string(),
                    name: compute.name.clone(),
                    cost_per_hour: compute.cost_per_hour,
                    kind,
                });
            }
        }
    }
    if !options.dry_run {
        // Where nothing was listed, nothing is known to be gone.
        seen_before.retain(|_, read| judged.contains(&read.record.provider));
        forget_unseen(inner, seen_before.into_values().collect()).await?;
    }
    Ok(report)
}

async fn list(inner: &Inner, provider: &dyn Provider) -> atlas_core::Result<Vec<Compute>> {
    inner.bounded(provider.list(&inner.call(), &ComputeFilter::all())).await
}

fn is_standing(compute: &Compute) -> bool {
    compute.status != ComputeStatus::Terminated
}

/// Judges one machine after a fresh read of the store.
async fn look(
    inner: &Arc<Inner>,
    provider: &dyn Provider,
    compute: &Compute,
    listed: &BTreeSet<ComputeId>,
    before: Option<Read<Sighting>>,
    options: ReapOptions,
) -> Result<Option<FindingKind>> {
    let Some(mark) = compute.mark() else { return Ok(None) };
    let rental = match find_rental(inner, mark.token, &compute.id).await {
        Ok(rental) => Ok(rental),
        Err(Error::Unreadable { .. }) => Err(()),
        Err(error) => return Err(error),
    };
    let known = match &rental {
        Ok(Some(read)) => Known::Rental(&read.record),
        Ok(None) => Known::Nothing,
        Err(()) => Known::Unreadable,
    };
    let verdict = judge(compute, &inner.deployment, listed, known);
    let (cloud, provider, traits) = (provider, provider.id(), provider.traits());
    let seen = Seen { inner, cloud, provider, traits, compute, before, options };
    match verdict {
        Verdict::Foreign => seen.forget(FindingKind::Tracked).await.map(|_| None),
        Verdict::Ours => seen.forget(FindingKind::Tracked).await.map(Some),
        Verdict::Plain => seen.forget(FindingKind::Plain).await.map(Some),
        Verdict::Stray => match rental {
            Ok(Some(rental)) => seen.stray(rental).await.map(Some),
            Ok(None) | Err(()) => Ok(None),
        },
        // Where aliens are not looked for, nothing is judged of them; strays are ours everywhere.
        Verdict::Alien if inner.policy.reap_providers.as_ref().is_some_and(|only| !only.contains(provider)) => Ok(None),
        Verdict::Alien => seen.alien().await.map(Some),
    }
}

/// The rental that this machine belongs to: of its token, and among twins the one that has this machine.
async fn find_rental(
    inner: &Inner,
    token: atlas_core::SpawnToken,
    compute: &ComputeId,
) -> Result<Option<Read<RentalRecord>>> {
    let Some(first) = inner.books.rental(RentalId::new(token)).await? else { return Ok(None) };
    if first.record.compute.as_ref() == Some(compute) {
        return Ok(Some(first));
    }
    for twin in 1..u16::MAX {
        match inner.books.rental(RentalId { token, twin }).await? {
            Some(read) if read.record.compute.as_ref() == Some(compute) => return Ok(Some(read)),
            Some(_) => {}
            None => break,
        }
    }
    Ok(Some(first))
}

/// One machine that nobody here holds.
struct Seen<'a> {
    inner: &'a Arc<Inner>,
    cloud: &'a dyn Provider,
    provider: &'a ProviderId,
    traits: &'a Traits,
    compute: &'a Compute,
    before: Option<Read<Sighting>>,
    options: ReapOptions,
}

impl Seen<'_> {
    /// Somebody holds it: an earlier sighting is void.
    async fn forget(self, kind: FindingKind) -> Result<FindingKind> {
        if let (Some(before), false) = (self.before, self.options.dry_run) {
            forget_unseen(self.inner, vec![before]).await?;
        }
        Ok(kind)
    }

    async fn stray(self, rental: Read<RentalRecord>) -> Result<FindingKind> {
        let now = self.inner.now();
        let why = match &rental.record.phase {
            RentalPhase::Closed { proof, .. } => format!("its rental was closed ({proof}), and here it is"),
            _ => "its create has another machine already".to_owned(),
        };
        let first = self.before.as_ref().filter(|before| before.record.kind == SightingKind::Stray);
        let Some(first) = first else {
            self.sight(SightingKind::Stray, None).await?;
            return Ok(FindingKind::SeenOnce { due: now.plus(self.inner.policy.reap_grace), why });
        };
        let due = first.record.first_seen.plus(self.inner.policy.reap_grace);
        if now < due {
            return Ok(FindingKind::SeenOnce { due, why });
        }
        if self.may_be_held(&rental.record).await {
            let why = "it may be its create's machine under a new id, for that is not read under its own".to_owned();
            return Ok(FindingKind::SeenOnce { due: now.plus(self.inner.policy.reap_grace), why });
        }
        if !self.options.dry_run {
            self.end_stray(rental, &why).await?;
        }
        Ok(FindingKind::Ending { why })
    }

    /// Whether it may be the machine that somebody holds, moved: then a listing that shows that one as well lags behind.
    async fn may_be_held(&self, rental: &RentalRecord) -> bool {
        let (RentalPhase::Held { .. }, Some(id), true) = (&rental.phase, &rental.compute, self.traits.migrates) else {
            return false;
        };
        match self.inner.bounded(self.cloud.get(&self.inner.call(), id)).await {
            Ok(read) => !is_standing(&read) || read.mark().is_none_or(|mark| mark.token != rental.mark.token),
            Err(_) => true,
        }
    }

    /// Makes a rental that is releasing of it; the loop ends it. Guarded by the versions that were judged (history 21).
    async fn end_stray(&self, rental: Read<RentalRecord>, why: &str) -> Result<()> {
        let now = self.inner.now();
        let Read { record, version } = rental;
        let receipt = Receipt::new(Reason::Failed, why, "reaper", now);
        let appears = rental::step(record.state(), rental::Input::Appeared).0 == rental::State::Releasing;
        let mut change = self.inner.books.change().urgent();
        let ending = if appears && record.compute.as_ref().is_none_or(|id| *id == self.compute.id) {
            let ending = self.reopened(record.clone(), receipt, now);
            change = self.charge(change, &record).await?.rental(&ending, Expect::At(version), Some(now));
            ending
        } else {
            let twin = self.twin(&record, now).await?;
            // The rental that was judged must stand as it was judged, for its holder's sake.
            let guard = crate::store::Guard::Version(crate::store::RowKey::rental(record.id.to_string()), version);
            change = self.charge(change, &twin).await?.guard(guard).rental(&twin, Expect::New, Some(now));
            twin
        };
        let what = What::Reaped { compute: self.compute.id.clone(), why: why.to_owned() };
        change = change.event(&Event::of_rental(now, ending.payer(), ending.id, what));
        if let Some(before) = &self.before {
            change = change.delete(before.record.key(), before.version);
        }
        tolerate_conflict(change.commit().await)
    }

    /// The rental of this machine that was closed, and bills on.
    fn reopened(&self, mut record: RentalRecord, receipt: Receipt, now: Timestamp) -> RentalRecord {
        let closed = match record.phase {
            RentalPhase::Closed { at, .. } => at,
            _ => now,
        };
        // What was counted until it was closed goes on from there; what was never known begins with the machine.
        let made = billed_since(self.compute.created_at, record.opened_at, self.first_seen());
        let counted = record.accrual.unpriced_since().unwrap_or(closed);
        record.accrual.reopen(if record.compute.is_some() { counted } else { made });
        record.count(self.compute, self.traits, now, now);
        record.phase = RentalPhase::Releasing { receipt };
        record.compute = Some(self.compute.id.clone());
        record.was_read = true;
        record.absence.seen();
        record
    }

    /// A further machine of a create.
    async fn twin(&self, first: &RentalRecord, now: Timestamp) -> Result<RentalRecord> {
        let mut made = self.compute.created_at.map(|made| made.min(self.first_seen()));
        if let (RentalPhase::Closed { at, .. }, true) = (&first.phase, self.traits.migrates) {
            // It may be the very machine, under a new id: then it was counted until it was closed, and has billed since.
            made = made.map(|made| made.min(*at));
        }
        let machine = Machine { made, ..Machine::from(self.compute) };
        let twin = twin_of(first, self.free_twin(first).await?, &machine, now);
        Ok(RentalRecord { was_read: true, was_marked: true, ..twin })
    }

    fn first_seen(&self) -> Timestamp {
        self.before.as_ref().map_or_else(|| self.inner.now(), |before| before.record.first_seen)
    }

    /// Puts a rental, as it was before, on the bill of its session, even if that is over.
    async fn charge<'c>(&self, change: Change<'c>, rental: &RentalRecord) -> Result<Change<'c>> {
        let Some(id) = rental.payer() else { return Ok(change) };
        let session = match self.inner.books.session(id).await {
            Ok(session) => session,
            // What bills goes all the same.
            Err(Error::Unreadable { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(Read { record: mut session, version }) = session else { return Ok(change) };
        session.pay_for(rental);
        let due = self.inner.session_due(&session);
        Ok(change.session(&session, Expect::At(version), due))
    }

    async fn free_twin(&self, rental: &RentalRecord) -> Result<u16> {
        for twin in 1..u16::MAX {
            let id = RentalId { token: rental.id.token, twin };
            if self.inner.books.rental(id).await?.is_none() {
                return Ok(twin);
            }
        }
        Err(Error::validation("a create with sixty thousand machines"))
    }

    async fn alien(self) -> Result<FindingKind> {
        let now = self.inner.now();
        let since = self
            .before
            .as_ref()
            .filter(|before| before.record.kind == SightingKind::Alien)
            .map(|before| before.record.first_seen);
        let Some(since) = since else {
            let what = What::AlienSeen {
                provider: self.provider.clone(),
                compute: self.compute.id.clone(),
                cost_per_hour: self.compute.cost_per_hour,
            };
            self.sight(SightingKind::Alien, Some(what)).await?;
            let why = "unknown to this store: it is behind, or there are two".to_owned();
            return Ok(FindingKind::Alien { since: now, why });
        };
        let delay = match &self.inner.policy.aliens {
            _ if self.options.aliens => Some(self.inner.policy.reap_grace),
            AlienPolicy::EndAfter(delay) => Some(*delay),
            // Whatever a later version may know: this one ends nothing on its account.
            _ => None,
        };
        let Some(delay) = delay else {
            let why = "left alone; `atlas reap --aliens` ends it".to_owned();
            return Ok(FindingKind::Alien { since, why });
        };
        // A store that is itself younger than the delay knows too little to end anything (O5).
        let due = since.max(self.inner.store_made_at).plus(delay);
        if now < due {
            return Ok(FindingKind::Alien { since, why: format!("ended if it is still unknown after {due}") });
        }
        let why = format!("unknown to this store since {since}");
        if !self.options.dry_run {
            self.end_alien(&why).await?;
        }
        Ok(FindingKind::Ending { why })
    }

    async fn end_alien(&self, why: &str) -> Result<()> {
        let now = self.inner.now();
        let Some(mut record) = rental_for(self.inner, self.provider, self.compute)? else { return Ok(()) };
        record.holder = Holder::Nobody;
        record.phase = RentalPhase::Releasing { receipt: Receipt::new(Reason::Asked, why, "alien policy", now) };
        let what = What::Reaped { compute: self.compute.id.clone(), why: why.to_owned() };
        let mut change = self.inner.books.change().urgent();
        change = change.rental(&record, Expect::New, Some(now)).event(&Event::of_rental(now, None, record.id, what));
        if let Some(before) = &self.before {
            change = change.delete(before.record.key(), before.version);
        }
        tolerate_conflict(change.commit().await)
    }

    async fn sight(&self, kind: SightingKind, event: Option<What>) -> Result<()> {
        if self.options.dry_run {
            return Ok(());
        }
        let now = self.inner.now();
        let sighting = Sighting::new(self.compute, kind, now);
        let key = sighting.key();
        let row = small_row(Kind::SIGHTING, &key.id, &sighting);
        let expect = self.before.as_ref().map_or(Expect::New, |before| Expect::At(before.version));
        let mut change = self.inner.books.change().put(row, expect);
        if let Some(what) = event {
            change = change.event(&Event::of_deployment(now, what));
        }
        tolerate_conflict(change.commit().await)
    }
}

/// A rental for a machine that the store does not know; `None` if it bears no mark.
pub(crate) fn rental_for(inner: &Inner, provider: &ProviderId, compute: &Compute) -> Result<Option<RentalRecord>> {
    let Some(mark) = compute.mark() else { return Ok(None) };
    let now = inner.now();
    let scope = inner.account(provider)?.scope(&inner.call());
    let made = compute.created_at.map_or(now, |made| made.min(now));
    let mut rental = RentalRecord::open(&Intent::machine(mark, provider, scope, made, now), Holder::Plain);
    rental.accrual.running(now, now, compute.cost_per_hour);
    Ok(Some(RentalRecord {
        phase: RentalPhase::Held { power: power_shown(&compute.status), published: None },
        compute: Some(compute.id.clone()),
        was_read: true,
        was_marked: true,
        ..rental
    }))
}

/// What is no longer seen needs no second look.
async fn forget_unseen(inner: &Inner, gone: Vec<Read<Sighting>>) -> Result<()> {
    for sighting in gone {
        let change = inner.books.change().delete(sighting.record.key(), sighting.version);
        tolerate_conflict(change.commit().await)?;
    }
    Ok(())
}

/// Somebody changed it meanwhile: what was judged no longer stands, and the next pass judges anew.
fn tolerate_conflict<T>(done: std::result::Result<T, CommitError>) -> Result<()> {
    match done {
        Ok(_) | Err(CommitError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
