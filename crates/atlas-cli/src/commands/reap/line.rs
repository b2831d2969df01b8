//! What `atlas reap` tells: one line for each thing, whoever knows of it.

use atlas::orchestrator::{FindingKind, ReapReport};
use atlas::{IntentPhase, IntentRecord, Mark, ProviderId, RentalKind, Rented, Settled};
use serde::Serialize;

/// One line of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    pub(super) provider: String,
    /// What it is of: `machine`, `volume`, `endpoint`.
    pub(super) kind: RentalKind,
    /// The machine, volume or endpoint, where it is known.
    pub(super) compute: Option<String>,
    /// The rental, where a record here tells of it, or the mark of what was rented by hand.
    pub(super) rental: Option<String>,
    /// What it is: `plain`, `tracked`, `ending`, `seen_once`, `alien`, `may_land`, `missing`, `closed`, `demo`.
    pub(super) is: &'static str,
    /// Why, and when it is due.
    pub(super) why: String,
    pub(super) cost_per_hour: Option<atlas::Money>,
}

impl Line {
    /// Whether it tells of the same thing as `other`, by its id.
    fn is_about(&self, other: &Self) -> bool {
        self.is_beside(other) && self.compute.is_some() && self.compute == other.compute
    }

    /// Whether it is of the create that made `other`, and does not know yet what that made.
    fn waits_for(&self, other: &Self) -> bool {
        self.is_beside(other) && self.compute.is_none() && self.rental.is_some() && self.rental == other.rental
    }

    fn is_beside(&self, other: &Self) -> bool {
        self.provider == other.provider && self.kind == other.kind
    }
}

/// Tells of something that a listing shows, unless a record that lives tells of it already: then that line has its price,
/// and its id if it was not known yet. Of a record that was closed just now, what the listing shows is another thing.
pub(super) fn tell(lines: &mut Vec<Line>, shown: Line) {
    let tells_of_it = |line: &&mut Line| line.is != "closed" && (line.is_about(&shown) || line.waits_for(&shown));
    match lines.iter_mut().find(tells_of_it) {
        Some(told) => {
            told.compute = shown.compute;
            told.cost_per_hour = shown.cost_per_hour.or(told.cost_per_hour);
        }
        None => lines.push(shown),
    }
}

#[expect(clippy::match_same_arms, reason = "a table: what was found, what the record says, what is told")]
pub(super) fn record_line(record: &IntentRecord, settled: Option<Settled>) -> Option<Line> {
    let (is, why, compute) = match (settled, &record.phase) {
        (Some(Settled::Closed(_)), IntentPhase::Closed { .. }) | (None, IntentPhase::Closed { .. }) => return None,
        (Some(Settled::Closed(proof)), _) => ("closed", proof.to_string(), record.compute.clone()),
        (Some(Settled::BeingSent), _) => ("may_land", "its process is sending the create now".to_owned(), None),
        (Some(Settled::MayLand { until }), _) => {
            ("may_land", format!("its create was not answered; the next look after {until} tells"), None)
        }
        // The listing shows it, with its price.
        (Some(Settled::Plain(_)), _) => return None,
        (Some(Settled::Missing), _) => {
            ("missing", "its cloud does not find it, and it is not proven gone".to_owned(), record.compute.clone())
        }
        (Some(Settled::Releasing), _) => {
            ("ending", "it is being ended, and not yet proven gone".to_owned(), record.compute.clone())
        }
        (Some(Settled::SeenAfterClose { rented, due }), _) => {
            let why = format!("its record was closed, and here it is; ended if it is seen again after {due}");
            ("seen_once", why, Some(rented.id.clone()))
        }
        (_, IntentPhase::Open) => ("may_land", "its create was not answered".to_owned(), None),
        (_, IntentPhase::Bound { .. }) => return None,
        (_, IntentPhase::Releasing { why, .. }) => ("ending", format!("being ended: {why}"), record.compute.clone()),
        _ => ("missing", "what became of it is not known to this version".to_owned(), record.compute.clone()),
    };
    Some(Line {
        provider: record.intent.provider.to_string(),
        kind: record.intent.kind,
        compute: compute.map(|id| id.to_string()),
        rental: Some(record.intent.token().to_string()),
        is,
        why,
        cost_per_hour: record.intent.price,
    })
}

/// A volume or an endpoint that somebody made by hand.
pub(super) fn plain_line(provider: &ProviderId, rented: &Rented, record: Option<&IntentRecord>) -> Line {
    let kind = rented.kind;
    let why = if rented.mark().is_some() {
        format!("made by hand: `atlas {kind} delete` ends it")
    } else {
        format!("made by hand, and has another name now: `atlas {kind} delete --foreign` ends it")
    };
    Line {
        provider: provider.to_string(),
        kind,
        compute: Some(rented.id.to_string()),
        rental: record
            .map(|record| record.intent.token())
            .or_else(|| rented.mark().map(|mark| mark.token))
            .map(|token| token.to_string()),
        is: "plain",
        why,
        cost_per_hour: rented.cost_per_hour,
    }
}

/// What a store's pass over the accounts found.
pub(super) fn finding_lines(report: &ReapReport) -> Vec<Line> {
    let line = |finding: &atlas::orchestrator::Finding| {
        let (is, why) = match &finding.kind {
            FindingKind::Tracked => ("tracked", "a session holds it".to_owned()),
            FindingKind::Plain => ("plain", "spawned by hand: `atlas terminate` ends it".to_owned()),
            FindingKind::SeenOnce { due, why } => {
                ("seen_once", format!("{why}; ended if it is seen again after {due}"))
            }
            FindingKind::Ending { why } => ("ending", why.clone()),
            FindingKind::Alien { since, why } => ("alien", format!("since {since}: {why}")),
            _ => ("unknown", "this version has no word for it".to_owned()),
        };
        // By what made it a record knows it; what a store tracks it tells by its session.
        let named = finding.name.as_deref().filter(|_| finding.kind == FindingKind::Plain);
        let rental = named.and_then(Mark::read);
        Line {
            provider: finding.provider.to_string(),
            kind: RentalKind::Machine,
            compute: Some(finding.compute.clone()),
            rental: rental.map(|mark| mark.token.to_string()),
            is,
            why,
            cost_per_hour: finding.cost_per_hour,
        }
    };
    report.findings.iter().map(line).collect()
}

pub(super) fn words(lines: &[Line], saw_everything: bool) -> String {
    match (lines.is_empty(), saw_everything) {
        (true, true) => return "nothing to reconcile: nothing of this deployment is there".to_owned(),
        (true, false) => return "nothing was found, and not everything could be looked at".to_owned(),
        (false, _) => {}
    }
    let line = |line: &Line| {
        let what = match (&line.compute, &line.rental) {
            (Some(compute), _) => format!("{} {compute}", line.kind),
            (None, Some(rental)) if line.kind == RentalKind::Machine => format!("rental {rental}"),
            (None, Some(rental)) => format!("rental {rental} of {}", line.kind.one()),
            (None, None) => "something".to_owned(),
        };
        let price = line.cost_per_hour.map(|price| format!(" (${price}/h)")).unwrap_or_default();
        format!("{}: {what}{price}: {}: {}", line.provider, line.is, line.why)
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
