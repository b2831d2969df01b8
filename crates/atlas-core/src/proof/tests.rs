//! What proves absence, rule by rule (P2, P4, O3).

use super::*;
use crate::{Capabilities, RentalKind};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 + seconds)
}

fn scope(name: &str) -> Scope {
    Scope::new(name)
}

fn traits(gone: GoneRule, settle: u64) -> Traits {
    let mut traits = Traits::new("test", Capabilities::NONE);
    traits.gone = gone;
    traits.settle_window = Duration::from_secs(settle);
    traits
}

const TEN_APART: GoneRule = GoneRule::TwoNotFounds { apart: Duration::from_secs(10) };

/// One piece of evidence, at so many seconds after the create was answered.
enum Evidence {
    Missing(i64),
    Unlisted(i64),
    ElsewhereMissing(i64),
    ElsewhereUnlisted(i64),
    Seen,
}

use Evidence::{ElsewhereMissing, ElsewhereUnlisted, Missing, Seen, Unlisted};

fn absence(evidence: &[Evidence]) -> Absence {
    let (ours, other) = (scope("host/account"), scope("host/another"));
    let mut absence = Absence::new();
    for piece in evidence {
        match piece {
            Missing(seconds) => absence.missing(at(*seconds), &ours, &ours),
            Unlisted(seconds) => absence.unlisted(at(*seconds), &ours, &ours),
            ElsewhereMissing(seconds) => absence.missing(at(*seconds), &other, &ours),
            ElsewhereUnlisted(seconds) => absence.unlisted(at(*seconds), &other, &ours),
            Seen => absence.seen(),
        }
    }
    absence
}

#[test]
fn p4_what_proves_a_machine_gone() {
    for (what, gone, was_read, evidence, proven) in [
        ("nothing", TEN_APART, true, &[][..], false),
        ("one not-found", TEN_APART, true, &[Missing(300)], false),
        ("two at once", TEN_APART, true, &[Missing(300), Missing(300), Unlisted(301)], false),
        ("two nine seconds apart", TEN_APART, true, &[Missing(300), Missing(309), Unlisted(309)], false),
        ("two ten seconds apart, no listing", TEN_APART, true, &[Missing(300), Missing(310)], false),
        ("the whole rule", TEN_APART, true, &[Missing(300), Missing(310), Unlisted(310)], true),
        ("a listing between the two", TEN_APART, true, &[Missing(300), Unlisted(305), Missing(310)], true),
        ("a listing from before", TEN_APART, true, &[Unlisted(299), Missing(300), Missing(310)], false),
        ("listings alone", TEN_APART, true, &[Unlisted(300), Unlisted(400)], false),
        (
            "O3: elsewhere",
            TEN_APART,
            true,
            &[ElsewhereMissing(300), ElsewhereMissing(310), ElsewhereUnlisted(310)],
            false,
        ),
        ("O3: one of the two elsewhere", TEN_APART, true, &[Missing(300), ElsewhereMissing(310), Unlisted(310)], false),
        ("O3: the listing elsewhere", TEN_APART, true, &[Missing(300), Missing(310), ElsewhereUnlisted(310)], false),
        ("seen between", TEN_APART, true, &[Missing(300), Seen, Missing(310), Unlisted(310)], false),
        (
            "seen, then the whole rule",
            TEN_APART,
            true,
            &[Missing(1), Seen, Missing(300), Missing(310), Unlisted(310)],
            true,
        ),
        ("never read, within the window", TEN_APART, false, &[Missing(0), Missing(119), Unlisted(119)], false),
        ("never read, past the window", TEN_APART, false, &[Missing(0), Missing(120), Unlisted(120)], true),
        ("authoritative: one not-found", GoneRule::NotFound, true, &[Missing(0)], true),
        ("authoritative: never read, within the window", GoneRule::NotFound, false, &[Missing(119)], false),
        ("authoritative: elsewhere", GoneRule::NotFound, true, &[ElsewhereMissing(300)], false),
        ("authoritative: seen", GoneRule::NotFound, true, &[Missing(300), Seen], false),
        ("status only: all there is", GoneRule::StatusOnly, true, &[Missing(300), Missing(900), Unlisted(900)], false),
    ] {
        assert_eq!(
            absence(evidence).proves_gone(&traits(gone, 120), RentalKind::Machine, at(0), was_read),
            proven,
            "{what}"
        );
    }
}

