//! Who may end or stop what (rule O6).

use atlas_core::{Capability, ComputeStatus, ErrorKind, Permission};

use super::*;

const BOUND: Duration = Duration::from_mins(2);

#[derive(Debug)]
enum Machine {
    Ours,
    OtherInstallation,
    Session,
    Pool,
    OtherDeployment,
    LongerDeployment,
    OtherSession,
    Unmarked,
}

impl Machine {
    const ALL: [Self; 8] = [
        Self::Ours,
        Self::OtherInstallation,
        Self::Session,
        Self::Pool,
        Self::OtherDeployment,
        Self::LongerDeployment,
        Self::OtherSession,
        Self::Unmarked,
    ];

    async fn made(&self, bench: &Bench) -> ComputeId {
        match self {
            Self::Ours => bench.spawn().await.compute.id,
            Self::OtherInstallation => bench.machine_of("default", TokenKind::Plain, 1),
            Self::Session => bench.machine_of("default", TokenKind::Session, 2),
            Self::Pool => bench.machine_of("default", TokenKind::Pool, 3),
            Self::OtherDeployment => bench.machine_of("other", TokenKind::Plain, 4),
            Self::LongerDeployment => bench.machine_of("default-2", TokenKind::Plain, 5),
            Self::OtherSession => bench.machine_of("other", TokenKind::Session, 6),
            Self::Unmarked => bench.cloud.foreign_machine("database"),
        }
    }

    fn is_allowed(&self, permission: Permission) -> bool {
        match self {
            Self::Ours | Self::OtherInstallation => true,
            Self::Session | Self::Pool => permission.force,
            Self::OtherDeployment | Self::LongerDeployment | Self::Unmarked => permission.foreign,
            // It has a user as well, who would lose it.
            Self::OtherSession => permission.foreign && permission.force,
        }
    }
}

fn permissions() -> [Permission; 4] {
    let ordinary = Permission::ordinary();
    [ordinary, ordinary.force(true), ordinary.foreign(true), ordinary.force(true).foreign(true)]
}

