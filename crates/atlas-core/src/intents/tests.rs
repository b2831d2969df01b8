//! Intents as files (rule O1): on disk before the cloud hears of it, and whole or absent after a crash.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atlas_auth::{Clock, SeededEntropy};

use super::*;
use crate::proof::Absence;
use crate::{Deployment, Effect, ErrorKind, Installation, Rented, TokenKind};

#[derive(Debug, Default)]
struct Hand(Mutex<i64>);

impl Hand {
    fn advance(&self, span: Duration) {
        *self.0.lock().unwrap() += i64::try_from(span.as_millis()).unwrap();
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000).plus(self.boot())
    }

    fn monotonic(&self) -> Duration {
        self.boot()
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(u64::try_from(*self.0.lock().unwrap()).unwrap())
    }
}

struct Bench {
    folder: tempfile::TempDir,
    clock: Arc<Hand>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("intents")
    }

    /// A process of its own, as far as files and locks can tell.
    fn intents(&self) -> FileIntents {
        FileIntents::new(self.path(), self.clock.clone())
    }

    fn intent(&self, seed: u64) -> Intent {
        let entropy = SeededEntropy::new(seed);
        let token = SpawnToken::generate(TokenKind::Plain, &entropy);
        let mark = Mark::new(Deployment::default(), Installation::generate(&entropy), token, Some("mine".to_owned()));
        let now = self.clock.now();
        let not_after = now.plus(Duration::from_mins(1));
        Intent::machine(mark, &ProviderId::parse("local").unwrap(), Scope::new("s"), now, not_after)
    }
}

fn compute(id: &str) -> ComputeId {
    ComputeId::new(id)
}

fn phase(intents: &FileIntents, token: SpawnToken) -> IntentPhase {
    intents.get(token).unwrap().unwrap().phase
}

#[tokio::test]
async fn o1_an_intent_goes_from_open_to_bound_to_closed() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let token = intent.token();
    assert!(intents.all().unwrap().is_empty(), "a folder that is not there holds none");
    intents.open(&intent).await.unwrap();
    let on_disk = bench.intents().get(token).unwrap().unwrap();
    assert_eq!((&on_disk.intent, &on_disk.phase), (&intent, &IntentPhase::Open), "another process sees it");

    intents.bound(token, &compute("c1")).await.unwrap();
    assert_eq!(phase(&bench.intents(), token), IntentPhase::Bound { compute: compute("c1") });
    intents.bound(token, &compute("c1")).await.unwrap();
    intents.bound(token, &compute("c2")).await.unwrap();
    assert_eq!(phase(&intents, token), IntentPhase::Bound { compute: compute("c1") }, "the first stands");

    intents.closed(token, Proof::Gone).await.unwrap();
    let closed = IntentPhase::Closed { proof: Proof::Gone, at: bench.clock.now() };
    assert_eq!(phase(&bench.intents(), token), closed);
    bench.clock.advance(Duration::from_secs(5));
    intents.closed(token, Proof::WrittenOff).await.unwrap();
    intents.bound(token, &compute("c1")).await.unwrap();
    intents.releasing(token, &compute("c1"), "asked").unwrap();
    assert_eq!(phase(&intents, token), closed, "closed is closed");
}

#[tokio::test]
async fn o1_releasing_is_written_once_and_forgets_what_was_seen_before() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let token = intent.token();
    intents.open(&intent).await.unwrap();
    intents.bound(token, &compute("c1")).await.unwrap();
    let mut absence = Absence::new();
    absence.missing(bench.clock.now(), &intent.scope, &intent.scope);
    let mut judged = intents.get(token).unwrap().unwrap();
    judged.absence = absence.clone();
    intents.observed(&judged).unwrap();
    assert_eq!(intents.get(token).unwrap().unwrap().absence, absence);

    let since = bench.clock.now();
    intents.releasing(token, &compute("c1"), "asked").unwrap();
    let record = intents.get(token).unwrap().unwrap();
    let releasing = IntentPhase::Releasing { compute: compute("c1"), since, why: "asked".to_owned() };
    assert_eq!((record.phase, record.absence), (releasing.clone(), Absence::new()));

    intents.observed(&judged).unwrap();
    assert_eq!(intents.get(token).unwrap().unwrap().absence, Absence::new(), "it was judged before it was to go");
    judged = intents.get(token).unwrap().unwrap();
    judged.absence = absence.clone();
    intents.observed(&judged).unwrap();
    bench.clock.advance(Duration::from_secs(9));
    intents.releasing(token, &compute("c1"), "asked again").unwrap();
    let record = intents.get(token).unwrap().unwrap();
    assert_eq!(
        (record.phase, record.absence),
        (releasing, absence),
        "the first reason stands, and so does the evidence"
    );
}

