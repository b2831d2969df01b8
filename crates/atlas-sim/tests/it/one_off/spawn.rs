//! Renting: the intent first, the mark read back, the keys in one go (rules O1, O2, C8, C9, C10, C12, P2).

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use atlas_auth::{PRESHARED_KEY_ENV, SIGNING_KEY_ENV};
use atlas_core::{Capability, Credentials, Effect, ErrorKind, GoneRule, MARK_ENV, Port, PortSpec, Proof};
use atlas_sim::Moment;
use tokio::time::timeout;

use super::wrapped::Wrapped;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_machine_is_rented_becomes_ready_and_is_given_back() {
    let bench = bench(|cloud| cloud.startup(Duration::from_secs(40)).answers_after(Duration::from_secs(20)));
    for auth in [Auth::Bearer, Auth::SignedUrl, Auth::None] {
        let spawned = bench.account.spawn(request(), auth).await.unwrap();
        bench.account.wait_ready(&spawned, Duration::from_mins(2)).await.unwrap();
        bench.account.terminate(&spawned).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
    assert!(bench.cloud.ledger().rents.iter().all(|rent| rent.cost.as_micros() >= 6000), "a minute each");
}

#[tokio::test(start_paused = true)]
async fn o1_the_intent_is_on_disk_before_the_cloud_hears_of_it() {
    let bench = bench(|cloud| cloud);
    let (folder, seen) = (bench.intents(), Arc::new(Mutex::new(Vec::new())));
    let witness = seen.clone();
    let wrapped = Wrapped::new(&bench.cloud).before(move |order| {
        let text = std::fs::read_to_string(folder.join(format!("{}.json", order.token()))).unwrap();
        let record: IntentRecord = serde_json::from_str(&text).unwrap();
        assert_eq!((&record.phase, &record.intent.mark), (&IntentPhase::Open, order.mark()));
        witness.lock().unwrap().push(record.intent.token());
    });
    let account = bench.over(Arc::new(wrapped));
    let spawned = account.spawn(request(), Auth::Bearer).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [spawned.compute.mark.as_ref().unwrap().token]);
    assert!(is_bound(&bench.phase().await, &spawned.compute.id));
}

#[tokio::test(start_paused = true)]
async fn o1_where_no_intent_can_be_written_the_cloud_hears_nothing() {
    let bench = bench(|cloud| cloud);
    std::fs::write(bench.intents(), "a file where the folder should be").unwrap();
    let error = bench.spawn_fails().await;
    assert_eq!((error.effect(), error.operation()), (Effect::NotSent, Some("spawn")));
    assert!(error.to_string().contains(bench.intents().to_str().unwrap()), "{error}");
    assert_eq!(bench.cloud.count(Operation::Spawn), 0);
}

#[tokio::test(start_paused = true)]
async fn p2_a_machine_that_cannot_be_recorded_is_ended_by_its_maker() {
    let bench = bench(|cloud| cloud.terminating(Duration::from_secs(5)));
    bench.fill_disk();
    let error = bench.spawn_fails().await;
    assert!(error.message().starts_with("the machine was made and could not be recorded: cannot lock"), "{error}");
    assert!(error.leftovers().is_empty() && error.is_safe_to_resend(), "{error:?}");
    assert_eq!(bench.cloud.ledger().rents.len(), 1);
    assert!(bench.cloud.live().is_empty());
    bench.free_disk();
    assert_eq!(bench.phase().await, IntentPhase::Open);
    assert!(matches!(bench.settle().await, Settled::MayLand { .. }));
    pass(2).await;
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Absent));
}

#[tokio::test(start_paused = true)]
async fn p2_one_that_can_neither_be_recorded_nor_ended_is_named_and_found_later() {
    let bench = bench(|cloud| cloud);
    bench.fill_disk();
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).always());
    let error = bench.spawn_fails().await;
    assert_eq!(error.leftovers(), bench.cloud.live());
    assert!(error.message().contains("is still being ended") && !error.is_safe_to_resend(), "{error}");
    bench.free_disk();
    assert_eq!(found(bench.settle().await).id, error.leftovers()[0]);
}

