//! Failures by name: what a cloud can do to its caller, each seen on a real one.

mod operation;
mod plan;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use atlas_core::{ComputeStatus, Effect, Error, ErrorKind, Result};

pub use operation::Operation;
pub(crate) use plan::Strike;
pub use plan::{FaultPlan, Rule};

/// How long the faults that take a while last when only their name is given.
const AN_HOUR: Duration = Duration::from_hours(1);
/// How long an answer is late when only its fault's name is given.
const LATE: Duration = Duration::from_secs(30);
/// How much of a name is kept when only the fault's name is given: less than any mark needs.
const CUT: usize = 40;

/// One way in which a cloud fails its caller.
///
/// [`suits`](Self::suits) says in which operations a fault can happen. Several may happen in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The cloud is not reached: `transport`, effect `not_sent`.
    FailsBefore,
    /// The cloud answers 500 and did nothing, which its caller cannot know: `provider`, effect `unknown`.
    Errs,
    /// The cloud acts, and answers 500: `provider`, effect `unknown`.
    ActsThenErrs,
    /// The cloud acts, and its answer is lost: `timeout`, effect `unknown`.
    LosesAnswer,
    /// The cloud acts, and answers nonsense: `decode`, effect `unknown`.
    Garbles,
    /// The cloud acts, and its answer comes so much later.
    AnswersLate(Duration),
    /// The cloud acts, and its answer never comes: the call ends by its own time-out, if it has one.
    NeverAnswers,
    /// What was sent takes effect only so much later. A create answers `timeout`, everything else says yes at once.
    LandsLate(Duration),
    /// The machine, volume or job is made and bills at once, and no read shows it for so long.
    AppearsLate(Duration),
    /// The cloud says yes, and does nothing.
    Ignores,
    /// The cloud makes the machine or volume, and answers an error that names it as left over: `provider`.
    LeavesLeftover,
    /// The cloud makes two machines or volumes, and answers one.
    Duplicates,
    /// The cloud keeps only so many characters of the name.
    CutsName(usize),
    /// The cloud writes the name in its own way.
    AltersName,
    /// Of what is asked for nothing is free: `no_capacity`.
    CapacityGone,
    /// A limit of the account is reached: `quota`.
    QuotaReached,
    /// Too many calls, for so long: `rate_limited`.
    RateLimited(Duration),
    /// The key is not known: `unauthorized`.
    Unauthorized,
    /// The key may not do this: `forbidden`.
    Forbidden,
    /// The call acts under another account's key, and while this may still happen `scope` says so.
    AnotherAccount,
    /// The answer shows the machine in this status, whatever it is doing.
    LiesStatus(ComputeStatus),
    /// The answer leaves machines or volumes out and does not say so: the one of the rule, or the younger half of all.
    ListsShort,
    /// The search did not look everywhere, found nothing and says so.
    LooksPartly,
    /// The machine has a new id before the call arrives.
    Migrates,
    /// From this call on, and for so long, the machine or volume is not found.
    Hides(Duration),
    /// The worker that takes the job crashes halfway; the job is tried again.
    WorkerCrashes,
    /// From this call on, and for so long, the endpoint's workers are throttled: jobs stay in the queue.
    WorkersThrottled(Duration),
    /// The same, because the workers are unhealthy.
    WorkersUnhealthy(Duration),
    /// What only an answer in HTTP can show. It strikes the simulated clouds that are served, not the mock.
    #[cfg(feature = "server")]
    Wire(WireFault),
}

/// What goes wrong with an answer in HTTP beside what it says, or what only such an answer has a word for.
#[cfg(feature = "server")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireFault {
    /// The answer is a good one, and its body is `null`.
    NullBody,
    /// A proxy before the cloud says 502, in HTML; the cloud heard nothing.
    HtmlBadGateway,
    /// A proxy before the cloud says 403, in HTML; the cloud heard nothing.
    HtmlForbidden,
    /// The cursor of a listing has expired.
    CursorExpired,
    /// The cloud acts; the answer begins well, and the connection breaks in the middle of its body.
    CutBody,
    /// The cloud acts; a proxy before it answers 200 with a page in HTML.
    HtmlPage,
    /// The cloud acts; a proxy before it has waited long enough, and says 504 in HTML.
    HtmlGatewayTimeout,
    /// The stopped machine starts, and bills, without any of its GPUs: its host has none free any more.
    StartsWithoutGpu,
}

