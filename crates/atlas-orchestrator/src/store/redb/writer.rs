//! The one place that writes. Commits that wait together go into one transaction with one sync of the disk; each is
//! judged on its own against what the ones before it have written, and one that is refused leaves no trace.
//!
//! The writer is no thread of its own: whoever finds it idle sets it to work on the runtime's blocking threads, where
//! it stays until nothing waits. (So paused time stands still while something is being written.)

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use atlas_auth::Clock;
use bytes::Bytes;
use redb::Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::Failure;
use super::file::{CLOSED, OpenFile};
use super::tables::{Sight, WriteTables};
use crate::store::commit::{Commit, CommitError, Committed, Op, StoreError};
use crate::store::leases::{Leases, Moment};
use crate::store::plan::{Change, Refusal, Verdict, plan};
use crate::store::row::RowKey;

/// How many commits may wait; who comes next waits outside.
const WAITING: usize = 1024;
/// How many go into one transaction.
const GROUP: usize = 256;
/// How often a full disk is asked whether there is room again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What is waited for: a commit or a beat, and where its answer goes.
#[derive(Debug)]
enum Work {
    Commit(Commit, oneshot::Sender<Result<Committed, CommitError>>),
    Beat(Vec<(String, u64)>, Bytes, oneshot::Sender<Result<(), StoreError>>),
}

/// Work, and its place among what may wait: held until it is answered.
#[derive(Debug)]
struct Job {
    work: Work,
    _room: OwnedSemaphorePermit,
}

/// How one job of a transaction went; not yet answered, since it is not yet durable.
enum Outcome {
    Refused(CommitError),
    Repeated(Committed),
    Done(Committed, Vec<RowKey>),
    Beaten,
}

/// A transaction that failed.
struct Broken {
    failure: Failure,
    /// How far it got: before its end was begun it certainly left nothing. Refusals of single jobs stand.
    ending: bool,
}

#[derive(Debug)]
struct Waiting {
    jobs: VecDeque<Job>,
    running: bool,
    closed: bool,
}

/// What is known of the space on the disk.
#[derive(Debug)]
struct Space {
    /// It was found full: until then only endings are tried, and afterwards once there is a reserve.
    full_until: Option<Duration>,
}

