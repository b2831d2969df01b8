//! Histories of queues and workers.

use std::time::Duration;

use atlas_core::Money;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Landing, Settings};

const START: Timestamp = Timestamp::from_seconds(1_000_000);
const ACCOUNT: &str = "main";

/// What a test does to one endpoint. Numbers choose among the jobs that there are.
#[derive(Debug, Clone)]
enum Step {
    Run { input: Value, late: u64, limit: u64, ttl: u64, low: bool },
    Cancel { which: usize, late: u64 },
    Retry(usize),
    Purge,
    Hold(u64),
    Change { least: u32, most: u32, by_count: bool },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let input = (0..6u64, 0..4u32, any::<bool>(), 0..3u32).prop_map(|(seconds, chunks, fails, crash)| {
        let fail = if fails { json!("on purpose") } else { Value::Null };
        // Even, so that a crash halfway falls on a whole second.
        json!({ "seconds": seconds * 2, "chunks": chunks, "fail": fail, "crash": crash })
    });
    prop_oneof![
        6 => (input, 0..4u64, 1..12u64, 5..60u64, any::<bool>())
            .prop_map(|(input, late, limit, ttl, low)| Step::Run { input, late, limit, ttl, low }),
        2 => (0..9usize, 0..3u64).prop_map(|(which, late)| Step::Cancel { which, late }),
        1 => (0..9usize).prop_map(Step::Retry),
        1 => Just(Step::Purge),
        1 => (1..20u64).prop_map(Step::Hold),
        1 => (0..3u32, 0..5u32, any::<bool>()).prop_map(|(least, most, by_count)| Step::Change { least, most, by_count }),
        6 => (0..30u64).prop_map(Step::Wait),
    ]
}

/// A cloud and its only endpoint.
struct Site {
    cloud: Cloud,
    endpoint: EndpointId,
    now: Timestamp,
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

impl Site {
    fn new(plan: EndpointPlan) -> Self {
        let mut settings = Settings::new("mock");
        settings.keeps_jobs = (seconds(25), seconds(5));
        let mut cloud = Cloud::new(settings, 3);
        let plan = EndpointPlan { name: "work".to_owned(), account: ACCOUNT.to_owned(), ..plan };
        let endpoint = cloud.create_endpoint(plan, START).unwrap().id;
        Self { cloud, endpoint, now: START }
    }

    fn later(&self, late: u64) -> Landing {
        Landing { at: self.now.plus(seconds(late)), ..Landing::now(self.now) }
    }

    fn job(&self, which: usize) -> Option<JobId> {
        let all: Vec<_> = self.cloud.list_jobs(ACCOUNT, &self.endpoint, self.now).unwrap().collect();
        all.get(which % all.len().max(1)).map(|job| job.id.clone())
    }

    fn run(&mut self, plan: JobPlan) -> Job {
        let landing = self.later(0);
        self.cloud.run_job(ACCOUNT, &self.endpoint, plan, landing, self.now).unwrap()
    }

    fn read(&self, job: &Job) -> Job {
        self.cloud.read_job(ACCOUNT, &self.endpoint, &job.id, self.now).unwrap().clone()
    }

    fn pass(&mut self, count: u64) {
        self.now = self.cloud.settle(self.now.plus(seconds(count)));
    }

    /// What the workers that there are cost in one second.
    fn rate(&self) -> Money {
        self.cloud.serverless.workers.values().map(|worker| worker.price.for_span(seconds(1))).sum()
    }