#[cfg(feature = "server")]
impl WireFault {
    /// Each of them.
    pub const ALL: [Self; 8] = [
        Self::NullBody,
        Self::HtmlBadGateway,
        Self::HtmlForbidden,
        Self::CursorExpired,
        Self::CutBody,
        Self::HtmlPage,
        Self::HtmlGatewayTimeout,
        Self::StartsWithoutGpu,
    ];

    /// Its name, as files of faults write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NullBody => "null-body",
            Self::HtmlBadGateway => "html-bad-gateway",
            Self::HtmlForbidden => "html-forbidden",
            Self::CursorExpired => "cursor-expired",
            Self::CutBody => "cut-body",
            Self::HtmlPage => "html-page",
            Self::HtmlGatewayTimeout => "html-gateway-timeout",
            Self::StartsWithoutGpu => "starts-without-gpu",
        }
    }
}

impl Fault {
    /// Every fault, with the spans that its name alone stands for.
    pub fn all() -> Vec<Self> {
        vec![
            Self::FailsBefore,
            Self::Errs,
            Self::ActsThenErrs,
            Self::LosesAnswer,
            Self::Garbles,
            Self::AnswersLate(LATE),
            Self::NeverAnswers,
            Self::LandsLate(AN_HOUR),
            Self::AppearsLate(AN_HOUR),
            Self::Ignores,
            Self::LeavesLeftover,
            Self::Duplicates,
            Self::CutsName(CUT),
            Self::AltersName,
            Self::CapacityGone,
            Self::QuotaReached,
            Self::RateLimited(LATE),
            Self::Unauthorized,
            Self::Forbidden,
            Self::AnotherAccount,
            Self::LiesStatus(ComputeStatus::Stopped),
            Self::ListsShort,
            Self::LooksPartly,
            Self::Migrates,
            Self::Hides(AN_HOUR),
            Self::WorkerCrashes,
            Self::WorkersThrottled(AN_HOUR),
            Self::WorkersUnhealthy(AN_HOUR),
        ]
    }

