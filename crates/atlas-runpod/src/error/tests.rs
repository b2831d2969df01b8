//! Refusals that only their words tell apart.

use atlas_core::ComputeId;
use atlas_core::http::Response;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;

fn refused(operation: &'static str, status: u16, detail: &str) -> Error {
    let body = json!({"title": "x", "status": status, "detail": detail}).to_string();
    management(operation, &Response::new(StatusCode::from_u16(status).unwrap(), HeaderMap::new(), body))
}

#[test]
fn trap_02_want_of_capacity_is_told_by_its_words_and_only_of_what_makes_something() {
    for words in [
        "There are no longer any instances available with the requested specifications. Please refresh and try again.",
        "There are no longer any instances available with enough disk space.",
        "No instances available",
        "This machine does not have the resources to deploy your pod.",
        "There are not enough free GPUs on the host machine to start this pod.",
    ] {
        for operation in ["spawn", "start", "create_endpoint"] {
            let error = refused(operation, 400, words);
            assert_eq!((error.kind(), error.effect()), (ErrorKind::NoCapacity, Effect::Rejected), "{words}");
        }
        assert_eq!(refused("get", 400, words).kind(), ErrorKind::Validation);
        // A failure that says so may have made something all the same.
        let error = refused("spawn", 500, words);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Provider, Effect::Unknown));
    }
    assert_eq!(refused("spawn", 400, "exactly one of gpu or cpu").kind(), ErrorKind::Validation);
}

#[test]
fn an_error_that_quotes_a_secret_keeps_everything_but_its_words() {
    let secret = Secret::new("canary-77");
    let error = refused("spawn", 400, "bad value canary-77")
        .with_status(400)
        .with_request_id("req")
        .with_retry_after(Duration::from_secs(3))
        .with_leftover(ComputeId::new("p1"));
    let clean = without(error.clone(), [&secret]);
    assert!(!format!("{clean} {clean:?}").contains("canary"));
    assert_eq!((clean.kind(), clean.effect(), clean.status()), (error.kind(), error.effect(), error.status()));
    assert_eq!((clean.request_id(), clean.retry_after()), (error.request_id(), error.retry_after()));
    assert_eq!(clean.leftovers(), error.leftovers());
    // Words that are no secret stay, and what is too short to be one is none.
    assert_eq!(without(error.clone(), [&Secret::new("bad")]).message(), error.message());
    assert_eq!(without(error.clone(), []).message(), error.message());
}