    /// A refusal is as good a step as any other. `look` says how many seconds pass between two looks.
    fn step(&mut self, step: &Step, look: u64, integral: &mut Money) {
        let (endpoint, now) = (self.endpoint.clone(), self.now);
        match step {
            Step::Run { input, late, limit, ttl, low } => {
                let plan = JobPlan {
                    execution_timeout: Some(seconds(*limit)),
                    ttl: seconds(*ttl),
                    low_priority: *low,
                    is_sync: *low,
                    webhook: Some("https://hook.invalid/".into()),
                    ..JobPlan::new(input.clone())
                };
                drop(self.cloud.run_job(ACCOUNT, &endpoint, plan, self.later(*late), now));
            }
            Step::Cancel { which, late } => {
                let landing = self.later(*late);
                drop(self.job(*which).map(|id| self.cloud.cancel_job(ACCOUNT, &endpoint, &id, landing, now)));
            }
            Step::Retry(which) => {
                drop(self.job(*which).map(|id| self.cloud.retry_job(ACCOUNT, &endpoint, &id, now)));
            }
            Step::Purge => drop(self.cloud.purge_queue(ACCOUNT, &endpoint, now)),
            Step::Hold(span) => {
                drop(self.cloud.hold_workers(ACCOUNT, &endpoint, Hold::Throttled, now.plus(seconds(*span)), now));
            }
            Step::Change { least, most, by_count } => {
                drop(self.cloud.change_endpoint(ACCOUNT, &endpoint, now, |plan| {
                    (plan.workers_min, plan.workers_max) = (*least, *most);
                    plan.scaling = if *by_count { Scaling::RequestCount(2) } else { Scaling::QueueDelay(seconds(4)) };
                }));
            }
            Step::Wait(count) => {
                let mut left = *count;
                while left > 0 {
                    *integral += self.rate();
                    let passes = look.min(left);
                    self.pass(passes);
                    left -= passes;
                }
            }
        }
    }

    /// Everything is in exactly one place, and everything that is going on has an alarm.
    fn check(&self) {
        let serverless = &self.cloud.serverless;
        let endpoint = serverless.endpoints.values().next().unwrap();
        let mut running = 0;
        for (serial, job) in &serverless.jobs {
            let waits = endpoint.queue.contains(&(job.plan.low_priority, *serial));
            assert_eq!(waits, job.phase == JobPhase::Queued, "{job:?}");
            assert_eq!(job.running_on.is_some(), job.phase == JobPhase::Running, "{job:?}");
            assert_eq!(job.ended_at.is_some(), job.phase.is_over(), "{job:?}");
            assert!(job.alarm.is_some_and(|(at, _)| at > self.now), "{job:?}");
            assert!(job.expires_at > self.now, "{job:?}");
            if let Some(worker) = job.running_on {
                running += 1;
                assert_eq!(serverless.workers[&worker].state, WorkerState::Running(*serial));
            }
        }
        assert_eq!((endpoint.running, serverless.job_ids.len()), (running, serverless.jobs.len()));
        assert_eq!(endpoint.workers.iter().collect::<Vec<_>>(), serverless.workers.keys().collect::<Vec<_>>());
        for (serial, worker) in &serverless.workers {
            assert_eq!(endpoint.idle.contains(serial), worker.state == WorkerState::Idle, "{worker:?}");
        }
        let held = endpoint.held(self.now).is_some();
        assert!(held || endpoint.queue.is_empty() || endpoint.idle.is_empty(), "a job waits beside an idle worker");
    }
}

fn history(steps: &[Step], look: u64) -> (Site, Money) {
    let plan = EndpointPlan { cold_start: Some(seconds(3)), idle_timeout: seconds(7), ..EndpointPlan::default() };
    let (mut site, mut integral) = (Site::new(plan), Money::ZERO);
    for step in steps {
        site.step(step, look, &mut integral);
        site.check();
    }
    (site, integral)
}

proptest! {
    #[test]
    fn everything_is_in_one_place_and_the_bill_is_the_integral_of_the_workers(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (site, integral) = history(&steps, 1);
        prop_assert_eq!(site.cloud.ledger(site.now).total(), integral);
    }

    #[test]
    fn it_does_not_matter_how_often_anybody_looks(steps in prop::collection::vec(step(), 0..60)) {
        let ((mut often, _), (mut seldom, _)) = (history(&steps, 1), history(&steps, u64::MAX));
        prop_assert_eq!(often.cloud.ledger(often.now), seldom.cloud.ledger(seldom.now));
        let shown = |site: &Site| format!("{:?}", site.cloud.list_jobs(ACCOUNT, &site.endpoint, site.now).unwrap()
            .map(|job| (job.id.clone(), job.phase, job.started_at, job.ended_at, job.retries)).collect::<Vec<_>>());
        prop_assert_eq!(shown(&often), shown(&seldom));
        let told = |site: &mut Site| site.cloud.take_deliveries(site.now).into_iter()
            .map(|told| (told.due_at, told.job.id.clone(), told.job.phase)).collect::<Vec<_>>();
        prop_assert_eq!(told(&mut often), told(&mut seldom));
    }

    #[test]
    fn in_the_end_nothing_waits_nothing_runs_and_each_job_was_counted_once(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut site, _) = history(&steps, 1);
        let change = Step::Change { least: 0, most: 2, by_count: true };
        let mut integral = Money::ZERO;
        site.step(&change, 1, &mut integral);
        site.pass(1000);
        site.check();
        let health = site.cloud.health(ACCOUNT, &site.endpoint, site.now).unwrap();
        let ended = health.ended;
        let counted = ended.completed + ended.failed + ended.timed_out + ended.cancelled;
        // Each ending is told once; a job that its user tries again ends again.
        let told = site.cloud.take_deliveries(site.now).len();
        prop_assert_eq!(u64::try_from(told).unwrap(), counted);
        prop_assert!(site.cloud.serverless.jobs.is_empty() && site.cloud.serverless.workers.is_empty());
        prop_assert_eq!(Health { ended, ..Health::default() }, health);
        prop_assert_eq!(site.cloud.next_at(), None);
    }
}

