//! One operation of the provider, as the table tries it.

use atlas_core::{CallContext, Result};
use atlas_sim::Operation;
use futures_util::future::BoxFuture;

use super::site::Site;

/// What must be there before it can be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Pod,
    StoppedPod,
    Volume,
    /// A job that waits, and no worker takes it.
    QueuedJob,
    /// A job that a worker has for a long time.
    RunningJob,
    /// A job that is done, in pieces that nobody has read.
    DoneJob,
    FailedJob,
    /// An endpoint beside the one that is always there.
    Endpoint,
    Template,
    Registry,
}

/// Tries it once.
pub(crate) type Act = for<'a> fn(&'a Site, &'a CallContext) -> BoxFuture<'a, Result<()>>;

/// What the cloud itself knows of the thing that it is about.
pub(crate) type Truth = for<'a> fn(&'a Site) -> BoxFuture<'a, String>;

/// One operation of the provider.
#[derive(Clone, Copy)]
pub(crate) struct Deed {
    pub(crate) name: &'static str,
    /// The call of the cloud that the fault strikes.
    pub(crate) struck: Operation,
    pub(crate) need: Need,
    pub(crate) repeat: Repeat,
    pub(crate) act: Act,
    pub(crate) truth: Truth,
}

/// What its documentation says of sending it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It only reads.
    Reads,
    /// It changes something, and the second time changes nothing more.
    Safe,
    /// Each time may make something anew, so it is sent again only when the first provably did nothing.
    Never,
}

impl Deed {
    pub(crate) fn reads(name: &'static str, struck: Operation, need: Need, truth: Truth, act: Act) -> Self {
        Self { name, struck, need, repeat: Repeat::Reads, act, truth }
    }

    pub(crate) fn repeats(name: &'static str, struck: Operation, need: Need, truth: Truth, act: Act) -> Self {
        Self { name, struck, need, repeat: Repeat::Safe, act, truth }
    }

    pub(crate) fn once(name: &'static str, struck: Operation, need: Need, truth: Truth, act: Act) -> Self {
        Self { name, struck, need, repeat: Repeat::Never, act, truth }
    }
}
