//! The ledger, to the millionth of a dollar.

use std::time::Duration;

use atlas_core::{Billing, ComputeRequest, Money, Provider};
use atlas_sim::Mock;

use crate::support::{Caller, context, request};

fn dollars(text: &str) -> Money {
    Money::parse(text).unwrap()
}

#[tokio::test]
async fn the_ledger_says_what_was_rented_from_when_to_when_and_what_it_cost() {
    let caller =
        Caller::of(Mock::builder().seed(7).price("h100", dollars("2.39")).stopped_price(dollars("0.1")).build());
    let one = caller.spawn(request()).await.id;
    caller.pass(1800);
    let theirs = caller.cloud.foreign_machine("database");
    caller.cloud.stop(&context(), &one).await.unwrap();
    caller.pass(3600);
    caller.terminate(&one).await.unwrap();
    caller.cloud.vanish(&theirs).unwrap();
    caller.spawn(ComputeRequest::cpu().spot(true)).await;
    caller.pass(7);
    insta::assert_json_snapshot!(caller.cloud.ledger(), @r#"
    {
      "rents": [
        {
          "id": "mock-xnszebld4g",
          "kind": "machine",
          "cloud": "mock",
          "name": "atlas-my-app-abcdef-pdnnduynvj6nbki2m5q4mlsgqi-web",
          "started_at": "2026-01-01T00:00:00.000Z",
          "ended_at": "2026-01-01T01:30:00.000Z",
          "cost": "1.295000"
        },
        {
          "id": "mock-ckr2aayglj",
          "kind": "machine",
          "cloud": "mock",
          "name": "database",
          "started_at": "2026-01-01T00:30:00.000Z",
          "ended_at": "2026-01-01T01:30:00.000Z",
          "cost": "0.360000"
        },
        {
          "id": "mock-2b6kg3ttrk",
          "kind": "machine",
          "cloud": "mock",
          "name": "atlas-my-app-abcdef-kd6u6x2jfjx6v4ggpooc6oypf2",
          "started_at": "2026-01-01T01:30:00.000Z",
          "ended_at": null,
          "cost": "0.000350"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn prices_are_per_gpu_and_spot_is_cheaper() {
    let cloud = Mock::builder().price("h100", dollars("2.39")).spot_price("l4", dollars("0.111111")).build();
    let caller = Caller::of(cloud);
    let table = [
        (request(), "2.390000"),
        (request().gpu_count(3), "7.170000"),
        (request().spot(true), "1.195000"),
        (ComputeRequest::gpu("l4").spot(true), "0.111111"),
        (ComputeRequest::gpu("l4"), "0.360000"),
        (ComputeRequest::cpu(), "0.360000"),
    ];
    for (request, price) in table {
        let compute = caller.spawn(request).await;
        assert_eq!(compute.cost_per_hour, Some(dollars(price)));
        caller.pass(3600);
        caller.terminate(&compute.id).await.unwrap();
        let rent = caller.cloud.ledger().rents.pop().unwrap();
        assert_eq!((rent.id, rent.cost), (compute.id, dollars(price)));
    }
}

#[tokio::test]
async fn a_machine_bills_while_it_starts_and_while_it_ends() {
    let span = Duration::from_secs(10);
    let caller = Caller::of(Mock::builder().startup(span).stopping(span).terminating(span).build());
    let id = caller.spawn(request()).await.id;
    caller.pass(20);
    caller.terminate(&id).await.unwrap();
    assert_eq!(caller.cloud.live(), [id]);
    caller.pass(100);
    assert!(caller.cloud.live().is_empty());
    assert_eq!(caller.cloud.ledger().total(), dollars("0.003"));
    assert_eq!(caller.cloud.traits().stopped_bills, Billing::Free);
}

#[tokio::test]
async fn what_bills_on_is_open_and_doubles_are_counted() {
    let caller = Caller::default();
    let compute = caller.spawn(request()).await;
    let token = compute.mark.unwrap().token;
    assert_eq!(caller.cloud.ledger().most_at_once()[&token], 1);
    caller.pass(1);
    let copy = caller.cloud.clone_machine(&compute.id).unwrap();
    assert_eq!(caller.cloud.ledger().most_at_once()[&token], 2);
    caller.terminate(&compute.id).await.unwrap();
    let open: Vec<_> = caller.cloud.ledger().open().map(|rent| rent.id.clone()).collect();
    assert_eq!(open, std::slice::from_ref(&copy));
    caller.terminate(&copy).await.unwrap();
    caller.cloud.reset();
    assert!(caller.cloud.ledger().rents.is_empty() && caller.cloud.calls().is_empty());
}
