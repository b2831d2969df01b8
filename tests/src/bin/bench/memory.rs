//! What a tracked session holds in memory, beyond what a map of the same records would.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atlas_orchestrator::{Orchestrator, SessionId};
use atlas_tests::{Filled, Outcome, PlainCloud, atlas, ids, records_path};

use crate::figure::{Figure, Goal};
use crate::numbers::{count, median};
use crate::process::{ask, resident};

const REPETITIONS: usize = 3;

/// Long enough for recovery's own memory to be free again and for a flush of all touches.
const SETTLE: Duration = Duration::from_secs(8);

/// The bytes of a session and of its rental.
type Records = (Box<[u8]>, Box<[u8]>);

/// Child: bytes a session of a map from session id to the two records as they are stored.
pub(crate) fn map(folder: &Path) -> Outcome<f64> {
    let ids = ids(folder)?;
    let mut records = BufReader::new(File::open(records_path(folder))?);
    let mut next = || -> Outcome<Box<[u8]>> {
        let mut length = [0; 4];
        records.read_exact(&mut length)?;
        let mut body = vec![0; usize::try_from(u32::from_le_bytes(length))?].into_boxed_slice();
        records.read_exact(&mut body)?;
        Ok(body)
    };
    let before = resident()?;
    let mut map: HashMap<SessionId, Records> = HashMap::with_capacity(ids.len());
    for id in &ids {
        map.insert(*id, (next()?, next()?));
    }
    let grown = resident()? - before;
    if map.len() != ids.len() {
        return Err("the records are not one for each session".into());
    }
    Ok(grown / count(ids.len()))
}

/// Child: bytes a session of an orchestrator that tracks them all, its store's cache included.
pub(crate) async fn orchestrator(folder: &Path) -> Outcome<f64> {
    let ids = ids(folder)?;
    let before = resident()?;
    let orchestrator = Orchestrator::open(atlas(folder, Arc::new(PlainCloud::new()?))).await?;
    for _ in 0..2 {
        for id in &ids {
            orchestrator.touch(id)?;
        }
        tokio::time::sleep(SETTLE).await;
    }
    if orchestrator.living() != ids.len() {
        return Err("not all sessions are tracked".into());
    }
    Ok((resident()? - before) / count(ids.len()))
}

pub(crate) fn run(filled: &Filled) -> Outcome<Vec<Figure>> {
    let (mut maps, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        maps.push(ask(&["memory-map"], filled.folder.path())?);
        let copy = filled.copy()?;
        ours.push(ask(&["memory-orchestrator"], copy.path())?);
    }
    let (map, ours) = (median(&maps), median(&ours));
    Ok(vec![Figure {
        what: "memory a tracked session, beyond a map of the same records",
        goal: Goal::AtMost(1024.0),
        value: ours - map,
        unit: "bytes",
        detail: format!(
            "{ours:.0} bytes resident against {map:.0} ({:.2}×): the records stay on disk, the store's cache is counted",
            ours / map
        ),
    }])
}
