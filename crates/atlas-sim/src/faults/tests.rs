//! Names and rules.

use atlas_auth::SeededEntropy;

use super::*;
use atlas_auth::Timestamp;
use atlas_core::ComputeId;

const NOW: Timestamp = Timestamp::from_seconds(1000);

/// In which of so many calls of `operation` to `compute` the plan strikes.
fn strikes(plan: &mut FaultPlan, operation: Operation, compute: Option<&str>, calls: u64) -> Vec<u64> {
    let (entropy, compute) = (SeededEntropy::new(1), compute.map(ComputeId::new));
    let strikes = |call: &u64| {
        let now = NOW.plus(Duration::from_secs(*call));
        !plan.strike(operation, compute.as_ref(), now, &entropy).is_empty()
    };
    (0..calls).filter(strikes).collect()
}

fn plan(rule: Rule) -> FaultPlan {
    let mut plan = FaultPlan::new();
    plan.add(rule, NOW);
    plan
}

#[test]
fn every_fault_is_found_by_its_name_and_has_its_own() {
    let all = Fault::all();
    let mut names: Vec<_> = all.iter().map(Fault::name).collect();
    for fault in &all {
        assert_eq!(Fault::from_name(fault.name()).unwrap(), *fault);
        assert!(Operation::ALL.iter().any(|operation| fault.suits(*operation)), "{fault} suits nothing");
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    let error = Fault::from_name("looses-answer").unwrap_err();
    assert!(error.message().contains("loses-answer"), "{error}");
}

#[test]
fn a_rule_strikes_as_often_as_it_says() {
    let errs = || Rule::on(Operation::Get, Fault::Errs);
    let table: [(Rule, &[u64]); 6] = [
        (errs(), &[0]),
        (errs().times(3), &[0, 1, 2]),
        (errs().after(2), &[2]),
        (errs().after(4).times(2), &[4, 5]),
        (errs().always(), &[0, 1, 2, 3, 4, 5, 6, 7]),
        (errs().during(Duration::from_secs(5)), &[0, 1, 2, 3, 4]),
    ];
    for (rule, expected) in table {
        assert_eq!(strikes(&mut plan(rule.clone()), Operation::Get, Some("a"), 8), expected, "{rule:?}");
        assert!(strikes(&mut plan(rule), Operation::Spawn, None, 8).is_empty());
    }
}

#[test]
fn a_rule_for_one_machine_leaves_the_others_alone_and_concerns_listings() {
    let only = |operation, fault| plan(Rule::on(operation, fault).always().only(&ComputeId::new("a")));
    assert_eq!(strikes(&mut only(Operation::Get, Fault::Errs), Operation::Get, Some("a"), 2), [0, 1]);
    assert!(strikes(&mut only(Operation::Get, Fault::Errs), Operation::Get, Some("b"), 2).is_empty());
    assert_eq!(strikes(&mut only(Operation::List, Fault::ListsShort), Operation::List, None, 1), [0]);
    assert!(strikes(&mut only(Operation::Spawn, Fault::Errs), Operation::Spawn, None, 1).is_empty());
}

#[test]
fn chance_comes_from_the_seed_and_is_about_as_large_as_asked() {
    let rule = || plan(Rule::on(Operation::Get, Fault::Errs).chance(250));
    let struck = strikes(&mut rule(), Operation::Get, None, 4000);
    assert_eq!(struck, strikes(&mut rule(), Operation::Get, None, 4000));
    assert!((800..1200).contains(&struck.len()), "{}", struck.len());
}

#[test]
#[should_panic(expected = "the fault duplicates cannot happen in get")]
fn a_fault_that_cannot_happen_is_refused_where_it_is_asked_for() {
    let _ = Rule::on(Operation::Get, Fault::Duplicates);
}