#[tokio::test(start_paused = true)]
async fn o1_a_dropped_spawn_is_open_and_nobody_sends_it_any_more() {
    for moment in [Moment::Arrival, Moment::Departure] {
        let slow = |cloud: MockBuilder| {
            cloud.create_takes(Duration::from_secs(10)).effect_at(moment).settle_window(Duration::from_secs(20))
        };
        let bench = bench(slow);
        assert!(timeout(Duration::from_secs(3), bench.account.spawn(request(), Auth::Bearer)).await.is_err());
        assert_eq!(bench.phase().await, IntentPhase::Open);
        let first = bench.settle().await;
        assert_ne!(first, Settled::BeingSent, "its process lives, and sends it no more");
        if moment == Moment::Departure {
            assert!(matches!(first, Settled::MayLand { .. }), "{first:?}");
            pass(8).await;
        }
        let machine = found(bench.settle().await);
        assert_eq!(bench.cloud.live(), std::slice::from_ref(&machine.id), "{moment:?}");
        bench.account.terminate(&machine.id).await.unwrap();
        assert!(bench.cloud.live().is_empty());
    }
}

/// A provider that finishes what it began although nobody waits: its create is being sent as long as it holds the order.
#[tokio::test(start_paused = true)]
async fn p2_a_create_is_being_sent_as_long_as_anybody_holds_its_order() {
    let bench = bench(|cloud| cloud.create_takes(Duration::from_secs(10)));
    let held = Arc::new(Mutex::new(None));
    let keeper = held.clone();
    let detached = Wrapped::new(&bench.cloud).before(move |order| *keeper.lock().unwrap() = Some(order.clone()));
    let account = bench.over(Arc::new(detached));
    bench.inject(Operation::Spawn, Fault::FailsBefore);
    assert!(timeout(Duration::from_secs(3), account.spawn(request(), Auth::Bearer)).await.is_err());
    for _ in 0..5 {
        assert_eq!(bench.settle().await, Settled::BeingSent);
        pass(5).await;
    }
    let order: atlas_core::SpawnOrder = held.lock().unwrap().take().unwrap();
    let made = bench.cloud.spawn(&atlas_core::CallContext::new(), &order).await.unwrap();
    drop(order);
    assert_eq!(found(bench.settle().await).id, made.id);
}

/// A clock of a process that can be made to sleep.
#[derive(Debug, Default)]
struct Sleeper(std::sync::atomic::AtomicU64);

impl atlas_auth::Clock for Sleeper {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_000_000_000).plus(self.boot())
    }

    fn monotonic(&self) -> Duration {
        self.boot()
    }

    fn boot(&self) -> Duration {
        Duration::from_secs(self.0.load(std::sync::atomic::Ordering::Relaxed))
    }
}

/// History 4: it slept between its intent and its create.
#[tokio::test(start_paused = true)]
async fn p2_a_create_whose_time_is_over_is_not_sent() {
    let bench = bench(|cloud| cloud);
    let clock = Arc::new(Sleeper::default());
    let sleeper = clock.clone();
    let sleeps = Wrapped::new(&bench.cloud).told(move || {
        sleeper.0.fetch_add(61, std::sync::atomic::Ordering::Relaxed);
    });
    let config = Config::builder().state_dir(bench.state.path()).build();
    let account = Atlas::builder(config).clock(clock).build().account(Arc::new(sleeps)).unwrap();
    let error = account.spawn(request(), Auth::Bearer).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Timeout, Effect::NotSent), "{error}");
    assert_eq!(bench.cloud.count(Operation::Spawn), 0);
    let records = account.records().await.unwrap();
    assert!(matches!(records[0].phase, IntentPhase::Closed { proof: Proof::NotSent, .. }), "{records:?}");
}

#[tokio::test(start_paused = true)]
async fn o1_a_spawn_dropped_at_any_moment_leaves_a_record_of_what_it_made() {
    let mut done = false;
    for polls in 0..200 {
        if done {
            break;
        }
        let bench = bench(|cloud| cloud);
        let mut spawning = Box::pin(bench.account.spawn(request(), Auth::Bearer));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            done = spawning.as_mut().poll(&mut context).is_ready();
            if done {
                break;
            }
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_micros(200));
        }
        drop(spawning);
        // What was under way on the disk comes to its end.
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))).await.unwrap();
        pass(1).await;
        bench.reap().await;
        pass(2).await;
        bench.reap().await;
        let records = bench.records().await;
        let known: Vec<_> =
            records.iter().filter(|record| record.is_living()).filter_map(|r| r.compute.clone()).collect();
        assert_eq!(known, bench.cloud.live(), "after {polls} polls");
    }
    assert!(done, "the last of them came to its end");
}

