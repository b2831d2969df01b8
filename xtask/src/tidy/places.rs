//! What ties the tree to one machine: folders of whoever wrote it, and registries other than the public one.

use super::Violation;

const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Folders that exist on somebody's machine only. Taken apart, or this file would break its own rule.
const FOLDERS: &[(&str, &str)] = &[("/wo", "rk/"), ("/ro", "ot/"), ("/ho", "me/"), ("/Us", "ers/")];

pub(super) fn check(path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut report = |what: String| found.push(Violation::new(path, index + 1, what));
        for (head, tail) in FOLDERS {
            let folder = format!("{head}{tail}");
            if begins_a_path(line, &folder) {
                report(format!(
                    "{folder} is a folder of one machine: write a relative path, or one below a temporary folder"
                ));
            }
        }
        if path.ends_with("Cargo.lock") && line.starts_with("source = ") && !line.contains(PUBLIC_REGISTRY) {
            report("a package from elsewhere than the public registry: nobody else could build this".to_owned());
        }
        let settings = path.ends_with(".cargo/config.toml") || path.ends_with("Cargo.toml");
        if settings
            && ["[source", "[registries", "[registry", "[patch"].iter().any(|table| line.trim().starts_with(table))
        {
            report("registries and replacements are each user's own: keep them in ~/.cargo/config.toml".to_owned());
        }
    }
    found
}

/// Whether `folder` stands in `line` as the beginning of a path, not in the middle of a longer one or of an address.
fn begins_a_path(line: &str, folder: &str) -> bool {
    let middle = |before: char| before.is_alphanumeric() || matches!(before, '.' | '_' | '-' | '~' | '}' | '*');
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(middle))
}
