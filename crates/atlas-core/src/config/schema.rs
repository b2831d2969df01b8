//! Every key there is, in one table: the file is read by it, and the names of the `ATLAS_…` variables follow from it.

use super::settings::{AlienPolicy, Lifetime, StoreSetting, parse_flag, parse_span};
use crate::error::excerpt;
use crate::{Deployment, Error, Money, ProviderId, Result};

/// What may stand at one place of the file.
#[derive(Debug)]
pub(super) enum Shape {
    /// One text.
    Leaf(Leaf),
    /// These keys and no others.
    Keys(&'static [(&'static str, Shape)]),
    /// Names of the user's own choice, each with the same below it.
    Each(&'static Shape),
}

/// What a text must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf {
    /// Whatever its provider makes of it. It may be a secret: it is never quoted.
    Text,
    /// The name of an account, or of a kind of cloud.
    Account,
    /// Names of accounts: a list in the file, separated by commas in a variable.
    Accounts,
    Deployment,
    Path,
    Store,
    Money,
    Span,
    Lifetime,
    Aliens,
    Flag,
}

/// All of it.
pub(super) static ROOT: Shape = Shape::Keys(&[
    ("default_provider", Shape::Leaf(Leaf::Account)),
    ("deployment", Shape::Leaf(Leaf::Deployment)),
    ("state_dir", Shape::Leaf(Leaf::Path)),
    ("master_key", Shape::Leaf(Leaf::Text)),
    ("store", Shape::Leaf(Leaf::Store)),
    ("providers", Shape::Each(&PROVIDER)),
    (
        "orchestrator",
        Shape::Keys(&[
            ("reap_interval", Shape::Leaf(Leaf::Span)),
            ("reap_grace", Shape::Leaf(Leaf::Span)),
            ("reap_providers", Shape::Leaf(Leaf::Accounts)),
            ("idle_ttl", Shape::Leaf(Leaf::Span)),
            ("max_lifetime", Shape::Leaf(Leaf::Lifetime)),
            ("start_timeout", Shape::Leaf(Leaf::Span)),
            ("aliens", Shape::Leaf(Leaf::Aliens)),
        ]),
    ),
    (
        "budgets",
        Shape::Keys(&[
            ("per_session", Shape::Leaf(Leaf::Money)),
            ("per_user", Shape::Leaf(Leaf::Money)),
            ("per_hour", Shape::Leaf(Leaf::Money)),
        ]),
    ),
    (
        "fly",
        Shape::Keys(&[
            ("storage", Shape::Leaf(Leaf::Path)),
            ("logs_url", Shape::Leaf(Leaf::Text)),
            ("poll_interval", Shape::Leaf(Leaf::Span)),
            ("cli_timeout", Shape::Leaf(Leaf::Span)),
            ("use_config_file", Shape::Leaf(Leaf::Flag)),
        ]),
    ),
]);

/// The kinds of cloud whose names Atlas gives, built in here or not.
pub(super) const KINDS: [&str; 6] = ["runpod", "fly", "lambda_labs", "vast", "local", "mock"];

/// One account: what any built-in kind knows. Each kind refuses what is another's; one of a user's own takes `settings`.
static PROVIDER: Shape = Shape::Keys(&[
    ("kind", Shape::Leaf(Leaf::Account)),
    ("api_key", Shape::Leaf(Leaf::Text)),
    ("base_url", Shape::Leaf(Leaf::Text)),
    ("runtime_url", Shape::Leaf(Leaf::Text)),
    ("graphql_url", Shape::Leaf(Leaf::Text)),
    ("proxy_url", Shape::Leaf(Leaf::Text)),
    ("app", Shape::Leaf(Leaf::Text)),
    ("org", Shape::Leaf(Leaf::Text)),
    ("region", Shape::Leaf(Leaf::Text)),
    ("ssh_key_name", Shape::Leaf(Leaf::Text)),
    ("price_per_hour", Shape::Leaf(Leaf::Money)),
    ("settle_window", Shape::Leaf(Leaf::Span)),
    ("pod", Shape::Leaf(Leaf::Text)),
    ("open_files", Shape::Leaf(Leaf::Text)),
    ("address_space_mb", Shape::Leaf(Leaf::Text)),
    ("processor_seconds", Shape::Leaf(Leaf::Text)),
    ("log_mb", Shape::Leaf(Leaf::Text)),
    ("settings", Shape::Each(&Shape::Leaf(Leaf::Text))),
]);

impl Shape {
    /// What stands below `key`, or what is wrong with the key.
    pub(super) fn below(&self, key: &str) -> Result<&Self, String> {
        match self {
            Self::Leaf(_) => Err(format!("nothing can stand below it, so not {}", shown(key))),
            Self::Each(shape) if ProviderId::parse(key).is_ok() => Ok(shape),
            Self::Each(_) => {
                Err(format!("{} is no name: use lower-case letters, digits and `_`, at most 40", shown(key)))
            }
            Self::Keys(keys) => match keys.iter().find(|(name, _)| *name == key) {
                Some((_, shape)) => Ok(shape),
                None => Err(format!("there is no key {}; {}", shown(key), suggestion(key, keys))),
            },
        }
    }

    /// What must stand here, for an error.
    pub(super) const fn expected(&self) -> &'static str {
        match self {
            Self::Leaf(Leaf::Accounts) => "a list of account names, such as [runpod, vast]",
            Self::Leaf(_) => "one text or number",
            Self::Keys(_) | Self::Each(_) => "keys with values below it",
        }
    }
}

impl Leaf {
    /// Refuses a text that cannot be right.
    pub(super) fn check(self, text: &str) -> Result<()> {
        match self {
            Self::Text | Self::Path => Ok(()),
            Self::Account => ProviderId::parse(text).map(|_| ()),
            Self::Accounts => accounts(text).map(|_| ()),
            Self::Deployment => Deployment::parse(text).map(|_| ()),
            Self::Store => StoreSetting::parse(text).map(|_| ()),
            Self::Money => dollars(text).map(|_| ()),
            Self::Span => parse_span(text).map(|_| ()),
            Self::Lifetime => Lifetime::parse(text).map(|_| ()),
            Self::Aliens => AlienPolicy::parse(text).map(|_| ()),
            Self::Flag => parse_flag(text).map(|_| ()),
        }
    }
}

/// Names of accounts, separated by commas; each once, and at least one.
pub(super) fn accounts(text: &str) -> Result<Vec<ProviderId>> {
    let mut names = Vec::new();
    for name in text.split(',').map(str::trim) {
        let name = ProviderId::parse(name)?;
        if names.contains(&name) {
            return Err(Error::validation(format!("{name} stands there twice")));
        }
        names.push(name);
    }
    Ok(names)
}

fn dollars(text: &str) -> Result<Money> {
    match Money::parse(text)? {
        amount if amount < Money::ZERO => {
            Err(Error::validation(format!("{text} dollars are less than nothing; write 0 or more")))
        }
        amount => Ok(amount),
    }
}

/// A key for an error. One that is too long for a key may be a secret in the wrong place, and is not shown.
fn shown(key: &str) -> String {
    if key.len() <= 32 { format!("`{}`", excerpt(key)) } else { "of that length".to_owned() }
}

fn suggestion(key: &str, keys: &[(&'static str, Shape)]) -> String {
    let near = keys.iter().map(|(name, _)| (distance(key, name), name)).min().filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => format!("known are {}", keys.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
    }
}

/// How many characters must be changed, added or left out to make one text of the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, character) in from.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