/// What the handles of a store and its writer share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: OpenFile,
    pub(super) leases: Mutex<Leases>,
    pub(super) clock: Arc<dyn Clock>,
    events_kept: u64,
    waiting: Mutex<Waiting>,
    space: Mutex<Space>,
    room: Arc<Semaphore>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(file: OpenFile, opening: u64, events_kept: u64, clock: Arc<dyn Clock>) -> Arc<Self> {
        // Without a reserve only endings are written until there is one.
        let full_until = (!file.disk.has_reserve()).then(|| clock.boot().saturating_add(ASK_AGAIN));
        Arc::new(Self {
            file,
            leases: Mutex::new(Leases::new(opening)),
            clock,
            events_kept,
            waiting: Mutex::new(Waiting { jobs: VecDeque::new(), running: false, closed: false }),
            space: Mutex::new(Space { full_until }),
            room: Arc::new(Semaphore::new(WAITING)),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.waiting).closed
    }

    pub(super) async fn commit(self: &Arc<Self>, commit: Commit) -> Result<Committed, CommitError> {
        let (answer, answered) = oneshot::channel();
        if !self.hand_over(Work::Commit(commit, answer)).await {
            return Err(CommitError::Unavailable(CLOSED.to_owned()));
        }
        answered.await.unwrap_or_else(|_| Err(CommitError::Unknown("the writer stopped in the middle".to_owned())))
    }

    pub(super) async fn beat(self: &Arc<Self>, touches: Vec<(String, u64)>, frontier: Bytes) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        if !self.hand_over(Work::Beat(touches, frontier, answer)).await {
            return Err(StoreError::Unavailable(CLOSED.to_owned()));
        }
        answered.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the writer stopped in the middle".to_owned())))
    }

    /// Puts work in line. False: the store was closed.
    async fn hand_over(self: &Arc<Self>, work: Work) -> bool {
        let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return false };
        {
            let mut waiting = lock(&self.waiting);
            if waiting.closed {
                return false;
            }
            waiting.jobs.push_back(Job { work, _room: room });
            if waiting.running {
                return true;
            }
            waiting.running = true;
        }
        let turn = Turn { shared: Arc::clone(self), over: false };
        tokio::task::spawn_blocking(move || turn.run());
        true
    }

    /// Takes no more work, and returns when all that was handed over is answered.
    pub(super) async fn shut(&self) {
        lock(&self.waiting).closed = true;
        let all = u32::try_from(WAITING).unwrap_or(u32::MAX);
        // Closed below by whoever was here first.
        if let Ok(places) = self.room.acquire_many(all).await {
            places.forget();
            self.room.close();
        }
    }

    /// Whether only endings may be tried now. Asks the disk for the reserve again now and then.
    pub(super) fn only_endings(&self, boot: Duration) -> bool {
        let mut space = lock(&self.space);
        match space.full_until {
            Some(until) if until > boot => true,
            Some(_) => {
                let full = !self.file.refill_reserve();
                space.full_until = full.then(|| boot.saturating_add(ASK_AGAIN));
                full
            }
            None => false,
        }
    }

    fn group(&self) -> Vec<Job> {
        let mut waiting = lock(&self.waiting);
        let count = waiting.jobs.len().min(GROUP);
        if count == 0 {
            waiting.running = false;
        }
        waiting.jobs.drain(..count).collect()
    }

    fn write(&self, mut jobs: Vec<Job>) {
        if self.only_endings(self.clock.boot()) {
            jobs = self.refuse_full(jobs);
        }
        while !jobs.is_empty() {
            let written = Written::hold(&self.leases, &jobs);
            let done = self.file.with(|database| Ok(self.transact(database, &jobs)));
            match done.unwrap_or_else(|failure| {
                // The file could not be opened again, or the work panicked, perhaps at the very end.
                let ending = matches!(failure, Failure::Panicked(_));
                Err(Broken { failure, ending })
            }) {
                Ok(outcomes) => {
                    let ended = outcomes.iter().flat_map(|outcome| match outcome {
                        Outcome::Done(_, ended) => ended.as_slice(),
                        Outcome::Refused(_) | Outcome::Repeated(_) | Outcome::Beaten => &[],
                    });
                    written.release(ended);
                    jobs.drain(..).zip(outcomes).for_each(|(job, outcome)| job.answer(outcome));
                }
                Err(broken) => jobs = self.recover(jobs, &broken, written),
            }
        }
    }

    /// One transaction for all. On success everything is durable.
    fn transact(&self, database: &Database, jobs: &[Job]) -> Result<Vec<Outcome>, Broken> {
        let judged = self.judge(database, jobs);
        let (transaction, outcomes) = judged.map_err(|failure| Broken { failure, ending: false })?;
        if let Some(transaction) = transaction {
            transaction.commit().map_err(|error| Broken { failure: error.into(), ending: true })?;
        }
        Ok(outcomes)
    }

    /// Judges each work and writes what it does. The transaction comes back if there is anything to make durable.
    fn judge(
        &self,
        database: &Database,
        jobs: &[Job],
    ) -> Result<(Option<redb::WriteTransaction>, Vec<Outcome>), Failure> {
        let at = Moment::read(self.clock.as_ref());
        let transaction = database.begin_write()?;
        let mut tables = WriteTables::of(&transaction)?;
        let before = tables.numbers()?;
        let mut numbers = before;
        let mut outcomes = Vec::with_capacity(jobs.len());
        let mut changed = false;
        for job in jobs {
            let outcome = match &job.work {
                Work::Commit(commit, _) => {
                    let sight = Sight { tables: &tables, leases: &self.leases, boot: at.boot };
                    match plan(&sight, commit, numbers, at.now) {
                        Ok(Verdict::Repeat(first)) => Outcome::Repeated(first),
                        Ok(Verdict::Do(plan)) => {
                            tables.apply(commit.write_id, &plan)?;
                            numbers = numbers.after(&plan.answer, self.events_kept);
                            changed = true;
                            let ended = plan.rows.into_iter().filter(|change| change.ends_claim);
                            Outcome::Done(plan.answer, ended.map(|Change { key, .. }| key).collect())
                        }
                        Err(Refusal::Refused(error)) => Outcome::Refused(error),
                        Err(Refusal::Broken(failure)) => return Err(failure),
                    }
                }
                Work::Beat(touches, frontier, _) => {
                    tables.beat(touches, frontier)?;
                    changed = true;
                    Outcome::Beaten
                }
            };
            outcomes.push(outcome);
        }
        if changed {
            tables.trim(before, numbers, at.now)?;
            if numbers != before {
                tables.set_numbers(numbers)?;
            }
        }
        drop(tables);
        if changed {
            return Ok((Some(transaction), outcomes));
        }
        transaction.abort()?;
        Ok((None, outcomes))
    }

    /// After a failed transaction: opens the file again, answers each job by what the file then holds, and gives back
    /// those that are worth another try now that the reserve has been given up.
    fn recover(&self, jobs: Vec<Job>, broken: &Broken, written: Written<'_>) -> Vec<Job> {
        let name = self.file.disk.name();
        tracing::warn!(store = name, failure = ?broken.failure, "a write failed; opening the store again");
        let again = broken.failure == Failure::Full && self.make_room(jobs.iter().any(Job::is_urgent));
        let reopened = self.file.reopen();
        let fates: Vec<_> = jobs.iter().map(|job| self.fate(job, &reopened, broken)).collect();
        let done = jobs.iter().zip(&fates).filter(|(_, fate)| fate.is_ok()).flat_map(|(job, _)| job.ended());
        written.release(done);
        let mut retry = Vec::new();
        for (job, fate) in jobs.into_iter().zip(fates) {
            match (job, fate) {
                (job, Err(CommitError::Full(_))) if again && job.is_urgent() => retry.push(job),
                (Job { work: Work::Commit(_, answer), .. }, fate) => drop(answer.send(fate)),
                (Job { work: Work::Beat(_, _, answer), .. }, _) => {
                    drop(answer.send(Err(broken.failure.clone().told(&name))));
                }
            }
        }
        retry
    }

    /// Notes that the disk is full, and gives up the reserve if an ending waits. Says whether it did.
    fn make_room(&self, urgent: bool) -> bool {
        lock(&self.space).full_until = Some(self.clock.boot().saturating_add(ASK_AGAIN));
        if !urgent || !self.file.disk.has_reserve() {
            return false;
        }
        let given = self.file.disk.give_reserve();
        if let Err(error) = &given {
            tracing::warn!(store = self.file.disk.name(), %error, "the reserve could not be given up");
        }
        given.is_ok()
    }

    /// What became of a commit of a failed transaction.
    fn fate(&self, job: &Job, reopened: &Result<(), Failure>, broken: &Broken) -> Result<Committed, CommitError> {
        let path = self.file.disk.name();
        let known = match (&job.work, reopened) {
            (Work::Commit(commit, _), Ok(())) => self.file.read(|tables| tables.answer(commit.write_id)),
            (Work::Beat(..), Ok(())) => Ok(None),
            (_, Err(failure)) => Err(failure.clone()),
        };
        match known {
            Ok(Some(done)) => Ok(done),
            Err(failure) if broken.ending => Err(CommitError::Unknown(failure.told(&path).to_string())),
            Ok(None) | Err(_) => match &broken.failure {
                Failure::Full => Err(CommitError::Full(path)),
                other => Err(CommitError::Unavailable(other.clone().told(&path).to_string())),
            },
        }
    }

    /// Answers all that is not an ending, and gives back what is.
    fn refuse_full(&self, jobs: Vec<Job>) -> Vec<Job> {
        let path = self.file.disk.name();
        let (urgent, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(Job::is_urgent);
        for job in others {
            match job.work {
                Work::Commit(_, answer) => drop(answer.send(Err(CommitError::Full(path.clone())))),
                Work::Beat(_, _, answer) => drop(answer.send(Err(StoreError::Full(path.clone())))),
            }
        }
        urgent
    }
}

