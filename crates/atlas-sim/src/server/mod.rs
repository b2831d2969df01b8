//! The simulated clouds as servers, for clients of any language: one listener on loopback that speaks as RunPod does.
//!
//! | path | speaks as |
//! |---|---|
//! | `/v2/…` | RunPod's REST v2 |
//! | `/rt/v2/{endpoint}/…` | RunPod's serverless runtime |
//! | `/graphql` | RunPod's GraphQL, as far as its own Python SDK uses it |
//! | `/v1/…` | RunPod's REST v1 after its retirement: 410 |
//! | `/pod/{id}/{port}/…` | the proxy before a pod's HTTP ports |
//! | `/admin/…` | nobody's API but this server's: ledger, clock, faults, stock, state, reset |
//!
//! ```no_run
//! use atlas_sim::server::Server;
//!
//! # async fn shown() -> std::io::Result<()> {
//! let running = Server::builder().seed(7).start().await?;
//! println!("{}", running.announcement());
//! // … point a client at `running.config().base_url` with `running.config().api_key` …
//! assert_eq!(running.ledger().open().count(), 0);
//! running.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing of a real cloud is ever contacted.

mod admin;
mod app;
mod books;
mod catalog;
mod dialect;
mod graphql;
mod keys;
mod limits;
mod listen;
mod pods;
mod proxy;
mod record;
mod reply;
mod retired;
mod runtime;
mod script;
mod shape;
mod stock;
mod time;
mod v2;
mod visit;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use bytes::Bytes;
use http::{Request, Response};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub use app::Timing;
pub use keys::Reach;
pub use limits::RateLimits;
pub use record::JobRecord;
pub use script::Script;
pub use time::Pace;

use crate::faults::{FaultPlan, Rule};
use crate::model::Ledger;
use app::App;

/// The key that is known unless another is given. It opens nothing but a simulated cloud.
const API_KEY: &str = "rpa_SIMULATED0000000000000000000000000000000";

/// How a server was built.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    seed: u64,
    pace: Pace,
    outside: Arc<dyn Clock>,
    script: Script,
    // not a secret: it opens a simulated cloud alone
    api_key: String,
    timing: Timing,
    rate_limits: RateLimits,
    disk_is_needed: bool,
}

/// Where the faces of a server are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// `http://127.0.0.1:PORT`
    origin: String,
}

/// Builds a server.
#[derive(Debug, Clone)]
#[must_use]
pub struct Server {
    listen: SocketAddr,
    setup: Setup,
}

impl Server {
    /// A server on a free port of loopback, whose time passes as it does outside and in which nothing goes wrong.
    pub fn builder() -> Self {
        let setup = Setup {
            seed: 0,
            pace: Pace::Real,
            outside: Arc::new(SystemClock),
            script: Script::new(),
            api_key: API_KEY.to_owned(),
            timing: Timing::default(),
            rate_limits: RateLimits::default(),
            disk_is_needed: true,
        };
        Self { listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), setup }
    }

    /// Where to listen.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// From what ids and chances come; 0 otherwise.
    pub fn seed(mut self, seed: u64) -> Self {
        self.setup.seed = seed;
        self
    }

    /// What goes wrong from the beginning.
    pub fn faults(mut self, script: Script) -> Self {
        self.setup.script = script;
        self
    }

    /// Which clock the clouds follow; the admin API may change it.
    pub fn clock(mut self, pace: Pace) -> Self {
        self.setup.pace = pace;
        self
    }

    /// The clock outside, which [`Pace::Real`] follows; the system's unless set. Under one that follows paused time the
    /// clouds' hours pass as fast as those of their callers.
    pub fn outside(mut self, clock: Arc<dyn Clock>) -> Self {
        self.setup.outside = clock;
        self
    }

    /// The key that opens the account `main`.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.setup.api_key = key.into();
        self
    }

    /// How long things take.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.setup.timing = timing;
        self
    }

    /// How many calls of management are allowed.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.setup.rate_limits = limits;
        self
    }

    /// Whether a pod without `disk` is refused, as was seen live; its description says otherwise.
    pub fn requires_disk(mut self, required: bool) -> Self {
        self.setup.disk_is_needed = required;
        self
    }

    /// Starts listening. An error says why it cannot.
    pub async fn start(self) -> io::Result<Running> {
        let (listener, address) = listen::bind(self.listen).await?;
        let addresses = Addresses { origin: format!("http://{address}") };
        let app = App::new(self.setup, addresses);
        let router = v2::router(&app)
            .merge(admin::router(&app))
            .merge(proxy::router(&app))
            .merge(runtime::router(&app))
            .merge(graphql::router(&app))
            .merge(retired::router());
        let mut tasks = JoinSet::new();
        let service = listen::Service::new(&app, router);
        tasks.spawn(listen::serve(listener, service.clone()));
        let delivering = app.clone();
        tasks.spawn(async move { match runtime::deliver(delivering).await {} });
        Ok(Running { app, address, service, tasks })
    }
}