#[tokio::test(start_paused = true)]
async fn o1_the_create_of_another_living_process_is_left_alone() {
    let bench = bench(|cloud| cloud.create_takes(Duration::from_secs(10)).effect_at(Moment::Departure));
    let (spawned, seen) = tokio::join!(bench.account.spawn(request(), Auth::Bearer), async {
        pass(5).await;
        let early = bench.settle().await;
        pass(4).await;
        (early, bench.settle().await)
    });
    assert_eq!(seen, (Settled::BeingSent, Settled::BeingSent));
    assert!(is_bound(&bench.phase().await, &spawned.unwrap().compute.id));
}

/// History 4: what was read before its sender had its answer proves nothing.
#[tokio::test(start_paused = true)]
async fn p2_a_judgement_from_before_the_answer_closes_nothing() {
    let bench = bench(|cloud| cloud.create_takes(Duration::from_secs(10)));
    let (spawned, stale) = tokio::join!(bench.spawn(), async {
        pass(5).await;
        bench.records().await.remove(0)
    });
    assert_eq!(stale.phase, IntentPhase::Open);
    for _ in 0..3 {
        bench.cloud.inject(Rule::on(Operation::Find, Fault::ListsShort));
        assert_eq!(found(bench.account.settle(&stale, GRACE).await.unwrap()).id, spawned.compute.id);
        pass(5).await;
    }
    assert!(is_bound(&bench.phase().await, &spawned.compute.id));
}

#[tokio::test(start_paused = true)]
async fn c8_a_refused_create_and_one_that_was_never_sent_leave_nothing_open() {
    for (fault, proof) in [
        (Fault::CapacityGone, Proof::Refused),
        (Fault::QuotaReached, Proof::Refused),
        (Fault::Unauthorized, Proof::Refused),
        (Fault::FailsBefore, Proof::NotSent),
    ] {
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::Spawn, fault);
        assert!(bench.spawn_fails().await.is_safe_to_resend());
        assert_eq!(bench.settle().await, Settled::Closed(proof));
    }
}

#[tokio::test(start_paused = true)]
async fn o2_a_machine_whose_mark_was_altered_or_cut_is_ended_by_its_id() {
    for fault in [Fault::CutsName(30), Fault::CutsName(0), Fault::AltersName, Fault::LeavesLeftover] {
        let bench = bench(|cloud| cloud.terminating(Duration::from_secs(5)));
        bench.inject(Operation::Spawn, fault.clone());
        let error = bench.spawn_fails().await;
        assert_eq!(error.kind(), ErrorKind::Provider);
        assert!(error.leftovers().is_empty(), "it is not there any more: {error}");
        assert_eq!(bench.cloud.ledger().rents.len(), 1);
        assert!(bench.cloud.live().is_empty(), "{fault}");
        assert!(is_closed(&bench.phase().await));
    }
}

/// The same where the provider itself does not look.
#[tokio::test(start_paused = true)]
async fn o2_the_account_reads_the_mark_back_itself() {
    let bench = bench(|cloud| cloud);
    let cut = |mut compute: Compute| {
        compute.mark = None;
        compute.name = compute.name.map(|name| name.chars().take(30).collect());
        Ok(compute)
    };
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(cut).read(cut)));
    let error = account.spawn(request(), Auth::Bearer).await.unwrap_err();
    assert!(error.message().contains("altered the mark"), "{error}");
    assert_eq!(bench.cloud.ledger().rents.len(), 1);
    assert!(bench.cloud.live().is_empty() && is_closed(&bench.phase().await));
}

/// A cloud that repeats what it was sent, and keeps something else.
#[tokio::test(start_paused = true)]
async fn o2_a_mark_is_read_back_from_where_it_is_kept() {
    let bench = bench(|cloud| cloud);
    let cut = |mut compute: Compute| {
        compute.mark = None;
        compute.name = compute.name.map(|name| name.chars().take(30).collect());
        Ok(compute)
    };
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).read(cut)));
    let error = account.spawn(request(), Auth::Bearer).await.unwrap_err();
    assert!(error.message().contains("altered the mark"), "{error}");
    assert_eq!(bench.cloud.ledger().rents.len(), 1);
    assert!(bench.cloud.live().is_empty() && is_closed(&bench.phase().await));
}