impl Job {
    fn is_urgent(&self) -> bool {
        matches!(&self.work, Work::Commit(commit, _) if commit.urgent)
    }

    fn ops(&self) -> &[Op] {
        match &self.work {
            Work::Commit(commit, _) => &commit.ops,
            Work::Beat(..) => &[],
        }
    }

    /// The rows that it writes.
    fn rows(&self) -> impl Iterator<Item = &RowKey> {
        self.ops().iter().filter_map(|op| match op {
            Op::Put(row) | Op::PutHeld(row) => Some(&row.key),
            Op::Delete(key) => Some(key),
            Op::Add(..) | Op::Append(_) => None,
        })
    }

    /// The rows whose claims it ends.
    fn ended(&self) -> impl Iterator<Item = &RowKey> {
        self.ops().iter().filter_map(|op| match op {
            Op::Put(row) => Some(&row.key),
            Op::Delete(key) => Some(key),
            Op::PutHeld(_) | Op::Add(..) | Op::Append(_) => None,
        })
    }

    /// Tells whoever asked. They may have gone; what was written stays written.
    fn answer(self, outcome: Outcome) {
        match (self.work, outcome) {
            (Work::Commit(_, answer), Outcome::Refused(error)) => drop(answer.send(Err(error))),
            (Work::Commit(_, answer), Outcome::Repeated(done) | Outcome::Done(done, _)) => drop(answer.send(Ok(done))),
            (Work::Commit(_, answer), Outcome::Beaten) => {
                drop(answer.send(Err(CommitError::Unknown("the answers of the writer are out of step".to_owned()))));
            }
            (Work::Beat(_, _, answer), _) => drop(answer.send(Ok(()))),
        }
    }
}

