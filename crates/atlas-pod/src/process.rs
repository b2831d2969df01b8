//! Processes as `/proc` shows them, and signals that cannot reach the wrong one.
//!
//! Invariant: a signal goes through a process descriptor that was opened first and whose start time was compared
//! afterwards, so a number that the kernel gave to somebody else meanwhile is never hit.

#![expect(clippy::disallowed_methods, reason = "what the kernel shows of processes is no file of anybody")]

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::files;

/// One process, at the moment its line was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    pub(crate) session: i32,
    /// When it began, in clock ticks since boot: together with `pid` it names the process for the whole boot.
    pub(crate) started: u64,
    /// Nothing of it runs any more, though its line is still there.
    pub(crate) dead: bool,
}

/// Reads the text of `/proc/PID/stat`.
pub(crate) fn parse_stat(text: &str) -> Option<Process> {
    // The second field is the program's name in brackets and may itself hold blanks and brackets.
    let (head, tail) = text.rsplit_once(") ")?;
    let pid = head.split_once(" (")?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    let state = *fields.first()?;
    let threads: u32 = fields.get(17)?.parse().ok()?;
    // A first thread that ended while others run is shown as a zombie too, yet the process lives.
    let dead = matches!(state, "X" | "x") || (state == "Z" && threads <= 1);
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        dead,
    })
}

/// The number of the asking process.
pub(crate) fn own() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// The process that bears this number now.
pub(crate) fn read(pid: i32) -> Option<Process> {
    let line = files::read(Path::new(&format!("/proc/{pid}/stat"))).ok()?;
    parse_stat(&String::from_utf8_lossy(&line))
}

/// All processes, in no order. One that comes or goes during the walk may be missing.
pub(crate) fn all() -> io::Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            found.extend(read(pid));
        }
    }
    Ok(found)
}

/// Whether the process was started with this entry (`NAME=value`) in its environment; `false` where that cannot be
/// read.
pub(crate) fn environment_has(pid: i32, entry: &[u8]) -> bool {
    files::read(Path::new(&format!("/proc/{pid}/environ")))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|one| one == entry))
}

/// Whether the last two words that the process was started with are these.
pub(crate) fn was_told(pid: i32, verb: &str, path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    let Ok(line) = files::read(Path::new(&format!("/proc/{pid}/cmdline"))) else { return false };
    let mut words = line.strip_suffix(b"\0").unwrap_or(&line).rsplit(|byte| *byte == 0);
    words.next() == Some(path.as_os_str().as_bytes()) && words.next() == Some(verb.as_bytes())
}

/// Whether the process writes what it says into the file of this device and inode.
pub(crate) fn says_into(pid: i32, device: u64, inode: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    [1, 2].iter().any(|number| {
        std::fs::metadata(format!("/proc/{pid}/fd/{number}"))
            .is_ok_and(|file| file.dev() == device && file.ino() == inode)
    })
}

/// Whether the process has the file of this device and inode open.
pub(crate) fn has_open(pid: i32, device: u64, inode: u64) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    descriptors
        .filter_map(|descriptor| std::fs::metadata(descriptor.ok()?.path()).ok())
        .any(|file| file.dev() == device && file.ino() == inode)
}

/// Names the time between two starts of this machine's kernel.
pub(crate) fn boot_id() -> io::Result<String> {
    let text = files::read(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

/// A descriptor of one certain process.
#[derive(Debug)]
pub(crate) struct Handle(OwnedFd);

impl Handle {
    /// The process with this number and start time, if it is still alive.
    pub(crate) fn open(pid: i32, started: u64) -> Option<Self> {
        // Zero and below would name groups.
        let number = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw)?;
        let descriptor = pidfd_open(number, PidfdFlags::empty()).ok()?;
        // Compared after opening: whoever began at `started` and bears the number now also bore it when it was opened.
        let process = read(pid)?;
        (process.started == started && !process.dead).then_some(Self(descriptor))
    }

    /// Sends a signal; `false` when the process is gone or not ours to signal.
    pub(crate) fn send(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.0, signal).is_ok()
    }
}

#[cfg(test)]
mod tests;
