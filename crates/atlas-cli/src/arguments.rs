//! What all commands share: the global flags, how an account is named, what an operator permits; and how wrong arguments
//! are refused.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use atlas::{ComputeId, Permission};
use clap::error::ErrorKind;
use clap::{Args, Parser};

use crate::commands::Command;
use crate::failure::Failure;
use crate::output::Output;

/// Rents machines across clouds, one per user, and gives them back.
#[derive(Debug, Parser)]
#[command(name = "atlas", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  atlas spawn --provider local --port 8000/http --auth bearer --wait
  atlas list
  atlas terminate --provider local ID

Each command has examples of its own: atlas spawn --help

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not found, 4 unauthorized, 5 unsupported,
6 no capacity, 7 timeout, 8 rate limited, 9 budget or quota, 10 store held by another process,
130 interrupted";

/// Flags that every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration file [default: atlas.yaml, here or in a folder above]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Results, and errors, as JSON
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Show what happens underneath; more of it with -vv and -vvv
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub(crate) verbose: u8,
}

/// Which account.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The account [default: ATLAS_DEFAULT_PROVIDER, else default_provider of the configuration]
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
}

/// What an operator permits beyond the ordinary.
#[derive(Debug, Args)]
pub(crate) struct Permitted {
    /// Also a machine that belongs to a session: its user loses it
    #[arg(long)]
    force: bool,
    /// Also a machine that does not bear the mark of this deployment
    #[arg(long)]
    foreign: bool,
}

impl Permitted {
    pub(crate) fn permission(&self) -> Permission {
        Permission::ordinary().force(self.force).foreign(self.foreign)
    }
}

/// Whether to wait until a read shows that it is done, and how long.
#[derive(Debug, Args)]
pub(crate) struct Waiting {
    /// How long to wait until a read shows that it is done
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = atlas::duration::parse, allow_hyphen_values = true)]
    timeout: Duration,
    /// Return as soon as the cloud has accepted
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

impl Waiting {
    /// How long to wait; `None` for not at all.
    pub(crate) fn bound(&self) -> Option<Duration> {
        (!self.no_wait).then_some(self.timeout)
    }
}

/// The longest id of a machine that any cloud gives, and more.
const LONGEST_ID: usize = 200;

/// Reads what a cloud calls a machine. Each cloud knows the form of its own ids; what can be nobody's is refused here, so
/// that a variable which was not set asks no cloud for the machine with no name.
pub(crate) fn machine_id(text: &str) -> Result<ComputeId, String> {
    cloud_id("machine", text).map(ComputeId::new)
}

/// The same of a volume.
pub(crate) fn volume_id(text: &str) -> Result<String, String> {
    cloud_id("volume", text).map(str::to_owned)
}

/// The same of a serverless endpoint.
pub(crate) fn endpoint_id(text: &str) -> Result<String, String> {
    cloud_id("endpoint", text).map(str::to_owned)
}

fn cloud_id<'a>(what: &str, text: &'a str) -> Result<&'a str, String> {
    if text.trim().is_empty() {
        return Err(format!("it is empty, and no {what}'s id is"));
    }
    if text.len() > LONGEST_ID || text.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err(format!("no {what}'s id has blanks or control characters, or more than {LONGEST_ID} bytes"));
    }
    Ok(text)
}

/// Answers arguments that ask for help or the version, or that cannot be right.
pub(crate) fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe, as of `atlas --help | head -1`, is no failure.
            let _ = error.print();
            let _ = std::io::stdout().flush();
            ExitCode::SUCCESS
        }
        // To a person who names no command the commands are shown.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand if !asks_for_json(words) => {
            let _ = error.print();
            ExitCode::from(Failure::usage("").kind().exit())
        }
        _ => {
            let failure = Failure::usage(in_one_line(error));
            // In JSON a hint is a part of the message, and programs need no lesson.
            let json = asks_for_json(words);
            let lesson = if json { None } else { lesson(error) };
            let failure = lesson.into_iter().fold(failure, Failure::with_hint);
            failure.report(Output::with(json, false))
        }
    }
}

/// Whether `--json` stands among words that could not be read as arguments. What follows `--` is somebody else's.
fn asks_for_json(words: &[OsString]) -> bool {
    words.iter().take_while(|word| *word != OsStr::new("--")).any(|word| word == OsStr::new("--json"))
}

/// The parser's first paragraph, which says what is wrong; usage and tips follow it.
fn in_one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    if matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand) {
        return "no command is given; `atlas --help` lists them".to_owned();
    }
    text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What the parser adds: what may have been meant, and how the command is used. Nothing where a value is wrong.
fn lesson(error: &clap::Error) -> Option<String> {
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim);
    let usage = lines.clone().find_map(|line| line.strip_prefix("Usage: ")).map(|usage| format!("usage: {usage}"));
    let tips = lines.filter_map(|line| line.strip_prefix("tip: ")).map(str::to_owned);
    let all: Vec<_> = tips.chain(usage).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

#[cfg(test)]
mod tests {
    //! The arguments are well-formed, every command has examples, and usage errors have their JSON form.

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n  atlas "), "{} shows no example", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }

    #[test]
    fn the_commands_are_those_that_work() {
        let arguments = Arguments::command();
        let names: Vec<_> = arguments.get_subcommands().map(clap::Command::get_name).collect();
        let lives = ["spawn", "get", "list", "stop", "start", "terminate", "logs"];
        assert_eq!(
            names,
            [
                &["demo", "providers", "gpus"][..],
                &lives,
                &["job", "volume", "endpoint", "reap", "sim", "conformance", "token", "url"]
            ]
            .concat()
        );
    }

    #[test]
    fn a_usage_error_is_one_line() {
        let message = |words: &[&str]| in_one_line(&Arguments::try_parse_from(words).expect_err("these are wrong"));
        insta::assert_snapshot!(message(&["atlas"]), @"no command is given; `atlas --help` lists them");
        insta::assert_snapshot!(message(&["atlas", "frobnicate"]), @"unrecognized subcommand 'frobnicate'");
        insta::assert_snapshot!(
            message(&["atlas", "get"]),
            @"the following required arguments were not provided: <ID>"
        );
    }

    #[test]
    fn a_hint_says_what_may_have_been_meant_and_how_it_is_used() {
        let hint = |words: &[&str]| lesson(&Arguments::try_parse_from(words).expect_err("these are wrong"));
        let said = |words: &[&str]| hint(words).expect("there is something to say");
        insta::assert_snapshot!(said(&["atlas", "terminat"]), @"a similar subcommand exists: 'terminate'; usage: atlas [OPTIONS] <COMMAND>");
        insta::assert_snapshot!(said(&["atlas", "get"]), @"usage: atlas get <ID>");
        insta::assert_snapshot!(said(&["atlas", "get", "x", "--jsn"]), @"a similar argument exists: '--json'; usage: atlas get --json <ID>");
        assert_eq!(hint(&["atlas", "spawn", "--port", "x"]), None, "the error says it all");
    }

    #[test]
    fn json_after_the_dashes_is_the_commands_own() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(asks_for_json(&words("atlas get --json")));
        assert!(!asks_for_json(&words("atlas spawn --nonsense -- tool --json")));
    }
}
