//! Keeps a log in two files, the older of which goes when the newer is full.
//!
//! Invariant: the two together never take more than the cap, and no failure to write reaches the command. What cannot
//! be written is counted, and said in the log as soon as that takes writing again.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::directory::Directory;
use crate::files;

/// The least that a log may take: less would rotate away a single page of text.
const LEAST_CAP: u64 = 8 * 1024;

/// From this length on a line may be torn between two files. No file is smaller, so a fresh one always takes something.
const LONG_LINE: usize = 4 * 1024;

/// How much is taken from the command at a time: the size of a pipe.
const CHUNK: usize = 64 * 1024;

/// The log of a pod, shared by the command's output and the supervisor's own remarks.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter {
    file: Arc<Mutex<Rotating>>,
}

impl LogWriter {
    /// Continues the log that is there.
    pub(crate) fn open(directory: &Directory, cap: u64) -> io::Result<Self> {
        let file = Rotating::open(directory.clone(), cap.max(LEAST_CAP) / 2)?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }

    /// Adds what the command said.
    pub(crate) fn append(&self, text: &[u8]) {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).append(text);
    }

    /// Adds a line of the pod's own.
    pub(crate) fn remark(&self, text: &str) {
        self.append(format!("[atlas-pod: {text}]\n").as_bytes());
    }

    /// Copies everything that comes through the pipe, until nobody holds its other end any more.
    pub(crate) fn pump(&self, mut pipe: impl Read) {
        let mut chunk = vec![0; CHUNK];
        loop {
            match pipe.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => self.append(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

#[derive(Debug)]
struct Rotating {
    directory: Directory,
    file: File,
    size: u64,
    /// The most that one of the two files holds.
    cap: u64,
    lost: u64,
}

impl Rotating {
    fn open(directory: Directory, cap: u64) -> io::Result<Self> {
        let file = files::open_for_appending(&directory.log())?;
        let size = file.metadata()?.len();
        let mut log = Self { directory, file, size, cap, lost: 0 };
        // Of a run whose cap was higher, what is beyond this one's must go.
        if files::about(&log.directory.older_log()).is_ok_and(|older| older.len() > cap) {
            files::remove_if_there(&log.directory.older_log())?;
        }
        if log.size > cap {
            files::remove_if_there(&log.directory.log())?;
            log.reopen()?;
        }
        Ok(log)
    }

    fn append(&mut self, text: &[u8]) {
        if self.lost > 0 {
            let notice = format!("[atlas-pod: {} bytes of the log could not be written and are lost]\n", self.lost);
            if self.write(notice.as_bytes()) == 0 {
                self.lost = 0;
            }
        }
        let unwritten = self.write(text);
        self.lost = self.lost.saturating_add(u64::try_from(unwritten).unwrap_or(u64::MAX));
    }

    /// Gives how many bytes could not be written.
    fn write(&mut self, mut text: &[u8]) -> usize {
        while !text.is_empty() {
            match self.write_some(text) {
                Ok(written) => text = &text[written..],
                Err(_) => break,
            }
        }
        text.len()
    }

    /// Writes as much as the present file takes.
    fn write_some(&mut self, text: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.cap.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let part = head_within(text, room);
        if part.is_empty() {
            self.rotate()?;
            return Ok(0);
        }
        match self.file.write(part) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                self.size = self.size.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn rotate(&mut self) -> io::Result<()> {
        match files::rename_loosely(&self.directory.log(), &self.directory.older_log()) {
            Ok(()) => {}
            // An earlier try got so far and no further.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.reopen()
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = files::open_for_appending(&self.directory.log())?;
        self.size = 0;
        Ok(())
    }
}

/// The longest head of `text` that has room, cut after a line where one ends in it. Empty means: take a fresh file.
fn head_within(text: &[u8], room: usize) -> &[u8] {
    if text.len() <= room {
        return text;
    }
    let head = &text[..room];
    match head.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => &head[..=newline],
        // A line is torn only if it is a long one.
        None if room < LONG_LINE => &[],
        None => head,
    }
}

#[cfg(test)]
mod tests;
