//! Crashes at every commit, and random lives under random faults: whatever happens, the cloud's own books show no
//! machine that outlives its session, none rented twice at a time, none ended under its user.

use std::collections::BTreeMap;

use atlas_auth::{Entropy, SeededEntropy, Timestamp};
use atlas_core::ComputeStatus;
use atlas_orchestrator::store::{Cursor, Kind, Range, Store};
use atlas_orchestrator::{Error, Orchestrator, Phase, Reason, SessionId};
use atlas_sim::{Fault, Operation, Rule};

use crate::world::{World, hours, minutes, pass, request, seconds};

/// How many commits the store has seen that told something.
async fn commits(world: &World) -> u64 {
    let range = Range::Events { after: u64::MAX - 1 };
    world.store.scan(range, Cursor::START, 1).await.unwrap().next_event
}

/// What a user does who does not care which process serves him: wait until ready, whatever dies meanwhile.
struct Script<'a> {
    world: &'a mut World,
    orchestrator: Orchestrator,
    /// After which number of an event it crashes, once.
    crash_at: Option<u64>,
    crashed: bool,
}

impl Script<'_> {
    /// Lets time pass in small steps, and crashes when it is time to.
    async fn tick(&mut self) {
        pass(std::time::Duration::from_millis(50)).await;
        self.maybe_crash().await;
    }

    async fn maybe_crash(&mut self) {
        if !self.crashed && self.crash_at.is_some_and(|at| at <= commits_now(self.world)) {
            self.crashed = true;
            self.orchestrator = self.world.reopen().await;
        }
    }

    async fn until(&mut self, id: SessionId, wanted: Phase) {
        let began = tokio::time::Instant::now();
        loop {
            let session = self.orchestrator.session(id).await.unwrap();
            if session.view().await.unwrap().phase == wanted {
                return;
            }
            drop(self.orchestrator.touch(&id));
            assert!(began.elapsed() < hours(1), "never {wanted} after a crash at {:?}", self.crash_at);
            self.tick().await;
        }
    }
}

fn commits_now(world: &World) -> u64 {
    futures_util::FutureExt::now_or_never(commits(world)).expect("a store in memory answers at once")
}

/// One whole life, with lost answers at every step; returns how many events it made.
async fn life(crash_at: Option<u64>) -> u64 {
    let mut world = World::with(|cloud| {
        cloud
            .startup(seconds(2))
            .stopping(seconds(1))
            .moves_ports(true)
            .create_takes(seconds(1))
            .settle_window(seconds(20))
    });
    for operation in [Operation::Spawn, Operation::Stop, Operation::Start, Operation::Terminate] {
        world.cloud.inject(Rule::on(operation, Fault::LosesAnswer));
    }
    let orchestrator = world.open().await;
    let mut script = Script { world: &mut world, orchestrator, crash_at, crashed: false };
    script.maybe_crash().await;
    let id = *script.orchestrator.ensure("ada", request()).await.unwrap().id();
    script.maybe_crash().await;
    script.until(id, Phase::Ready).await;
    let key = script.orchestrator.session(id).await.unwrap().endpoint().await.unwrap();
    let key = key.credentials.expose().to_owned();
    for _ in 0..100 {
        drop(script.orchestrator.touch(&id));
        script.tick().await;
    }
    script.orchestrator.stop(&id).await.unwrap();
    script.maybe_crash().await;
    script.until(id, Phase::Stopped).await;
    script.orchestrator.resume(&id).await.unwrap();
    script.maybe_crash().await;
    script.until(id, Phase::Ready).await;
    let endpoint = script.orchestrator.session(id).await.unwrap().endpoint().await.unwrap();
    assert_eq!(endpoint.credentials.expose(), key);
    let before = script.world.cloud.now();
    script.orchestrator.end(&id).await.unwrap();
    script.maybe_crash().await;
    script.until(id, Phase::Ended).await;
    let ledger = script.world.cloud.ledger();
    assert_eq!(ledger.rents.len(), 1, "rented twice: {ledger:?}, crashed at {crash_at:?}");
    let ended = ledger.rents[0].ended_at.expect("it outlives its session");
    assert!(ended >= before, "ended early, crashed at {crash_at:?}");
    let view = script.orchestrator.session(id).await.unwrap().view().await.unwrap();
    assert!(view.cost_so_far >= ledger.total(), "{} < {}", view.cost_so_far, ledger.total());
    assert_eq!(script.world.cloud.keys_at_strangers(), []);
    let made = commits_now(script.world);
    assert!(script.orchestrator.exposure().await.unwrap().items.is_empty());
    made
}

