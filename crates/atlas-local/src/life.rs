//! How machines come, go and change: each operation as one sequence of steps over its folder and its pod.
//!
//! Invariant: what is wanted is written before it is done, so whoever finds a sequence cut off can tell what was meant;
//! and every step may be done again.

use std::time::Duration;

use atlas_auth::{Clock, SystemClock};
use atlas_core::{Compute, ComputeId, Effect, Error, ErrorKind, PrivateParts, Result, SpawnOrder};
use atlas_pod::{Ended, PodError, PodState, launch};

use crate::folder::MachineFolder;
use crate::machine::{Birth, Machine, Wanted};
use crate::provider::Shared;
use crate::{error, translate};

/// How long a launch that its owner left behind may still be coming up.
const CHANGE_LIMIT: Duration = Duration::from_secs(20);

/// How often a pod that is changing is looked at.
const CHANGE_PAUSE: Duration = Duration::from_millis(10);

/// Makes a machine and starts it. An error that names no leftover means that there is none.
pub(crate) async fn create(shared: &Shared, order: &SpawnOrder) -> Result<Compute> {
    let program = shared.program()?;
    shared.folder.sweep();
    let now = || shared.clock.now();
    let admit = || {
        if now() <= order.not_after() {
            return Ok(());
        }
        let message = format!("the time in which this machine could be made ended at {}; ask again", order.not_after());
        Err(Error::new(ErrorKind::Timeout, message).with_effect(Effect::NotSent))
    };
    let limits = shared.limits.narrowed(&order.request().provider_opts)?;
    let private = PrivateParts { env: order.env().clone(), ..PrivateParts::default() };
    let sealer = shared.sealer.as_ref().map_err(Clone::clone)?;
    let describe = |id: ComputeId| {
        let birth = Birth {
            name: order.name().to_owned(),
            mark: order.mark().clone(),
            request: order.request().clone(),
            ports: translate::ports(order.request()),
            price_per_hour: shared.price_per_hour,
            limits,
            created_at: now(),
        };
        let sealed = sealer.seal(&*shared.entropy, id.as_str(), &private.to_bytes());
        Machine::new(id, sealed, birth)
    };
    let (folder, machine, _held) = shared.folder.create(&*shared.entropy, admit, describe).await?;
    let spec = translate::launch_spec(&machine, private.clone(), program, folder.path(), shared.grace);
    if let Err(failure) = launch(&spec).await {
        let failure = error::launch(&failure);
        return Err(match remove(shared, &folder).await {
            Ok(()) => failure.with_effect(Effect::Rejected),
            Err(left) => failure
                .context(format!("its folder cannot be removed ({left}), and it did not start"))
                .with_effect(Effect::Unknown)
                .with_leftover(folder.id().clone()),
        });
    }
    look(shared, &folder).map_err(|error| error.with_effect(Effect::Unknown).with_leftover(folder.id().clone()))
}

/// Stops a machine and keeps its folder.
pub(crate) async fn stop(shared: &Shared, id: &ComputeId) -> Result<()> {
    let folder = shared.folder.machine(id).ok_or_else(|| error::not_found(id))?;
    let _held = folder.hold().await?;
    let machine = folder.read()?;
    refuse_gone(&machine)?;
    if machine.wanted != Wanted::Stopped {
        folder.write(&machine.wanting(Wanted::Stopped))?;
    }
    end(shared, &folder).await.map(drop)
}

/// Starts a machine that does not run, with the environment that it was made with.
pub(crate) async fn start(shared: &Shared, id: &ComputeId) -> Result<()> {
    let folder = shared.folder.machine(id).ok_or_else(|| error::not_found(id))?;
    let _held = folder.hold().await?;
    let before = folder.read()?;
    refuse_gone(&before)?;
    let runs = matches!(settled(&folder).await?, PodState::Running(_));
    if runs && before.wanted == Wanted::Running {
        return Ok(());
    }
    let program = shared.program()?;
    let private = unseal(shared, &before)?;
    if runs {
        // Its stop was cut off, and whether it was heard nobody knows.
        drop(end(shared, &folder).await?);
    }
    let machine = before.next_run();
    folder.write(&machine)?;
    folder.pod().prepare(machine.run).map_err(|error| error::pod(id, error))?;
    let spec = translate::launch_spec(&machine, private, program, folder.path(), shared.grace);
    let Err(failure) = launch(&spec).await else { return Ok(()) };
    // A run whose launcher was left behind may have come first; it is as good.
    if matches!(settled(&folder).await, Ok(PodState::Running(_))) {
        return Ok(());
    }
    let failure = error::launch(&failure);
    match end(shared, &folder).await {
        Ok(_ended) => {
            let _ = folder.write(&machine.wanting(before.wanted));
            Err(failure.with_effect(Effect::Rejected))
        }
        Err(left) => Err(failure.context(format!("it may run all the same ({left})")).with_effect(Effect::Unknown)),
    }
}

