//! The pod proxy: what stands behind a pod's HTTP ports.
//!
//! Each pod runs the built-in pod service behind the guard that its own environment asks for, as it would under
//! `atlas-pod`: a client that talks to it needs its key. Two addresses lead there:
//!
//! | address | for whom |
//! |---|---|
//! | `http://127.0.0.1:PORT/pod/{id}/{port}/…` | everybody; the path before the service's own is the proxy's |
//! | `http://{id}-{port}.localhost:PORT/…` | browsers, and clients to whom all of `localhost` is this machine |
//!
//! TLS is ended outside, as it is at RunPod: the guard is told the origin by which it is reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Protocol};
use atlas_pod::{AnswerBody, BuiltIn, PodKeys};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use tower::{Layer, ServiceExt, service_fn};

use super::app::{App, World};
use super::reply;
use crate::ManualClock;
use crate::model::{Machine, Serial};

/// One port of one pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Door {
    id: ComputeId,
    port: u16,
}

/// The services behind the doors that were knocked at.
#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<BTreeMap<Serial, Arc<BuiltIn>>>);

impl Doors {
    /// The service of a pod. Before a new one is kept, those go whose pods live no more, so that there are never more of
    /// them than pods that live, and one.
    fn service(&self, app: &App, serial: Serial, id: &ComputeId) -> Arc<BuiltIn> {
        let mut services = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !services.contains_key(&serial) {
            app.with(|world, now| {
                let lives = |serial| world.cloud.numbered(serial).is_some_and(|machine| machine.is_live(now));
                services.retain(|serial, _| lives(*serial));
            });
        }
        services.entry(serial).or_insert_with(|| Arc::new(BuiltIn::new(id.as_str()))).clone()
    }

    /// How many are kept.
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn close_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// What is behind a door now.
enum Behind {
    /// There is no such pod, or it has no such port.
    Nobody,
    /// It does not listen yet, or no more.
    Silence,
    /// A pod that answers, with its keys and how it answers.
    Pod { serial: Serial, keys: Option<PodKeys>, hour: Timestamp, status: Option<u16>, thinks_for: Duration },
}

/// The routes by path.
pub(super) fn router(app: &App) -> Router {
    Router::new()
        .route("/pod/{id}/{port}", any(by_path))
        .route("/pod/{id}/{port}/", any(by_path))
        .route("/pod/{id}/{port}/{*rest}", any(by_path_and_rest))
        .with_state(app.clone())
}

async fn by_path(
    State(app): State<App>,
    Path((id, port)): Path<(String, u16)>,
    request: axum::extract::Request,
) -> Response {
    pass(&app, Door { id: ComputeId::new(id), port }, request).await
}

async fn by_path_and_rest(
    State(app): State<App>,
    Path((id, port, _)): Path<(String, u16, String)>,
    request: axum::extract::Request,
) -> Response {
    pass(&app, Door { id: ComputeId::new(id), port }, request).await
}

/// The door that the request's host names: `{id}-{port}.…`.
pub(super) fn by_host<B>(app: &App, request: &Request<B>) -> Option<Door> {
    let host = request.headers().get(HOST)?.to_str().ok()?;
    let (id, port) = host.split('.').next()?.rsplit_once('-')?;
    let (id, port) = (ComputeId::new(id), port.parse().ok()?);
    app.with(|world, _| world.cloud.machine(&id).is_some()).then_some(Door { id, port })
}

/// Passes a request on to the pod behind a door, and its answer back.
pub(super) async fn pass(app: &App, door: Door, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let inner = strip(path, &door);
    let (cap, answers_at) = (app.timing().proxy_cap, inner.split('?').next().unwrap_or("/").to_owned());
    match app.with(|world, now| behind(world, &door, &answers_at, now)) {
        Behind::Nobody => reply::page(StatusCode::NOT_FOUND, "Not Found"),
        Behind::Silence => reply::page(StatusCode::BAD_GATEWAY, "Bad Gateway"),
        Behind::Pod { thinks_for, .. } if thinks_for > cap => {
            tokio::time::sleep(cap).await;
            let timeout = StatusCode::from_u16(524).unwrap_or(StatusCode::GATEWAY_TIMEOUT);
            reply::page(timeout, "A timeout occurred")
        }
        Behind::Pod { serial, keys, hour, status, thinks_for } => {
            let service = app.doors().service(app, serial, &door.id);
            let mut response = guarded(&service, keys, hour, &door, request).await;
            if let Some(status) = status.and_then(|status| StatusCode::from_u16(status).ok())
                && response.status() != StatusCode::UNAUTHORIZED
                && response.status() != StatusCode::FORBIDDEN
            {
                *response.status_mut() = status;
            }
            tokio::time::sleep(thinks_for).await;
            response
        }
    }
}

/// The service behind the guard that its keys ask for. The guard sees the whole address, since that is what was signed;
/// the service sees its own path. Signed addresses expire by the cloud's clock, which is the pod's.
async fn guarded(
    service: &Arc<BuiltIn>,
    keys: Option<PodKeys>,
    hour: Timestamp,
    door: &Door,
    request: Request<Body>,
) -> Response {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1").to_owned();
    let (service, door) = (Arc::clone(service), door.clone());
    let inner = service_fn(move |mut request: Request<Body>| {
        let (service, door) = (Arc::clone(&service), door.clone());
        async move {
            let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
            let target = format!("{}{query}", strip(request.uri().path(), &door));
            if let Ok(uri) = target.parse::<Uri>() {
                *request.uri_mut() = uri;
            }
            Ok::<_, std::convert::Infallible>(service.answer(request))
        }
    });
    let answer: Result<Response<AnswerBody<Body>>, std::convert::Infallible> = match keys {
        None => inner.oneshot(request).await,
        Some(keys) => match keys.guard_by(&format!("http://{host}"), Arc::new(ManualClock::at(hour))) {
            Ok(guard) => guard.layer(inner).oneshot(request).await,
            // As with a real pod: one whose key is of no use does not come up.
            Err(_) => return reply::page(StatusCode::BAD_GATEWAY, "Bad Gateway"),
        },
    };
    answer.unwrap_or_else(|never| match never {}).map(Body::new)
}

/// The path behind the proxy's own part of it.
fn strip<'a>(path: &'a str, door: &Door) -> &'a str {
    let own = format!("/pod/{}/{}", door.id, door.port);
    match path.strip_prefix(&own) {
        Some("") => "/",
        Some(rest) => rest,
        None => path,
    }
}

