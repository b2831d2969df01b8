//! A GPU for each user: a small but whole backend.
//!
//! ```text
//! cargo run -p atlas-machines --features config,local,redb,http --example gpu_per_user
//! ```
//!
//! Open the address that it prints. Log in, and a machine is rented for you; every further tab gets the same one. The page
//! talks to the machine directly, with the machine's own key; this backend only hands the key out. Heartbeats keep the
//! machine; leaving ends it, and so does silence. Stop the backend, even with kill -9, and start it again: machines live
//! on, and nobody notices.
//!
//! It runs anywhere, for without any configuration the machine is a process on this machine (provider `local`) that
//! answers with a line of JSON. On a cloud, say which machine it shall be:
//!
//! ```text
//! ATLAS_DEFAULT_PROVIDER=…  GPU=h100  IMAGE=ghcr.io/me/app:1  cargo run …      the image serves HTTP on port 8000
//! ATLAS_ORCHESTRATOR__IDLE_TTL=2m  LEAVE_GRACE=75s  cargo run … -- 127.0.0.1:3000
//! ```
//!
//! | route | what it does |
//! |---|---|
//! | `GET /` | the page |
//! | `POST /login` | `{"name"}` → a cookie. **A stub**: it believes every name; put your own login here |
//! | `POST /session` | the one machine of this user → 200 `{"url","token","generation"}`, or 202 and its state: ask again |
//! | `GET /session` | its state; with an id behind it, also that of one that is over |
//! | `POST /heartbeat` | the user is there |
//! | `POST /leave` | a page was closed: ends the machine unless another tab, or the same one reloaded, is heard of soon |
//! | `DELETE /session` | ends it now |

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]
#![allow(clippy::disallowed_methods, reason = "a program has no seams")]

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use atlas::auth::{Sealed, Sealer, SystemEntropy};
use atlas::config::{Config, Environment};
use atlas::orchestrator::{Orchestrator, SessionId, SessionRequest, SessionView};
use atlas::{Auth, ComputeRequest, ErrorKind, ProviderId};
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use axum::http::{StatusCode, request::Parts};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

const PAGE: &str = include_str!("gpu_per_user.html");

/// The port that the image serves inside its machine.
const PORT: u16 = 8000;

/// How long a page waits for its machine before it asks again: proxies cut what takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the last of this process may take, and so how long its successor waits for the store.
const HANDOVER: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    // Machines of the provider `local` are supervised by this very program. Clouds need nothing like it.
    if let Some(code) = atlas::local::pod_main() {
        return code;
    }
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    match run(&address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let environment = Environment::process();
    let mut config = Config::load()?;
    config.default_provider.get_or_insert(ProviderId::parse("local")?);
    let clouds = atlas::with_config(config);
    let logins = Sealer::from_master(&clouds.master_key()?, "gpu_per_user/login");

    // From here on whoever was left behind by an earlier run is driven again: heard, ended when idle, never forgotten.
    let atlas = Orchestrator::builder(clouds).wait_for_store(HANDOVER).open().await?;

    let backend = Arc::new(Backend {
        atlas: atlas.clone(),
        request: request(&environment),
        logins,
        // More than a minute, for browsers let hidden pages beat only once a minute.
        leave_grace: atlas::duration::parse(environment.get_filled("LEAVE_GRACE").unwrap_or("75s"))?,
    });
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/login", post(login))
        .route("/session", get(show).post(open).delete(end))
        .route("/session/{id}", get(show_one))
        .route("/heartbeat", post(heartbeat))
        .route("/leave", post(leave))
        .with_state(backend);
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{{\"url\":\"http://{}\"}}", listener.local_addr()?);
    axum::serve(listener, routes).with_graceful_shutdown(told_to_stop()).await?;

    // Machines live on: the next start takes them over.
    Ok(atlas.shutdown(HANDOVER).await?)
}

/// What every user gets.
fn request(environment: &Environment) -> SessionRequest {
    let machine = environment.get_filled("GPU").map_or_else(ComputeRequest::cpu, ComputeRequest::gpu).http_port(PORT);
    let machine = match environment.get_filled("IMAGE") {
        Some(image) => machine.image(image),
        None => machine,
    };
    SessionRequest::new(machine).auth(Auth::Bearer)
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("a process may ask for its signals");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

struct Backend {
    atlas: Orchestrator,
    request: SessionRequest,
    logins: Sealer,
    leave_grace: Duration,
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// A stub: it believes every name.
async fn login(State(backend): State<Arc<Backend>>, Json(login): Json<Login>) -> Response {
    let sealed = backend.logins.seal(&SystemEntropy, "login", login.name.as_bytes());
    // `SameSite` keeps other sites from opening or ending machines in a user's name. Behind TLS add `Secure`.
    let cookie = format!("login={}; HttpOnly; SameSite=Strict; Path=/", sealed.as_text());
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie)]).into_response()
}

