//! The bill against an integral that is reckoned second by second.

use proptest::prelude::*;

use super::*;
use atlas_core::Money;

const START: Timestamp = Timestamp::from_seconds(1_000_000);

/// What a test does to the cloud. Numbers choose among the machines that there are.
#[derive(Debug, Clone)]
enum Step {
    Create { gpu: bool, late: u64 },
    Stop(usize),
    Start(usize),
    Delete { which: usize, late: u64 },
    Migrate(usize),
    TakeAway(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (any::<bool>(), 0..9u64).prop_map(|(gpu, late)| Step::Create { gpu, late }),
        2 => (0..4usize).prop_map(Step::Stop),
        2 => (0..4usize).prop_map(Step::Start),
        2 => (0..4usize, 0..9u64).prop_map(|(which, late)| Step::Delete { which, late }),
        1 => (0..4usize).prop_map(Step::Migrate),
        1 => (0..4usize).prop_map(Step::TakeAway),
        4 => (0..30u64).prop_map(Step::Wait),
    ]
}

fn cloud() -> Cloud {
    let mut settings = Settings::new("mock");
    settings.startup = Duration::from_secs(3);
    settings.stopping = Duration::from_secs(2);
    settings.terminating = Duration::from_secs(4);
    settings.catalog.set_price("h100", Money::from_micros(3_600_000));
    settings.stopped_price = Money::from_micros(36_000);
    Cloud::new(settings, 7)
}

fn later(at: Timestamp, late: u64) -> Landing {
    Landing { at: at.plus(Duration::from_secs(late)), call: None, hidden_for: Duration::ZERO }
}

fn blueprint(gpu: bool) -> Blueprint {
    let gpus = if gpu { vec!["h100".to_owned()] } else { Vec::new() };
    Blueprint { name: "some".to_owned(), account: "main".to_owned(), gpus, gpu_count: 2, ..Blueprint::default() }
}

/// Does all steps; returns the cloud, the time, and what all machines cost by adding up each second's price.
fn run(steps: &[Step]) -> (Cloud, Timestamp, Money) {
    let (mut cloud, mut now, mut integral) = (cloud(), START, Money::ZERO);
    for step in steps {
        let shown: Vec<_> = cloud.list("main", now).map(|machine| machine.id.clone()).collect();
        let named = |which: &usize| shown.get(which % shown.len().max(1)).cloned();
        // A refusal is as good a step as any other.
        match step {
            Step::Create { gpu, late } => drop(cloud.create(blueprint(*gpu), later(now, *late), now)),
            Step::Stop(which) => drop(named(which).map(|id| cloud.stop("main", &id, later(now, 0), now))),
            Step::Start(which) => drop(named(which).map(|id| cloud.start("main", &id, later(now, 0), now))),
            Step::Delete { which, late } => {
                drop(named(which).map(|id| cloud.delete("main", &id, later(now, *late), now)));
            }
            Step::Migrate(which) => drop(named(which).map(|id| cloud.migrate(&id, now))),
            Step::TakeAway(which) => drop(named(which).map(|id| cloud.take_away(&id, "vanished", now))),
            Step::Wait(seconds) => {
                for _ in 0..*seconds {
                    let second = Duration::from_secs(1);
                    integral += cloud.all().map(|machine| machine.rate(now).for_span(second)).sum();
                    now = cloud.settle(now.plus(second));
                }
            }
        }
    }
    (cloud, now, integral)
}

proptest! {
    #[test]
    fn the_rents_add_up_to_the_integral_of_the_price(steps in prop::collection::vec(step(), 0..60)) {
        let (cloud, now, integral) = run(&steps);
        prop_assert_eq!(cloud.ledger(now).total(), integral);
    }

    #[test]
    fn a_bill_never_shrinks_and_an_ended_one_never_grows(steps in prop::collection::vec(step(), 0..40)) {
        let (cloud, now, _) = run(&steps);
        let soon = cloud.ledger(now.plus(Duration::from_secs(1000)));
        for (before, after) in cloud.ledger(now).rents.iter().zip(&soon.rents) {
            prop_assert!(before.cost <= after.cost);
            prop_assert!(before.ended_at.is_none() || before == after);
        }
    }

    #[test]
    fn the_same_seed_and_steps_make_the_same_cloud(steps in prop::collection::vec(step(), 0..40)) {
        let ((one, now, _), (other, _, _)) = (run(&steps), run(&steps));
        prop_assert_eq!(one.ledger(now), other.ledger(now));
    }

    #[test]
    fn the_phases_of_a_life_leave_no_gap(spans in prop::collection::vec((0..50u64, 0..20u64), 1..20)) {
        let mut at = START;
        let mut life = timeline::Timeline::begin(at, Phase::Starting, Duration::from_secs(5), Phase::Running);
        for (wait, takes) in spans {
            at = at.plus(Duration::from_secs(wait));
            life.enter(at, Phase::Stopping, Duration::from_secs(takes), Phase::Stopped);
        }
        let end = at.plus(Duration::from_secs(100));
        let spent = life.spent(Rate::Running, end) + life.spent(Rate::Stopped, end);
        prop_assert_eq!(spent, end.since(START));
    }
}

#[test]
fn a_late_delete_lands_even_if_the_machine_was_started_meanwhile() {
    let mut cloud = cloud();
    let id = cloud.create(blueprint(false), later(START, 0), START).unwrap().id;
    cloud.delete("main", &id, later(START, 100), START).unwrap();
    cloud.stop("main", &id, later(START, 0), START).unwrap();
    let midway = START.plus(Duration::from_secs(50));
    cloud.start("main", &id, later(midway, 0), midway).unwrap();
    let after = cloud.settle(START.plus(Duration::from_secs(200)));
    assert_eq!(cloud.read("main", &id, after).unwrap_err(), Refusal::NotFound);
    assert_eq!(cloud.ledger(after).rents[0].ended_at, Some(START.plus(Duration::from_secs(104))));
}

#[test]
fn time_never_goes_back() {
    let mut cloud = cloud();
    let late = START.plus(Duration::from_mins(1));
    cloud.create(blueprint(false), later(late, 0), late).unwrap();
    assert_eq!(cloud.settle(START), late);
    assert_eq!(cloud.list("main", START).count(), 1);
}
