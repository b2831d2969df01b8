//! The stream of a job that is begun again because its worker was lost. Paused time: each history goes the same way.

use std::sync::Arc;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::testing::TokioClock;
use atlas_core::{CallContext, EndpointId, JobRequest, Provider, Result};
use atlas_sim::server::{Server, Timing};
use atlas_sim::{Fault, Operation, Rule};
use futures_util::StreamExt;
use http::Method;
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::wire::InMemory;

/// A worker comes after half a minute. Its pieces come each half second, and it is lost after two seconds; the next one comes
/// half a minute later.
const INPUT: &str = r#"{ "seconds": 4, "chunks": 8, "crash": 1 }"#;
const COLD_START: Duration = Duration::from_secs(30);

/// What a stream gave, and how it ended.
struct Read {
    pieces: Vec<Value>,
    end: Result<()>,
}

/// Reads the stream of one job, of which an answer with pieces is lost so long after the first worker came.
async fn read(losses: &[Duration]) -> Read {
    let clock = Arc::new(TokioClock::new(Timestamp::from_seconds(1_800_000_000)));
    let mut timing = Timing::at_once();
    timing.cold_start = COLD_START;
    let ground = Arc::new(Ground::of(Server::builder().outside(clock.clone()).timing(timing)).await);
    let way = InMemory(ground.clone());
    let endpoint = only_worker(&way).await;
    let account = ground.account().transport(Arc::new(way)).clock(clock).build().unwrap();
    let request = JobRequest::new(endpoint.as_str(), serde_json::from_str(INPUT).unwrap());
    let job = account.run_job(&CallContext::new(), &request).await.unwrap();
    let striking = async {
        let mut passed = Duration::ZERO;
        for loss in losses {
            tokio::time::sleep((COLD_START + *loss).saturating_sub(passed)).await;
            passed = COLD_START + *loss;
            ground.cloud.inject(Rule::on(Operation::StreamJob, Fault::LosesAnswer));
        }
    };
    let reading = async {
        let mut stream = account.stream_job(&CallContext::new(), &endpoint, &job.id).unwrap();
        let mut read = Read { pieces: Vec::new(), end: Ok(()) };
        while let Some(chunk) = stream.next().await {
            match chunk {
                Ok(chunk) => {
                    assert_eq!(chunk.index, u64::try_from(read.pieces.len()).unwrap());
                    read.pieces.push(chunk.output);
                }
                Err(error) => read.end = Err(error),
            }
        }
        read
    };
    let (read, ()) = tokio::join!(reading, striking);
    assert!(ground.cloud.rules().is_empty(), "every fault has struck");
    let record = ground.cloud.jobs();
    assert_eq!(record.iter().map(|job| (job.status, job.retries)).collect::<Vec<_>>(), [("COMPLETED", 1)]);
    read
}

/// An endpoint without a second worker, which would have the job as soon as the first is lost.
async fn only_worker(way: &InMemory) -> EndpointId {
    let config = way.0.cloud.config();
    let order = json!({
        "name": "work", "image": "ghcr.io/me/worker:1", "type": "QUEUE", "gpu": { "pools": ["ADA_24"] },
        "workers": { "min": 0, "max": 1 }, "scaling": { "type": "REQUEST_COUNT", "requestCount": 1 },
    });
    let url = format!("{}/serverless", config.base_url);
    let made = way.call(Method::POST, &url, Some(&config.api_key), &order).await;
    EndpointId::new(made["id"].as_str().unwrap())
}

fn all() -> Vec<Value> {
    (0..8).map(|index| json!({ "index": index })).collect()
}

#[tokio::test(start_paused = true)]
async fn pieces_that_come_anew_are_handed_out_once() {
    let read = read(&[]).await;
    read.end.unwrap();
    assert_eq!(read.pieces, all());
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_before_the_crash_is_missed_after_it() {
    for millis in [200, 700, 1200, 1700] {
        let read = read(&[Duration::from_millis(millis)]).await;
        read.end.unwrap();
        assert_eq!(read.pieces, all(), "lost after {millis} ms");
    }
}