/// What is rented is priced from its record, also while its cloud does not show it.
#[tokio::test(start_paused = true)]
async fn o6_the_record_of_a_one_off_spawn_knows_its_price() {
    let bench = bench(|cloud| cloud);
    let spawned = bench.spawn().await;
    let record = bench.records().await.remove(0);
    assert_eq!(record.intent.price, spawned.compute.cost_per_hour);
    assert!(record.intent.price.is_some() && record.read_back);
}

/// What cannot be read just now is no reason to lose a machine.
#[tokio::test(start_paused = true)]
async fn o2_a_machine_that_cannot_be_read_back_yet_is_handed_out() {
    for fault in [Fault::Errs, Fault::NeverAnswers, Fault::Hides(Duration::from_secs(50)), Fault::Unauthorized] {
        let bench = bench(|cloud| cloud);
        bench.inject(Operation::Get, fault);
        let id = bench.spawn().await.compute.id;
        assert_eq!(bench.cloud.live(), [id]);
    }
}

#[tokio::test(start_paused = true)]
async fn o2_a_name_is_cut_to_the_clouds_limit_and_a_limit_below_the_mark_sends_nothing() {
    let bench = bench(|cloud| cloud.name_limit(50));
    let spawned = bench.account.spawn(request().name("a-name-that-is-much-too-long"), Auth::None).await.unwrap();
    let name = spawned.compute.name.as_deref().unwrap();
    assert!(name.len() <= 50 && name.starts_with("atlas-default-"), "{name}");
    assert!(spawned.compute.mark.unwrap().name.unwrap().starts_with('a'));
    for limit in [10, 46] {
        let bench = self::bench(|cloud| cloud.name_limit(limit));
        let error = bench.spawn_fails().await;
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
        assert!(bench.records().await.is_empty());
        assert_eq!(bench.cloud.count(Operation::Spawn), 0);
    }
}

/// History 14.
#[tokio::test(start_paused = true)]
async fn o2_a_users_name_that_reads_as_a_mark_is_refused() {
    let bench = bench(|cloud| cloud);
    let name = "atlas-a-aaaaaa-aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let error = bench.account.spawn(request().name(name), Auth::None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(error.message().contains("reads as a mark"), "{error}");
    assert!(bench.records().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn c8_everything_that_an_error_names_as_left_over_is_ended() {
    let bench = bench(|cloud| cloud.terminating(Duration::from_secs(3)));
    let cloud = bench.cloud.clone();
    let several = move |compute: Compute| {
        let twin = cloud.clone_machine(&compute.id).unwrap();
        // A disk of it, say: it bears no mark.
        let third = cloud.foreign_machine("leftover");
        let error = Error::new(ErrorKind::Provider, "half of it was made");
        Err(error.with_leftover(compute.id).with_leftover(twin).with_leftover(third))
    };
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(several)));
    let error = account.spawn(request(), Auth::Bearer).await.unwrap_err();
    assert_eq!((error.message(), error.leftovers().len()), ("half of it was made", 0));
    assert_eq!(bench.cloud.ledger().rents.len(), 3);
    assert!(bench.cloud.live().is_empty());
    assert!(bench.records().await.iter().all(|record| is_closed(&record.phase)));
}

#[tokio::test(start_paused = true)]
async fn c8_a_leftover_that_will_not_go_is_named_and_carried_on() {
    let bench = bench(|cloud| cloud);
    bench.inject(Operation::Spawn, Fault::LeavesLeftover);
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::Errs).always());
    let error = bench.spawn_fails().await;
    assert_eq!(error.leftovers(), bench.cloud.live());
    assert!(error.to_string().contains("run `atlas reap`"), "{error}");
    assert!(is_releasing(&bench.phase().await));
    bench.cloud.heal();
    assert_eq!(bench.settle().await, Settled::Releasing);
    assert_eq!(bench.settle().await, Settled::Closed(Proof::Gone));
    assert!(bench.cloud.live().is_empty());
}

