//! Finding the file, and reading it.

use std::path::{Path, PathBuf};

use super::values::Values;
use super::{Config, Environment, File, yaml};
use crate::{Error, Result, files};

/// The most that is read of it. Whoever points at more has pointed at the wrong thing.
const LIMIT: u64 = 1024 * 1024;

/// The file's name.
const NAME: &str = "atlas.yaml";

impl Config {
    /// What holds for this process: `ATLAS_CONFIG`, else the `atlas.yaml` of the working directory or of the nearest folder
    /// above it, with the `ATLAS_…` variables over it. Without a file the defaults hold.
    ///
    /// An error is one line with file, line and column.
    pub fn load() -> Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is the seam: what holds for this process")]
        let here = std::env::current_dir()
            .map_err(|cause| Error::validation(format!("the working directory cannot be told: {cause}")))?;
        Self::load_with(&Environment::process(), None, &here)
    }

    /// As [`load`](Self::load), with another environment, another working directory, or the file named: then it must exist.
    pub fn load_with(environment: &Environment, explicit: Option<&Path>, start_dir: &Path) -> Result<Self> {
        let named = explicit.or_else(|| environment.get_filled("ATLAS_CONFIG").map(Path::new));
        let values = match (named, find(start_dir)) {
            (Some(named), _) => read(&start_dir.join(named), environment)?,
            (None, Some(found)) => {
                refuse_foreign(&found)?;
                read(&found, environment)?
            }
            (None, None) => Values::default(),
        };
        Self::assemble(values.overlaid(environment)?, environment, start_dir)
    }

    /// Reads a file's text, as if it stood at `path`.
    pub fn from_yaml(text: &str, path: &Path, environment: &Environment) -> Result<Self> {
        let values = parse(text.as_bytes(), path, environment)?.overlaid(environment)?;
        Self::assemble(values, environment, path.parent().unwrap_or(Path::new("")))
    }
}

fn find(start_dir: &Path) -> Option<PathBuf> {
    start_dir.ancestors().map(|folder| folder.join(NAME)).find(|path| files::exists(path))
}

/// A configuration names programs to run and where keys are sent. One that was only found, in a folder such as `/tmp`, may
/// be anybody's.
fn refuse_foreign(path: &Path) -> Result<()> {
    match files::is_trusted(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::validation(format!(
            "{} was found above the working directory and belongs to another user, so it is not read; if it is to \
             hold, name it with --config or ATLAS_CONFIG",
            path.display()
        ))),
        Err(cause) => Err(files::error("look at", path, &cause)),
    }
}

fn read(path: &Path, environment: &Environment) -> Result<Values> {
    let failed = |why: String| Error::validation(format!("cannot read the configuration {}: {why}", path.display()));
    let bytes = match files::read_at_most(path, LIMIT) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(failed("there is no such file; write it, or name another".to_owned())),
        Err(_) if files::is_folder(path) => return Err(failed("it is a folder; name the file in it".to_owned())),
        Err(cause) => return Err(failed(cause.to_string())),
    };
    parse(&bytes, path, environment)
}

fn parse(bytes: &[u8], path: &Path, environment: &Environment) -> Result<Values> {
    let wrong = |line: usize, column: usize, what: &str| {
        Error::validation(format!("{}:{line}:{column}: {what}", path.display()))
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        wrong(good.matches('\n').count() + 1, column, "this is no UTF-8 text; save the file as UTF-8")
    })?;
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let texts = yaml::read(text, environment).map_err(|problem| wrong(problem.line, problem.column, &problem.what))?;
    Ok(Values::of_file(File::new(path, text), texts))
}
