//! The log of a machine as a stream.
//!
//! Each step reads a little on a thread for blocking work, and the stream holds nothing between two steps but the
//! reader: dropping it stops everything.

use std::sync::Arc;
use std::time::Duration;

use atlas_core::{ComputeId, ComputeStatus, Error, LogStream, Result};
use atlas_pod::{LogReader, PodState};
use futures_util::stream;

use crate::folder::MachineFolder;
use crate::provider::{Shared, blocking};
use crate::{error, life};

/// How often a follower looks for more. People watch logs: this is as soon as they notice.
const FOLLOW_PAUSE: Duration = Duration::from_millis(100);

/// What is between two steps.
enum State {
    Begin,
    Reading(LogReader),
    Done,
}

/// Reads the log of a machine; with `follow` until it ends.
pub(crate) fn read(shared: Arc<Shared>, folder: MachineFolder, follow: bool) -> LogStream {
    Box::pin(stream::try_unfold(State::Begin, move |mut state| {
        let (shared, folder) = (Arc::clone(&shared), folder.clone());
        async move {
            loop {
                let (shared, folder) = (Arc::clone(&shared), folder.clone());
                let reader = match state {
                    State::Begin => None,
                    State::Reading(reader) => Some(reader),
                    State::Done => return Ok(None),
                };
                let (reader, chunk, over) = blocking("logs", move || step(&shared, &folder, reader, follow)).await?;
                state = if chunk.is_none() && over { State::Done } else { State::Reading(reader) };
                if let Some(chunk) = chunk {
                    return Ok(Some((chunk, state)));
                }
                if !over {
                    tokio::time::sleep(FOLLOW_PAUSE).await;
                }
            }
        }
    }))
}

/// What there is to read now, and whether nothing can come after it.
fn step(
    shared: &Shared,
    folder: &MachineFolder,
    reader: Option<LogReader>,
    follow: bool,
) -> Result<(LogReader, Option<bytes::Bytes>, bool)> {
    // Asked before reading: what a machine said before it was seen to be over is there to be read.
    let over = match goes_on(shared, folder) {
        Ok(goes_on) => !(follow && goes_on),
        // Gone while it was being read; whoever asks for one that was never there is told.
        Err(error) if error.is_not_found() && reader.is_some() => true,
        Err(error) => return Err(named(error, shared)),
    };
    let mut reader = match reader {
        Some(reader) => reader,
        None => folder.pod().read_log().map_err(|error| named(error::pod(folder.id(), error), shared))?,
    };
    let chunk = reader.read().map_err(|cause| named(error::file("read the log in", folder.path(), &cause), shared))?;
    Ok((reader, chunk, over))
}

/// Whether a machine says more without being started again.
fn goes_on(shared: &Shared, folder: &MachineFolder) -> Result<bool> {
    Ok(life::look(shared, folder)?.status == ComputeStatus::Starting
        || matches!(life::state(folder)?, PodState::Running(_) | PodState::Busy))
}

fn named(error: Error, shared: &Shared) -> Error {
    error.with_provider(&shared.id).with_operation("logs")
}

/// The error of an id that this provider never gives.
pub(crate) fn unknown(shared: &Shared, id: &ComputeId) -> Error {
    named(error::not_found(id), shared)
}
