//! The user of the jobs, as a process of its own: it sends each once, follows it to its end, and tells of it.

use std::sync::Arc;
use std::time::Duration;

use atlas_core::http::{HttpClient, Request, ReqwestTransport, base_url};
use atlas_core::{
    CallContext, EndpointId, Error, ErrorKind, Job, JobId, JobRequest, JobStatus, Provider, ProviderId, Result,
};
use atlas_runpod::RunPod;
use atlas_sim::server::Running;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::tale::{End, Line, Mode, Tale};

/// The variable in which the client finds its cloud.
pub(crate) const CLOUD: &str = "ATLAS_TEST_JOBS_CLOUD";

/// How many jobs there are, and after how many the memory is measured first.
pub(crate) const JOBS: usize = 1000;
const WARM: u64 = 200;

/// How many are under way at once.
const AT_ONCE: usize = 64;

/// Between two looks at a job, and how many looks in a row may fail.
const PAUSE: Duration = Duration::from_millis(50);
const FAILURES: u32 = 10;

/// Several endpoints, for RunPod limits the calls to each.
pub(crate) async fn endpoints(cloud: &Running) -> Vec<String> {
    let (config, name) = (cloud.config(), ProviderId::parse("runpod").unwrap());
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let client = HttpClient::builder(&name, "rest", transport).key(Some(config.api_key.into())).build();
    let url = base_url("base_url", &format!("{}/serverless", config.base_url)).unwrap();
    let order = json!({
        "name": "work", "image": "ghcr.io/me/worker:1", "type": "QUEUE", "gpu": { "pools": ["ADA_24"] },
        "workers": { "min": 0, "max": 50 }, "scaling": { "type": "REQUEST_COUNT", "requestCount": 1 },
    });
    let mut made = Vec::new();
    for _ in 0..4 {
        let request = Request::post(url.clone(), "create_endpoint").json(&order).unwrap();
        let answer: Value = client.json(&CallContext::new(), request).await.unwrap();
        made.push(answer["id"].as_str().unwrap().to_owned());
    }
    made
}

#[tokio::test]
#[ignore = "the process that a_thousand_jobs_end_once_each_and_leave_nothing_behind starts"]
async fn the_client() {
    let (config, endpoints): (Value, Vec<EndpointId>) = serde_json::from_str(&std::env::var(CLOUD).unwrap()).unwrap();
    let text = |name: &str| config[name].as_str().unwrap().to_owned();
    let account = RunPod::builder()
        .api_key(text("api_key"))
        .base_url(&text("base_url"))
        .runtime_url(&text("runtime_url"))
        .build()
        .unwrap();
    let jobs = u64::try_from(JOBS).unwrap();
    // The harness of tests has begun a line.
    println!();
    for numbers in [0..WARM, WARM..jobs] {
        let users = numbers.map(|number| {
            let place = usize::try_from(number / 5).unwrap() % endpoints.len();
            let user = User { account: &account, endpoint: &endpoints[place], number, mode: Mode::of(number) };
            async move { Line::Job(user.tell().await) }
        });
        let mut users = stream::iter(users).buffer_unordered(AT_ONCE);
        while let Some(line) = users.next().await {
            println!("{}", line.write());
        }
        println!("{}", Line::Resident(resident()).write());
    }
}

/// How many bytes of memory this process has.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

struct User<'a> {
    account: &'a RunPod,
    endpoint: &'a EndpointId,
    number: u64,
    mode: Mode,
}

/// At which step it went wrong, and how.
type Step<T> = std::result::Result<T, (&'static str, Error)>;

impl User<'_> {
    async fn tell(&self) -> Tale {
        let end = match self.use_it().await {
            Ok(output) => End::Well { output },
            Err((step, error)) => End::Error {
                step: step.to_owned(),
                may_have_acted: !error.is_safe_to_resend(),
                names_job: error.job().is_some(),
                message: error.to_string(),
            },
        };
        Tale { number: self.number, mode: self.mode, end }
    }

    async fn use_it(&self) -> Step<Value> {
        let context = CallContext::new();
        let mut request = JobRequest::new(self.endpoint.as_str(), self.mode.input(self.number));
        if self.mode == Mode::Waited {
            request = request.sync(Duration::from_mins(2));
        }
        let job = self.account.run_job(&context, &request).await;
        // Whoever waits may be told of a job that was taken all right, and could not be read on.
        let job = job.map_err(|error| (if error.job().is_some() { "wait" } else { "submit" }, error))?;
        match self.mode {
            Mode::Waited => Ok(job.output.unwrap_or_default()),
            Mode::Polled => Ok(self.follow(&job.id).await?.output.unwrap_or_default()),
            Mode::Streamed => self.read(&job.id).await.map_err(|error| ("stream", error)),
            Mode::Cancelled => {
                tokio::time::sleep(PAUSE).await;
                let cancelled = self.account.cancel_job(&context, self.endpoint, &job.id).await;
                let cancelled = cancelled.map_err(|error| ("cancel", error.with_job(job.id.clone())))?;
                assert_eq!(cancelled.status, JobStatus::Cancelled);
                Ok(Value::Null)
            }
            Mode::Retried => {
                assert_eq!(self.follow(&job.id).await?.status, JobStatus::Failed);
                let again = self.account.retry_job(&context, self.endpoint, &job.id).await;
                again.map_err(|error| ("retry", error))?;
                assert_eq!(self.follow(&job.id).await?.status, JobStatus::Failed);
                Ok(Value::Null)
            }
        }
    }

    /// Looks at a job until it is over. A look that fails says nothing of it.
    async fn follow(&self, id: &JobId) -> Step<Job> {
        let mut failures = 0;
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.account.get_job(&CallContext::new(), self.endpoint, id).await {
                Ok(job) if job.status.is_over() => return Ok(job),
                Ok(_) => failures = 0,
                Err(error) if failures < FAILURES && may_pass(&error) => failures += 1,
                Err(error) => return Err(("look", error.with_job(id.clone()))),
            }
        }
    }

    /// All pieces of a stream, which come in order.
    async fn read(&self, id: &JobId) -> Result<Value> {
        let mut stream = self.account.stream_job(&CallContext::new(), self.endpoint, id)?;
        let mut pieces = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            assert_eq!(chunk.index, u64::try_from(pieces.len()).unwrap(), "each piece comes once and in order");
            pieces.push(chunk.output);
        }
        Ok(pieces.into())
    }
}

fn may_pass(error: &Error) -> bool {
    error.is_transient() || error.kind() == ErrorKind::Decode
}
