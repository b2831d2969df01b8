//! The file: YAML into values by path, each mistake with its line and column.
//!
//! The reader follows the table of keys, so that every text is taken as it is written (`0.10` stays `0.10`), and the
//! parser, which knows the place, is where each mistake is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};

use super::Environment;
use super::expand::{Expanded, expand};
use super::schema::{Leaf, ROOT, Shape};
use super::values::Text;

/// What is said of a file with two documents.
const SECOND: &str = "a second document begins; a configuration is one";

/// What is wrong with a file, and where; counted from one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) what: String,
}

/// Reads a file's text into values by path.
pub(super) fn read(text: &str, environment: &Environment) -> Result<BTreeMap<String, Text>, Problem> {
    let mut walk = Walk { environment, found: BTreeMap::new(), what: None, stop_at: None };
    if is_blank(text) {
        return Ok(walk.found);
    }
    match walk_over(text, &mut walk) {
        Ok(()) => Ok(walk.found),
        Err(error) => {
            let (line, column) = place(&error).unwrap_or_else(|| (second_document(text), 1));
            let what = walk.what.unwrap_or_else(|| in_words(&error, text, line));
            Err(Problem { line, column, what })
        }
    }
}

/// Line and column of the value at `path`, in a text that was read before.
pub(super) fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let environment = Environment::empty();
    let mut walk = Walk { environment: &environment, found: BTreeMap::new(), what: None, stop_at: Some(path) };
    walk_over(text, &mut walk).err().and_then(|error| place(&error))
}

fn walk_over(text: &str, walk: &mut Walk<'_>) -> Result<(), serde_yaml::Error> {
    let node = Node { walk, path: String::new(), shape: &ROOT };
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let Some(document) = documents.next() else { return Ok(()) };
    node.deserialize(document)?;
    match documents.next() {
        None => Ok(()),
        Some(_) => Err(serde_yaml::Error::custom(SECOND)),
    }
}

fn place(error: &serde_yaml::Error) -> Option<(usize, usize)> {
    error.location().map(|location| (location.line(), location.column()))
}

/// The line on which a second document begins: the one mistake for which the parser tells no place.
fn second_document(text: &str) -> usize {
    let content = text.lines().position(|line| !is_blank(line)).unwrap_or_default();
    let begins = text.lines().skip(content).position(|line| line.starts_with("---")).unwrap_or_default();
    content + begins + 1
}

fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#') || line == "---")
}

/// The parser's own message, without its place and without any value: a value may be a secret.
fn in_words(error: &serde_yaml::Error, text: &str, line: usize) -> String {
    let message = error.to_string();
    if let (Some(at), Some((_, expected))) = (message.find("invalid "), message.rsplit_once(", expected ")) {
        let path = message[..at].trim_end_matches([':', ' ']);
        let colon = if path.is_empty() { "" } else { ": " };
        return format!("{path}{colon}expected {}", without_places(expected));
    }
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indentation = content.len() - content.trim_start().len();
    if content[..indentation].contains('\t')
        || message.contains("that cannot start any token") && content.contains('\t')
    {
        return "a tab stands where only spaces may: indent with spaces".to_owned();
    }
    let hint = if content.contains("${") { "; put quotes around a text with `${…}` in it" } else { "" };
    format!("{}{hint}", without_places(&message))
}

/// Removes each ` at line 3 column 5`: the place is told once, in front.
fn without_places(message: &str) -> String {
    let mut kept = String::new();
    let mut words = message.split(' ').peekable();
    while let Some(word) = words.next() {
        if word == "at" && words.peek() == Some(&"line") {
            let last = words.nth(3).unwrap_or_default();
            kept.push_str(if last.ends_with(',') { "," } else { "" });
        } else {
            kept.push_str(if kept.is_empty() { "" } else { " " });
            kept.push_str(word);
        }
    }
    kept
}

/// One reading of a file.
struct Walk<'a> {
    environment: &'a Environment,
    found: BTreeMap<String, Text>,
    /// What is wrong, in our own words, once something is.
    what: Option<String>,
    /// Stop here with an error, whose place is what is wanted.
    stop_at: Option<&'a str>,
}

