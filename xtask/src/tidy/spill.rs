//! The canary for secrets on their way out: into a log, onto a screen, into what `Debug` and `Display` show, or in by an
//! argument.

use super::Violation;
use super::canary::{attributes, fields, sounds_secret, waived};
use super::source::{Source, closing, is_name, places, until};

/// What puts its arguments where others read them.
const RECORDING: &[&str] = &[
    "trace!",
    "debug!",
    "info!",
    "warn!",
    "error!",
    "event!",
    "span!",
    "trace_span!",
    "debug_span!",
    "info_span!",
    "warn_span!",
    "error_span!",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "panic!",
    "unreachable!",
    "assert!",
    "assert_eq!",
    "assert_ne!",
];

/// What an argument may be read as that holds a secret.
const ARGUMENTS: &[&str] = &["String", "str", "OsString", "Secret"];

/// For every file that is no test.
pub(super) fn check(source: &Source) -> Vec<Violation> {
    if source.is_test {
        return Vec::new();
    }
    let calls = RECORDING.iter().flat_map(|word| source.places(word).into_iter().map(move |at| (*word, at)));
    let mut found: Vec<Violation> = calls.flat_map(|(word, at)| recorded(source, word, at)).collect();
    found.extend(shown(source));
    found.extend(arguments(source));
    found
}

/// What one of those macros is given.
fn recorded(source: &Source, word: &str, at: usize) -> Vec<Violation> {
    let open = at + word.chars().count();
    let Some('(' | '[' | '{') = source.code.get(open) else { return Vec::new() };
    let end = closing(&source.code, open) - 1;
    let mut found = exposed(source, open, end, &format!("`{word}`"));
    let named = given(&source.code, open + 1, end).into_iter().chain(captured(source, open, end));
    found.extend(named.filter(|(name, _)| sounds_secret(name)).filter_map(|(name, at)| {
        let what = format!("`{name}` goes into `{word}`: leave it out, or say `// not a secret: why`");
        report(source, at, what)
    }));
    found
}

/// Bodies of `Debug` and `Display` that open a secret.
fn shown(source: &Source) -> Vec<Violation> {
    let code = &source.code;
    let of_one = |at: usize| {
        let Some(open) = code[at..].iter().position(|found| *found == '{').map(|open| at + open) else {
            return Vec::new();
        };
        let head = &code[at..open];
        let shows = ["Debug", "Display"].into_iter().find(|name| !places(head, name).is_empty());
        match shows.filter(|_| !places(head, "for").is_empty()) {
            Some(name) => exposed(source, open, closing(code, open), &format!("`{name}`")),
            None => Vec::new(),
        }
    };
    source.places("impl").into_iter().flat_map(of_one).collect()
}

/// Secrets that come by argument, where other users of the machine read them.
fn arguments(source: &Source) -> Vec<Violation> {
    let code = &source.code;
    let is_of_a_command = |(start, end): &(usize, usize)| {
        let attribute = &code[*start..*end];
        let names = ["Args", "Parser", "Subcommand"];
        !places(attribute, "derive").is_empty() && names.iter().any(|name| !places(attribute, name).is_empty())
    };
    let types = attributes(code).into_iter().filter(is_of_a_command);
    let secret = types.flat_map(|(_, end)| fields(source, end, ARGUMENTS));
    let report = |(name, at): (String, usize)| {
        let what = format!("`{name}` would be given on the command line, for all to read: take a file or a variable");
        report(source, at, what)
    };
    secret.filter_map(report).collect()
}

/// Each `expose(` in a part of the code.
fn exposed(source: &Source, from: usize, to: usize, place: &str) -> Vec<Violation> {
    let opens = |at: &usize| source.code.get(at + "expose".len()) == Some(&'(');
    let found = places(&source.code[from..to], "expose").into_iter().map(|at| from + at).filter(opens);
    found
        .filter_map(|at| {
            report(source, at, format!("a secret is opened in {place}: show that it is there, not what it is"))
        })
        .collect()
}

fn report(source: &Source, at: usize, what: String) -> Option<Violation> {
    let line = source.line(at);
    (!waived(source, line)).then(|| Violation::new(&source.path, line, what))
}

/// The names of a macro's arguments: of `token`, `%token`, `self.token`, and of `token = …`.
fn given(code: &[char], from: usize, to: usize) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let mut at = from;
    while at < to {
        let end = until(code, at, &[',']).min(to);
        let argument = &code[at..end];
        let head = argument.iter().position(|found| *found == '=').map_or(argument, |equals| &argument[..equals]);
        let plain = |found: &char| is_name(*found) || found.is_whitespace() || "%?&*.:".contains(*found);
        if head.iter().all(plain) {
            let text: String = head.iter().collect();
            let name = text.trim().rsplit(['.', ':', '%', '?', '&', '*', ' ']).next().unwrap_or_default().to_owned();
            let blank = argument.iter().take_while(|found| found.is_whitespace()).count();
            names.push((name, at + blank));
        }
        at = end + 1;
    }
    names
}

/// The names that texts in a part of the code capture: `"… {token} …"`.
fn captured(source: &Source, from: usize, to: usize) -> Vec<(String, usize)> {
    let text: Vec<char> = source.text.chars().collect();
    let is_text = |at: &usize| source.code[*at] == '~';
    let opens = |at: &usize| text[*at] == '{' && text[at - 1] != '{' && text[at + 1] != '{';
    let name = |at: usize| text[at + 1..].iter().take_while(|found| is_name(**found)).collect::<String>();
    (from + 1..to).filter(is_text).filter(opens).map(|at| (name(at), at)).filter(|(name, _)| !name.is_empty()).collect()
}
