//! Child processes of this very program, and what a process uses.

use std::path::Path;
use std::process::Command;

use atlas_tests::Outcome;

/// What a child of this program, so called, answers.
pub(crate) fn ask(words: &[&str], folder: &Path) -> Outcome<f64> {
    let output = Command::new(std::env::current_exe()?).arg("child").args(words).arg(folder).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the child {} failed: {}", words.join(" "), said.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The resident memory of this process, in bytes.
pub(crate) fn resident() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("the system tells no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes * 1024.0)
}
