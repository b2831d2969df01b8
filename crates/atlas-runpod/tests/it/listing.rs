//! Listings: the whole answer or an error, and what is found in them.

use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{CallContext, ComputeFilter, ComputeStatus, ErrorKind, Provider, RentalKind, SpawnToken};
use serde_json::{Value, json};

use crate::support::*;

fn pod(id: &str) -> Value {
    let mut pod = created();
    pod["id"] = json!(id);
    pod
}

fn token() -> SpawnToken {
    SpawnToken::parse(TOKEN).unwrap()
}

async fn ids(cloud: &ScriptedTransport) -> Result<Vec<String>, atlas_core::Error> {
    let all = account(cloud).runpod.list(&context(), &ComputeFilter::all()).await?;
    Ok(all.iter().map(|compute| compute.id.to_string()).collect())
}

const BAD_CURSOR: &str = r#"{"title":"Unprocessable Entity","status":422,"detail":"invalid cursor"}"#;

#[tokio::test(start_paused = true)]
async fn trap_11_a_listing_is_walked_to_its_end_and_shows_each_once() {
    let mut later = pod("p2");
    later["status"] = json!("RUNNING");
    let cloud = ScriptedTransport::new()
        .reply(200, page(&[pod("p3"), pod("p2")], Some("c/1")))
        .reply(200, page(&[later, pod("p1")], Some("c2")))
        .reply(200, page(&[], None));
    let rig = account(&cloud);
    let all = rig.runpod.list(&context(), &ComputeFilter::all()).await.unwrap();
    let told: Vec<_> = all.iter().map(|compute| (compute.id.as_str(), compute.status.as_str())).collect();
    assert_eq!(told, [("p3", "starting"), ("p2", "running"), ("p1", "starting")]);
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/pods?limit=1000
    GET /v2/pods?limit=1000&cursor=c%2F1
    GET /v2/pods?limit=1000&cursor=c2
    ");
    // Without a word of pages it is one page.
    let cloud = ScriptedTransport::new().reply(200, json!({"pods": [pod("p1")]}).to_string());
    assert_eq!(ids(&cloud).await.unwrap(), ["p1"]);
}

