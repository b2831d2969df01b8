//! `cargo xtask tidy`: the rules that no compiler knows. Each rule is a pure function from text to [`Violation`]s; only this
//! file reads the tree. Every rule's test shows a text that breaks it.

mod canary;
mod foreign;
mod house;
mod imports;
mod items;
mod lexer;
mod places;
mod readme;
mod shape;
mod source;
mod spill;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use crate::workspace::{Kind, Package, Workspace};
use crate::{Outcome, VERBS, no_words};
use source::Source;

/// One broken rule: where, what, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

/// The verb.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    no_words(words)?;
    check(workspace)
}

/// Reads the whole tree, applies every rule, prints every violation.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let files = read_tree(&workspace.root)?;
    let mut found = Vec::new();
    for package in &workspace.packages {
        let manifest = format!("{}/Cargo.toml", package.path);
        let text = files.iter().find(|(path, _)| *path == manifest).map_or("", |(_, text)| text);
        found.extend(house::check(package, &workspace.packages, &manifest, text));
    }
    for (path, text) in &files {
        found.extend(places::check(path, text));
        if Path::new(path).extension().is_some_and(|extension| extension == "rs") {
            found.extend(check_source(path, text, &workspace.packages));
        }
    }
    let verbs: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    let text_of = |wanted: &str| files.iter().find(|(path, _)| path == wanted).map(|(_, text)| text.as_str());
    if let Some(readme) = text_of("README.md") {
        found.extend(readme::check(readme, text_of(".ci/run"), &workspace.packages, &verbs));
    }
    found.sort();
    found.dedup();
    for violation in &found {
        println!("{violation}");
    }
    if found.is_empty() {
        println!("{} files are tidy", files.len());
        Ok(())
    } else {
        Err(format!("{} violations in {} files looked at", found.len(), files.len()))
    }
}

fn check_source(path: &str, text: &str, packages: &[Package]) -> Vec<Violation> {
    let source = Source::read(path, text);
    let mut found = shape::check(&source);
    found.extend(canary::check(&source));
    found.extend(spill::check(&source));
    let owner = packages.iter().find(|package| path.starts_with(&format!("{}/src/", package.path)));
    if let Some(package) = owner.filter(|package| house::is_product_library(package) && !path.ends_with("src/main.rs"))
    {
        let used = package.dependencies.iter().filter(|dependency| dependency.kind == Kind::Normal);
        let names: Vec<String> = used.map(crate::workspace::Dependency::code_name).collect();
        found.extend(foreign::check(&source, &names));
        found.extend(canary::check_library(&source));
    }
    found
}

/// Every text file that could be committed: path relative to `root` with `/`, and contents.
fn read_tree(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("cannot list {}: {error}", folder.display()))?.path();
            let relative = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if path.is_dir() && !path.is_symlink() {
                // cargo tags its target folders, whatever they are called.
                let made =
                    path.join("CACHEDIR.TAG").exists() || [".git", ".atlas", "target"].contains(&relative.as_str());
                if !made {
                    folders.push(path);
                }
            } else if path.is_file() && !path.is_symlink() {
                let bytes = std::fs::read(&path).map_err(|error| format!("cannot read {relative}: {error}"))?;
                files.extend(String::from_utf8(bytes).ok().map(|text| (relative, text)));
            }
        }
    }
    files.sort();
    Ok(files)
}