/// Keeps the rows of a group from being claimed while they are written: a claim would read what is about to be old.
struct Written<'a>(&'a Mutex<Leases>);

impl<'a> Written<'a> {
    fn hold(leases: &'a Mutex<Leases>, jobs: &[Job]) -> Self {
        lock(leases).writing(jobs.iter().flat_map(Job::rows).cloned());
        Self(leases)
    }

    /// Lets the rows be claimed again, these without the claims there were on them. Before anybody is answered.
    fn release<'b>(self, ended: impl Iterator<Item = &'b RowKey>) {
        let mut leases = lock(self.0);
        ended.for_each(|key| leases.end(key));
        leases.written();
    }
}

impl Drop for Written<'_> {
    fn drop(&mut self) {
        lock(self.0).written();
    }
}

/// The writer's turn, until nothing waits.
struct Turn {
    shared: Arc<Shared>,
    over: bool,
}

impl Turn {
    fn run(mut self) {
        loop {
            let jobs = self.shared.group();
            if jobs.is_empty() {
                self.over = true;
                return;
            }
            // A panic takes the jobs with it, whose callers are told that it is not known; the next go on.
            if catch_unwind(AssertUnwindSafe(|| self.shared.write(jobs))).is_err() {
                tracing::error!(store = self.shared.file.disk.name(), "the writer panicked");
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // The runtime stopped before the turn began: those who wait are told that it is not known.
        if !self.over {
            let mut waiting = lock(&self.shared.waiting);
            waiting.running = false;
            waiting.jobs.clear();
        }
    }
}