#[tokio::test]
async fn o1_a_living_sender_is_told_from_a_dead_one() {
    let bench = Bench::new();
    let (sender, other) = (bench.intents(), bench.intents());
    let (first, second) = (bench.intent(1), bench.intent(2));
    sender.open(&first).await.unwrap();
    assert!(other.is_being_sent(first.token()).unwrap());
    assert!(sender.clone().is_being_sent(first.token()).unwrap());
    sender.bound(first.token(), &compute("c1")).await.unwrap();
    assert!(!other.is_being_sent(first.token()).unwrap(), "it has its answer");

    sender.open(&second).await.unwrap();
    drop(sender);
    assert!(!other.is_being_sent(second.token()).unwrap(), "it is dead");
    assert_eq!(phase(&other, second.token()), IntentPhase::Open, "and what it may have made is on record");
    assert!(!other.is_being_sent(bench.intent(3).token()).unwrap(), "nobody ever sent this");
}

#[tokio::test]
async fn o1_a_sender_that_nobody_waits_for_any_more_lets_go() {
    let bench = Bench::new();
    let (intents, other) = (bench.intents(), bench.intents());
    let (first, second) = (bench.intent(1), bench.intent(2));
    intents.open(&first).await.unwrap();
    let sending = intents.sending(first.token());
    assert!(other.is_being_sent(first.token()).unwrap());
    drop(sending);
    assert!(!other.is_being_sent(first.token()).unwrap());
    // Nor does it hold on if it goes away while the intent is being written.
    let mut opening = Box::pin(intents.open(&second));
    assert!(opening.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(opening);
    while other.get(second.token()).unwrap().is_none() || other.is_being_sent(second.token()).unwrap() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn o1_a_record_is_closed_only_as_it_was_judged() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    intents.open(&intent).await.unwrap();
    let judged = intents.get(intent.token()).unwrap().unwrap();
    intents.bound(intent.token(), &compute("c1")).await.unwrap();
    let bound = intents.close(&judged, Proof::Absent).unwrap();
    assert_eq!(bound.phase, IntentPhase::Bound { compute: compute("c1") }, "its sender was quicker");
    let closed = intents.close(&bound, Proof::Gone).unwrap();
    assert!(!closed.is_living());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(intents.close(&closed, Proof::WrittenOff).unwrap(), closed);
}

#[tokio::test]
async fn p3_a_further_machine_of_a_token_gets_a_record_of_its_own() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let token = intent.token();
    intents.open(&intent).await.unwrap();
    intents.bound(token, &compute("c1")).await.unwrap();
    let twin = intents.leftover(intent.clone(), &compute("c2"), "asked").unwrap();
    assert_ne!(twin.key(), token.into());
    assert_eq!(intents.leftover(intent.clone(), &compute("c2"), "again").unwrap(), twin, "one record for one machine");
    assert_eq!(phase(&intents, token), IntentPhase::Bound { compute: compute("c1") }, "the first one's stands");
    let third = intents.leftover(intent.clone(), &compute("c3"), "asked").unwrap();
    intents.close(&twin, Proof::Gone).unwrap();
    assert_eq!(bench.intents().all().unwrap().len(), 3);
    assert!(bench.intents().get(third.key()).unwrap().unwrap().is_living());
    let first = intents.leftover(intent.clone(), &compute("c1"), "asked").unwrap();
    assert_eq!((first.key(), first.taken_over), (token.into(), false));
}