#[test]
fn pieces_are_drained_as_they_come_and_each_once() {
    let mut site = Site::new(EndpointPlan::default());
    let job = site.run(JobPlan::new(json!({ "seconds": 4, "chunks": 4 })));
    let drain = |site: &mut Site| {
        let read = site.cloud.drain_job(ACCOUNT, &site.endpoint, &job.id, site.now).unwrap();
        (read.chunks.into_iter().map(|(index, _)| index).collect::<Vec<_>>(), read.is_over)
    };
    assert_eq!(drain(&mut site), (vec![], false));
    site.pass(2);
    assert_eq!(drain(&mut site), (vec![0, 1], false));
    assert_eq!(drain(&mut site), (vec![], false));
    site.pass(2);
    assert_eq!(drain(&mut site), (vec![2, 3], true));
    assert_eq!(drain(&mut site), (vec![], true));
    let read = site.cloud.read_chunks(ACCOUNT, &site.endpoint, &job.id, 1, site.now).unwrap();
    assert_eq!(read.chunks.len(), 3, "reading by number takes nothing away");
}

/// The next worker begins at the beginning, as RunPod's do: what was drained comes once more, what was not is gone.
#[test]
fn a_job_whose_worker_was_lost_gives_its_pieces_anew() {
    let mut site = Site::new(EndpointPlan { cold_start: Some(seconds(3)), workers_max: 1, ..EndpointPlan::default() });
    let job = site.run(JobPlan::new(json!({ "seconds": 8, "chunks": 8, "crash": 1 })));
    let drain = |site: &mut Site| {
        let read = site.cloud.drain_job(ACCOUNT, &site.endpoint, &job.id, site.now).unwrap();
        (read.chunks.into_iter().map(|(index, _)| index).collect::<Vec<_>>(), read.phase)
    };
    site.pass(5);
    assert_eq!(drain(&mut site), (vec![0, 1], JobPhase::Running));
    site.pass(2);
    assert_eq!(drain(&mut site), (vec![], JobPhase::Queued));
    site.pass(3);
    assert_eq!(drain(&mut site), (vec![], JobPhase::Running));
    site.pass(3);
    assert_eq!(drain(&mut site), (vec![0, 1, 2], JobPhase::Running));
    site.pass(5);
    assert_eq!(drain(&mut site), (vec![3, 4, 5, 6, 7], JobPhase::Completed));
    assert_eq!(site.read(&job).retries, 1);
}

