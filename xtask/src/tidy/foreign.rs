//! No type of another project in a public signature, or that project's next major version would be ours too.
//!
//! A scan of text: every `pub` item is cut out (`unreachable_pub` makes sure that plain `pub` means public), the names in it are
//! traced through the file's imports, and what leads into a dependency that is not [`ALLOWED`] is reported.

use std::collections::BTreeMap;

use super::Violation;
use super::imports::{self, Import};
use super::items::{paths, public_parts};
use super::source::{Source, is_name};

/// Whose types may stand in a public signature. The house's own crates may as well.
const ALLOWED: &[&str] = &["http", "bytes", "futures_core", "serde", "url"];
/// serde's family: an answer's `raw` is untouched JSON.
const ALLOWED_PATHS: &[&str] = &["serde_json::Value", "serde_json::Map"];

/// `dependencies` are the names under which this package's code knows what it depends on.
pub(super) fn check(source: &Source, dependencies: &[String]) -> Vec<Violation> {
    let imports = imports::read(&source.code);
    let modules = local_modules(source);
    let foreign = |path: &str| -> bool {
        let root = path.trim_start_matches("::").split("::").next().unwrap_or_default();
        let shadowed = !path.starts_with("::") && modules.iter().any(|module| module == root);
        let ours = root.starts_with("atlas_") || root == "atlas" || ALLOWED.contains(&root) || shadowed;
        let excepted = ALLOWED_PATHS.iter().any(|allowed| path.trim_start_matches("::") == *allowed);
        !ours && !excepted && dependencies.iter().any(|dependency| dependency == root)
    };
    let mut found = Vec::new();
    for import in imports.iter().filter(|import| import.public && foreign(&import.path)) {
        found.push(report(source, import.at, &import.path));
    }
    let known: BTreeMap<&str, &str> = imports
        .iter()
        .filter(|import| !import.public)
        .map(|Import { name, path, .. }| (name.as_str(), path.as_str()))
        .collect();
    for at in source.places("pub") {
        for (start, end) in public_parts(&source.code, at) {
            for (place, path) in paths(&source.code, start, end) {
                let full = trace(&path, &known);
                if foreign(&full) {
                    found.push(report(source, place, &full));
                }
            }
        }
    }
    found
}

fn report(source: &Source, at: usize, path: &str) -> Violation {
    let what = format!("{path} in a public signature: give it a type of ours, or make the item pub(crate)");
    Violation::new(&source.path, source.line(at), what)
}

/// The path as it is without the file's imports.
fn trace(path: &str, imports: &BTreeMap<&str, &str>) -> String {
    let (head, rest) = path.split_once("::").map_or((path, None), |(head, rest)| (head, Some(rest)));
    match (imports.get(head), rest) {
        (Some(full), Some(rest)) => format!("{full}::{rest}"),
        (Some(full), None) => (*full).to_owned(),
        (None, _) => path.to_owned(),
    }
}

/// The modules that the file declares: they hide a crate of the same name.
fn local_modules(source: &Source) -> Vec<String> {
    let named = |at: usize| {
        source.code[at + 3..]
            .iter()
            .skip_while(|found| found.is_whitespace())
            .take_while(|found| is_name(**found))
            .collect()
    };
    source.places("mod").into_iter().map(named).collect()
}