/// What a create left over is new when its cloud says so, however long the create took.
#[tokio::test(start_paused = true)]
async fn p4_a_leftover_is_not_gone_within_the_settle_window_of_its_answer() {
    let lags = |cloud: MockBuilder| {
        let window = Duration::from_secs(90);
        let cloud = cloud.gone(GoneRule::NotFound).settle_window(window).appears_after(Duration::from_secs(80));
        cloud.create_takes(Duration::from_secs(50)).effect_at(Moment::Departure)
    };
    for twins in [false, true] {
        let bench = bench(lags);
        let cloud = bench.cloud.clone();
        let leaves = move |compute: Compute| {
            let error = Error::new(ErrorKind::Provider, "half of it was made");
            let twin = twins.then(|| cloud.clone_machine(&compute.id).unwrap());
            Err(twin.into_iter().fold(error.with_leftover(compute.id), Error::with_leftover))
        };
        let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(leaves)));
        account.spawn(request(), Auth::Bearer).await.unwrap_err();
        for _ in 0..4 {
            pass(60).await;
            bench.reap().await;
        }
        assert!(bench.cloud.live().is_empty(), "twins: {twins}");
    }
}

/// History 6: each thing that was left over is followed to the id that its cloud gives it.
#[tokio::test(start_paused = true)]
async fn p4_a_leftover_that_is_moved_is_followed() {
    let bench = bench(|cloud| cloud.migrates(true).gone(GoneRule::NotFound));
    let cloud = bench.cloud.clone();
    let leaves = move |compute: Compute| {
        let twin = cloud.clone_machine(&compute.id).unwrap();
        cloud.migrate(&twin).unwrap();
        cloud.migrate(&compute.id).unwrap();
        Err(Error::new(ErrorKind::Provider, "two were made").with_leftover(twin).with_leftover(compute.id))
    };
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(leaves)));
    account.spawn(request(), Auth::Bearer).await.unwrap_err();
    assert!(bench.cloud.live().is_empty());
}

/// A crash while the first of them is being ended forgets none of the others.
#[tokio::test(start_paused = true)]
async fn o1_all_that_a_create_left_over_is_recorded_before_any_of_it_is_ended() {
    let bench = bench(|cloud| cloud);
    let cloud = bench.cloud.clone();
    let leaves = move |compute: Compute| {
        let disk = cloud.foreign_machine("leftover");
        Err(Error::new(ErrorKind::Provider, "half of it was made").with_leftover(compute.id).with_leftover(disk))
    };
    bench.cloud.inject(Rule::on(Operation::Terminate, Fault::NeverAnswers));
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(leaves)));
    assert!(timeout(Duration::from_secs(3), account.spawn(request(), Auth::Bearer)).await.is_err());
    assert_eq!(bench.records().await.iter().filter(|record| is_releasing(&record.phase)).count(), 2);
    bench.reap().await;
    bench.reap().await;
    assert!(bench.cloud.live().is_empty());
}

