//! Secrets reach the machine and its user, and nobody else: neither the store, nor events, nor what is printed.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use atlas_core::{Auth, ComputeRequest};
use atlas_orchestrator::store::{Cursor, Item, Range, Store};
use atlas_orchestrator::{ReapOptions, SessionRequest};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, minutes, pass, ready_with, request, seconds, told};

const ENV: &str = "canary-env-5f3a9c0b77";
const REGISTRY: &str = "canary-registry-91d2ee04";

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// All rows and events, as bytes and as printed.
async fn everything_stored(world: &World) -> String {
    let mut stored = String::new();
    for range in [Range::Rows { kind: None, phase: None }, Range::Events { after: 0 }] {
        for item in world.store.scan(range, Cursor::START, 1_000_000).await.unwrap().items {
            let body = match item {
                Item::Row(row) => {
                    write!(stored, "{row:?}").unwrap();
                    row.body
                }
                Item::Event(event) => event.body,
                _ => continue,
            };
            stored.push_str(&String::from_utf8_lossy(&body));
        }
    }
    stored
}

#[tokio::test(start_paused = true)]
async fn p6_p13_no_secret_is_stored_told_logged_or_printed() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let world = World::new();
    let orchestrator = world.open().await;
    let mut printed = String::new();
    let mut secrets = vec![ENV.to_owned(), REGISTRY.to_owned()];
    let master = std::fs::read_to_string(world.folder.path().join("master.key")).unwrap();
    secrets.push(master.trim().to_owned());

    let mut events = orchestrator.events().await.unwrap();
    for (user, auth) in [("ada", Auth::Bearer), ("bob", Auth::SignedUrl), ("eve", Auth::Bearer)] {
        let compute = ComputeRequest::gpu("h100").image("app:1").http_port(8000).env("HF_TOKEN", ENV);
        let request = SessionRequest::new(compute).auth(auth).idle_ttl(minutes(10));
        write!(printed, "{request:?}").unwrap();
        if user == "eve" {
            world.cloud.inject(Rule::on(Operation::Spawn, Fault::LosesAnswer));
            world.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).times(3));
        }
        let session = ready_with(&orchestrator, user, request).await;
        let endpoint = session.endpoint().await.unwrap();
        secrets.extend(endpoint.credentials.bearer().map(str::to_owned));
        let machine = world.cloud.env(&endpoint.compute).unwrap();
        assert_eq!(machine["HF_TOKEN"].expose(), ENV, "it did reach the machine");
        for (name, value) in machine {
            if name.ends_with("_KEY") {
                secrets.push(value.expose().to_owned());
            }
        }
        let expires = orchestrator.now().plus(minutes(5));
        let signed = endpoint.signed_url(8000, "GET", expires).unwrap();
        write!(printed, "{endpoint:?} {session:?} {:?} {signed:?}", session.view().await.unwrap()).unwrap();
        write!(printed, "{}", serde_json::to_string(&session.view().await.unwrap()).unwrap()).unwrap();
        if user == "eve" {
            orchestrator.end(session.id()).await.unwrap();
        }
    }
    // Errors of each sort: in what is asked, at the cloud, too late.
    let wrong = ComputeRequest::gpu("h100").image("app:1").registry_auth(REGISTRY).env("HF_TOKEN", ENV);
    let refused = orchestrator.ensure("mallory", SessionRequest::new(wrong)).await;
    write!(printed, "{:?} {}", refused, refused.as_ref().err().map(ToString::to_string).unwrap_or_default()).unwrap();
    let wrong = ComputeRequest::gpu("no such gpu").image("app:1").env("HF_TOKEN", ENV);
    let refused = orchestrator.ensure("mallory", SessionRequest::new(wrong)).await.unwrap_err();
    write!(printed, "{refused:?} {refused}").unwrap();
    world.cloud.inject(Rule::on(Operation::Spawn, Fault::Unauthorized));
    let compute = ComputeRequest::gpu("h100").image("app:1").http_port(8000).env("HF_TOKEN", ENV);
    let session = orchestrator.ensure("trent", SessionRequest::new(compute).auth(Auth::Bearer)).await.unwrap();
    let over = session.ready().await.unwrap_err();
    write!(printed, "{over:?} {over} {:?}", session.ended().await.unwrap()).unwrap();
    // And what is logged when a cloud cannot be read.
    world.cloud.inject(Rule::on(Operation::List, Fault::Unauthorized).times(2));
    pass(minutes(3)).await;
    orchestrator.reap(ReapOptions::default()).await.unwrap();
    write!(printed, "{orchestrator:?} {:?} {:?}", orchestrator.exposure().await, orchestrator.sessions().await)
        .unwrap();
    write!(printed, "{:?} {:?}", told(&mut events), world.policy).unwrap();
    pass(seconds(1)).await;

    assert!(secrets.len() >= 8 && secrets.iter().all(|secret| secret.len() >= 16), "nothing to look for");
    let stored = everything_stored(&world).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(stored.len() > 1_000 && printed.len() > 1_000 && !logged.is_empty());
    for secret in &secrets {
        for (place, text) in [("the store", &stored), ("what is printed", &printed), ("the log", &logged)] {
            assert!(!text.contains(secret.as_str()), "a secret stands in {place}");
        }
    }
    drop(request());
}

#[tokio::test(start_paused = true)]
async fn p6_options_and_registry_credentials_are_stored_sealed_and_sent_as_they_were_given() {
    const OPTION: &str = "canary-option-7be1c6d2";
    let mut world = World::new();
    world.witness.have_everything_later();
    let orchestrator = world.open().await;
    let compute = || {
        ComputeRequest::gpu("h100")
            .image("app:1")
            .env("HF_TOKEN", ENV)
            .registry_auth(REGISTRY)
            .option("docker", serde_json::json!({ "password": OPTION }))
    };
    orchestrator.ensure("ada", SessionRequest::new(compute()).auth(Auth::Bearer)).await.unwrap();
    let stored = everything_stored(&world).await;
    // Another process sends them again, which knows them from the store alone.
    let orchestrator = world.reopen().await;
    pass(minutes(1)).await;
    let ordered = world.witness.ordered();
    assert!(ordered.len() > 2, "{}", ordered.len());
    assert!(ordered.iter().all(|request| *request == compute()), "sent as they were given");
    let stored = stored + &everything_stored(&world).await;
    assert!(stored.contains("app:1"), "the rest of the request is readable");
    for secret in [ENV, REGISTRY, OPTION] {
        assert!(!stored.contains(secret), "a secret stands in the store");
    }
    drop(orchestrator);
}
