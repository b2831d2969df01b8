//! A thousand jobs of all modes against a cloud of which a tenth of all answers is lost, refused or spoilt: each ends once,
//! with its output or a clear error; the stream gives each piece once and in order, also of a job that is begun again because
//! its worker was lost; nothing is run twice on a guess; and the client's memory stays as it is.
//!
//! The client is a process of its own, so that its memory is its own and its tale is only told: it is judged by what the
//! simulated cloud knows of the jobs.

mod again;
mod client;
mod tale;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use atlas_core::JobId;
use atlas_sim::server::{JobRecord, Pace, Script, Server, Timing};
use atlas_sim::{Fault, Operation, Rule, WireFault};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use tale::{End, Line, Mode, Tale};

/// The client's memory may grow by so much from the two hundredth job to the thousandth: five kilobytes a job would not
/// fit.
const GROWTH: u64 = 4 * 1024 * 1024;

/// How often the cloud's record is looked at: it forgets a job that was waited for a minute after its end.
const LOOK: Duration = Duration::from_millis(500);

/// A tenth of all calls about jobs fails, each in one of many ways.
fn faults() -> Script {
    use Fault::{ActsThenErrs, Errs, FailsBefore, Garbles, LosesAnswer, RateLimited, Wire};
    let soon = RateLimited(Duration::from_secs(1));
    let spoilt = [Wire(WireFault::CutBody), Wire(WireFault::HtmlBadGateway), Wire(WireFault::HtmlGatewayTimeout)];
    let ways = [FailsBefore, Errs, ActsThenErrs, LosesAnswer, Garbles, soon].into_iter().chain(spoilt);
    let ways: Vec<_> = ways.collect();
    let mut script = Script::new();
    for operation in
        [Operation::RunJob, Operation::GetJob, Operation::StreamJob, Operation::CancelJob, Operation::RetryJob]
    {
        for way in &ways {
            script = script.with(Rule::on(operation, way.clone()).chance(11));
        }
    }
    script
}

#[tokio::test]
async fn a_thousand_jobs_end_once_each_and_leave_nothing_behind() {
    let server = Server::builder().seed(6).clock(Pace::Real).timing(Timing::at_once()).faults(faults());
    let cloud = server.start().await.unwrap();
    let endpoints = client::endpoints(&cloud).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "jobs::client::the_client", "--ignored", "--nocapture", "--test-threads=1"])
        .env(client::CLOUD, serde_json::to_string(&(cloud.config(), endpoints)).unwrap())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut tales, mut resident, mut record) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
    let mut looks = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            line = lines.next_line() => match line.unwrap().as_deref().map(Line::read) {
                None => break,
                Some(Some(Line::Job(tale))) => {
                    let told_before = tales.insert(tale.number, tale);
                    assert_eq!(told_before, None, "a job ends once");
                }
                Some(Some(Line::Resident(bytes))) => resident.push(bytes),
                // What the harness of tests says.
                Some(None) => {}
            },
            _ = looks.tick() => record.extend(cloud.jobs().into_iter().map(|job| (job.id.clone(), job))),
        }
    }
    record.extend(cloud.jobs().into_iter().map(|job| (job.id.clone(), job)));
    assert!(child.wait().await.unwrap().success());

    assert_eq!(tales.len(), client::JOBS, "every job ends");
    let known = by_number(&record);
    for tale in tales.values() {
        judge(tale, known.get(&tale.number).map_or(&[][..], Vec::as_slice));
    }
    let count = |end: fn(&End) -> bool| tales.values().filter(|tale| end(&tale.end)).count();
    let errors = count(|end| matches!(end, End::Error { .. }));
    assert!((20..300).contains(&errors), "{errors} errors: about a tenth of the calls that cannot be repeated");
    assert!(count(|end| matches!(end, End::Well { .. })) >= 700);
    let [early, late] = resident[..] else { panic!("{resident:?}") };
    assert!(late <= early + GROWTH, "memory grew from {early} to {late}");
}

/// What the cloud knows of each job, by the number that stands in its input.
fn by_number(record: &BTreeMap<JobId, JobRecord>) -> BTreeMap<u64, Vec<&JobRecord>> {
    let mut by_number: BTreeMap<u64, Vec<&JobRecord>> = BTreeMap::new();
    for job in record.values() {
        by_number.entry(job.input["echo"].as_u64().unwrap()).or_default().push(job);
    }
    by_number
}

/// What is told of a job against what the cloud knows of it.
fn judge(tale: &Tale, known: &[&JobRecord]) {
    assert!(known.len() <= 1, "run twice: {tale:?} {known:?}");
    let stands = known.first().map(|job| (job.status, job.retries));
    match &tale.end {
        End::Well { output } => {
            let expected = match tale.mode {
                Mode::Polled | Mode::Waited | Mode::Streamed => ("COMPLETED", tale.mode.crashes(tale.number)),
                Mode::Cancelled => ("CANCELLED", 0),
                Mode::Retried => ("FAILED", 1),
            };
            assert_eq!(stands, Some(expected), "{tale:?}");
            assert_eq!(*output, tale.mode.output(tale.number), "{tale:?}");
        }
        End::Error { step, may_have_acted, names_job, message } => {
            assert!(!message.is_empty() && !message.contains('\n'), "{tale:?}");
            match step.as_str() {
                "submit" if !may_have_acted => assert_eq!(stands, None, "{tale:?}"),
                "submit" => {}
                "retry" => {
                    let retries = stands.map(|(_, retries)| retries);
                    assert!(retries == Some(0) || (*may_have_acted && retries == Some(1)), "{tale:?} {stands:?}");
                }
                _ => {
                    assert!(stands.is_some(), "{tale:?}");
                    assert!(*names_job, "whoever cannot read a job on must know which it is: {tale:?}");
                }
            }
        }
    }
}
