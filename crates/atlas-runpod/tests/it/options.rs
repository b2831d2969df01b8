//! What a request may ask of RunPod alone, by the name of an option: the body that is sent.

use atlas_core::testing::ScriptedTransport;
use atlas_core::{CloudType, ComputeRequest, PortSpec};
use atlas_runpod::PodOptions;
use serde_json::{Value, json};

use crate::support::*;

fn l4() -> ComputeRequest {
    ComputeRequest::gpu("l4").cloud_type(CloudType::Secure).image("ghcr.io/acme/t:1").name("box").http_port(8000)
}

/// What a create sends beside what every create does.
async fn sent_for(request: ComputeRequest) -> Value {
    let rig = account(&ScriptedTransport::new().reply(201, created().to_string()));
    rig.spawn(request).await.unwrap();
    let mut body = rig.body(0);
    for usual in ["cloud", "disk", "env", "image", "name"] {
        assert!(body.as_object_mut().unwrap().remove(usual).is_some(), "{usual}");
    }
    body
}

#[tokio::test(start_paused = true)]
async fn each_option_of_runpods_own_becomes_its_word_for_it() {
    let ports = json!(["8000/http"]);
    let plain = json!({"gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ports});
    assert_eq!(sent_for(l4()).await, plain, "none is sent unless it is asked for");
    assert_eq!(
        sent_for(l4().cuda_versions(&["12.8", "13.0"])).await,
        json!({"gpu": {"id": "NVIDIA L4", "count": 1, "allowedCudaVersions": ["12.8", "13.0"]}, "ports": ports})
    );
    assert_eq!(
        sent_for(l4().min_cuda("12.8")).await,
        json!({"gpu": {"id": "NVIDIA L4", "count": 1, "minCudaVersion": "12.8"}, "ports": ports})
    );
    assert_eq!(
        sent_for(l4().global_networking()).await,
        json!({"gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ports, "globalNetworking": true})
    );
    assert_eq!(
        sent_for(l4().port(PortSpec::tcp(22)).ssh()).await,
        json!({"gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ["8000/http", "22/tcp"], "startSsh": true})
    );
    assert_eq!(
        sent_for(l4().symmetric_ports(1)).await,
        json!({"gpu": {"id": "NVIDIA L4", "count": 1}, "ports": ["8000/http", "70000/tcp"]})
    );
    // Those beneath one name do not push each other out, nor what else a user put there.
    let several = l4().option("gpu", json!({"minRamPerGpu": 48})).cuda_versions(&["12.8"]).global_networking().ssh();
    assert_eq!(
        sent_for(several).await,
        json!({
            "gpu": {"id": "NVIDIA L4", "count": 1, "minRamPerGpu": 48, "allowedCudaVersions": ["12.8"]},
            "ports": ports, "globalNetworking": true, "startSsh": true,
        })
    );
}