fn behind(world: &World, door: &Door, path: &str, now: Timestamp) -> Behind {
    let Some(machine) = world.cloud.machine(&door.id).filter(|machine| machine.is_live(now)) else {
        return Behind::Nobody;
    };
    let asked = |spec: &atlas_core::PortSpec| spec.port == door.port && spec.protocol == Protocol::Http;
    if !machine.blueprint.ports.iter().any(asked) {
        return Behind::Nobody;
    }
    let listens = machine.is_running(now) && now >= machine.life.since(now).plus(world.cloud.settings.answers_after);
    let Some(pod) = world.pods.get(&machine.serial).filter(|_| listens) else { return Behind::Silence };
    Behind::Pod {
        serial: machine.serial,
        keys: keys(machine),
        hour: now,
        status: answers(machine, path),
        thinks_for: pod.thinks_for,
    }
}

fn keys(machine: &Machine) -> Option<PodKeys> {
    PodKeys::of(|name| machine.blueprint.env.get(name).cloned())
}

/// The status that its application was told to answer.
fn answers(machine: &Machine, path: &str) -> Option<u16> {
    machine.answers.get(&Some(path.to_owned())).or_else(|| machine.answers.get(&None)).copied()
}

#[cfg(test)]
mod tests {
    use super::{ComputeId, Door, strip};

    #[test]
    fn the_service_sees_its_own_path() {
        let door = Door { id: ComputeId::new("abc"), port: 8000 };
        for (path, own) in [
            ("/pod/abc/8000", "/"),
            ("/pod/abc/8000/", "/"),
            ("/pod/abc/8000/echo", "/echo"),
            ("/pod/abc/8001/echo", "/pod/abc/8001/echo"),
            ("/echo", "/echo"),
        ] {
            assert_eq!(strip(path, &door), own, "{path}");
        }
    }
}
