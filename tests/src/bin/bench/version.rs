//! What the smallest call of the command costs: `atlas --version`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use atlas_tests::Outcome;
use nix::sys::resource::{UsageWho, getrusage};

use crate::figure::{Figure, Goal};
use crate::numbers::{median, millis};
use crate::process::ask;

const REPETITIONS: usize = 101;

/// Child: the most memory that one call has used, in mebibytes. In a process that has no other children.
///
/// The system counts what the caller uses at the moment of the call too, which is why the caller is as small as can be.
pub(crate) fn measure(atlas: &Path) -> Outcome<f64> {
    call(atlas)?;
    let kibibytes = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
    Ok(f64::from(u32::try_from(kibibytes)?) / 1024.0)
}

fn call(program: &Path) -> Outcome<()> {
    let status = Command::new(program).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{} --version ended with {status}", program.display()).into()) }
}

pub(crate) fn run() -> Outcome<Vec<Figure>> {
    let atlas = &std::env::current_exe()?.with_file_name(format!("atlas{}", std::env::consts::EXE_SUFFIX));
    if !atlas.exists() {
        return Err("the command `atlas` is not built beside this program: call `cargo xtask bench`".into());
    }
    let (mut ours, mut least) = (Vec::new(), Vec::new());
    for _ in 0..REPETITIONS {
        for (program, spans) in [(atlas.as_path(), &mut ours), (Path::new("/bin/true"), &mut least)] {
            let begun = Instant::now();
            call(program)?;
            spans.push(millis(begun.elapsed()));
        }
    }
    Ok(vec![
        Figure {
            what: "start-up of `atlas --version`",
            goal: Goal::AtMost(10.0),
            value: median(&ours),
            unit: "ms",
            detail: format!("the smallest program of the system: {:.2} ms", median(&least)),
        },
        Figure {
            what: "memory of `atlas --version`",
            goal: Goal::AtMost(15.0),
            value: ask(&["version"], atlas)?,
            unit: "MiB",
            detail: "the most that was resident at a time".to_owned(),
        },
    ])
}
