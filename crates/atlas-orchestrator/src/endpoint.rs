//! Where a session's machine is reached, and with what, or why there is nothing to be reached (rule P12).

use std::fmt;

use atlas_auth::{Secret, Timestamp};
use atlas_core::{ComputeId, ComputeStatus, Credentials, Port, Protocol};
use serde::{Deserialize, Serialize};

use crate::rental::{Power, Published, RentalRecord};
use crate::session::{SessionPhase, SessionRecord, Wait};
use crate::{Error, Result};

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

pub(crate) fn first_http(ports: &[Port]) -> Option<&str> {
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

/// Why a living session has no endpoint now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoEndpoint {
    /// It waits for its turn to get a machine.
    Waiting,
    /// The last try to get one failed, and the next one waits.
    Pausing {
        /// What failed.
        why: String,
        /// When it is tried again.
        until: Timestamp,
    },
    /// A create was sent, and what became of it is not known yet.
    Spawning {
        /// What went wrong with it, if anything has.
        last_error: Option<String>,
    },
    /// There is a machine, and it is not ready.
    Starting {
        /// What the last read of it showed; `None` before the first.
        unready: Option<Unready>,
        /// What went wrong when it was read last, if anything has.
        last_error: Option<String>,
    },
    /// Its machine is not found, or said to be over. Neither is believed yet, and nobody knows what answers at its address.
    Missing {
        /// Since when.
        since: Timestamp,
    },
    /// Its machine is on its way to stopped.
    Stopping,
    /// Its machine is stopped: it must be resumed first.
    Stopped,
    /// Its rental cannot be read by this version, or is gone from the store.
    Unreadable,
}

/// Why a machine that its cloud shows is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
#[non_exhaustive]
pub enum Unready {
    /// It does not run yet, as its cloud says.
    Status {
        /// In its cloud's word.
        status: ComputeStatus,
    },
    /// It runs, and its cloud lists no address of the port that shall answer.
    NoAddress,
    /// Nothing answers there.
    NoAnswer,
    /// What answers there is not the machine, or is not ready: its cloud's proxy, a stranger, a server that still starts.
    Answer {
        /// The HTTP status.
        status: u16,
    },
}

impl fmt::Display for Unready {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { status } => write!(formatter, "its cloud says that it is {status}"),
            Self::NoAddress => formatter.write_str("its cloud lists no address of its http port"),
            Self::NoAnswer => formatter.write_str("nothing answers at its http port"),
            Self::Answer { status } => write!(formatter, "its http port answers {status}"),
        }
    }
}

impl fmt::Display for NoEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => formatter.write_str("it waits for its turn to get a machine"),
            Self::Pausing { why, until } => write!(formatter, "a machine is asked for again at {until}, after: {why}"),
            Self::Spawning { last_error: None } => formatter.write_str("the cloud has not answered its create yet"),
            Self::Spawning { last_error: Some(error) } => {
                write!(formatter, "it is searched for what became of its create: {error}")
            }
            Self::Starting { last_error: Some(error), .. } => write!(formatter, "its machine is starting: {error}"),
            Self::Starting { unready: Some(why), .. } => write!(formatter, "its machine is starting: {why}"),
            Self::Starting { .. } => formatter.write_str("its machine is starting"),
            Self::Missing { since } => {
                write!(
                    formatter,
                    "its machine is not found, or said to be over, since {since}; that is not believed yet"
                )
            }
            Self::Stopping => formatter.write_str("its machine is being stopped"),
            Self::Stopped => formatter.write_str("it is stopped; resume it first"),
            Self::Unreadable => formatter.write_str("its rental cannot be read; `exposure` tells more"),
        }
    }
}

/// Where a living session is reached by its rows, or why nowhere. Pure.
pub(crate) fn reached<'a>(
    session: &SessionRecord,
    rental: Option<&'a RentalRecord>,
) -> std::result::Result<(&'a ComputeId, &'a Published), NoEndpoint> {
    match &session.phase {
        SessionPhase::Waiting { wait: Wait::Pause { why, until } } => {
            return Err(NoEndpoint::Pausing { why: why.clone(), until: *until });
        }
        SessionPhase::Waiting { wait: Wait::Turn } => return Err(NoEndpoint::Waiting),
        SessionPhase::Waiting { wait: Wait::Answer } => {
            let last_error = rental.and_then(|rental| rental.last_error.clone());
            return Err(NoEndpoint::Spawning { last_error });
        }
        SessionPhase::Served | SessionPhase::Ending { .. } | SessionPhase::Ended { .. } => {}
    }
    let rental = rental.ok_or(NoEndpoint::Unreadable)?;
    if let Some(since) = rental.doubted_since() {
        return Err(NoEndpoint::Missing { since });
    }
    match (rental.power(), rental.published(), &rental.compute) {
        (Some(Power::Up), Some(published), Some(compute)) => Ok((compute, published)),
        (Some(Power::Stopping), ..) => Err(NoEndpoint::Stopping),
        (Some(Power::Down), ..) => Err(NoEndpoint::Stopped),
        _ => Err(NoEndpoint::Starting { unready: rental.unready.clone(), last_error: rental.last_error.clone() }),
    }
}