/// Ends a machine and removes its folder. One that is not there is a success.
pub(crate) async fn terminate(shared: &Shared, id: &ComputeId) -> Result<()> {
    let Some(folder) = shared.folder.machine(id) else { return Ok(()) };
    match folder.hold().await {
        Ok(_held) => {
            // Only to be shown as what it is meanwhile: neither a full disk nor a spoilt record keeps a machine alive.
            if let Ok(machine) = folder.read()
                && machine.wanted != Wanted::Gone
            {
                let _ = folder.write(&machine.wanting(Wanted::Gone));
            }
            remove(shared, &folder).await?;
        }
        Err(error) if error.is_not_found() => {}
        Err(error) => return Err(error.with_effect(Effect::Unknown)),
    }
    shared.folder.sweep();
    Ok(())
}

/// Reads one machine. One whose files cannot be understood is shown as what it is, not hidden: only what is shown can be
/// ended.
pub(crate) fn look(shared: &Shared, folder: &MachineFolder) -> Result<Compute> {
    let observe = || {
        // In this order: whoever starts a machine writes the record, then launches, and holds the lock until that is
        // done. So a record that was written before is followed by a lock, or by what came of the launch; or else its
        // starter was killed, and then the launch comes to its end within moments.
        let held = folder.is_held()? || folder.is_fresh()?;
        Ok((held, state(folder)))
    };
    match steady(|| folder.read(), observe) {
        Ok((machine, (held, Ok(state)))) => Ok(translate::compute(&shared.id, &machine, &state, held)),
        Ok((machine, (_, Err(error)))) if is_spoilt(&error) => {
            let lost = translate::compute(&shared.id, &machine, &PodState::NeverStarted, false);
            Ok(translate::with_problem(lost, &error))
        }
        Err(error) if is_spoilt(&error) => {
            Ok(translate::unreadable(&shared.id, folder.id(), &state(folder).unwrap_or(PodState::NeverStarted), &error))
        }
        Ok((_, (_, Err(error)))) | Err(error) => Err(error),
    }
}

/// Whether the files are there and say nothing that can be understood.
fn is_spoilt(error: &Error) -> bool {
    error.kind() == ErrorKind::Decode
}

/// What was read and what was observed under it: the same was read again after it was observed.
fn steady<T: PartialEq, U>(
    mut read: impl FnMut() -> Result<T>,
    mut observe: impl FnMut() -> Result<U>,
) -> Result<(T, U)> {
    let mut before = read()?;
    loop {
        let observed = observe()?;
        let after = read()?;
        if before == after {
            return Ok((after, observed));
        }
        before = after;
    }
}

/// What the pod's directory shows.
pub(crate) fn state(folder: &MachineFolder) -> Result<PodState> {
    match folder.pod().inspect() {
        Ok(state) => Ok(state),
        // Its lock is not there, so nothing was ever started.
        Err(PodError::Missing { .. }) if folder.exists() => Ok(PodState::NeverStarted),
        Err(error) => Err(error::pod(folder.id(), error)),
    }
}

/// The pod's state once it does not change any more.
async fn settled(folder: &MachineFolder) -> Result<PodState> {
    let begun = SystemClock.monotonic();
    loop {
        match state(folder)? {
            PodState::Busy if SystemClock.monotonic().saturating_sub(begun) < CHANGE_LIMIT => {
                tokio::time::sleep(CHANGE_PAUSE).await;
            }
            PodState::Busy => return Err(error::busy("start or end it", folder.path())),
            state => return Ok(state),
        }
    }
}

/// Ends whatever runs of a machine. While the answer is kept, nothing of it can start.
async fn end(shared: &Shared, folder: &MachineFolder) -> Result<Ended> {
    let wrong = |error| error::pod(folder.id(), error);
    match folder.pod().end(shared.grace).await {
        Err(PodError::Missing { .. }) if folder.exists() => {
            // Somebody removed the pod's lock: with a new one whatever runs can be found and ended all the same.
            folder.pod().prepare(0).map_err(wrong)?;
            folder.pod().end(shared.grace).await.map_err(wrong)
        }
        answer => answer.map_err(wrong),
    }
}

/// Ends whatever runs of a machine and removes its folder.
async fn remove(shared: &Shared, folder: &MachineFolder) -> Result<()> {
    let _ended = match end(shared, folder).await {
        Ok(ended) => ended,
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error),
    };
    folder.bury()
}

fn refuse_gone(machine: &Machine) -> Result<()> {
    if machine.wanted == Wanted::Gone {
        return Err(Error::conflict(format!(
            "machine {} is being terminated; terminate it again to finish",
            machine.id
        )));
    }
    Ok(())
}

fn unseal(shared: &Shared, machine: &Machine) -> Result<PrivateParts> {
    let id = &machine.id;
    let sealer = shared.sealer.as_ref().map_err(Clone::clone)?;
    let plain = sealer.open(id.as_str(), &machine.sealed).map_err(|error| {
        Error::new(ErrorKind::Decode, format!("the environment of machine {id} cannot be opened: {error}"))
            .with_effect(Effect::Rejected)
    })?;
    PrivateParts::from_bytes(&plain)
}

#[cfg(test)]
mod tests;
