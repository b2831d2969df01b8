//! The admin API over the wire: limits and keys, as a client of any language changes them.

use http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Cloud, pod};

/// Asks without any key, as the admin API is asked.
async fn admin(cloud: &Cloud, method: Method, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    cloud.ask(method, &format!("/admin/{path}"), &[], body).await.unwrap()
}

/// Asks for the pods with a key; the status.
async fn pods_with(cloud: &Cloud, key: &str) -> u16 {
    let key = format!("Bearer {key}");
    cloud.ask(Method::GET, "/v2/pods", &[("authorization", &key)], "").await.unwrap().status
}

#[tokio::test]
async fn limits_are_shown_changed_and_begin_anew() {
    let cloud = Cloud::start().await;
    let usual = json!({ "minute": 1_000_000, "hour": 50_000_000, "day": 1_000_000_000 });
    assert_eq!(admin(&cloud, Method::GET, "limits", &Value::Null).await.json(), usual);
    // What is left out is as usual.
    let few = json!({ "minute": 2, "hour": 3, "day": 1_000_000_000 });
    assert_eq!(admin(&cloud, Method::POST, "limits", &json!({ "minute": 2, "hour": 3 })).await.json(), few);
    assert_eq!(admin(&cloud, Method::GET, "limits", &Value::Null).await.json(), few);
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(cloud.get("/v2/pods").await.status);
    }
    assert_eq!(seen, [200, 200, 429]);
    // A minute later one is left of the hour's three; what was refused counts for nothing.
    cloud.advance(60);
    assert_eq!(cloud.get("/v2/pods").await.status, 200);
    let refused = cloud.get("/v2/pods").await;
    assert_eq!(refused.problem(429), "rate limit exceeded for the hour window");
    assert_eq!(refused.header("retry-after"), "3540");
    // Said again, they count from nothing.
    admin(&cloud, Method::POST, "limits", &few).await;
    assert_eq!(cloud.get("/v2/pods").await.status, 200);
    for wrong in [json!({ "minutes": 1 }), json!({ "minute": -1 }), json!({ "minute": "many" })] {
        let answer = admin(&cloud, Method::POST, "limits", &wrong).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (400, true), "{wrong}");
    }
    assert_eq!(admin(&cloud, Method::GET, "limits", &Value::Null).await.json(), few, "what is wrong changes nothing");
    admin(&cloud, Method::POST, "reset", &Value::Null).await;
    assert_eq!(admin(&cloud, Method::GET, "limits", &Value::Null).await.json(), usual);
}

#[tokio::test]
async fn a_key_is_added_reaches_as_far_as_it_says_and_is_revoked() {
    let cloud = Cloud::start().await;
    let id = cloud.rent(&pod()).await;
    let endpoint = cloud.running.endpoint_id();
    for (key, rest) in [
        ("rpa_all", json!({})),
        ("rpa_reads", json!({ "reach": "read-only" })),
        ("rpa_jobs", json!({ "reach": { "endpoints": [endpoint] } })),
        ("rpa_none", json!({ "reach": "nothing" })),
        ("rpa_theirs", json!({ "account": "theirs" })),
    ] {
        let mut body = rest;
        body["key"] = json!(key);
        let answer = admin(&cloud, Method::POST, "keys", &body).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{key}");
    }
    let ask = async |method: Method, path: String, key: &str, body: &str| {
        let key = format!("Bearer {key}");
        cloud.ask(method, &path, &[("authorization", &key)], body.to_owned()).await.unwrap().status
    };
    let run = format!("/rt/v2/{endpoint}/run");
    let read = format!("/v2/pods/{id}");
    for (key, reads, stops, runs) in [
        ("rpa_all", 200, 200, 200),
        ("rpa_reads", 200, 403, 401),
        ("rpa_jobs", 403, 403, 200),
        ("rpa_none", 403, 403, 401),
        ("rpa_theirs", 404, 404, 404),
    ] {
        let got = (
            ask(Method::GET, read.clone(), key, "").await,
            ask(Method::POST, format!("{read}/action"), key, "{\"action\":\"restart\"}").await,
            ask(Method::POST, run.clone(), key, "{\"input\":{\"echo\":1}}").await,
        );
        assert_eq!(got, (reads, stops, runs), "{key}");
    }
    assert_eq!(pods_with(&cloud, "rpa_all").await, 200);
    for (status, after) in [(204, 401), (404, 401)] {
        assert_eq!(admin(&cloud, Method::DELETE, "keys/rpa_all", &Value::Null).await.status, status);
        assert_eq!(pods_with(&cloud, "rpa_all").await, after);
    }
    assert_eq!(pods_with(&cloud, &cloud.key).await, 200, "the others stay");
    for wrong in [json!({}), json!({ "key": "x", "reach": "far" }), json!({ "key": "x", "who": "me" })] {
        let answer = admin(&cloud, Method::POST, "keys", &wrong).await;
        assert_eq!((answer.status, answer.json()["error"].is_string()), (400, true), "{wrong}");
    }
    assert_eq!(pods_with(&cloud, "x").await, 401);
}

#[tokio::test]
async fn the_state_tells_of_all_there_is_and_shows_no_key() {
    let cloud = Cloud::start().await;
    let pod = cloud.rent(&pod()).await;
    let wish = json!({ "name": "models", "size": 10, "dataCenter": "EU-RO-1" });
    let volume = cloud.post("/v2/network-volumes", &wish).await.json()["id"].clone();
    let key = json!({ "key": "canary-of-a-key", "account": "other", "reach": "read-only" });
    assert_eq!(admin(&cloud, Method::POST, "keys", &key).await.status, 204);
    assert_eq!(admin(&cloud, Method::POST, "accounts/other", &json!({ "balance": 5.0 })).await.status, 204);
    let answer = cloud.get("/admin/state").await;
    let state = answer.json();
    assert_eq!((&state["pods"][0]["id"], &state["volumes"][0]["id"]), (&json!(pod), &volume), "{state}");
    assert_eq!(state["volumes"][0]["dataCenterId"], "EU-RO-1");
    // The endpoint that is there from the beginning.
    assert_eq!((&state["endpoints"][0]["account"], &state["endpoints"][0]["queued"]), (&json!("main"), &json!(0)));
    assert_eq!((&state["jobs"], &state["faults"]), (&json!([]), &json!([])));
    let keys = state["keys"].as_array().unwrap();
    assert!(keys.contains(&json!({ "account": "other", "reach": "read-only" })), "{state}");
    assert_eq!(state["accounts"]["other"]["balance"], 5.0);
    assert!(!state.to_string().contains("canary-of-a-key"), "{state}");
    assert!(state["limits"]["minute"].is_u64(), "{state}");
}
