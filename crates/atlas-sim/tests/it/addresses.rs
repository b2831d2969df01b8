//! What answers at a machine's address, and that no key goes astray unseen.

use std::time::Duration;

use atlas_core::{
    Auth, Capability, Compute, Credentials, PortSpec, Probe, ProbeAnswer, Provider, Result, probe::is_ready,
    probe::open_line, probe::question,
};
use atlas_sim::{AnsweredBy, Mock, MockBuilder, Presented};

use crate::support::{Caller, context, request};

struct Rented {
    caller: Caller,
    compute: Compute,
    credentials: Credentials,
}

impl Rented {
    async fn from(cloud: MockBuilder, auth: Auth) -> Self {
        let caller = Caller::of(cloud.build());
        let (order, credentials) = caller.order(request().port(PortSpec::tcp(22)), auth).await;
        let compute = caller.cloud.spawn(&context(), &order).await.unwrap();
        Self { caller, compute, credentials }
    }

    async fn ask_with(&self, path: Option<&str>, credentials: &Credentials) -> Result<ProbeAnswer> {
        let question = question(&self.compute, path, credentials, &*self.caller.cloud.clock()).unwrap().unwrap();
        self.caller.cloud.probe().ask(&question).await
    }

    async fn ask(&self) -> Result<ProbeAnswer> {
        self.ask_with(None, &self.credentials).await
    }

    async fn status(&self) -> u16 {
        self.ask().await.unwrap().status
    }

    fn by(&self) -> AnsweredBy {
        self.caller.cloud.asked().pop().unwrap().by
    }
}

#[tokio::test]
async fn a_running_machine_answers_to_its_own_key_alone() {
    for auth in [Auth::Bearer, Auth::SignedUrl] {
        let rented = Rented::from(Mock::builder(), auth).await;
        assert_eq!(rented.status().await, 200, "{auth}");
        assert_eq!(rented.by(), AnsweredBy::Machine(rented.compute.id.clone()));
        let others = Rented::from(Mock::builder(), auth).await.caller.order(request(), auth).await.1;
        assert_eq!(rented.ask_with(None, &others).await.unwrap().status, 401, "{auth}");
        assert_eq!(rented.ask_with(None, &Credentials::None).await.unwrap().status, 401, "{auth}");
    }
    let open = Rented::from(Mock::builder(), Auth::None).await;
    assert_eq!(open.status().await, 200);
    assert_eq!(open.caller.cloud.asked()[0].presented, Presented::Nothing);
}

#[tokio::test]
async fn addresses_are_the_machines_own_while_it_runs() {
    let rented = Rented::from(Mock::builder(), Auth::Bearer).await;
    let (http, tcp) = (rented.compute.port(8000).unwrap(), rented.compute.port(22).unwrap());
    assert_eq!(http.url.as_deref(), Some(format!("https://{}-8000.mock.invalid/", rented.compute.id).as_str()));
    assert!(http.tls && tcp.url.is_none() && tcp.public_port.is_some());
    assert!(rented.compute.public_ip.is_some());
    rented.caller.cloud.stop(&context(), &rented.compute.id).await.unwrap();
    let stopped = rented.caller.get(&rented.compute.id).await.unwrap();
    assert_eq!((stopped.public_ip, stopped.ports[0].url.clone(), stopped.ports[1].public_port), (None, None, None));
}

#[tokio::test]
async fn the_proxy_answers_for_a_machine_that_does_not_and_can_be_told() {
    let rented = Rented::from(Mock::builder().answers_after(Duration::from_secs(5)), Auth::Bearer).await;
    let signs = &rented.caller.cloud.traits().proxy;
    let booting = rented.ask().await.unwrap();
    assert_eq!(booting.status, 502);
    assert!(!is_ready(&booting, signs, false, true));
    rented.caller.pass(5);
    assert!(is_ready(&rented.ask().await.unwrap(), signs, false, true));
    rented.caller.terminate(&rented.compute.id).await.unwrap();
    assert_eq!(rented.status().await, 502);
    assert_eq!(rented.by(), AnsweredBy::Proxy);
}

#[tokio::test]
async fn answers_can_be_set_by_path_and_come_after_the_guard() {
    let rented = Rented::from(Mock::builder(), Auth::Bearer).await;
    let (cloud, id) = (&rented.caller.cloud, &rented.compute.id);
    cloud.set_answer(id, 503).unwrap();
    cloud.set_path_answer(id, "/health", 404).unwrap();
    let ask = async |path| rented.ask_with(Some(path), &rented.credentials).await.unwrap().status;
    assert_eq!((ask("/health").await, ask("/other").await), (404, 503));
    assert_eq!(rented.ask_with(Some("/health"), &Credentials::None).await.unwrap().status, 401);
}

/// History 22: after a resume the old port is a stranger's, who says 200 to anything.
#[tokio::test]
async fn a_resume_can_move_ports_and_a_key_at_the_old_one_is_seen() {
    let mut rented = Rented::from(Mock::builder().moves_ports(true), Auth::Bearer).await;
    let (cloud, id) = (rented.caller.cloud.clone(), rented.compute.id.clone());
    assert_eq!(rented.status().await, 200);
    assert!(cloud.keys_at_strangers().is_empty());
    cloud.stop(&context(), &id).await.unwrap();
    cloud.start(&context(), &id).await.unwrap();
    assert_eq!(rented.status().await, 200, "the stranger says yes to everything");
    assert_eq!(rented.by(), AnsweredBy::Stranger);
    assert_eq!(cloud.keys_at_strangers().len(), 1);
    let moved = rented.caller.get(&id).await.unwrap();
    assert_ne!(moved.ports[0].url, rented.compute.ports[0].url);
    rented.compute = moved;
    assert_eq!((rented.status().await, rented.by()), (200, AnsweredBy::Machine(id)));
    assert_eq!(cloud.keys_at_strangers().len(), 1);
}

#[tokio::test]
async fn without_a_proxy_the_line_is_open_and_says_so() {
    let rented = Rented::from(Mock::builder().without(Capability::HttpProxy), Auth::Bearer).await;
    let port = rented.compute.port(8000).unwrap();
    assert!(!port.tls && port.url.as_deref().unwrap().starts_with("http://192.0.2."));
    assert_eq!(open_line(&rented.compute), Some(8000));
    assert_eq!(rented.status().await, 200);
    rented.caller.terminate(&rented.compute.id).await.unwrap();
    assert!(rented.ask().await.is_err());
}
