//! A job that calls back: the simulated RunPod tells the receiver on loopback, which believes nothing but the job's id, and
//! hands each end on once however often it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::Secret;
use atlas_core::{CallContext, EndpointId, Error, ErrorKind, Job, JobId, JobRequest, JobStatus, Provider, Result};
use atlas_runpod::{RunPod, Webhooks, webhook_url};
use atlas_sim::server::{Pace, Server, Timing};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ground::Ground;
use crate::page::Page;

/// Between two tries of RunPod's.
const PAUSE: Duration = Duration::from_secs(10);
/// However long a busy machine takes for a call over loopback.
const PATIENCE: Duration = Duration::from_secs(30);

const SECRET: &str = "long and random";

/// The receiver of a user's service, and what reached it.
struct Receiver {
    ground: Ground,
    account: RunPod,
    endpoint: EndpointId,
    /// What the receiver answered, in order.
    answers: watch::Receiver<Vec<StatusCode>>,
    handed_on: Arc<Mutex<Vec<Job>>>,
    address: SocketAddr,
    _serving: JoinSet<Infallible>,
}

impl Receiver {
    /// A receiver to whose user nothing goes wrong.
    async fn start() -> Self {
        Self::of(0, None).await
    }

    /// A receiver whose user fails so many times before the first job is taken, and one of whose answers, counted from 1,
    /// is lost on its way, as behind a gateway that breaks.
    async fn of(failures: usize, lost: Option<usize>) -> Self {
        let ground = Ground::of(Server::builder().clock(Pace::ByHand).timing(Timing::at_once())).await;
        let account = ground.account().build().unwrap();
        let handed_on = Arc::new(Mutex::new(Vec::new()));
        let (kept, failures) = (Arc::clone(&handed_on), Mutex::new(failures));
        let hooks = Webhooks::new(&account, &Secret::new(SECRET), move |job| {
            let fails = {
                let mut left = failures.lock().unwrap();
                let fails = *left > 0;
                *left = left.saturating_sub(1);
                fails
            };
            if !fails {
                kept.lock().unwrap().push(job);
            }
            std::future::ready(if fails { Err(Error::new(ErrorKind::Unknown, "the database is away")) } else { Ok(()) })
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, answers) = watch::channel(Vec::new());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, TowerToHyperService::new(hooks), told, lost));
        let endpoint = EndpointId::new(ground.cloud.endpoint_id());
        Self { ground, account, endpoint, answers, handed_on, address, _serving: serving }
    }

    fn url(&self, secret: &str) -> Secret {
        webhook_url(&format!("http://{}/hooks/runpod", self.address), &self.endpoint, &Secret::new(secret)).unwrap()
    }

    async fn run(&self, input: Value) -> Result<Job> {
        let request = JobRequest::new(self.endpoint.as_str(), input).webhook(self.url(SECRET));
        self.account.run_job(&CallContext::new(), &request).await
    }

    /// What was answered, once there are so many answers.
    async fn answers(&self, count: usize) -> Vec<u16> {
        let mut answers = self.answers.clone();
        let heard = tokio::time::timeout(PATIENCE, answers.wait_for(|answers| answers.len() >= count)).await;
        let heard = heard.unwrap_or_else(|_| panic!("{:?} is less than {count} answers", self.answers.borrow()));
        heard.unwrap().iter().map(StatusCode::as_u16).collect()
    }

    /// What somebody hears who pretends to be RunPod.
    async fn forge(&self, url: &Secret, body: &Value) -> u16 {
        Page::open().post(url.expose(), body.to_string()).await.as_u16()
    }

    fn handed_on(&self) -> Vec<(JobId, JobStatus, Option<Value>)> {
        let jobs = self.handed_on.lock().unwrap();
        jobs.iter().map(|job| (job.id.clone(), job.status.clone(), job.output.clone())).collect()
    }
}

async fn serve<S>(
    listener: TcpListener,
    hooks: S,
    told: watch::Sender<Vec<StatusCode>>,
    lost: Option<usize>,
) -> Infallible
where
    S: Service<Request<Incoming>, Response = Response<String>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (hooks, told) = (hooks.clone(), told.clone());
        let service = service_fn(move |request| {
            let (answer, told) = (hooks.call(request), told.clone());
            async move {
                let mut answer = answer.await?;
                told.send_modify(|answers| answers.push(answer.status()));
                if Some(told.borrow().len()) == lost {
                    *answer.status_mut() = StatusCode::BAD_GATEWAY;
                }
                Ok::<_, Infallible>(answer)
            }
        });
        connections.spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

#[tokio::test]
async fn a_job_calls_back_until_it_is_heard_and_is_handed_on_once() {
    let receiver = Receiver::of(1, Some(2)).await;
    let job = receiver.run(json!({ "seconds": 5, "echo": "done" })).await.unwrap();
    assert!(!job.status.is_over() && receiver.answers.borrow().is_empty(), "nothing is told before the end");
    receiver.ground.cloud.advance(Duration::from_secs(5));
    // The user failed: to be told again.
    assert_eq!(receiver.answers(1).await, [503]);
    assert!(receiver.handed_on().is_empty());
    // Taken, and the answer is lost: RunPod tells it once more.
    receiver.ground.cloud.advance(PAUSE);
    assert_eq!(receiver.answers(2).await, [503, 200]);
    receiver.ground.cloud.advance(PAUSE);
    assert_eq!(receiver.answers(3).await, [503, 200, 200]);
    assert_eq!(receiver.handed_on(), [(job.id, JobStatus::Completed, Some(json!("done")))]);
}

#[tokio::test]
async fn every_end_of_a_job_is_told() {
    let receiver = Receiver::start().await;
    let context = CallContext::new();
    let failed = receiver.run(json!({ "fail": "boom" })).await.unwrap();
    receiver.answers(1).await;
    let cancelled = receiver.run(json!({ "seconds": 600 })).await.unwrap();
    receiver.account.cancel_job(&context, &receiver.endpoint, &cancelled.id).await.unwrap();
    assert_eq!(receiver.answers(2).await, [200, 200]);
    let told: Vec<_> = receiver.handed_on().into_iter().map(|(id, status, _)| (id, status)).collect();
    assert_eq!(told, [(failed.id, JobStatus::Failed), (cancelled.id, JobStatus::Cancelled)]);
}

#[tokio::test]
async fn nobody_but_runpod_can_end_a_job() {
    let receiver = Receiver::start().await;
    let job = receiver.run(json!({ "seconds": 600 })).await.unwrap();
    let body = |id: &str| json!({ "id": id, "status": "COMPLETED", "output": "forged", "executionTime": 1 });
    let good = receiver.url(SECRET);
    assert_eq!(receiver.forge(&good, &body(job.id.as_str())).await, 503, "RunPod says that it is not over");
    assert_eq!(receiver.forge(&good, &body("5b1f0c1e-7a51-4a39-9f0e-2f9a1d0c7b11-u1")).await, 404, "no such job");
    assert_eq!(receiver.forge(&receiver.url("guessed"), &body(job.id.as_str())).await, 403);
    assert_eq!(receiver.forge(&good, &json!("no job")).await, 400);
    assert_eq!(receiver.handed_on(), []);
    // A forged word of an end that did come brings the end as RunPod tells it, and once.
    receiver.ground.cloud.advance(Duration::from_mins(10));
    receiver.answers(5).await;
    assert_eq!(receiver.forge(&good, &body(job.id.as_str())).await, 200);
    let told = receiver.handed_on();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_ne!(told[0].2, Some(json!("forged")));
}