#[tokio::test(start_paused = true)]
async fn trap_11_a_cursor_that_is_refused_begins_the_walk_anew() {
    let cloud = ScriptedTransport::new()
        .reply(200, page(&[pod("p2")], Some("old")))
        .reply(422, BAD_CURSOR)
        .reply(200, page(&[pod("p2")], Some("new")))
        .reply(200, page(&[pod("p1")], None));
    assert_eq!(ids(&cloud).await.unwrap(), ["p2", "p1"]);
    // Not for ever.
    let cloud = (0..4).fold(ScriptedTransport::new(), |cloud, _| {
        cloud.reply(200, page(&[pod("p2")], Some("old"))).reply(422, BAD_CURSOR)
    });
    let error = ids(&cloud).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    assert!(error.to_string().contains("not complete"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn trap_11_a_walk_that_cannot_be_completed_is_an_error() {
    let no_cursor = json!({"pods": [pod("p1")], "pagination": {"nextCursor": null, "hasNextPage": true}}).to_string();
    let no_id = json!({"pods": [{"name": "x"}], "pagination": {"nextCursor": null, "hasNextPage": false}}).to_string();
    let cases = [
        ScriptedTransport::new().reply(200, no_cursor),
        ScriptedTransport::new().reply(200, no_id),
        ScriptedTransport::new().reply(200, "{}"),
        ScriptedTransport::new().reply(200, "null"),
        ScriptedTransport::new().reply(200, json!({"pods": null}).to_string()),
        ScriptedTransport::new()
            .reply(200, page(&[pod("p2")], Some("same")))
            .reply(200, page(&[pod("p1")], Some("same"))),
        (0..4).fold(ScriptedTransport::new().reply(200, page(&[pod("p1")], Some("next"))), |cloud, _| {
            cloud.reply(500, "")
        }),
        ScriptedTransport::new().reply(422, BAD_CURSOR),
    ];
    for cloud in cases {
        assert!(ids(&cloud).await.is_err(), "{}", cloud.transcript());
    }
}

#[tokio::test(start_paused = true)]
async fn trap_10_filters_are_ours_and_stopped_pods_are_shown() {
    let mut foreign = pod("p2");
    foreign["name"] = json!("somebody-else");
    foreign["env"] = json!({});
    let mut stopped = stopped();
    stopped["id"] = json!("p3");
    let all = page(&[pod("p1"), foreign, stopped], None);
    let cloud = (0..3).fold(ScriptedTransport::new(), |cloud, _| cloud.reply(200, all.clone()));
    let rig = account(&cloud);
    let mut filter = ComputeFilter::all();
    filter.statuses = vec![ComputeStatus::Stopped];
    assert_eq!(rig.runpod.list(&context(), &filter).await.unwrap()[0].id.as_str(), "p3");
    let mut filter = ComputeFilter::all();
    filter.marked = true;
    assert_eq!(rig.runpod.list(&context(), &filter).await.unwrap().len(), 2);
    let mut filter = ComputeFilter::all();
    filter.gpu = Some("l4".to_owned());
    assert_eq!(rig.runpod.list(&context(), &filter).await.unwrap().len(), 3);
    assert!(!rig.sent().contains("status") && !rig.sent().contains("name"), "{}", rig.sent());
}

#[tokio::test(start_paused = true)]
async fn c4_all_that_bear_the_token_are_found_by_name_or_environment() {
    let mut renamed = pod("p2");
    renamed["name"] = json!("renamed by somebody");
    let mut bare = pod("p3");
    bare["env"] = json!({});
    let mut stopped = stopped();
    stopped["id"] = json!("p4");
    let mut ended = pod("p5");
    ended["status"] = json!("TERMINATED");
    let mut other = pod("p6");
    other["name"] = json!("atlas-test-abcdef-bbbbbbbbbbbbbbbbbbbbbbbbbb");
    other["env"] = json!({"ATLAS_MARK": "atlas-test-abcdef-bbbbbbbbbbbbbbbbbbbbbbbbbb"});
    let cloud = ScriptedTransport::new()
        .reply(200, page(&[pod("p1"), renamed, bare], Some("c1")))
        .reply(200, page(&[stopped, ended, other], None));
    let found = account(&cloud).runpod.find_spawned(&context(), token()).await.unwrap();
    let ids: Vec<_> = found.matches.iter().map(|compute| compute.id.as_str()).collect();
    assert_eq!((ids, found.complete), (vec!["p1", "p2", "p3", "p4"], true));
    assert!(found.matches.iter().all(|compute| compute.mark.as_ref().is_some_and(|mark| mark.token == token())));
}

#[tokio::test(start_paused = true)]
async fn what_was_rented_is_found_and_ended_by_kind() {
    let volumes = json!({"networkVolumes": [{"id":"v1","name":MARK,"size":10,"dataCenter":"EU-RO-1","type":"STANDARD"},
        {"id":"v2","name":"mine","size":10,"dataCenter":"EU-RO-1","type":"STANDARD"}]});
    let endpoints = json!({"endpoints": [{"id":"e1","name":format!("{MARK} -fb"),"env":{}},
        {"id":"e2","name":"x","env":{"ATLAS_MARK":MARK}}, {"id":"e3","name":"y"}]});
    let cloud = ScriptedTransport::new()
        .reply(200, page(&[pod("p1")], None))
        .reply(200, volumes.to_string())
        .reply(200, endpoints.to_string())
        .reply(204, "")
        .reply(204, "")
        .reply(404, problem(404, "Not Found", "endpoint not found"));
    let rig = account(&cloud);
    for (kind, expected) in
        [(RentalKind::Machine, vec!["p1"]), (RentalKind::Volume, vec!["v1"]), (RentalKind::Endpoint, vec!["e1", "e2"])]
    {
        let all = rig.runpod.list_rented(&context(), kind).await.unwrap();
        let bearing = all.iter().filter(|rented| rented.bears(token()));
        assert_eq!(bearing.map(|rented| rented.id.as_str()).collect::<Vec<_>>(), expected);
    }
    for (kind, id) in [(RentalKind::Machine, "p1"), (RentalKind::Volume, "v1"), (RentalKind::Endpoint, "e1")] {
        rig.runpod.end_rented(&context(), kind, &atlas_core::ComputeId::new(id)).await.unwrap();
    }
    insta::assert_snapshot!(rig.sent(), @r"
    GET /v2/pods?limit=1000
    GET /v2/network-volumes?limit=1000
    GET /v2/serverless?limit=1000
    DELETE /v2/pods/p1
    DELETE /v2/network-volumes/v1
    DELETE /v2/serverless/e1
    ");
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_a_call_holds_for_all_pages_together() {
    let slow = |next: &str| Reply::new(200, page(&[pod(next)], Some(next))).after(std::time::Duration::from_secs(4));
    let cloud = ["a", "b", "c", "d"].iter().fold(ScriptedTransport::new(), |cloud, next| cloud.then(slow(next)));
    let rig = account(&cloud);
    let began = stopwatch();
    let bounded = CallContext::new().with_timeout(std::time::Duration::from_secs(10));
    let error = rig.runpod.list(&bounded, &ComputeFilter::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(began.elapsed() < std::time::Duration::from_millis(10_100));
}
