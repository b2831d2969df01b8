//! Reads a log from its beginning or near its end, and goes on where it left off, across rotations.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use bytes::Bytes;

use crate::directory::Directory;
use crate::files;
use crate::pod::{Pod, PodError};
use crate::report::PodState;

/// How much is handed out at a time.
const CHUNK: usize = 64 * 1024;

/// How often a follower looks for more. People watch logs: this is as soon as they notice.
const FOLLOW_PAUSE: Duration = Duration::from_millis(100);

/// Reads the log of a pod.
///
/// It holds the file that it reads, so a rotation takes nothing away that it had begun. Where a pod writes so fast that
/// a whole file goes before the reader comes to it, that file is missing from what is read. Once
/// [`next`](Self::next) has given `None` it may be asked again, as after another run has started.
#[derive(Debug)]
pub struct LogReader {
    pod: Pod,
    current: Option<Current>,
    /// Files that were there at the beginning and come after the current one.
    pending: VecDeque<Current>,
    /// Whether the rest of a cut line has still to be left out.
    in_cut_line: bool,
}

#[derive(Debug)]
struct Current {
    file: File,
    inode: u64,
}

impl LogReader {
    pub(crate) fn open(pod: Pod, last_bytes: Option<u64>) -> io::Result<Self> {
        let directory = pod.directory();
        let mut pending: VecDeque<Current> =
            [open(directory, Which::Older)?, open(directory, Which::Newer)?].into_iter().flatten().collect();
        // A rotation between the two opens the same file twice.
        if pending.len() == 2 && pending[0].inode == pending[1].inode {
            pending.pop_back();
        }
        let in_cut_line = match last_bytes {
            Some(last_bytes) => skip_all_but(&mut pending, last_bytes)?,
            None => false,
        };
        Ok(Self { pod, current: pending.pop_front(), pending, in_cut_line })
    }

    /// What there is now and was not read before; `None` when that is nothing. Does not wait.
    pub fn read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(chunk) = self.read_raw()? else { return Ok(None) };
            if !self.in_cut_line {
                return Ok(Some(chunk));
            }
            if let Some(newline) = chunk.iter().position(|byte| *byte == b'\n') {
                self.in_cut_line = false;
                let rest = chunk.slice(newline + 1..);
                if !rest.is_empty() {
                    return Ok(Some(rest));
                }
            }
        }
    }

    /// Waits for more. `None` when the pod does not run any more and everything was read.
    ///
    /// May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Bytes>, PodError> {
        loop {
            // Asked before reading: what a pod said before it was seen to be gone is there to be read.
            let goes_on = matches!(self.pod.inspect()?, PodState::Running(_) | PodState::Busy);
            let chunk = self.read().map_err(|error| PodError::io("read the log", self.pod.path(), error))?;
            if chunk.is_some() || !goes_on {
                return Ok(chunk);
            }
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
    }

    fn read_raw(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let Some(current) = &mut self.current else {
                self.current = match self.pending.pop_front() {
                    Some(pending) => Some(pending),
                    None => open(self.pod.directory(), Which::Newer)?,
                };
                if self.current.is_none() {
                    return Ok(None);
                }
                continue;
            };
            // Asked before reading, for the same reason as above.
            let successor = match self.pending.pop_front() {
                Some(pending) => Some(pending),
                None => successor(self.pod.directory(), current.inode)?,
            };
            let mut chunk = vec![0; CHUNK];
            let length = read_retrying(&mut current.file, &mut chunk)?;
            if length > 0 {
                self.pending.extend(successor);
                chunk.truncate(length);
                return Ok(Some(Bytes::from(chunk)));
            }
            let Some(successor) = successor else { return Ok(None) };
            *current = successor;
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    Older,
    Newer,
}

fn open(directory: &Directory, which: Which) -> io::Result<Option<Current>> {
    let path = match which {
        Which::Older => directory.older_log(),
        Which::Newer => directory.log(),
    };
    match files::open_for_reading(&path) {
        Ok(file) => {
            let inode = file.metadata()?.ino();
            Ok(Some(Current { file, inode }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file that follows the one with this inode; `None` while that is the newest.
fn successor(directory: &Directory, inode: u64) -> io::Result<Option<Current>> {
    // Newer first: if a rotation comes in between, the older one then is at least as new as this one.
    let Some(newer) = open(directory, Which::Newer)? else { return Ok(None) };
    if newer.inode == inode {
        return Ok(None);
    }
    Ok(match open(directory, Which::Older)? {
        Some(older) if older.inode != inode => Some(older),
        _ => Some(newer),
    })
}

/// Leaves out all but the last bytes. Gives whether that cut into a line.
fn skip_all_but(files: &mut VecDeque<Current>, last_bytes: u64) -> io::Result<bool> {
    let mut sizes = Vec::with_capacity(files.len());
    for current in files.iter() {
        sizes.push(current.file.metadata()?.len());
    }
    let mut excess = sizes.iter().sum::<u64>().saturating_sub(last_bytes);
    for size in sizes {
        if excess == 0 {
            return Ok(false);
        }
        if excess < size {
            return cut(&mut files[0].file, excess);
        }
        excess -= size;
        // The newest stays, were it only to be followed from its end.
        if files.len() > 1 {
            files.pop_front();
        } else {
            return cut(&mut files[0].file, size);
        }
    }
    Ok(false)
}

/// Goes to `offset`, which is not 0. Gives whether that is inside a line.
fn cut(file: &mut File, offset: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(offset - 1))?;
    let mut before = [0];
    Ok(read_retrying(file, &mut before)? == 1 && before[0] != b'\n')
}

fn read_retrying(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
