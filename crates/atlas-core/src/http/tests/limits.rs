//! Limits kept on this side, in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, Secret, Timestamp};
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::http::{HttpClient, Lane, Learned, Quota, Request, Response, Transport};
use crate::testing::TokioClock;
use crate::{CallContext, Effect, ErrorKind, ProviderId, Result};

const FEW: &[Quota] = &[Quota::new(2, Duration::from_secs(10))];

/// A cloud that notes when what arrived.
#[derive(Debug)]
struct Noting {
    clock: Arc<TokioClock>,
    arrived: Mutex<Vec<(u64, String)>>,
    headers: HeaderMap,
}

#[async_trait]
impl Transport for Noting {
    async fn send(&self, request: Request) -> Result<Response> {
        self.arrived.lock().unwrap().push((self.clock.monotonic().as_secs(), request.url().path().to_owned()));
        Ok(Response::new(StatusCode::OK, self.headers.clone(), "{}"))
    }
}

fn world(headers: HeaderMap) -> (Arc<Noting>, HttpClient) {
    let clock = Arc::new(TokioClock::new(Timestamp::EPOCH));
    let cloud = Arc::new(Noting { clock: clock.clone(), arrived: Mutex::default(), headers });
    let client = HttpClient::builder(&ProviderId::parse("cloud").unwrap(), "test", cloud.clone())
        .key(Some(Secret::new("key")))
        .quotas(|bucket| if bucket == "few" { FEW } else { &[] })
        .limits(|headers| {
            headers.contains_key("x-exhausted").then_some(Learned { exhausted_for: Duration::from_mins(1) })
        })
        .clock(clock)
        .build();
    (cloud, client)
}

fn request(path: &str, lane: Lane, bucket: &str) -> Request {
    Request::get(Url::parse("https://cloud.invalid").unwrap().join(path).unwrap(), "x").lane(lane).bucket(bucket)
}

async fn all(client: &HttpClient, requests: Vec<Request>) {
    let context = CallContext::new().with_timeout(Duration::from_mins(10));
    futures_util::future::join_all(requests.into_iter().map(|request| {
        let (client, context) = (client.clone(), context.clone());
        async move { client.send(&context, request).await.unwrap() }
    }))
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_urgent_goes_first_and_no_quota_is_exceeded() {
    let (cloud, client) = world(HeaderMap::new());
    let order = [Lane::Get, Lane::Get, Lane::Get, Lane::List, Lane::Create, Lane::Find, Lane::Terminate];
    let requests = order.iter().enumerate().map(|(index, lane)| request(&format!("/{lane:?}{index}"), *lane, "few"));
    all(&client, requests.collect()).await;
    let arrived = cloud.arrived.lock().unwrap().clone();
    let told: Vec<_> = arrived.iter().map(|(at, path)| (*at, path.as_str())).collect();
    // The first two find nobody waiting; whoever waits then goes by urgency, two in each ten seconds.
    assert_eq!(
        told,
        [
            (0, "/Get0"),
            (0, "/Get1"),
            (10, "/Terminate6"),
            (10, "/Find5"),
            (20, "/Create4"),
            (20, "/List3"),
            (30, "/Get2")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn buckets_do_not_wait_for_each_other() {
    let (cloud, client) = world(HeaderMap::new());
    let mut requests: Vec<_> = (0..3).map(|_| request("/few", Lane::Get, "few")).collect();
    requests.extend((0..5).map(|_| request("/many", Lane::Get, "many")));
    all(&client, requests).await;
    let late = cloud.arrived.lock().unwrap().iter().filter(|(at, _)| *at > 0).count();
    assert_eq!(late, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_headers_say_is_obeyed() {
    let mut headers = HeaderMap::new();
    headers.insert("x-exhausted", "1".parse().unwrap());
    let (cloud, client) = world(headers);
    for _ in 0..2 {
        all(&client, vec![request("/a", Lane::Get, "")]).await;
    }
    let arrived: Vec<_> = cloud.arrived.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(arrived, [0, 60]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue() {
    let (cloud, client) = world(HeaderMap::new());
    all(&client, vec![request("/a", Lane::Get, "few"), request("/b", Lane::Get, "few")]).await;
    let context = CallContext::new().with_timeout(Duration::from_mins(1));
    let waiting = client.send(&context, request("/gone", Lane::Terminate, "few"));
    assert!(tokio::time::timeout(Duration::from_secs(1), waiting).await.is_err());
    all(&client, vec![request("/c", Lane::Get, "few")]).await;
    let paths: Vec<_> = cloud.arrived.lock().unwrap().iter().map(|(_, path)| path.clone()).collect();
    assert_eq!(paths, ["/a", "/b", "/c"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_be_over_before_its_turn_is_told_so_at_once() {
    let (cloud, client) = world(HeaderMap::new());
    all(&client, vec![request("/a", Lane::Get, "few"), request("/b", Lane::Get, "few")]).await;
    let (began, context) = (cloud.clock.monotonic(), CallContext::new().with_timeout(Duration::from_secs(9)));
    let error = client.send(&context, request("/late", Lane::Terminate, "few")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::RateLimited, Effect::NotSent));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(10)));
    assert_eq!(cloud.clock.monotonic(), began, "it was not waited for");
    // One with time enough waits.
    let context = CallContext::new().with_timeout(Duration::from_secs(11));
    client.send(&context, request("/in-time", Lane::Get, "few")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_call_decides_not_all_of_it() {
    let (cloud, client) = world(HeaderMap::new());
    let context = CallContext::new().with_timeout(Duration::from_secs(25));
    let (first, second) = (all(&client, (0..4).map(|_| request("/a", Lane::Terminate, "few")).collect()), async {
        // Four go before them, two in each ten seconds: the third one's turn would come at 30 seconds.
        let calls = (0..3).map(|_| client.send(&context, request("/b", Lane::Get, "few")));
        futures_util::future::join_all(calls).await
    });
    let ((), calls) = tokio::join!(first, second);
    let kinds: Vec<_> = calls.iter().map(|call| call.as_ref().map_err(crate::Error::kind).map(drop)).collect();
    assert_eq!(kinds, [Ok(()), Ok(()), Err(ErrorKind::RateLimited)]);
    assert_eq!(cloud.clock.monotonic().as_secs(), 20, "the last was refused when its turn was known to come too late");
}

#[tokio::test(start_paused = true)]
async fn another_key_has_limits_of_its_own() {
    let mut headers = HeaderMap::new();
    headers.insert("x-exhausted", "1".parse().unwrap());
    let (cloud, client) = world(headers);
    let other = CallContext::new().with_key(Secret::new("another"));
    for context in [&other, &CallContext::new(), &other] {
        client.send(context, request("/a", Lane::Get, "")).await.unwrap();
    }
    let arrived: Vec<_> = cloud.arrived.lock().unwrap().iter().map(|(at, _)| *at).collect();
    assert_eq!(arrived, [0, 0, 60], "one key's limit is not another's");
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_kept_whatever_others_are_forgotten() {
    let (cloud, client) = world(HeaderMap::new());
    all(&client, vec![request("/a", Lane::Get, "few"), request("/a", Lane::Get, "few")]).await;
    for other in 0..5000 {
        client.send(&CallContext::new(), request("/b", Lane::Get, &format!("other{other}"))).await.unwrap();
    }
    all(&client, vec![request("/a", Lane::Get, "few")]).await;
    let arrived = cloud.arrived.lock().unwrap();
    let at: Vec<_> = arrived.iter().filter(|(_, path)| path == "/a").map(|(at, _)| *at).collect();
    assert_eq!(at, [0, 0, 10]);
}
