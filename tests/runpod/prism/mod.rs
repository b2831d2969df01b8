//! Atlas's own client, every kind of call of it, held against RunPod's published description: Prism stands between it and
//! the simulated RunPod, and says of each request and of each answer in which way it breaks the description.
//!
//! `cargo xtask prism DESCRIPTION` starts both and then the test below that is ignored otherwise. Without Prism the same
//! calls are made all the same: they must succeed, and be of every kind that Atlas knows.

mod machines;
mod place;
mod recorder;
mod resources;

use std::collections::BTreeSet;

use serde_json::json;

use self::machines::Machines;
use self::place::Place;
use self::recorder::{Call, ROUTES, Recorder};
use self::resources::Resources;

/// Where the description is not kept to, each with its reason in `docs/fidelity.md`: the route, and where in its request or its
/// answer.
const EXCEPTIONS: &[(&str, &str)] = &[("GET /pods/{}/logs", "request.header.last-event-id")];

/// All of it.
async fn all_kinds_of_calls(place: &Place) {
    let resources = Resources::make(place).await;
    Machines::of(place, &resources).live().await;
    resources.end().await;
}

fn routes_called(calls: &[Call]) -> BTreeSet<String> {
    let route = |call: &Call| {
        let route = call.route();
        assert!(route.is_some(), "a kind of call that ROUTES does not know: {} {}", call.method, call.path);
        route
    };
    calls.iter().filter_map(route).collect()
}

fn all_routes() -> BTreeSet<String> {
    ROUTES.iter().map(|(method, path)| format!("{method} {path}")).collect()
}

#[tokio::test]
async fn every_kind_of_call_is_made() {
    let place = Place::near().await;
    all_kinds_of_calls(&place).await;
    assert_eq!(routes_called(&place.recorder.calls()), all_routes());
    assert_eq!(place.open_rents().await, Vec::<String>::new(), "what was made for this was ended");
}

#[tokio::test]
#[ignore = "needs Prism and a description: cargo xtask prism DESCRIPTION"]
async fn no_call_and_no_answer_breaks_the_description() {
    let place = Place::behind_prism();
    all_kinds_of_calls(&place).await;
    let calls = place.recorder.calls();
    let (mut broken, mut met) = (Vec::new(), BTreeSet::new());
    for call in &calls {
        let route = call.route().unwrap_or_default();
        for violation in &call.violations {
            match EXCEPTIONS.iter().find(|(known, at)| *known == route && violation.place() == *at) {
                Some(exception) => {
                    met.insert(exception);
                }
                None => broken.push(format!("{} {}: {violation}", call.method, call.path)),
            }
        }
    }
    // Whether a log has to be taken up again depends on when its pod goes, so an exception need not be met each time.
    println!("{} calls of Atlas, {} breaks of the description, excepted {met:?}", calls.len(), broken.len());
    broken.dedup();
    assert!(broken.is_empty(), "the description was broken:\n{}", broken.join("\n"));
    assert_eq!(routes_called(&calls), all_routes());
    sees_what_is_broken(&place).await;
}

/// Whether Prism looks at all: at what is sent, and at what comes.
async fn sees_what_is_broken(place: &Place) {
    let recorder = Recorder::new();
    let account = place.account(&recorder);
    let request = atlas_core::ComputeRequest::gpu("l4").image("i").option("disk", json!("much"));
    let order = atlas_tests::machine_order(&account, request).await.unwrap();
    atlas_core::Provider::spawn(&account, &atlas_core::CallContext::new(), &order).await.unwrap_err();
    let seen: Vec<String> =
        recorder.calls().iter().flat_map(|call| &call.violations).map(ToString::to_string).collect();
    assert!(seen.iter().any(|violation| violation.contains("request.body.disk")), "{seen:?}");
}
