//! Network volumes.

use std::time::Duration;

use atlas_auth::Clock;
use atlas_core::testing::{Reply, ScriptedTransport};
use atlas_core::{Effect, ErrorKind, Provider, VolumeId, VolumeRequest};
use serde_json::{Value, json};

use crate::support::*;

fn volume(size: u32) -> Value {
    json!({"id":"q1w2e3r4t5","name":MARK,"size":size,"dataCenter":"EU-RO-1","type":"STANDARD"})
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_made_marked_and_in_capitals() {
    let cloud = ScriptedTransport::new().reply(200, centers()).reply(201, volume(50).to_string());
    let rig = account(&cloud);
    let order =
        rig.rental(VolumeRequest::new("eu-ro-1", 50).name("box").option("type", json!("HIGH_PERFORMANCE"))).await;
    let made = rig.runpod.create_volume(&context(), &order).await.unwrap();
    assert_eq!((made.mark(), made.size_gb, made.region.as_deref()), (Some(mark()), 50, Some("EU-RO-1")));
    insta::assert_snapshot!(rig.sent(), @r#"
    GET /v2/catalog/datacenters
    POST /v2/network-volumes
    {"dataCenter":"EU-RO-1","name":"atlas-test-abcdef-aaaaaaaaaaaaaaaaaaaaaaaaaa-box","size":50,"type":"HIGH_PERFORMANCE"}
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_volume_whose_fate_is_unknown_is_not_made_again() {
    let cloud = ScriptedTransport::new().reply(200, centers()).then(Reply::lost());
    let rig = account(&cloud);
    let order = rig.rental(VolumeRequest::new("EU-RO-1", 50).name("box")).await;
    let error = rig.runpod.create_volume(&context(), &order).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Unknown, 2));
    // One that came back under another name is named as left over.
    let mut altered = volume(50);
    altered["name"] = json!("x");
    let cloud = ScriptedTransport::new().reply(200, centers()).reply(201, altered.to_string());
    let rig = account(&cloud);
    let order = rig.rental(VolumeRequest::new("EU-RO-1", 50).name("box")).await;
    let error = rig.runpod.create_volume(&context(), &order).await.unwrap_err();
    assert_eq!(error.leftovers().len(), 1);
    // One without an id may stand there, and cannot be named.
    for wrong in [json!(""), json!(null), json!(" ")] {
        let mut nameless = volume(50);
        nameless["id"] = wrong;
        let cloud = ScriptedTransport::new().reply(200, centers()).reply(201, nameless.to_string());
        let rig = account(&cloud);
        let order = rig.rental(VolumeRequest::new("EU-RO-1", 50).name("box")).await;
        let error = rig.runpod.create_volume(&context(), &order).await.unwrap_err();
        assert_eq!((error.kind(), error.effect(), error.leftovers().len()), (ErrorKind::Decode, Effect::Unknown, 0));
    }
}

/// A cloud that asks for a pause past the order's moment gets nothing after it, however long the call may take.
#[tokio::test(start_paused = true)]
async fn p2_no_volume_is_asked_for_past_the_moment_of_its_order() {
    let cloud =
        ScriptedTransport::new().reply(200, centers()).then(slow_down("400")).reply(201, volume(50).to_string());
    let rig = account(&cloud);
    let order = rig.rental(VolumeRequest::new("EU-RO-1", 50).name("box")).await;
    let patient = context().with_timeout(Duration::from_hours(1));
    let error = rig.runpod.create_volume(&patient, &order).await.unwrap_err();
    assert_eq!((error.effect(), rig.cloud.count()), (Effect::Rejected, 2), "{error}");
    assert!(rig.clock.now() <= order.not_after());
    // Within it the create is sent again, for the first provably made nothing.
    let cloud =
        ScriptedTransport::new().reply(200, centers()).then(slow_down("200")).reply(201, volume(50).to_string());
    let rig = account(&cloud);
    let order = rig.rental(VolumeRequest::new("EU-RO-1", 50).name("box")).await;
    rig.runpod.create_volume(&patient, &order).await.unwrap();
    assert_eq!(rig.cloud.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_runpod_does_not_sell_is_refused_before_it_is_asked() {
    let rig = account(&ScriptedTransport::new());
    for wrong in [
        VolumeRequest::new("EU-RO-1", 9),
        VolumeRequest::new("EU-RO-1", 4097),
        VolumeRequest::new("EU-RO-1", 50).option("name", json!("mine")),
    ] {
        let error = rig.runpod.check_volume(&wrong).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    }
    let cloud = ScriptedTransport::new().reply(200, centers());
    let rig = account(&cloud);
    let order = rig.rental(VolumeRequest::new("XX-1", 50)).await;
    let error = rig.runpod.create_volume(&context(), &order).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
}

#[tokio::test(start_paused = true)]
async fn volumes_are_read_grown_and_deleted() {
    let gone = problem(404, "Not Found", "network volume not found");
    let cloud = ScriptedTransport::new()
        .reply(200, volume(50).to_string())
        .reply(200, json!({"networkVolumes": [volume(50)]}).to_string())
        .reply(200, volume(50).to_string())
        .reply(200, volume(80).to_string())
        .reply(200, volume(80).to_string())
        .reply(200, volume(80).to_string())
        .reply(204, "")
        .reply(404, gone.clone())
        .reply(404, gone);
    let rig = account(&cloud);
    let id = VolumeId::new("q1w2e3r4t5");
    assert_eq!(rig.runpod.get_volume(&context(), &id).await.unwrap().size_gb, 50);
    assert_eq!(rig.runpod.list_volumes(&context()).await.unwrap().len(), 1);
    assert_eq!(rig.runpod.grow_volume(&context(), &id, 80).await.unwrap().size_gb, 80);
    assert_eq!(rig.runpod.grow_volume(&context(), &id, 80).await.unwrap().size_gb, 80);
    let error = rig.runpod.grow_volume(&context(), &id, 20).await.unwrap_err();
    assert!(error.to_string().contains("none can be made smaller"), "{error}");
    rig.runpod.delete_volume(&context(), &id).await.unwrap();
    rig.runpod.delete_volume(&context(), &id).await.unwrap();
    assert!(rig.runpod.get_volume(&context(), &id).await.unwrap_err().is_not_found());
    insta::assert_snapshot!(rig.sent(), @r#"
    GET /v2/network-volumes/q1w2e3r4t5
    GET /v2/network-volumes?limit=1000
    GET /v2/network-volumes/q1w2e3r4t5
    PATCH /v2/network-volumes/q1w2e3r4t5
    {"size":80}
    GET /v2/network-volumes/q1w2e3r4t5
    GET /v2/network-volumes/q1w2e3r4t5
    DELETE /v2/network-volumes/q1w2e3r4t5
    DELETE /v2/network-volumes/q1w2e3r4t5
    GET /v2/network-volumes/q1w2e3r4t5
    "#);
}

/// Provably nothing happened, whatever words say so, and whoever reads it learns what is in the way.
#[tokio::test(start_paused = true)]
async fn a_volume_in_use_is_refused_as_a_conflict_that_names_its_users() {
    let id = VolumeId::new("q1w2e3r4t5");
    let mounting =
        |pod: &str, volume: &str| json!({"id":pod,"mounts":{"network":[{"volumeId":volume,"path":"/workspace"}]}});
    let pods = json!({"pods": [mounting("p1", "q1w2e3r4t5"), mounting("p2", "another"), {"id":"p3"}]}).to_string();
    let endpoints = json!({"endpoints": [{"id":"e1","networkVolumes":["q1w2e3r4t5"]}, {"id":"e2"}]}).to_string();
    for (status, words) in [(400, "it is in use"), (409, "network volume is attached"), (400, "cannot be removed now")]
    {
        let cloud = ScriptedTransport::new()
            .reply(status, problem(status, "x", words))
            .reply(200, pods.clone())
            .reply(200, endpoints.clone());
        let rig = account(&cloud);
        let error = rig.runpod.delete_volume(&context(), &id).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.effect(), error.status()),
            (ErrorKind::Conflict, Effect::Rejected, Some(status))
        );
        let said = error.to_string();
        assert!(said.contains("is mounted by machine p1, endpoint e1") && said.contains(words), "{said}");
    }
    // What cannot be found out takes nothing from the refusal.
    let cloud = ScriptedTransport::new()
        .reply(400, problem(400, "Bad Request", "it is in use"))
        .reply(403, problem(403, "Forbidden", "no"))
        .reply(200, json!({"endpoints": []}).to_string());
    let rig = account(&cloud);
    let error = rig.runpod.delete_volume(&context(), &id).await.unwrap_err();
    assert_eq!((error.kind(), error.effect(), error.status()), (ErrorKind::Conflict, Effect::Rejected, Some(400)));
    assert!(error.to_string().contains("it is in use") && !error.to_string().contains("mounted"), "{error}");
}
