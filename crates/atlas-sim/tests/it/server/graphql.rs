//! GraphQL, as clients of RunPod write it.

use http::Method;
use serde_json::{Value, json};

use super::client::{Cloud, pod};

async fn ask(cloud: &Cloud, query: &str) -> Value {
    let answer = cloud.post("/graphql", &json!({ "query": query })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_pods_life_in_graphql_is_the_one_in_rest() {
    let cloud = Cloud::start().await;
    let query = "mutation { podFindAndDeployOnDemand(input: { name: \"g\", imageName: \"i\", cloudType: ALL, gpuTypeId: \
        \"NVIDIA GeForce RTX 3070\", gpuCount: 1, ports: \"80/http,22/tcp\", env: [{key: \"A\", value: \"1\"}], \
        volumeInGb: 20, containerDiskInGb: 10 }) { id env imageName machineId machine { podHostId } } }";
    let made = ask(&cloud, query).await["data"]["podFindAndDeployOnDemand"].clone();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(made["env"], json!(["A=1"]));
    let rest = cloud.get(&format!("/v2/pods/{id}")).await.json();
    assert_eq!((&rest["cloud"], &rest["mounts"]["persistent"]["size"]), (&json!("COMMUNITY"), &json!(20)));
    let stopped =
        ask(&cloud, &format!("mutation {{ podStop(input: {{podId: \"{id}\"}}) {{ id desiredStatus }} }}")).await;
    assert_eq!(stopped["data"]["podStop"], json!({ "id": id, "desiredStatus": "EXITED" }));
    assert_eq!(cloud.status(&id).await, "EXITED");
    ask(&cloud, &format!("mutation {{ podResume(input: {{podId: \"{id}\", gpuCount: 1}}) {{ id }} }}")).await;
    assert_eq!(cloud.status(&id).await, "RUNNING");
    let gone = ask(&cloud, &format!("mutation {{ podTerminate(input: {{podId: \"{id}\"}}) }}")).await;
    assert_eq!(gone, json!({ "data": { "podTerminate": null } }));
    let again = ask(&cloud, &format!("mutation {{ podTerminate(input: {{podId: \"{id}\"}}) }}")).await;
    assert_eq!(again["errors"][0]["message"], "pod not found to terminate");
    assert_eq!(again["errors"][0]["extensions"]["code"], "POD_NOT_FOUND");
    let none = ask(&cloud, &format!("{{ pod(input: {{podId: \"{id}\"}}) {{ id }} }}")).await;
    assert_eq!(none, json!({ "data": { "pod": null } }));
}

#[tokio::test]
async fn errors_are_told_with_200_but_for_keys_and_documents() {
    let cloud = Cloud::start().await;
    let keyless =
        cloud.ask(Method::POST, "/graphql", &[], "{\"query\":\"{ myself { id } gpuTypes { id } }\"}").await.unwrap();
    assert_eq!((keyless.status, &keyless.json()["data"]["myself"]), (200, &Value::Null));
    assert!(keyless.json()["data"]["gpuTypes"].as_array().unwrap().len() > 40);
    let bad = cloud.ask(
        Method::POST,
        "/graphql",
        &[("authorization", "Bearer rpa_bad")],
        "{\"query\":\"{ myself { id } }\"}",
    );
    assert_eq!(bad.await.unwrap().status, 401);
    let in_url = format!("/graphql?api_key={}", cloud.key);
    let asked = cloud.ask(Method::POST, &in_url, &[], "{\"query\":\"{ myself { id } }\"}").await.unwrap();
    assert_eq!(asked.json()["data"]["myself"]["id"], "user_main");
    for query in ["{ colour }", "{ myself { colour } }", "{ myself { id }", "mutation { pod { id } }"] {
        let answer = cloud.post("/graphql", &json!({ "query": query })).await;
        assert!(answer.status == 400 || answer.json()["errors"].is_array(), "{query}: {answer:?}");
    }
    cloud.inject(&json!({ "operation": "spawn", "fault": "capacity-gone" })).await;
    let short = ask(&cloud, "mutation { podFindAndDeployOnDemand(input: {name: \"a\", imageName: \"i\", gpuTypeId: \"NVIDIA L4\"}) { id } }").await;
    assert!(short["errors"][0]["message"].as_str().unwrap().contains("no longer any instances available"));
    cloud.inject(&json!({ "operation": "list", "fault": "loses-answer" })).await;
    cloud.rent(&pod()).await;
    let lost = cloud.try_call(Method::POST, "/graphql", "{\"query\":\"{ myself { pods { id } } }\"}").await;
    assert!(lost.is_none(), "{lost:?}");
    let spot = ask(&cloud, "mutation { podRentInterruptable(input: {bidPerGpu: 0.1}) { id } }").await;
    assert!(spot["errors"][0]["message"].as_str().unwrap().ends_with("Please try again later."));
}

#[tokio::test]
async fn stock_is_told_with_capitals_and_nothing_is_null() {
    let cloud = Cloud::start().await;
    cloud.post("/admin/stock", &json!({ "gpu": "NVIDIA L4", "count": 0 })).await;
    let query = "{ gpuTypes(input: {ids: [\"NVIDIA L4\", \"NVIDIA A40\"]}) { id lowestPrice(input: {gpuCount: 1, secureCloud: true}) { stockStatus uninterruptablePrice } } }";
    let told = ask(&cloud, query).await["data"]["gpuTypes"].clone();
    assert_eq!(
        told[0],
        json!({ "id": "NVIDIA A40", "lowestPrice": { "stockStatus": "High", "uninterruptablePrice": 0.4 } })
    );
    assert_eq!(
        told[1],
        json!({ "id": "NVIDIA L4", "lowestPrice": { "stockStatus": null, "uninterruptablePrice": null } })
    );
}

#[tokio::test]
async fn an_endpoint_made_in_graphql_is_the_one_in_rest_and_under_the_same_rules() {
    let cloud = Cloud::start().await;
    let volume = cloud
        .post("/v2/network-volumes", &json!({ "name": "models", "size": 10, "dataCenter": "EU-RO-1" }))
        .await
        .json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let template = json!({ "name": "t", "image": "worker:1", "env": { "A": "1" }, "serverless": true });
    let template = cloud.post("/v2/templates", &template).await.json()["id"].as_str().unwrap().to_owned();
    let make = |change: &str| {
        format!(
            "mutation {{ saveEndpoint(input: {{ name: \"e\", templateId: \"{template}\", gpuIds: \"AMPERE_24,-NVIDIA L4\", \
             networkVolumeId: \"{volume}\", locations: \"EU-RO-1\", idleTimeout: 7, scalerType: \"REQUEST_COUNT\", \
             scalerValue: 3, workersMin: 0, workersMax: 2, gpuCount: 2, flashBootType: FLASHBOOT, \
             allowedCudaVersions: \"12.8,13.0\" {change} }}) {{ id gpuIds networkVolumeId allowedCudaVersions }} }}"
        )
    };
    let made = ask(&cloud, &make("")).await["data"]["saveEndpoint"].clone();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(
        made,
        json!({
            "id": id, "gpuIds": "AMPERE_24,-NVIDIA L4", "networkVolumeId": volume, "allowedCudaVersions": "12.8,13.0",
        })
    );
    let rest = cloud.get(&format!("/v2/serverless/{id}")).await.json();
    assert_eq!((&rest["image"], &rest["env"]), (&json!("worker:1"), &json!({ "A": "1" })));
    assert_eq!((&rest["flashboot"], &rest["networkVolumes"]), (&json!("FLASHBOOT"), &json!([volume])));
    assert_eq!(rest["scaling"], json!({ "type": "REQUEST_COUNT", "requestCount": 3 }));
    assert_eq!(rest["gpu"]["excludedTypes"], json!(["NVIDIA L4"]));
    for (change, said) in [
        (", locations: \"EU-XX-9\"", "data center 'EU-XX-9' not found"),
        (", gpuIds: \"NONE_24\"", "gpu pool 'NONE_24' not found"),
        (", idleTimeout: 4000", "$.workers.idleTimeout"),
        (", templateId: \"none\"", "template not found"),
        (", templateId: \"\"", "templateId is required"),
        (", networkVolumeId: \"none\"", "network volume not found"),
    ] {
        let refused = ask(&cloud, &make(change)).await;
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains(said), "{change}: {refused}");
    }
    cloud.inject(&json!({ "operation": "create_endpoint", "fault": "loses-answer" })).await;
    let lost = cloud.try_call(Method::POST, "/graphql", json!({ "query": make("") }).to_string()).await;
    assert!(lost.is_none(), "{lost:?}");
    assert_eq!(cloud.get("/v2/serverless").await.json()["endpoints"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_pod_on_a_template_that_is_not_there_is_refused() {
    let cloud = Cloud::start().await;
    let deploy = |kind: &str, what: &str, template: &str| {
        format!(
            "mutation {{ {kind}(input: {{ name: \"p\", imageName: \"i\", {what}, templateId: \"{template}\" }}) {{ id }} }}"
        )
    };
    let refused = ask(&cloud, &deploy("podFindAndDeployOnDemand", "gpuTypeId: \"NVIDIA L4\"", "none")).await;
    assert_eq!(refused["errors"][0]["message"], "template not found");
    // The package names this one for every pod without a GPU.
    let made = ask(&cloud, &deploy("deployCpuPod", "instanceId: \"cpu3c-2-4\"", "runpod-ubuntu")).await;
    assert!(made["data"]["deployCpuPod"]["id"].is_string(), "{made}");
}
