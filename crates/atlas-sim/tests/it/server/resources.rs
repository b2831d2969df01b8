//! What an account has beside pods: templates, registries, network volumes, endpoints, secrets; and the catalog.

use http::Method;
use serde_json::{Value, json};

use super::client::{Cloud, pod_with};

#[tokio::test]
async fn a_template_lends_what_the_body_does_not_say() {
    let cloud = Cloud::start().await;
    let body = json!({
        "name": "t", "image": "base:1", "disk": 30, "ports": ["80/http"], "env": { "A": "template", "B": "template" },
        "cmd": ["serve"], "mounts": { "persistent": { "size": 50, "path": "/w" } },
    });
    let made = cloud.post("/v2/templates", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!(
        (&made["startSsh"], &made["startJupyter"], &made["category"]),
        (&json!(true), &json!(true), &json!("NVIDIA"))
    );
    let id = made["id"].as_str().unwrap();
    let small = json!({ "name": "p", "gpu": { "id": "NVIDIA L4" }, "templateId": id, "env": { "A": "body" } });
    let shown = cloud.get(&format!("/v2/pods/{}", cloud.rent(&small).await)).await.json();
    assert_eq!(shown["image"], "base:1");
    assert_eq!(shown["env"], json!({ "A": "body", "B": "template" }));
    assert_eq!((&shown["disk"], &shown["cmd"], &shown["template"]), (&json!(30), &json!(["serve"]), &Value::Null));
    let path = format!("/v2/templates/{id}");
    let patched = cloud.patch(&path, &json!({ "name": "u", "env": {}, "cmd": ["other"] })).await.json();
    assert_eq!((&patched["name"], &patched["env"], &patched["cmd"]), (&json!("u"), &json!({}), &json!(["other"])));
    let unknown = pod_with(&json!({ "templateId": "none" }));
    assert_eq!(cloud.post("/v2/pods", &unknown).await.problem(404), "template not found");
    let serverless = json!({ "name": "s", "image": "i", "serverless": true, "ports": ["80/http"] });
    let serverless = cloud.post("/v2/templates", &serverless).await.json()["id"].clone();
    cloud.post("/v2/pods", &pod_with(&json!({ "templateId": serverless }))).await.problem(422);
    let endpoint = json!({
        "name": "e", "type": "QUEUE", "gpu": { "pools": ["ADA_24"] }, "templateId": serverless,
        "scaling": { "type": "QUEUE_DELAY", "queueDelay": 4 },
    });
    let endpoint = cloud.post("/v2/serverless", &endpoint).await.json();
    assert_eq!((&endpoint["image"], &endpoint["ports"]), (&json!("i"), &json!(["80/http"])));
    let bound = format!("/v2/templates/{}", serverless.as_str().unwrap());
    cloud.delete(&bound).await.problem(400);
    assert_eq!(cloud.delete(&format!("/v2/serverless/{}", endpoint["id"].as_str().unwrap())).await.status, 204);
    cloud.get(&bound).await.problem(404);
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.delete(&path).await.problem(404);
}

#[tokio::test]
async fn a_registry_in_use_stays() {
    let cloud = Cloud::start().await;
    let made = cloud.post("/v2/registries", &json!({ "name": "r", "username": "u", "password": "p" })).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(made.json(), json!({ "id": id, "name": "r" }));
    let pod = cloud.rent(&pod_with(&json!({ "registry": id }))).await;
    let path = format!("/v2/registries/{id}");
    cloud.delete(&path).await.problem(400);
    cloud.delete(&format!("/v2/pods/{pod}")).await;
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.post("/v2/pods", &pod_with(&json!({ "registry": id }))).await.problem(404);
    cloud.post("/v2/registries", &json!({ "name": "r" })).await.problem(422);
}

#[tokio::test]
async fn a_network_volume_holds_its_pod_where_it_is_and_only_grows() {
    let cloud = Cloud::start().await;
    let make = async |place: &str, kind: &str| {
        let body = json!({ "name": "v", "size": 100, "dataCenter": place, "type": kind });
        cloud.post("/v2/network-volumes", &body).await
    };
    assert!(make("US-TX-1", "STANDARD").await.problem(400).contains("EU-RO-1"));
    make("US-GA-2", "HIGH_PERFORMANCE").await.problem(400);
    let volume = make("EU-RO-1", "STANDARD").await.json();
    let id = volume["id"].as_str().unwrap().to_owned();
    assert_eq!(volume, json!({ "id": id, "name": "v", "size": 100, "dataCenter": "EU-RO-1", "type": "STANDARD" }));
    let path = format!("/v2/network-volumes/{id}");
    assert_eq!(cloud.patch(&path, &json!({ "size": 200, "name": "w" })).await.json()["size"], 200);
    cloud.patch(&path, &json!({ "size": 150 })).await.problem(400);
    cloud.patch(&path, &json!({ "size": 5000 })).await.problem(422);
    cloud.patch(&path, &json!({})).await.problem(422);
    let mounts = json!({ "network": [{ "volumeId": id, "path": "/data" }] });
    let elsewhere = pod_with(&json!({ "mounts": mounts, "dataCenterIds": ["US-KS-2"] }));
    assert!(cloud.post("/v2/pods", &elsewhere).await.problem(400).contains("EU-RO-1"));
    let pod = cloud.rent(&pod_with(&json!({ "mounts": mounts }))).await;
    assert_eq!(cloud.get(&format!("/v2/pods/{pod}")).await.json()["dataCenterId"], "EU-RO-1");
    cloud.delete(&path).await.problem(400);
    cloud.delete(&format!("/v2/pods/{pod}")).await;
    assert_eq!(cloud.delete(&path).await.status, 204);
    assert_eq!(cloud.get("/v2/network-volumes").await.json(), json!({ "networkVolumes": [] }));
}

#[tokio::test]
async fn an_endpoint_is_made_changed_and_shows_its_workers() {
    let cloud = Cloud::start().await;
    let body = json!({
        "name": "e", "type": "QUEUE", "image": "i", "gpu": { "pools": ["ADA_24", "AMPERE_24"], "excludedTypes": ["NVIDIA L4"] },
        "scaling": { "type": "REQUEST_COUNT", "requestCount": 1 }, "workers": { "min": 1 },
    });
    let made = cloud.post("/v2/serverless", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    assert_eq!(made["workers"], json!({ "min": 1, "max": 3, "idleTimeout": 10 }));
    assert_eq!((&made["timeout"], &made["flashboot"]), (&json!(0), &json!("OFF")));
    let id = made["id"].as_str().unwrap();
    assert!(made["requestUrls"]["runSync"].as_str().unwrap().ends_with(&format!("/rt/v2/{id}/runsync")));
    let workers = cloud.get(&format!("/v2/serverless/{id}/workers")).await.json();
    assert_eq!((&workers["summary"]["idle"], &workers["summary"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(workers["workers"][0]["status"], "IDLE");
    let path = format!("/v2/serverless/{id}");
    let patched = cloud.patch(&path, &json!({ "gpu": { "pools": ["ADA_24"] }, "workers": { "max": 7 } })).await.json();
    assert_eq!(patched["gpu"].get("excludedTypes"), None);
    assert_eq!(patched["workers"], json!({ "min": 1, "max": 7, "idleTimeout": 10 }));
    let releases = cloud.get(&format!("{path}/releases")).await.json();
    assert_eq!((&releases["endpointVersion"], &releases["rollout"]["inProgress"]), (&json!(2), &json!(true)));
    cloud.patch(&path, &json!({ "type": "QUEUE" })).await.problem(422);
    cloud.patch(&path, &json!({ "cpu": [{ "id": "cpu5c", "vcpuCount": 2 }] })).await.problem(400);
    let balancer = json!({ "type": "LOAD_BALANCER", "scaling": { "type": "QUEUE_DELAY", "queueDelay": 4 } });
    let mut wrong = body.clone();
    wrong.as_object_mut().unwrap().extend(balancer.as_object().unwrap().clone());
    cloud.post("/v2/serverless", &wrong).await.problem(422);
    wrong = body;
    wrong["gpu"]["pools"] = json!(["NVIDIA L4"]);
    assert!(cloud.post("/v2/serverless", &wrong).await.problem(400).contains("pool 'NVIDIA L4' not found"));
    assert_eq!(cloud.get("/v2/serverless").await.json()["endpoints"].as_array().unwrap().len(), 2);
    assert_eq!(cloud.delete(&path).await.status, 204);
    cloud.get(&path).await.problem(404);
}

#[tokio::test]
async fn s9_6_the_catalog_keeps_its_rules() {
    let cloud = Cloud::start().await;
    let status = async |path: &str| cloud.get(path).await.status;
    assert_eq!(status("/v2/catalog/gpus?include=AVAILABILITY").await, 400);
    assert_eq!(status("/v2/catalog/gpus?product=POD").await, 400);
    assert_eq!(status("/v2/catalog/gpus?product=POD&include=NONSENSE").await, 422);
    let all = cloud.get("/v2/catalog/gpus").await.json();
    let gpus = all["gpus"].as_array().unwrap();
    let unknown = gpus.iter().find(|gpu| gpu["id"] == "unknown").unwrap();
    assert_eq!(
        (&unknown["secure"], &unknown["community"], &unknown["manufacturer"]),
        (&json!(false), &json!(false), &json!("UNKNOWN"))
    );
    assert!(gpus[0].get("availability").is_none());
    let path = "/v2/catalog/gpus/NVIDIA%20GeForce%20RTX%203070?include=AVAILABILITY&product=POD&cloud=";
    let level = async |cloud_word: &str| cloud.get(&format!("{path}{cloud_word}")).await.json()["availability"].clone();
    assert_eq!((level("SECURE").await, level("COMMUNITY").await), (json!("NONE"), json!("HIGH")));
    cloud.get("/v2/catalog/gpus/none").await.problem(404);
    let one =
        cloud.get("/v2/catalog/gpus/NVIDIA%20L4?include=AVAILABILITY&product=POD&countryCodes=RO,FR").await.json();
    assert_eq!(one["dataCenters"].as_array().unwrap().len(), 2);
    let places = cloud
        .get("/v2/catalog/datacenters?regions=EUROPE&networkVolumeTypes=HIGH_PERFORMANCE&include=GPU_AVAILABILITY");
    let places = places.await.json()["dataCenters"].clone();
    assert_eq!((places.as_array().unwrap().len(), &places[0]["id"]), (1, &json!("EU-RO-1")));
    assert!(places[0]["gpuAvailability"].is_array());
    assert_eq!(cloud.get("/v2/catalog/cpus").await.json()["cpus"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn secrets_are_named_once_and_never_shown() {
    let cloud = Cloud::start().await;
    let made = cloud.post("/v2/account/secrets", &json!({ "name": "TOKEN", "value": "s3cret" })).await;
    assert_eq!(made.status, 201);
    assert!(!made.text.contains("s3cret"));
    cloud.post("/v2/account/secrets", &json!({ "name": "TOKEN", "value": "x" })).await.problem(409);
    cloud.post("/v2/account/secrets", &json!({ "name": "RUNPOD_X", "value": "x" })).await.problem(422);
    assert_eq!(cloud.get("/v2/account/secrets?name=TOKEN").await.json()["secrets"].as_array().unwrap().len(), 1);
    let path = format!("/v2/account/secrets/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(cloud.delete(&path).await.status, 204);
    let keys = json!({ "keys": ["nonsense"] }).to_string();
    cloud.try_call(Method::PUT, "/v2/account/ssh-keys", keys).await.unwrap().problem(422);
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let mut cloud = Cloud::start().await;
    let registry = json!({ "name": "r", "username": "u", "password": "p" });
    let registry = cloud.post("/v2/registries", &registry).await.json()["id"].as_str().unwrap().to_owned();
    let id = cloud.rent(&pod_with(&json!({ "registry": registry }))).await;
    cloud.running.add_key("rpa_other", "other", atlas_sim::server::Reach::All);
    cloud.key = "rpa_other".to_owned();
    cloud.get(&format!("/v2/pods/{id}")).await.problem(404);
    cloud.delete(&format!("/v2/pods/{id}")).await.problem(404);
    assert_eq!(cloud.delete(&format!("/v2/registries/{registry}")).await.problem(404), "registry not found");
    assert_eq!(cloud.get("/v2/pods").await.json()["pods"], json!([]));
    assert_eq!(cloud.running.ledger().open().count(), 1);
}