#[tokio::test(start_paused = true)]
async fn o6_only_what_is_ours_and_plain_is_ended_without_another_word() {
    for machine in Machine::ALL {
        for permission in permissions() {
            let bench = bench(|cloud| cloud);
            let id = machine.made(&bench).await;
            let outcome = bench.account.terminate_with(&id, permission, BOUND).await;
            let soon = bench.other().terminate_soon(&id, permission).await;
            if machine.is_allowed(permission) {
                outcome.unwrap();
                soon.unwrap();
                assert!(bench.cloud.live().is_empty());
                assert!(is_closed(&bench.phase().await), "{machine:?}: a receipt is left");
            } else {
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Validation, "{machine:?} {permission:?}");
                assert_eq!(soon.unwrap_err().kind(), ErrorKind::Validation, "{machine:?} {permission:?}");
                assert_eq!(bench.cloud.live(), [id]);
                assert!(bench.records().await.is_empty());
                assert_eq!(bench.cloud.count(Operation::Terminate), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o6_only_what_is_ours_and_plain_is_stopped_without_another_word() {
    for machine in Machine::ALL {
        for permission in permissions() {
            let bench = bench(|cloud| cloud.stopping(Duration::from_secs(3)));
            let id = machine.made(&bench).await;
            let outcome = bench.account.stop(&id, permission, BOUND).await;
            if machine.is_allowed(permission) {
                assert_eq!(outcome.unwrap().status, ComputeStatus::Stopped);
                bench.account.stop_soon(&id, permission).await.unwrap();
            } else {
                let error = bench.account.stop_soon(&id, permission).await.unwrap_err();
                assert_eq!(error.to_string(), outcome.unwrap_err().to_string());
                assert_eq!(error.kind(), ErrorKind::Validation, "{machine:?} {permission:?}");
                assert_eq!(bench.cloud.count(Operation::Stop), 0);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn o6_a_refusal_says_what_would_help() {
    let bench = bench(|cloud| cloud);
    for (machine, word) in [
        (Machine::Session, "belongs to a session, whose user would lose it: end the session, or say --force"),
        (Machine::Pool, "say --force to terminate it"),
        (Machine::OtherDeployment, "does not bear the mark of deployment default: say --foreign to terminate it"),
    ] {
        let id = machine.made(&bench).await;
        let error = bench.account.terminate(&id).await.unwrap_err();
        assert!(error.message().contains(word) && error.message().contains(id.as_str()), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn o6_a_receipt_says_who_was_ended_and_on_whose_word() {
    let bench = bench(|cloud| cloud);
    for (machine, permission, why) in [
        (Machine::Session, Permission::ordinary().force(true), "asked, by force"),
        (Machine::Unmarked, Permission::ordinary().foreign(true), "asked, as foreign"),
        (Machine::OtherInstallation, Permission::ordinary().force(true), "asked"),
    ] {
        let id = machine.made(&bench).await;
        bench.account.terminate_with(&id, permission, BOUND).await.unwrap();
        let records = bench.records().await;
        let receipt = records.iter().find(|record| record.compute.as_ref() == Some(&id)).unwrap();
        assert!(is_closed(&receipt.phase));
        assert_eq!(receipt.receipt.as_deref(), Some(why));
    }
    pass(24 * 3600 - 1).await;
    assert_eq!(bench.records().await.len(), 3, "for a day");
}

/// A forced stop takes a machine from its user as an ending does.
#[tokio::test(start_paused = true)]
async fn o6_a_forced_stop_leaves_a_receipt_and_no_licence_to_end() {
    let bench = bench(|cloud| cloud);
    for (machine, permission, why) in [
        (Machine::Session, Permission::ordinary().force(true), "stopped, asked, by force"),
        (Machine::Unmarked, Permission::ordinary().foreign(true), "stopped, asked, as foreign"),
    ] {
        let id = machine.made(&bench).await;
        bench.account.stop(&id, permission, BOUND).await.unwrap();
        bench.account.start(&id, BOUND).await.unwrap();
        bench.account.stop_soon(&id, permission).await.unwrap();
        let records = bench.records().await;
        let mut of_it = records.iter().filter(|record| record.compute.as_ref() == Some(&id));
        let receipt = of_it.next().unwrap();
        assert_eq!((receipt.receipt.as_deref(), of_it.count()), (Some(why), 0), "one receipt");
        for _ in 0..5 {
            pass(60).await;
            bench.reap().await;
        }
        assert_eq!(bench.account.terminate(&id).await.unwrap_err().kind(), ErrorKind::Validation, "{machine:?}");
        for fault in [Fault::Hides(Duration::from_secs(5)), Fault::Errs] {
            bench.inject(Operation::Get, fault);
            bench.account.terminate(&id).await.unwrap_err();
            pass(6).await;
        }
        bench.reap().await;
        assert!(bench.cloud.live().contains(&id));
        bench.account.terminate_with(&id, permission, BOUND).await.unwrap();
        assert!(!bench.cloud.live().contains(&id));
    }
    // An ordinary stop of one's own needs none.
    let own = bench.spawn().await.compute.id;
    bench.account.stop(&own, Permission::ordinary(), BOUND).await.unwrap();
    assert!(bench.records().await.iter().all(|record| record.compute != Some(own.clone()) || record.receipt.is_none()));
}

/// An ending is irrevocable, and needs no second permission.
#[tokio::test(start_paused = true)]
async fn o6_what_is_being_ended_by_force_is_carried_on_without_it() {
    let bench = bench(|cloud| cloud);
    let id = Machine::Session.made(&bench).await;
    bench.inject(Operation::Terminate, Fault::Ignores);
    bench.account.terminate_soon(&id, Permission::ordinary().force(true)).await.unwrap();
    assert_eq!(bench.cloud.live(), std::slice::from_ref(&id));
    bench.account.terminate(&id).await.unwrap();
    assert!(bench.cloud.live().is_empty());
}

/// A receipt for a stranger's machine is no licence to end others that bear its token.
#[tokio::test(start_paused = true)]
async fn o5_what_was_taken_over_is_not_watched() {
    let bench = bench(|cloud| cloud);
    let living = bench.machine_of("default", TokenKind::Session, 6);
    let copy = bench.cloud.clone_machine(&living).unwrap();
    let force = Permission::ordinary().force(true);
    bench.account.terminate_with(&copy, force, BOUND).await.unwrap();
    for _ in 0..5 {
        pass(60).await;
        bench.reap().await;
    }
    assert_eq!(bench.cloud.live(), [living]);
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_stopped_and_started_under_the_same_key() {
    let bench = bench(|cloud| cloud.stopping(Duration::from_secs(5)).startup(Duration::from_secs(20)));
    let spawned = bench.spawn().await;
    let id = &spawned.compute.id;
    bench.account.wait_ready(&spawned, BOUND).await.unwrap();
    let stopped = bench.account.stop(id, Permission::ordinary(), BOUND).await.unwrap();
    assert_eq!(stopped.status, ComputeStatus::Stopped);
    assert_eq!(bench.shown().await, std::slice::from_ref(id));
    assert!(is_bound(&bench.phase().await, id));
    assert_eq!(bench.account.start(id, BOUND).await.unwrap().status, ComputeStatus::Running);
    bench.account.wait_ready(&spawned, BOUND).await.unwrap();
    bench.account.stop_soon(id, Permission::ordinary()).await.unwrap();
    pass(5).await;
    bench.account.start_soon(id).await.unwrap();
    assert_eq!(bench.account.get(id).await.unwrap().status, ComputeStatus::Starting);
}

#[tokio::test(start_paused = true)]
async fn p15_a_stop_that_does_nothing_is_a_time_out() {
    let bench = bench(|cloud| cloud);
    let id = bench.spawn().await.compute.id;
    bench.cloud.inject(Rule::on(Operation::Stop, Fault::Ignores).always());
    let error = bench.account.stop(&id, Permission::ordinary(), Duration::from_secs(20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("not stopped after 20s"), "{error}");
    let bench = self::bench(|cloud| cloud.without(Capability::StopResume));
    let id = bench.spawn().await.compute.id;
    let error = bench.account.stop(&id, Permission::ordinary(), BOUND).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