#[tokio::test]
async fn p3_a_volume_of_a_tokens_machine_takes_no_record_of_another_kind() {
    for is_open in [true, false] {
        let bench = Bench::new();
        let (intents, intent) = (bench.intents(), bench.intent(1));
        let token = intent.token();
        intents.open(&intent).await.unwrap();
        if !is_open {
            intents.bound(token, &compute("x1")).await.unwrap();
        }
        let before = intents.get(token).unwrap().unwrap();
        let volume = Rented::new(RentalKind::Volume, "x1");
        let taken = intents.take_over(bench.intent(1).of_kind(RentalKind::Volume), &volume, "asked").unwrap();
        assert_eq!((taken.intent.kind, taken.key().to_string()), (RentalKind::Volume, format!("{token}-1")));
        assert_eq!(intents.get(token).unwrap().unwrap(), before, "the machine goes on");
    }
}

/// Its environment was pasted from another's: it is what its name says all the same, and bills.
#[test]
fn p4_what_bears_the_token_in_one_of_two_places_is_nobody_elses() {
    let bench = Bench::new();
    let (ours, other) = (bench.intent(1), bench.intent(2));
    let record = IntentRecord::new(ours.clone(), IntentPhase::Open, None);
    let mut endpoint = Rented::new(RentalKind::Endpoint, "e1");
    endpoint.name = Some(ours.mark.to_string());
    endpoint.mark = Some(other.mark.clone());
    assert_eq!(record.whose(&endpoint), Whose::Ours);
    endpoint.name = Some(other.mark.to_string());
    assert_eq!(record.whose(&endpoint), Whose::Strangers);
    endpoint.mark = Some(ours.mark);
    assert_eq!(record.whose(&endpoint), Whose::Ours);
}

#[tokio::test]
async fn o4_what_was_seen_after_its_end_is_not_forgotten() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    intents.open(&intent).await.unwrap();
    intents.closed(intent.token(), Proof::Absent).await.unwrap();
    bench.clock.advance(Duration::from_hours(23));
    let first = intents.seen_after_close(intent.token(), &compute("c1")).unwrap();
    bench.clock.advance(Duration::from_hours(2));
    intents.forget_old().unwrap();
    assert_eq!(intents.seen_after_close(intent.token(), &compute("c1")).unwrap(), first);
    let other = intents.seen_after_close(intent.token(), &compute("c2")).unwrap();
    assert_eq!(other, bench.clock.now(), "each machine has its own first sighting");
    bench.clock.advance(Duration::from_hours(24));
    intents.forget_old().unwrap();
    assert!(intents.all().unwrap().is_empty());
}

#[tokio::test]
async fn o1_what_a_crash_leaves_behind_is_no_record() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    intents.open(&intent).await.unwrap();
    let name = format!("{}.json", bench.intent(2).token());
    std::fs::write(bench.path().join(format!("{name}.77.ThreadId(1).new")), "{\"form").unwrap();
    std::fs::write(bench.path().join(format!("{name}.78.ThreadId(1).new")), "").unwrap();
    std::fs::write(bench.path().join("notes.txt"), "a stranger's").unwrap();
    let found: Vec<_> = bench.intents().all().unwrap().iter().map(|record| record.intent.token()).collect();
    assert_eq!(found, [intent.token()]);
    assert!(intents.get(bench.intent(2).token()).unwrap().is_none());
}

