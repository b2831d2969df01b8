//! What a provider's author supplies: the provider, and the means to prove what it promises.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use atlas_auth::{Clock, SystemClock};
use atlas_core::{
    Capability, ComputeId, ComputeRequest, EndpointId, JobId, JobRequest, Money, Probe, Provider, VolumeRequest,
};
use serde_json::Value;

/// What a cloud shall do to the next call that it suits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// The next create makes the machine, and its answer is lost.
    LosesCreate,
    /// The next create of a network volume makes it, and its answer is lost.
    LosesVolume,
    /// The next job is taken, and the answer is lost.
    LosesJob,
    /// The next create never reaches the cloud.
    CreateNeverArrives,
    /// The next create is refused for want of machines, whatever it tries.
    NoCapacity,
    /// The next create makes two machines, and answers one.
    MakesTwo,
    /// The next create makes the machine and fails all the same, in a way that tells which: the cloud's error names it,
    /// or it comes back under another name.
    LeavesLeftover,
    /// The next create makes the machine under a name that was altered, so that nobody could know it again by its mark.
    AltersMark,
    /// Each listing fails, and one that comes in pages does so behind its first page.
    ListingsFail,
    /// The next poll of a job's stream fails, in a way that passes.
    StreamPollFails,
    /// The next read of one machine is never answered.
    ReadNeverAnswered,
    /// The next read of one machine is refused for its key.
    KeyUnknown,
    /// The next read of one machine shows a status that nobody knows.
    UnknownStatus,
}

/// A provider, and the means to prove what it promises. Only the first two methods are required; what else is not
/// supplied makes the cases that need it not provable.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The provider under proof.
    fn provider(&self) -> Arc<dyn Provider>;

    /// The cheapest machine that it rents, with one http port where it has such a thing.
    fn machine(&self) -> ComputeRequest;

    /// The smallest network volume.
    fn volume(&self) -> Option<VolumeRequest> {
        None
    }

    /// A job that takes about a second and streams at least two pieces.
    fn job(&self) -> Option<JobRequest> {
        None
    }

    /// How many jobs the cloud has taken, where that can be seen: the proof that a job was not sent twice.
    fn jobs(&self) -> Option<usize> {
        None
    }

    /// An endpoint that may be ended.
    fn spare_endpoint(&self) -> Option<EndpointId> {
        None
    }

    /// An address that the cloud may call when a job ends.
    fn webhook(&self) -> Option<String> {
        None
    }

    /// How often that address was called for a job.
    fn called_back(&self, job: &JobId) -> usize {
        let _ = job;
        0
    }

    /// Asks the ports of its machines, where they can be asked: the proof that a machine knows its user by a key.
    fn probe(&self) -> Option<Arc<dyn Probe>> {
        None
    }

    /// A machine that writes these words when it starts.
    fn speaker(&self, words: &str) -> Option<ComputeRequest> {
        let _ = words;
        None
    }

    /// Lets a running machine write these words; `false` where that cannot be done from outside.
    async fn writes(&self, id: &ComputeId, words: &str) -> bool {
        let _ = (id, words);
        false
    }

    /// The cheapest machine that makes use of a capability for which the contract has no word (`symmetric_ports`,
    /// `global_networking`), and where it stands in `raw` afterwards (a JSON pointer).
    fn in_own_words(&self, capability: Capability) -> Option<(ComputeRequest, &'static str)> {
        let _ = capability;
        None
    }

    /// What nobody may ever be told, the account's key before all.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }

    /// Makes the cloud as it was before. A real cloud cannot.
    async fn reset(&self) {}

    /// How many requests the cloud has seen, where they can be counted: the proof that something was refused before any.
    fn requests(&self) -> Option<u64> {
        None
    }

    /// Arranges trouble for the next call that it suits; `false` where that cannot be done.
    fn inject(&self, trouble: Trouble) -> bool {
        let _ = trouble;
        false
    }

    /// Takes back whatever trouble was arranged and did not happen.
    fn heal(&self) {}

    /// Lets time pass at the cloud.
    async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    /// Whether [`pass`](Self::pass) moves the cloud's hour and takes no time itself. Then what must *not* come to be seen
    /// is waited for within its case; else once, at the end of the run.
    fn time_is_free(&self) -> bool {
        false
    }

    /// The time by which money is counted.
    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// Whether its machines cost nothing, so that a price of zero is the truth.
    fn is_free(&self) -> bool {
        false
    }

    /// The most that [`machine`](Self::machine) costs an hour, where that is known before one was made. Where it is not, a
    /// dollar is reckoned with until a machine tells its price.
    fn price_per_hour(&self) -> Option<Money> {
        None
    }

    /// Whether another key opens another account.
    fn has_key(&self) -> bool {
        true
    }

    /// How many machines span several pages of a listing, where that many may be made.
    fn several_pages(&self) -> Option<usize> {
        None
    }

    /// An option of the provider's own: its name, its value, and where the value stands in `raw` afterwards (a JSON
    /// pointer).
    fn option(&self) -> Option<(String, Value, String)> {
        None
    }

    /// Options that would change the mark, the token or a key: each must be refused.
    fn forbidden_options(&self) -> Vec<(String, Value)> {
        Vec::new()
    }

    /// How long one case may take.
    fn patience(&self) -> Duration {
        Duration::from_mins(5)
    }
}