impl Walk<'_> {
    fn wrong<E: de::Error>(&mut self, path: &str, what: &str) -> E {
        let colon = if path.is_empty() { "" } else { ": " };
        self.what = Some(format!("{path}{colon}{what}"));
        E::custom("")
    }

    fn leaf<E: de::Error>(&mut self, path: &str, leaf: Leaf, text: &str) -> Result<(), E> {
        if self.stop_at == Some(path) {
            return Err(E::custom(""));
        }
        if self.stop_at.is_some() {
            return Ok(());
        }
        let written = text;
        let text = match expand(written, self.environment) {
            Err(what) => return Err(self.wrong(path, &what)),
            Ok(Expanded::Missing(variable)) => Text::Missing(variable),
            Ok(Expanded::Text(text)) => {
                if !text.is_empty()
                    && let Err(error) = leaf.check(&text)
                {
                    // What a variable holds may be a secret in the wrong place.
                    let hidden = "what its variable holds is not of this form (it is not shown: it may be a secret)";
                    return Err(self.wrong(path, if text == written { error.message() } else { hidden }));
                }
                Text::Given(text.into())
            }
        };
        match (leaf, self.found.remove(path), text) {
            // Items of a list are kept as one text, as a variable has them.
            (Leaf::Accounts, Some(Text::Given(before)), Text::Given(item)) => {
                let list = format!("{},{}", before.expose(), item.expose());
                if let Err(error) = leaf.check(&list) {
                    return Err(self.wrong(path, error.message()));
                }
                self.found.insert(path.to_owned(), Text::Given(list.into()));
            }
            (Leaf::Accounts, Some(missing @ Text::Missing(_)), _) | (_, _, missing) => {
                self.found.insert(path.to_owned(), missing);
            }
        }
        Ok(())
    }
}

/// One place of the file.
struct Node<'w, 'a> {
    walk: &'w mut Walk<'a>,
    path: String,
    shape: &'static Shape,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.shape.expected())
    }

    // A key with nothing behind it says nothing.
    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Leaf(Leaf::Accounts) => deserializer.deserialize_seq(self),
            Shape::Leaf(_) => deserializer.deserialize_str(self),
            Shape::Keys(_) | Shape::Each(_) => deserializer.deserialize_map(self),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.shape {
            Shape::Leaf(leaf) => self.walk.leaf(&self.path, *leaf, text),
            Shape::Keys(_) | Shape::Each(_) => Err(E::custom(self.shape.expected())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut empty = true;
        while items.next_element_seed(Item { walk: &mut *self.walk, path: &self.path })?.is_some() {
            empty = false;
        }
        if empty && self.walk.stop_at.is_none() {
            return Err(self
                .walk
                .wrong(&self.path, "the list is empty; name an account, or leave the key out for all"));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some((key, shape)) =
            map.next_key_seed(Key { walk: &mut *self.walk, path: &self.path, shape: self.shape, seen: &mut seen })?
        {
            let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
            if matches!((self.shape, shape), (Shape::Each(_), Shape::Keys(_))) {
                // An account with nothing to say is an account all the same.
                self.walk.found.insert(path.clone(), Text::Given("".into()));
            }
            map.next_value_seed(Node { walk: &mut *self.walk, path, shape })?;
        }
        Ok(())
    }
}

/// One item of a list of accounts.
struct Item<'p, 'w, 'a> {
    walk: &'w mut Walk<'a>,
    path: &'p str,
}

impl<'de> DeserializeSeed<'de> for Item<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Item<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of an account")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.walk.leaf(self.path, Leaf::Accounts, text)
    }
}

/// One key of a mapping: known, and there once.
struct Key<'p, 'w, 'a> {
    walk: &'w mut Walk<'a>,
    path: &'p str,
    shape: &'static Shape,
    seen: &'p mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_, '_> {
    type Value = (String, &'static Shape);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_, '_> {
    type Value = (String, &'static Shape);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<Self::Value, E> {
        let shape = self.shape.below(key).map_err(|what| self.walk.wrong(self.path, &what))?;
        if !self.seen.insert(key.to_owned()) {
            return Err(self.walk.wrong(self.path, &format!("the key `{key}` stands there twice")));
        }
        Ok((key.to_owned(), shape))
    }
}