#[tokio::test(start_paused = true)]
async fn p1_history_25_a_crash_at_any_commit_of_a_life_loses_nothing() {
    let made = life(None).await;
    assert!(made > 10, "{made}");
    for crash_at in 1..=made {
        life(Some(crash_at)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn p1_a_crash_at_any_tenth_of_a_second_of_a_create_leaves_one_machine() {
    for fault in [None, Some(Fault::LosesAnswer), Some(Fault::AnswersLate(seconds(1))), Some(Fault::Duplicates)] {
        for tenth in 0..25 {
            let mut world = World::with(|cloud| cloud.create_takes(seconds(1)).settle_window(seconds(10)));
            if let Some(fault) = &fault {
                world.cloud.inject(Rule::on(Operation::Spawn, fault.clone()));
            }
            let orchestrator = world.open().await;
            let id = *orchestrator.ensure("ada", request()).await.unwrap().id();
            pass(std::time::Duration::from_millis(tenth * 100)).await;
            let orchestrator = world.reopen().await;
            let session = orchestrator.session(id).await.unwrap();
            session.ready().await.unwrap();
            crate::world::keep_alive(&orchestrator, &session, minutes(6)).await;
            assert_eq!(world.cloud.live().len(), 1, "{fault:?} at {tenth}");
            assert_eq!(session.view().await.unwrap().phase, Phase::Ready);
        }
    }
}

/// Chances from a seed.
struct Dice(SeededEntropy);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let mut random = [0; 8];
        self.0.fill(&mut random);
        u64::from_le_bytes(random) % sides
    }
}

/// One user: what he has, and when he touched it last.
#[derive(Default)]
struct User {
    session: Option<SessionId>,
    touched: Option<Timestamp>,
    asked: bool,
}

const FAULTS: &[(Operation, Fault)] = &[
    (Operation::Spawn, Fault::LosesAnswer),
    (Operation::Spawn, Fault::ActsThenErrs),
    (Operation::Spawn, Fault::Errs),
    (Operation::Spawn, Fault::Duplicates),
    (Operation::Spawn, Fault::CapacityGone),
    (Operation::Spawn, Fault::LandsLate(std::time::Duration::from_secs(45))),
    (Operation::Spawn, Fault::AppearsLate(std::time::Duration::from_secs(45))),
    (Operation::Spawn, Fault::NeverAnswers),
    (Operation::Terminate, Fault::Errs),
    (Operation::Terminate, Fault::Ignores),
    (Operation::Terminate, Fault::LosesAnswer),
    (Operation::Terminate, Fault::LandsLate(std::time::Duration::from_secs(45))),
    (Operation::Terminate, Fault::NeverAnswers),
    (Operation::Get, Fault::Errs),
    (Operation::Get, Fault::NeverAnswers),
    (Operation::Get, Fault::Migrates),
    (Operation::Get, Fault::Hides(std::time::Duration::from_mins(1))),
    (Operation::Get, Fault::LiesStatus(ComputeStatus::Stopped)),
    (Operation::Get, Fault::LiesStatus(ComputeStatus::Starting)),
    (Operation::List, Fault::Errs),
    (Operation::List, Fault::ListsShort),
    (Operation::Find, Fault::Errs),
    (Operation::Find, Fault::LooksPartly),
    (Operation::Stop, Fault::LosesAnswer),
    (Operation::Stop, Fault::Ignores),
    (Operation::Start, Fault::Errs),
    (Operation::Start, Fault::LosesAnswer),
];

async fn random_lives(seed: u64) {
    let dice = Dice(SeededEntropy::new(seed));
    let mut world = World::with(|cloud| {
        cloud
            .seed(seed)
            .startup(seconds(dice.roll(4)))
            .stopping(seconds(dice.roll(3)))
            .terminating(seconds(dice.roll(3)))
            .create_takes(seconds(dice.roll(3)))
            .settle_window(minutes(1))
            .moves_ports(true)
    });
    world.policy.start_timeout = minutes(8);
    let mut orchestrator = world.open().await;
    let mut users: Vec<User> = (0..6).map(|_| User::default()).collect();
    let mut lived: BTreeMap<SessionId, usize> = BTreeMap::new();
    for _ in 0..120 {
        let index = usize::try_from(dice.roll(6)).unwrap();
        let user = &mut users[index];
        match dice.roll(20) {
            0..=5 => match orchestrator.ensure(&format!("user {index}"), request()).await {
                Ok(session) => {
                    user.touched = Some(orchestrator.now());
                    user.asked = false;
                    user.session = Some(*session.id());
                    lived.insert(*session.id(), index);
                }
                Err(Error::BackingOff { .. }) => {}
                Err(error) => panic!("seed {seed}: {error}"),
            },
            6..=11 if user.session.is_some_and(|id| orchestrator.touch(&id).is_ok()) => {
                user.touched = Some(orchestrator.now());
            }
            12 => {
                if let Some(id) = user.session {
                    orchestrator.end(&id).await.unwrap();
                    user.asked = true;
                }
            }
            // Neither is possible at each moment; what matters is that neither does harm.
            13 => {
                if let Some(id) = user.session {
                    drop(orchestrator.stop(&id).await);
                }
            }
            14 => {
                if let Some(id) = user.session {
                    drop(orchestrator.resume(&id).await);
                }
            }
            15..=17 => {
                let (operation, fault) = &FAULTS[usize::try_from(dice.roll(FAULTS.len() as u64)).unwrap()];
                world.cloud.inject(Rule::on(*operation, fault.clone()));
            }
            18 => orchestrator = world.reopen().await,
            _ => {}
        }
        pass(std::time::Duration::from_millis(dice.roll(20_000))).await;
        check_users(seed, &world, &orchestrator, &users).await;
    }
    world.cloud.heal();
    pass(minutes(40)).await;
    check_books(seed, &world, &orchestrator, &lived).await;
}

/// Nobody who touched his session within its time-out has been ended as idle; whoever ended has a reason.
async fn check_users(seed: u64, world: &World, orchestrator: &Orchestrator, users: &[User]) {
    for user in users {
        let (Some(id), Some(touched)) = (user.session, user.touched) else { continue };
        let session = orchestrator.session(id).await.unwrap();
        let Some(receipt) = session.view().await.unwrap().receipt else { continue };
        let right = match receipt.reason {
            Reason::Idle => receipt.at.since(touched) >= minutes(10),
            Reason::Asked => user.asked,
            Reason::StartTimeout => true,
            // Only hides of a minute were asked for: that is nobody's loss.
            _ => false,
        };
        assert!(right, "seed {seed}: {id} was ended: {receipt:?}, touched at {touched}");
    }
    assert_eq!(world.cloud.keys_at_strangers(), [], "seed {seed}");
}

/// Forty minutes after the last fault: every machine has gone with its session, or is the one of a live session.
async fn check_books(seed: u64, world: &World, orchestrator: &Orchestrator, lived: &BTreeMap<SessionId, usize>) {
    let mut wanted = Vec::new();
    for id in lived.keys() {
        let view = orchestrator.session(*id).await.unwrap().view().await.unwrap();
        match view.phase {
            Phase::Ended => {}
            Phase::Stopped | Phase::Ready => wanted.extend(view.compute),
            phase => panic!("seed {seed}: so long after the last fault, {id} is {phase}"),
        }
    }
    let mut live = world.cloud.live();
    live.sort();
    wanted.sort();
    assert_eq!(live, wanted, "seed {seed}: leaked, or ended under its user");
    let phases = world.phases().await;
    assert_eq!(phases.get("open"), None, "seed {seed}: {phases:?}");
    assert_eq!(phases.get("releasing"), None, "seed {seed}: {phases:?}");
    let holders = world.holders().await;
    let mut rents: BTreeMap<usize, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    let now = world.cloud.now();
    for rent in &world.cloud.ledger().rents {
        let token = rent.token.expect("every machine here is ours").to_string();
        let session: SessionId = holders.get(&token).expect("every create had its intent").parse().unwrap();
        let user = lived[&session];
        rents.entry(user).or_default().push((rent.started_at, rent.ended_at.unwrap_or(now)));
    }
    for (user, rents) in rents {
        for (index, (begin, end)) in rents.iter().enumerate() {
            let at_once = rents.iter().enumerate().filter(|(other, (b, e))| *other != index && b < end && begin < e);
            for (_, (b, e)) in at_once {
                // A duplicate, or what landed late, lives at most until it was seen twice and ended.
                let overlap = (*end.min(e)).since(*begin.max(b));
                assert!(overlap <= minutes(15), "seed {seed}: user {user} had two machines for {overlap:?}");
            }
        }
    }
    let exposure = orchestrator.exposure().await.unwrap();
    assert!(exposure.items.is_empty(), "seed {seed}: {exposure:?}");
    assert!(world.rows(Kind::SIGHTING).await.is_empty());
}

/// Each quarter runs beside the others. `ATLAS_SEEDS` sets how many there are in all; 16 otherwise.
async fn quarter(first: u64) {
    let seeds = std::env::var("ATLAS_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(16);
    for seed in (first..seeds).step_by(4) {
        random_lives(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn random_lives_under_random_faults_leak_no_machine_and_harm_no_user() {
    quarter(0).await;
}

#[tokio::test(start_paused = true)]
async fn random_lives_second_quarter() {
    quarter(1).await;
}

#[tokio::test(start_paused = true)]
async fn random_lives_third_quarter() {
    quarter(2).await;
}

#[tokio::test(start_paused = true)]
async fn random_lives_last_quarter() {
    quarter(3).await;
}

#[tokio::test(start_paused = true)]
async fn s1_a_whole_history_with_faults_is_replayed_from_its_seed() {
    let mut traces = Vec::new();
    for seed in [3, 3, 4] {
        traces.push(trace(seed).await);
    }
    assert_eq!(traces[0], traces[1], "the same seed, another history");
    assert_ne!(traces[0], traces[2], "another seed, the same history: this test could not fail");
}

/// What one history leaves behind: each call with its time, each event, the bill.
async fn trace(seed: u64) -> (Vec<String>, Vec<String>, String) {
    let dice = Dice(SeededEntropy::new(seed));
    let mut world = World::with(|cloud| cloud.seed(seed).startup(seconds(2)).create_takes(seconds(1)));
    let mut orchestrator = world.open().await;
    let mut sessions = Vec::new();
    for round in 0..40 {
        let (operation, fault) = &FAULTS[usize::try_from(dice.roll(FAULTS.len() as u64)).unwrap()];
        world.cloud.inject(Rule::on(*operation, fault.clone()));
        match dice.roll(4) {
            0 => {
                if let Some(id) = sessions.pop() {
                    orchestrator.end(&id).await.unwrap();
                }
            }
            _ => sessions.extend(
                orchestrator
                    .ensure(&format!("user {}", dice.roll(6)), request())
                    .await
                    .ok()
                    .map(|session| *session.id()),
            ),
        }
        if round == 20 {
            orchestrator = world.reopen().await;
        }
        pass(std::time::Duration::from_millis(dice.roll(30_000))).await;
    }
    pass(minutes(30)).await;
    let calls = world.cloud.calls().iter().map(|call| format!("{call:?}")).collect();
    let events = world.store.scan(Range::Events { after: 0 }, Cursor::START, 100_000).await.unwrap();
    let events = events.into_events().into_iter();
    let events = events.map(|event| String::from_utf8_lossy(&event.body).into_owned()).collect();
    (calls, events, format!("{:?}", world.cloud.ledger()))
}
