//! What people see of a session: a pure function of its row and its rental's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{ComputeId, Credentials, Money, Port, Protocol, ProviderId};
use serde::{Deserialize, Serialize, Serializer};

use crate::rental::{Power, RentalRecord};
use crate::session::{Reason, Receipt, SessionPhase, SessionRecord, Wait};
use crate::{Error, RentalId, Result, SessionId};

/// How a session stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// It waits for its turn to get a machine.
    Waiting,
    /// A create is under way.
    Spawning,
    /// There is a machine, and it is not ready yet.
    Starting,
    /// Its machine answers.
    Ready,
    /// Its machine is on its way to stopped.
    Stopping,
    /// Its machine is stopped, its disk kept.
    Stopped,
    /// Its machine is not found, or said to be over; neither is believed yet.
    Missing,
    /// Its machines are being ended.
    Ending,
    /// It is over, and all its machines are proven gone.
    Ended,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Waiting => "waiting",
            Self::Spawning => "spawning",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Missing => "missing",
            Self::Ending => "ending",
            Self::Ended => "ended",
        })
    }
}

/// Where a session's machine is, without the key to it: fit to be shown. Whoever goes there asks for the [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Address {
    /// The URL of its first http port.
    pub url: Option<String>,
    /// The generation of the endpoint.
    pub generation: u64,
}

/// A session as it stands. Holds no key.
///
/// Its JSON is that of `atlas session`: spans of time are words such as `30m`, money is a decimal text, `reason` stands
/// beside the whole receipt, and the machine is an object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SessionView {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: String,
    /// The key that `ensure` was given.
    pub key: Option<String>, // not a secret: the name of a user or a page
    /// The account that it rents from.
    pub provider: ProviderId,
    /// How it stands.
    pub phase: Phase,
    /// Why it ends or ended.
    pub reason: Option<Reason>,
    /// The same with evidence, who asked, and when.
    pub receipt: Option<Receipt>,
    /// Where its machine is, while it is ready.
    pub endpoint: Option<Address>,
    /// Its current rental.
    pub rental: Option<RentalId>,
    /// Its machine.
    #[serde(serialize_with = "as_object")]
    pub compute: Option<ComputeId>,
    /// What its machine costs an hour now.
    pub cost_per_hour: Money,
    /// What it has cost so far.
    pub cost_so_far: Money,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its lifetime is over.
    pub expires_at: Option<Timestamp>,
    /// How long it may go untouched.
    #[serde(serialize_with = "atlas_core::duration::serialize_optional")]
    pub idle_ttl: Option<Duration>,
    /// How long it has gone untouched; `None` unless it is ready.
    #[serde(serialize_with = "atlas_core::duration::serialize_optional")]
    pub idle_for: Option<Duration>,
    /// The last thing that went wrong with its machine.
    pub last_error: Option<String>,
    /// Labels of its request.
    pub labels: BTreeMap<String, String>,
    /// In what its request differs from the one that `ensure` was given now.
    pub differs: Vec<&'static str>,
}

/// Where there is room for more about a machine later.
#[expect(clippy::ref_option, reason = "what serde gives")]
fn as_object<S: Serializer>(compute: &Option<ComputeId>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Machine<'a> {
        id: &'a ComputeId,
    }
    compute.as_ref().map(|id| Machine { id }).serialize(serializer)
}

/// How a session stands.
pub(crate) fn phase(session: &SessionRecord, rental: Option<&RentalRecord>) -> Phase {
    match &session.phase {
        SessionPhase::Ended { .. } => Phase::Ended,
        SessionPhase::Ending { .. } => Phase::Ending,
        SessionPhase::Waiting { wait: Wait::Answer } => Phase::Spawning,
        SessionPhase::Waiting { .. } => Phase::Waiting,
        SessionPhase::Served => match rental {
            Some(rental) if rental.doubted_since().is_some() => Phase::Missing,
            Some(rental) => match rental.power() {
                Some(Power::Up) if rental.published().is_some() => Phase::Ready,
                Some(Power::Starting | Power::Up) | None => Phase::Starting,
                Some(Power::Stopping) => Phase::Stopping,
                Some(Power::Down) => Phase::Stopped,
            },
            None => Phase::Starting,
        },
    }
}

/// What people see of a session.
pub(crate) fn view(
    session: &SessionRecord,
    rentals: &[RentalRecord],
    now: Timestamp,
    idle_for: Option<Duration>,
) -> SessionView {
    let rental = rentals.iter().find(|rental| Some(rental.id) == session.current);
    let phase = phase(session, rental);
    let published = rental.and_then(|rental| rental.published()).filter(|_| phase == Phase::Ready);
    SessionView {
        id: session.id,
        user: session.user.clone(),
        key: session.key.clone(),
        provider: session.provider.clone(),
        phase,
        reason: session.receipt().map(|receipt| receipt.reason),
        receipt: session.receipt().cloned(),
        endpoint: published.map(|published| Address {
            url: first_http(&published.ports).map(str::to_owned),
            generation: published.generation,
        }),
        rental: session.current,
        compute: rental.and_then(|rental| rental.compute.clone()),
        cost_per_hour: rentals.iter().map(|rental| rental.accrual.rate()).sum(),
        cost_so_far: cost(session, rentals, now),
        created_at: session.created_at,
        expires_at: session.max_lifetime.map(|lifetime| session.created_at.plus(lifetime)),
        idle_ttl: session.idle_ttl,
        idle_for: idle_for.filter(|_| phase == Phase::Ready),
        last_error: rental.and_then(|rental| rental.last_error.clone()),
        labels: session.labels.clone(),
        differs: Vec::new(),
    }
}

/// What a session has cost so far.
pub(crate) fn cost(session: &SessionRecord, rentals: &[RentalRecord], now: Timestamp) -> Money {
    session.closed_cost + rentals.iter().map(|rental| rental.accrual.total(now)).sum()
}

/// Where a session's machine is reached, and with what. Asked for each time, never kept (rule P12): the next start may
/// give the old port to a stranger.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Endpoint {
    /// Raised whenever the endpoint is another one. A URL and a key of different generations do not belong together.
    pub generation: u64,
    /// The machine.
    pub compute: ComputeId,
    /// Its ports.
    pub ports: Vec<Port>,
    /// The key to it.
    pub credentials: Credentials,
    /// When its session's lifetime is over at the latest.
    pub expires_at: Option<Timestamp>,
}

fn first_http(ports: &[Port]) -> Option<&str> {
    ports.iter().find(|port| port.protocol == Protocol::Http)?.url.as_deref()
}

impl Endpoint {
    /// The address of its first http port: the one that was asked whether it is ready.
    pub fn first_http(&self) -> Result<&str> {
        first_http(&self.ports).ok_or_else(|| {
            Error::validation(format!("machine {} has no http port; ask for one in the request", self.compute))
        })
    }

    /// The address of this port inside the machine.
    pub fn url(&self, container_port: u16) -> Result<&str> {
        self.ports
            .iter()
            .find(|port| port.container_port == container_port)
            .and_then(|port| port.url.as_deref())
            .ok_or_else(|| {
                let machine = &self.compute;
                Error::validation(format!(
                    "machine {machine} has no http port {container_port}; ask for it in the request"
                ))
            })
    }

    /// The address of this port as the user may open it until `expires_at`: signed where the session's keys are signed
    /// URLs, else as it is.
    pub fn signed_url(&self, container_port: u16, method: &str, expires_at: Timestamp) -> Result<Secret> {
        Ok(self.credentials.sign(method, self.url(container_port)?, expires_at)?)
    }
}