/// A server that listens. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    app: App,
    address: SocketAddr,
    service: listen::Service,
    tasks: JoinSet<()>,
}

/// What a client of the simulated RunPod must be told: the keys of Atlas' own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RunpodConfig {
    /// REST v2.
    pub base_url: String,
    /// The serverless runtime, without the endpoint.
    pub runtime_url: String,
    /// GraphQL.
    pub graphql_url: String,
    /// A pod's HTTP ports, with `{id}` and `{port}` to be filled in.
    pub proxy_url: String,
    /// A key that may do everything.
    // not a secret: it opens a simulated cloud alone
    pub api_key: String,
}

impl Running {
    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client of the simulated RunPod must be told.
    pub fn config(&self) -> RunpodConfig {
        let origin = &self.app.addresses().origin;
        RunpodConfig {
            base_url: format!("{origin}/v2"),
            runtime_url: format!("{origin}/rt/v2"),
            graphql_url: format!("{origin}/graphql"),
            proxy_url: format!("{origin}/pod/{{id}}/{{port}}"),
            api_key: self.app.setup().api_key.clone(),
        }
    }

    /// The serverless endpoint that is there from the beginning: it has no standing worker, and `seconds` in a job's
    /// input is how long the job takes.
    pub fn endpoint_id(&self) -> String {
        self.app.with(|world, _| world.endpoint.clone())
    }

    /// The admin API.
    pub fn admin_url(&self) -> String {
        format!("{}/admin", self.app.addresses().origin)
    }

    /// What `atlas sim` prints when it listens.
    pub fn announcement(&self) -> Value {
        let runpod = json!({ "config": self.config(), "endpoint_id": self.endpoint_id() });
        json!({ "runpod": runpod, "admin_url": self.admin_url() })
    }

    /// What was rented from when to when and what it cost, by now.
    pub fn ledger(&self) -> Ledger {
        self.app.with(|world, now| world.cloud.ledger(now))
    }

    /// Lets time pass at the clouds.
    pub fn advance(&self, span: Duration) {
        self.app.with(|world, _| world.time.advance(span));
        self.app.ring();
    }

    /// The serverless jobs that the cloud has taken and not forgotten, of all endpoints and accounts, in the order in which
    /// they came.
    pub fn jobs(&self) -> Vec<JobRecord> {
        self.app.with(|world, _| world.cloud.all_jobs().map(JobRecord::of).collect())
    }

    /// The clouds' hour, to whoever must live in it. Spans are measured as outside: connections take their time whatever
    /// the hour is.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(time::Hour::of(self.app.clone()))
    }

    /// Lets a fault happen, as its rule says.
    pub fn inject(&self, rule: Rule) {
        self.app.with(|world, now| world.plan.add(rule, now));
    }

    /// The faults that are still to come.
    pub fn rules(&self) -> Vec<Rule> {
        self.app.with(|world, _| world.plan.rules().to_vec())
    }

    /// Forgets all faults that are still to come. What they did stays done.
    pub fn heal(&self) {
        self.app.with(|world, _| world.plan = FaultPlan::new());
    }

    /// Everything as it was at the start, but for the hour.
    pub fn reset(&self) {
        self.app.reset();
    }

    /// Adds a key: whose account it opens, and how far it reaches.
    pub fn add_key(&self, key: &str, account: &str, reach: Reach) {
        self.app.with(|world, _| world.keys.add(key, account, reach));
    }

    /// Asks as over a socket, through a connection in memory of its own: the same bytes of HTTP, and no time of the
    /// operating system. Under paused time a whole history of calls is one of its seed alone.
    ///
    /// Whatever host the address names, this server answers. An error says that the connection broke before an answer
    /// came; who drops the future hangs up.
    pub async fn ask(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        self.service.ask(request).await
    }

    /// Ends it, and with it every connection.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}