    /// Its name, as files of faults write it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FailsBefore => "fails-before",
            Self::Errs => "errs",
            Self::ActsThenErrs => "acts-then-errs",
            Self::LosesAnswer => "loses-answer",
            Self::Garbles => "garbles",
            Self::AnswersLate(_) => "answers-late",
            Self::NeverAnswers => "never-answers",
            Self::LandsLate(_) => "lands-late",
            Self::AppearsLate(_) => "appears-late",
            Self::Ignores => "ignores",
            Self::LeavesLeftover => "leaves-leftover",
            Self::Duplicates => "duplicates",
            Self::CutsName(_) => "cuts-name",
            Self::AltersName => "alters-name",
            Self::CapacityGone => "capacity-gone",
            Self::QuotaReached => "quota-reached",
            Self::RateLimited(_) => "rate-limited",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::AnotherAccount => "another-account",
            Self::LiesStatus(_) => "lies-status",
            Self::ListsShort => "lists-short",
            Self::LooksPartly => "looks-partly",
            Self::Migrates => "migrates",
            Self::Hides(_) => "hides",
            Self::WorkerCrashes => "worker-crashes",
            Self::WorkersThrottled(_) => "workers-throttled",
            Self::WorkersUnhealthy(_) => "workers-unhealthy",
            #[cfg(feature = "server")]
            Self::Wire(fault) => fault.name(),
        }
    }

    /// The fault of this name, with its usual span: an hour for what lands, appears or is found late, half a minute for
    /// answers. An unknown name is a `validation` error that lists them all.
    pub fn from_name(name: &str) -> Result<Self> {
        #[cfg_attr(not(feature = "server"), expect(unused_mut, reason = "only what is served has more"))]
        let mut all = Self::all();
        #[cfg(feature = "server")]
        all.extend(WireFault::ALL.map(Self::Wire));
        let known = all.iter().map(Self::name).collect::<Vec<_>>().join(", ");
        all.into_iter().find(|fault| fault.name() == name).ok_or_else(|| {
            Error::validation(format!("\"{}\" is no fault; there are {known}", atlas_core::error::excerpt(name)))
        })
    }

    /// Whether it can happen in `operation`.
    pub const fn suits(&self, operation: Operation) -> bool {
        use Operation as O;
        match self {
            Self::FailsBefore
            | Self::Errs
            | Self::ActsThenErrs
            | Self::LosesAnswer
            | Self::Garbles
            | Self::AnswersLate(_)
            | Self::NeverAnswers
            | Self::RateLimited(_)
            | Self::Unauthorized
            | Self::Forbidden
            | Self::AnotherAccount => true,
            Self::LandsLate(_) => operation.may_land_late(),
            Self::Ignores => !operation.reads(),
            Self::AppearsLate(_) => operation.makes(),
            Self::LeavesLeftover | Self::Duplicates | Self::CutsName(_) | Self::AltersName | Self::QuotaReached => {
                operation.names()
            }
            Self::CapacityGone => matches!(operation, O::Spawn | O::Start),
            Self::LiesStatus(_) => matches!(operation, O::Get | O::List | O::Find | O::Spawn),
            Self::ListsShort => matches!(operation, O::List | O::Find | O::ListVolumes),
            Self::LooksPartly => matches!(operation, O::Find),
            Self::Migrates => operation.meets_machines(),
            Self::Hides(_) => operation.meets_machines() || operation.meets_volumes(),
            Self::WorkerCrashes | Self::WorkersThrottled(_) | Self::WorkersUnhealthy(_) => {
                matches!(operation, O::RunJob)
            }
            #[cfg(feature = "server")]
            Self::Wire(WireFault::CursorExpired) => operation.has_pages(),
            #[cfg(feature = "server")]
            Self::Wire(WireFault::StartsWithoutGpu) => matches!(operation, O::Start),
            #[cfg(feature = "server")]
            Self::Wire(_) => true,
        }
    }

    /// The error of a call that ends by this fault before the cloud acted.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let rejected = |kind, status, message: &str| {
            Some(Error::new(kind, message).with_effect(Effect::Rejected).with_status(status))
        };
        match self {
            Self::FailsBefore => Some(Error::transport("the cloud could not be reached").with_effect(Effect::NotSent)),
            Self::Errs => Some(Error::new(ErrorKind::Provider, "the cloud failed inside").with_status(500)),
            Self::CapacityGone => Some(Error::no_capacity("no such machine is free; try again, or ask for another")),
            Self::QuotaReached => rejected(ErrorKind::Quota, 403, "the account's limit is reached"),
            Self::RateLimited(wait) => {
                rejected(ErrorKind::RateLimited, 429, "too many calls").map(|error| error.with_retry_after(*wait))
            }
            Self::Unauthorized => rejected(ErrorKind::Unauthorized, 401, "the key is not known to the cloud"),
            Self::Forbidden => rejected(ErrorKind::Forbidden, 403, "the key may not do this"),
            Self::ActsThenErrs
            | Self::LosesAnswer
            | Self::Garbles
            | Self::AnswersLate(_)
            | Self::NeverAnswers
            | Self::LandsLate(_)
            | Self::AppearsLate(_)
            | Self::Ignores
            | Self::LeavesLeftover
            | Self::Duplicates
            | Self::CutsName(_)
            | Self::AltersName
            | Self::AnotherAccount
            | Self::LiesStatus(_)
            | Self::ListsShort
            | Self::LooksPartly
            | Self::Migrates
            | Self::Hides(_)
            | Self::WorkerCrashes
            | Self::WorkersThrottled(_)
            | Self::WorkersUnhealthy(_) => None,
            #[cfg(feature = "server")]
            Self::Wire(_) => None,
        }
    }

    /// The error that takes the place of the answer, although the cloud did what it was asked.
    pub(crate) fn lost_answer(&self, operation: Operation) -> Option<Error> {
        let lost = || Some(Error::timeout("the cloud did not answer; it may have acted"));
        match self {
            Self::ActsThenErrs => Some(Error::new(ErrorKind::Provider, "the cloud failed inside").with_status(500)),
            Self::LosesAnswer => lost(),
            Self::Garbles => Some(Error::new(ErrorKind::Decode, "the cloud's answer cannot be read")),
            Self::LandsLate(_) if operation.makes() => lost(),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