#[tokio::test]
async fn p14_a_file_that_cannot_be_read_is_told_and_stands_in_nobodys_way() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let other = bench.intent(2);
    intents.open(&intent).await.unwrap();
    intents.open(&other).await.unwrap();
    let path = bench.path().join(format!("{}.json", intent.token()));
    let good = std::fs::read_to_string(&path).unwrap();
    for bad in ["", "{", "[]", "{\"format\":1}", &good[..good.len() / 2]] {
        std::fs::write(&path, bad).unwrap();
        let told = intents.unreadable().unwrap();
        assert_eq!((told.len(), &told[0].path, told[0].token), (1, &path, Some(intent.token())), "{bad}");
        for error in [&told[0].error, &intents.get(intent.token()).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Decode, "{bad}");
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        let others: Vec<_> = intents.all().unwrap().iter().map(|record| record.intent.token()).collect();
        assert_eq!(others, [other.token()], "{bad}");
        intents.bound(other.token(), &compute("c2")).await.unwrap();
        intents.forget_old().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), bad, "it is left as it is");
    }
    std::fs::write(&path, good).unwrap();
    assert_eq!((intents.all().unwrap().len(), intents.unreadable().unwrap().len()), (2, 0));
}

#[tokio::test]
async fn o1_a_file_of_a_newer_atlas_is_refused_untouched() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let token = intent.token();
    intents.open(&intent).await.unwrap();
    let path = bench.path().join(format!("{token}.json"));
    let newer = r#"{"format":3,"whatever":"comes"}"#;
    std::fs::write(&path, newer).unwrap();
    let error = intents.get(token).unwrap_err();
    assert!(error.to_string().contains("was written by a newer Atlas (format 3); use that one"), "{error}");
    assert!(intents.bound(token, &compute("c1")).await.is_err());
    assert!(intents.closed(token, Proof::Gone).await.is_err());
    intents.forget_old().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

/// What a reader of format 1 looks at before anything else: it knows no kind but machines, and would take a volume for one
/// of them, find no such machine, and forget what bills.
fn is_refused_by_format_1(content: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(content).unwrap()["format"].as_u64().unwrap() > 1
}

#[tokio::test]
async fn o1_a_record_of_a_machine_stands_in_the_form_that_any_atlas_reads() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    let path = bench.path().join(format!("{}.json", intent.token()));
    intents.open(&intent).await.unwrap();
    intents.bound(intent.token(), &compute("c1")).await.unwrap();
    let content = std::fs::read_to_string(&path).unwrap();
    insta::assert_snapshot!(content, @r#"
    {
      "format": 1,
      "twin": 0,
      "intent": {
        "mark": "atlas-default-6vs3oc-oblqbit3bnbkiwp3eomwqy3256-mine",
        "provider": "local",
        "scope": "s",
        "kind": "machine",
        "opened_at": "2027-01-15T08:00:00.000Z",
        "not_after": "2027-01-15T08:01:00.000Z",
        "price": null
      },
      "phase": {
        "is": "bound",
        "compute": "c1"
      },
      "absence": {
        "first_missing": null,
        "last_missing": null,
        "unlisted": null,
        "first_unlisted": null
      },
      "compute": "c1",
      "bound_at": "2027-01-15T08:00:00.000Z",
      "copies": null,
      "read_back": false,
      "unmarked": false,
      "unclear": false,
      "seen_as": null,
      "taken_over": false,
      "receipt": null,
      "seen_after_close": null
    }
    "#);
    assert!(!is_refused_by_format_1(&content));
}