/// Who asks, by the cookie.
struct User(String);

impl FromRequestParts<Arc<Backend>> for User {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, backend: &Arc<Backend>) -> Result<Self, Failure> {
        let mut cookies = parts.headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        cookies
            .find_map(|line| line.split("; ").find_map(|cookie| cookie.strip_prefix("login=")))
            .and_then(|sealed| backend.logins.open("login", &Sealed::from_text(sealed)).ok())
            .and_then(|name| String::from_utf8(name.to_vec()).ok())
            .map(Self)
            .ok_or_else(|| Failure(StatusCode::UNAUTHORIZED, "log in first".to_owned()))
    }
}

#[derive(Serialize)]
struct Opened {
    session: SessionId,
    url: String,
    token: String,
    generation: u64,
}

/// However many tabs ask: one machine. Its address and key are asked for each time and kept nowhere.
async fn open(State(backend): State<Arc<Backend>>, user: User) -> Result<Response, Failure> {
    let session = backend.atlas.ensure(&user.0, backend.request.clone()).await?;
    match tokio::time::timeout(PATIENCE, session.ready()).await {
        Ok(endpoint) => {
            let at = endpoint?;
            let token = at.credentials.expose().to_owned();
            let url = at.first_http()?.to_owned();
            let opened = Opened { session: *session.id(), url, token, generation: at.generation };
            Ok(([(CACHE_CONTROL, "no-store")], Json(opened)).into_response())
        }
        Err(_) => Ok((StatusCode::ACCEPTED, Json(session.view().await?)).into_response()),
    }
}

async fn show(State(backend): State<Arc<Backend>>, user: User) -> Result<Json<SessionView>, Failure> {
    Ok(Json(backend.atlas.session_of(&user.0).await?.view().await?))
}

/// Also one that is over, for a page that asks why.
async fn show_one(
    State(backend): State<Arc<Backend>>,
    user: User,
    Path(id): Path<SessionId>,
) -> Result<Json<SessionView>, Failure> {
    let view = backend.atlas.session(id).await?.view().await?;
    if view.user == user.0 { Ok(Json(view)) } else { Err(Failure(StatusCode::NOT_FOUND, "no such session".to_owned())) }
}

/// Touches memory only, so pages may beat as often as they like.
async fn heartbeat(State(backend): State<Arc<Backend>>, user: User) -> Result<StatusCode, Failure> {
    backend.atlas.touch_key(&user.0)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A closed tab, one of several and one that is being reloaded look the same: whether anybody is still there shows only
/// after a while.
async fn leave(State(backend): State<Arc<Backend>>, user: User) -> Result<StatusCode, Failure> {
    let session = backend.atlas.session_of(&user.0).await?;
    backend.atlas.end_after(session.id(), backend.leave_grace).await?;
    Ok(StatusCode::ACCEPTED)
}

async fn end(State(backend): State<Arc<Backend>>, user: User) -> Result<StatusCode, Failure> {
    let session = backend.atlas.session_of(&user.0).await?;
    backend.atlas.end_because(session.id(), "asked on the page", &user.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a page is told, and the one at the terminal.
struct Failure(StatusCode, String);

impl From<atlas::orchestrator::Error> for Failure {
    fn from(error: atlas::orchestrator::Error) -> Self {
        let status = match error.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Validation | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
            ErrorKind::RateLimited | ErrorKind::NoCapacity | ErrorKind::Quota => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        eprintln!("{error}");
        Self(status, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}
