//! Where words go: results to stdout, all else to stderr. Colour only on a terminal.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::arguments::Global;
use crate::table::Table;

/// How results and words about them are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    colour_out: bool,
    colour_err: bool,
}

impl Output {
    /// As the global flags, the terminal and `NO_COLOR` say.
    pub(crate) fn new(global: &Global) -> Self {
        Self::with(global.json, global.quiet)
    }

    /// The same before the flags could be read.
    pub(crate) fn with(json: bool, quiet: bool) -> Self {
        let environment = atlas::config::Environment::process();
        let colour = environment.get_filled("NO_COLOR").is_none() && environment.get("TERM") != Some("dumb");
        Self {
            json,
            quiet,
            colour_out: colour && io::stdout().is_terminal(),
            colour_err: colour && io::stderr().is_terminal(),
        }
    }

    /// Whether results are JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Writes a result: `value` as one line of JSON, or else `text`.
    pub(crate) fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) -> io::Result<()> {
        let mut line = if self.json { serde_json::to_string(value).map_err(io::Error::other)? } else { text() };
        if !line.is_empty() && !line.ends_with('\n') {
            line.push('\n');
        }
        self.raw(line.as_bytes())
    }

    /// A table as text, with its head in bold where there is colour.
    pub(crate) fn table(self, table: &Table) -> String {
        table.render(self.colour_out)
    }

    /// Writes bytes to stdout as they are, at once.
    #[expect(clippy::unused_self, reason = "all that is written goes through one value")]
    pub(crate) fn raw(self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Says what is being done, unless `-q` forbids it.
    pub(crate) fn progress(self, words: &str) {
        if !self.quiet {
            self.complain(words);
        }
    }

    /// Says what a person must know beside the result.
    pub(crate) fn note(self, words: &str) {
        self.complain(&format!("{} {words}", self.paint("note:", "36")));
    }

    /// A line on stderr. Where even that cannot be written there is nobody left to tell.
    #[expect(clippy::unused_self, reason = "all that is written goes through one value")]
    pub(crate) fn complain(self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// An error and what to do about it.
    pub(crate) fn complain_in_words(self, message: &str, hint: Option<&str>) {
        self.complain(&format!("{} {message}", self.paint("error:", "1;31")));
        if let Some(hint) = hint {
            self.complain(&format!("{} {hint}", self.paint("hint:", "36")));
        }
    }

    /// Shows the library's traces on stderr: warnings, and with each `-v` more.
    pub(crate) fn start_tracing(self, verbose: u8) {
        use tracing_subscriber::filter::LevelFilter;
        let level = match (self.quiet, verbose) {
            (true, _) => LevelFilter::OFF,
            (false, 0) => LevelFilter::WARN,
            (false, 1) => LevelFilter::INFO,
            (false, 2) => LevelFilter::DEBUG,
            (false, _) => LevelFilter::TRACE,
        };
        tracing_subscriber::fmt().with_max_level(level).with_ansi(self.colour_err).with_writer(io::stderr).init();
    }

    fn paint(self, word: &str, style: &str) -> String {
        if self.colour_err { format!("\x1b[{style}m{word}\x1b[0m") } else { word.to_owned() }
    }
}