#[tokio::test]
async fn o1_a_record_of_anything_else_is_refused_by_an_atlas_that_knows_machines_alone() {
    for kind in [RentalKind::Volume, RentalKind::Endpoint] {
        let bench = Bench::new();
        let (intents, intent) = (bench.intents(), bench.intent(1).of_kind(kind));
        let path = bench.path().join(format!("{}.json", intent.token()));
        let refused = || is_refused_by_format_1(&std::fs::read_to_string(&path).unwrap());
        intents.open(&intent).await.unwrap();
        assert!(refused(), "{kind}: before the cloud hears of it");
        intents.bound(intent.token(), &compute("x1")).await.unwrap();
        if kind == RentalKind::Volume {
            insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
            {
              "format": 2,
              "twin": 0,
              "intent": {
                "mark": "atlas-default-6vs3oc-oblqbit3bnbkiwp3eomwqy3256-mine",
                "provider": "local",
                "scope": "s",
                "kind": "volume",
                "opened_at": "2027-01-15T08:00:00.000Z",
                "not_after": "2027-01-15T08:01:00.000Z",
                "price": null
              },
              "phase": {
                "is": "bound",
                "compute": "x1"
              },
              "absence": {
                "first_missing": null,
                "last_missing": null,
                "unlisted": null,
                "first_unlisted": null
              },
              "compute": "x1",
              "bound_at": "2027-01-15T08:00:00.000Z",
              "copies": null,
              "read_back": false,
              "unmarked": false,
              "unclear": false,
              "seen_as": null,
              "taken_over": false,
              "receipt": null,
              "seen_after_close": null
            }
            "#);
        }
        assert!(refused(), "{kind}");
        assert_eq!(phase(&bench.intents(), intent.token()), IntentPhase::Bound { compute: compute("x1") });
        let twin = intents.leftover(intent.clone(), &compute("x2"), "asked").unwrap();
        let twin = std::fs::read_to_string(bench.path().join(format!("{}.json", twin.key()))).unwrap();
        assert!(is_refused_by_format_1(&twin), "{kind}: its twin as well");
        intents.closed(intent.token(), Proof::Gone).await.unwrap();
        assert!(refused(), "{kind}");
    }
}

#[tokio::test]
async fn o1_a_volume_that_was_recorded_in_format_1_is_read_and_goes_on_in_format_2() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1).of_kind(RentalKind::Volume));
    let path = bench.path().join(format!("{}.json", intent.token()));
    intents.open(&intent).await.unwrap();
    let old = std::fs::read_to_string(&path).unwrap().replacen("\"format\": 2", "\"format\": 1", 1);
    assert!(!is_refused_by_format_1(&old));
    std::fs::write(&path, old).unwrap();
    assert_eq!(intents.get(intent.token()).unwrap().unwrap().intent, intent);
    intents.bound(intent.token(), &compute("x1")).await.unwrap();
    assert!(is_refused_by_format_1(&std::fs::read_to_string(&path).unwrap()));
    // What says of itself that it is of a later form is not cut down to an earlier one.
    let machine = bench.intent(2);
    let path = bench.path().join(format!("{}.json", machine.token()));
    intents.open(&machine).await.unwrap();
    let later = std::fs::read_to_string(&path).unwrap().replacen("\"format\": 1", "\"format\": 2", 1);
    std::fs::write(&path, later).unwrap();
    intents.bound(machine.token(), &compute("c1")).await.unwrap();
    assert!(is_refused_by_format_1(&std::fs::read_to_string(&path).unwrap()));
}

#[tokio::test]
async fn p14_of_a_file_that_cannot_be_read_whatever_can_be_made_out_is_told_and_priced() {
    let bench = Bench::new();
    let (intents, mut intent) = (bench.intents(), bench.intent(1));
    intent.price = Some(Money::parse("2.39").unwrap());
    let token = intent.token();
    intents.open(&intent).await.unwrap();
    intents.bound(token, &compute("c1")).await.unwrap();
    let path = bench.path().join(format!("{token}.json"));
    let newer = std::fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 3");
    std::fs::write(&path, &newer).unwrap();
    let told = intents.unreadable().unwrap().remove(0);
    assert_eq!((told.compute.clone(), told.price), (Some(compute("c1")), intent.price));
    assert!(told.to_string().ends_with("it may stand for machine c1 of local at $2.390000/h"), "{told}");

    // Its machine can be ended all the same, under a record of its own.
    let ended = intents.leftover(intent, &compute("c1"), "asked").unwrap();
    assert_ne!(ended.key(), token.into());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), newer);
}