fn files_under(folder: &std::path::Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_under(&path, files);
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c9_c10_the_key_is_in_the_environment_and_nowhere_else() {
    for (auth, variable) in
        [(Auth::Bearer, Some(PRESHARED_KEY_ENV)), (Auth::SignedUrl, Some(SIGNING_KEY_ENV)), (Auth::None, None)]
    {
        let bench = bench(|cloud| cloud);
        let asked = request().env("MODEL_TOKEN", "canary-of-the-user");
        let spawned = bench.account.spawn(asked.clone(), auth).await.unwrap();
        let env = bench.cloud.env(&spawned.compute.id).unwrap();
        assert_eq!(env["MODEL_TOKEN"].expose(), "canary-of-the-user");
        assert_eq!(Mark::read(env[MARK_ENV].expose()), spawned.compute.mark);
        for name in [PRESHARED_KEY_ENV, SIGNING_KEY_ENV] {
            assert_eq!(env.contains_key(name), variable == Some(name), "{auth}");
        }
        let key = spawned.credentials.env().map(|(name, key)| {
            assert_eq!((Some(name), &env[name]), (variable, &key));
            key.expose().to_owned()
        });
        assert_eq!(matches!(spawned.credentials, Credentials::None), key.is_none());

        bench.inject(Operation::Spawn, Fault::LeavesLeftover);
        let failed = bench.account.spawn(asked, auth).await.unwrap_err();
        bench.account.terminate(&spawned).await.unwrap();
        let mut files = BTreeMap::new();
        files_under(bench.state.path(), &mut files);
        assert!(files.len() > 3, "records, locks, the installation");
        let told = [
            format!("{spawned:?} {:?} {failed:?} {failed}", bench.account),
            serde_json::to_string(&spawned.compute).unwrap(),
            format!("{:?}", bench.records().await),
        ];
        let told = told.iter().map(String::as_bytes).chain(files.values().map(Vec::as_slice));
        let text: Vec<_> = told.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        for canary in key.iter().map(String::as_str).chain(["canary-of-the-user"]) {
            assert!(text.iter().all(|text| !text.contains(canary)), "{auth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn c10_two_machines_have_two_keys() {
    let bench = bench(|cloud| cloud);
    let (one, two) = (bench.spawn().await, bench.spawn().await);
    assert_ne!(one.credentials.expose(), two.credentials.expose());
    assert_ne!(one.compute.mark, two.compute.mark);
}

#[tokio::test(start_paused = true)]
async fn c12_a_key_goes_over_plain_http_only_where_it_is_allowed() {
    let open_line = |cloud: MockBuilder| cloud.without(Capability::HttpProxy);
    let refused = bench(open_line);
    let error = refused.spawn_fails().await;
    assert_eq!(error.kind(), ErrorKind::Validation);
    assert!(error.message().contains("allow_plain_http") && error.message().contains("port 8000"), "{error}");
    assert!(refused.cloud.live().is_empty() && is_closed(&refused.phase().await));
    for (request, auth) in [(request().allow_plain_http(true), Auth::Bearer), (request(), Auth::None)] {
        let allowed = bench(open_line);
        let spawned = allowed.account.spawn(request, auth).await.unwrap();
        assert!(!spawned.compute.ports[0].tls);
        allowed.account.wait_ready(&spawned, Duration::from_secs(10)).await.unwrap();
    }
}

/// It would be paid for and never reached: no URL is signed for plain http.
#[tokio::test(start_paused = true)]
async fn c12_signed_urls_over_plain_http_are_refused_before_anything_is_recorded() {
    let bench = bench(|cloud| cloud);
    let error = bench.account.spawn(request().allow_plain_http(true), Auth::SignedUrl).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(error.message().contains("no URL is signed for plain http"), "{error}");
    assert!(bench.records().await.is_empty() && bench.cloud.calls().is_empty());
}

/// What no cloud could honour is refused whatever the provider thinks of it.
#[tokio::test(start_paused = true)]
async fn c6_a_request_that_cannot_be_right_reaches_no_provider() {
    let bench = bench(|cloud| cloud);
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).unchecked()));
    let error = account.spawn(request().name("no such name"), Auth::None).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    assert!(bench.records().await.is_empty() && bench.cloud.calls().is_empty());
}

/// The address of a machine that boots comes later than the answer to its create.
#[tokio::test(start_paused = true)]
async fn c12_an_open_line_that_shows_itself_later_gets_no_key_either() {
    let bench = bench(|cloud| cloud.without(Capability::HttpProxy).startup(Duration::from_secs(20)));
    let spawned = bench.spawn().await;
    let error = bench.account.wait_ready(&spawned, Duration::from_mins(2)).await.unwrap_err();
    assert_eq!((error.kind(), error.leftovers()), (ErrorKind::Validation, &[spawned.compute.id.clone()][..]));
    assert!(bench.cloud.asked().is_empty(), "no key travelled");
    let spawned = bench.account.spawn(request().allow_plain_http(true), Auth::Bearer).await.unwrap();
    bench.account.wait_ready(&spawned, Duration::from_mins(2)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c12_loopback_needs_no_tls() {
    let bench = bench(|cloud| cloud);
    let here = |mut compute: Compute| {
        compute.ports = vec![Port::new(PortSpec::http(8000)).with_url("http://127.0.0.1:8000/")];
        Ok(compute)
    };
    let account = bench.over(Arc::new(Wrapped::new(&bench.cloud).spawned(here)));
    account.spawn(request(), Auth::Bearer).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c6_what_the_cloud_cannot_do_is_refused_before_anything_is_recorded() {
    let bench = bench(|cloud| cloud.without(Capability::Spot));
    let error = bench.account.spawn(request().spot(true), Auth::None).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unsupported, Some("spawn")));
    assert!(bench.records().await.is_empty() && bench.cloud.calls().is_empty());
}