#[test]
fn a_job_that_failed_is_tried_again_under_its_id_and_no_other() {
    let mut site = Site::new(EndpointPlan::default());
    let job = site.run(JobPlan::new(json!({ "seconds": 1, "fail": "text", "chunks": 1 })));
    let retry = |site: &mut Site| site.cloud.retry_job(ACCOUNT, &site.endpoint, &job.id, site.now);
    assert_eq!(retry(&mut site), Err(Refusal::NotRetriable(JobPhase::Running)));
    site.pass(1);
    assert_eq!(site.read(&job).error.as_deref(), Some("text"));
    retry(&mut site).unwrap();
    let again = site.read(&job);
    assert_eq!((again.phase, again.error, again.retries), (JobPhase::Running, None, 1));
    site.pass(1);
    assert_eq!(site.read(&job).phase, JobPhase::Failed);
    let ended = site.cloud.health(ACCOUNT, &site.endpoint, site.now).unwrap().ended;
    assert_eq!((ended.failed, ended.retried), (2, 1));
}

#[test]
fn a_purge_cancels_what_waits_and_nothing_else() {
    let mut site = Site::new(EndpointPlan { workers_max: 1, ..EndpointPlan::default() });
    let jobs: Vec<_> = (0..4).map(|_| site.run(JobPlan::new(json!({ "seconds": 9 })))).collect();
    assert_eq!(site.cloud.purge_queue(ACCOUNT, &site.endpoint, site.now), Ok(3));
    let phases: Vec<_> = jobs.iter().map(|job| site.read(job).phase).collect();
    assert_eq!(phases, [JobPhase::Running, JobPhase::Cancelled, JobPhase::Cancelled, JobPhase::Cancelled]);
}

#[test]
fn who_may_wait_waits() {
    let mut site = Site::new(EndpointPlan { workers_max: 1, ..EndpointPlan::default() });
    let mut run = |low_priority| site.run(JobPlan { low_priority, ..JobPlan::new(json!({ "seconds": 2 })) });
    let jobs = [run(false), run(true), run(false)];
    site.pass(3);
    assert_eq!(jobs.map(|job| site.read(&job).phase), [JobPhase::Completed, JobPhase::Queued, JobPhase::Running]);
}

#[test]
fn a_call_that_brings_its_job_about_early_sees_it_run() {
    let mut site = Site::new(EndpointPlan::default());
    let landing = Landing { at: START.plus(seconds(60)), call: Some(7), hidden_for: Duration::ZERO };
    let job = site.cloud.run_job(ACCOUNT, &site.endpoint, JobPlan::new(json!({})), landing, START).unwrap();
    assert!(site.cloud.read_job(ACCOUNT, &site.endpoint, &job.id, START).is_err());
    site.cloud.land_call(7, START.plus(seconds(1)));
    site.now = START.plus(seconds(1));
    let job = site.read(&job);
    assert_eq!((job.phase, job.created_at), (JobPhase::Completed, site.now));
}

#[test]
fn ten_thousand_jobs_and_machines_are_no_burden() {
    let mut site = Site::new(EndpointPlan { workers_max: 50, ..EndpointPlan::default() });
    for number in 0..10_000_u64 {
        site.run(JobPlan::new(json!({ "seconds": number % 3 })));
        let blueprint = crate::model::Blueprint { account: ACCOUNT.to_owned(), ..Default::default() };
        let machine = site.cloud.create(blueprint, Landing::now(site.now), site.now).unwrap();
        if number % 2 == 0 {
            site.cloud.delete(ACCOUNT, &machine.id, Landing::now(site.now), site.now).unwrap();
        }
    }
    assert_eq!(site.cloud.list(ACCOUNT, site.now).count(), 5000);
    site.pass(4000);
    assert_eq!(site.cloud.health(ACCOUNT, &site.endpoint, site.now).unwrap().ended.completed, 10_000);
}