#[tokio::test]
async fn p14_of_a_volume_whose_file_cannot_be_read_it_is_told_that_it_is_one() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1).of_kind(RentalKind::Volume));
    intents.open(&intent).await.unwrap();
    let path = bench.path().join(format!("{}.json", intent.token()));
    let newer = std::fs::read_to_string(&path).unwrap().replacen("\"format\": 2", "\"format\": 3", 1);
    std::fs::write(&path, newer).unwrap();
    let told = intents.unreadable().unwrap().remove(0);
    assert_eq!(told.kind, Some(RentalKind::Volume));
    assert!(told.to_string().contains("it may stand for a volume of local"), "{told}");
}

#[tokio::test]
async fn o4_what_is_closed_is_kept_for_a_day() {
    let bench = Bench::new();
    let intents = bench.intents();
    let (closed, open) = (bench.intent(1), bench.intent(2));
    intents.open(&closed).await.unwrap();
    intents.open(&open).await.unwrap();
    intents.closed(closed.token(), Proof::Refused).await.unwrap();
    bench.clock.advance(Duration::from_secs(24 * 3600 - 1));
    intents.forget_old().unwrap();
    assert_eq!(intents.all().unwrap().len(), 2);
    bench.clock.advance(Duration::from_secs(1));
    intents.forget_old().unwrap();
    let left: Vec<_> = intents.all().unwrap().iter().map(|record| record.intent.token()).collect();
    assert_eq!(left, [open.token()], "what is open is kept for ever");
    assert!(!bench.path().join(format!("{}.lock", closed.token())).exists());
}

#[tokio::test]
async fn o1_records_come_oldest_first() {
    let bench = Bench::new();
    let intents = bench.intents();
    let mut opened = Vec::new();
    for seed in 1..6 {
        let intent = bench.intent(seed);
        intents.open(&intent).await.unwrap();
        opened.push(intent.token());
        bench.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(intents.all().unwrap().iter().map(|record| record.intent.token()).collect::<Vec<_>>(), opened);
}

#[tokio::test]
async fn o1_where_nothing_can_be_written_nothing_is_sent() {
    let bench = Bench::new();
    std::fs::write(bench.path(), "a file where the folder should be").unwrap();
    let error = bench.intents().open(&bench.intent(1)).await.unwrap_err();
    assert_eq!(error.effect(), Effect::NotSent);
    assert!(error.to_string().contains(bench.path().to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn o1_a_record_that_cannot_be_written_leaves_nothing_and_holds_nothing() {
    let bench = Bench::new();
    let (intents, intent) = (bench.intents(), bench.intent(1));
    // A folder where the file should be: the rename fails, as on a disk that is full at just that moment.
    std::fs::create_dir_all(bench.path().join(format!("{}.json", intent.token())).join("x")).unwrap();
    let error = intents.open(&intent).await.unwrap_err();
    assert_eq!(error.effect(), Effect::NotSent);
    assert!(error.to_string().starts_with("nothing was sent: cannot write"), "{error}");
    assert!(!intents.is_being_sent(intent.token()).unwrap());
    let left: Vec<_> = std::fs::read_dir(bench.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [format!("{}.json", intent.token()).as_str()], "no temporary file, no lock");
}

#[tokio::test]
async fn o1_an_unknown_token_is_not_found() {
    let bench = Bench::new();
    bench.intents().open(&bench.intent(1)).await.unwrap();
    assert!(bench.intents().bound(bench.intent(2).token(), &compute("c")).await.unwrap_err().is_not_found());
}

#[cfg(unix)]
#[tokio::test]
async fn o1_records_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let intent = bench.intent(1);
    bench.intents().open(&intent).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.path()), 0o700);
    assert_eq!(mode(&bench.path().join(format!("{}.json", intent.token()))), 0o600);
}

#[test]
fn proofs_and_phases_have_stable_words() {
    let words = |proof| serde_json::to_string(&proof).unwrap();
    assert_eq!(words(Proof::NotSent), "\"not_sent\"");
    assert_eq!(words(Proof::WrittenOff), "\"written_off\"");
    let phase = IntentPhase::Bound { compute: compute("c1") };
    assert_eq!(serde_json::to_string(&phase).unwrap(), r#"{"is":"bound","compute":"c1"}"#);
}
