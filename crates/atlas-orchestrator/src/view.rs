//! What people see of a session: a pure function of its row and its rental's.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, Money, ProviderId};
use serde::{Deserialize, Serialize, Serializer};

use crate::endpoint::first_http;
use crate::rental::{Power, RentalRecord};
use crate::session::{Reason, Receipt, SessionPhase, SessionRecord, Wait};
use crate::{RentalId, SessionId};

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

/// Where a session's machine is, without the key to it: fit to be shown. Whoever goes there asks for
/// the [`Endpoint`](crate::Endpoint).
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
    /// What its machines cost an hour now, as far as prices are known.
    pub cost_per_hour: Money,
    /// What it has cost so far, as far as prices are known: never less than its clouds bill for those.
    ///
    /// Whatever its creates made is on its bill until it is proven gone, so this may grow even after its end.
    pub cost_so_far: Money,
    /// Whether the price of each of its machines is known. If not, it costs more.
    pub cost_is_known: bool,
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
fn as_object<S: Serializer>(compute: &Option<ComputeId>, serializer: S) -> Result<S::Ok, S::Error> {
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
    let cost = cost(session, rentals, now);
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
        cost_per_hour: rentals.iter().filter_map(|rental| rental.accrual.rate()).sum(),
        cost_so_far: cost.so_far,
        cost_is_known: cost.is_known,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// As far as prices are known.
    pub(crate) so_far: Money,
    /// Whether they all are.
    pub(crate) is_known: bool,
}

/// What a session has cost so far; `rentals` are those of its open ones that can be read.
pub(crate) fn cost(session: &SessionRecord, rentals: &[RentalRecord], now: Timestamp) -> Cost {
    let all_read = session.rentals.iter().all(|id| rentals.iter().any(|rental| rental.id == *id));
    Cost {
        so_far: session.closed_cost + rentals.iter().map(|rental| rental.accrual.total(now)).sum(),
        is_known: all_read && session.unpriced.is_empty() && rentals.iter().all(|rental| rental.accrual.is_known()),
    }
}