#[test]
fn p4_a_cloud_without_a_settle_window_is_believed_at_once() {
    assert!(absence(&[Missing(0)]).proves_gone(&traits(GoneRule::NotFound, 0), RentalKind::Machine, at(0), false));
}

/// No cloud shows a status for a volume or an endpoint, so that a rule which waits for one would never be met.
#[test]
fn p4_what_is_no_machine_is_proven_gone_by_looks_where_its_cloud_has_only_a_status() {
    let looks = |evidence, kind| absence(evidence).proves_gone(&traits(GoneRule::StatusOnly, 0), kind, at(0), true);
    for kind in [RentalKind::Volume, RentalKind::Endpoint] {
        assert!(looks(&[Missing(300), Missing(310), Unlisted(310)], kind), "{kind}");
        assert!(!looks(&[Missing(300), Missing(309), Unlisted(309)], kind), "{kind}");
        assert!(!looks(&[Missing(300)], kind), "{kind}");
    }
    assert!(!looks(&[Missing(300), Missing(310), Unlisted(310)], RentalKind::Machine));
    let one = |kind| absence(&[Missing(0)]).proves_gone(&traits(GoneRule::NotFound, 0), kind, at(0), true);
    assert!(RentalKind::ALL.into_iter().all(one), "an authoritative read is one for every kind");
}

#[test]
fn p2_what_proves_that_a_create_never_landed() {
    let settled = settled_at(&traits(TEN_APART, 120), at(60));
    assert_eq!(settled, at(180), "the deadline of the create and the settle window on top");
    for (what, evidence, proven) in [
        ("nothing", &[][..], false),
        ("one listing", &[Unlisted(180)], false),
        ("one listing told twice", &[Unlisted(180), Unlisted(180)], false),
        ("two", &[Unlisted(180), Unlisted(181)], true),
        ("one too early", &[Unlisted(179), Unlisted(400)], false),
        ("both too early", &[Unlisted(10), Unlisted(20)], false),
        ("not-founds are no listings", &[Missing(180), Missing(400)], false),
        ("O3: elsewhere", &[ElsewhereUnlisted(180), ElsewhereUnlisted(190)], false),
        ("O3: one elsewhere", &[Unlisted(180), ElsewhereUnlisted(190)], false),
        ("seen between", &[Unlisted(180), Seen, Unlisted(190)], false),
    ] {
        assert_eq!(absence(evidence).proves_absent(settled), proven, "{what}");
    }
}

#[test]
fn p2_listings_from_too_early_are_forgotten_and_others_kept() {
    let mut early = absence(&[Unlisted(10), Unlisted(500)]);
    early.forget_before(at(180));
    assert_eq!(early, Absence::new());
    let mut good = absence(&[Unlisted(200), Unlisted(300)]);
    let before = good.clone();
    good.forget_before(at(180));
    assert_eq!(good, before);
}

#[test]
fn since_is_the_first_not_found() {
    assert_eq!(absence(&[Missing(5), Missing(9)]).since(), Some(at(5)));
    assert_eq!(absence(&[Unlisted(5), ElsewhereMissing(6)]).since(), None);
}

#[test]
fn evidence_survives_a_restart() {
    let before = absence(&[Missing(5), Unlisted(7)]);
    let json = serde_json::to_string(&before).unwrap();
    assert_eq!(serde_json::from_str::<Absence>(&json).unwrap(), before);
}
