//! `cargo xtask features`: what a selection of features must not pull in, read from `cargo tree`, so that nothing is built.

use crate::step::{read_cargo, spelled};
use crate::workspace::Workspace;
use crate::{Outcome, no_words};

/// A selection, and the packages that must not be in its tree.
struct Purity {
    what: &'static str,
    selection: &'static [&'static str],
    never: &'static [&'static str],
}

const PURITIES: &[Purity] = &[
    Purity {
        what: "a bare facade speaks no HTTP, reads no YAML, stores nothing and knows no provider",
        selection: &["-p", "atlas-machines", "--no-default-features", "--edges", "normal,build"],
        never: &[
            "reqwest",
            "hyper",
            "rustls",
            "yaml_serde",
            "redb",
            "clap",
            "tracing-subscriber",
            "atlas-machines-local",
            "atlas-machines-pod",
            "atlas-machines-runpod",
            "atlas-machines-sim",
            "atlas-machines-orchestrator",
        ],
    },
    Purity {
        what: "feature `local` alone brings no other provider and no orchestrator",
        selection: &["-p", "atlas-machines", "--no-default-features", "--features", "local", "--edges", "normal,build"],
        never: &["atlas-machines-runpod", "atlas-machines-sim", "atlas-machines-orchestrator", "redb", "reqwest"],
    },
    Purity {
        what: "feature `runpod` alone brings no other provider, no orchestrator and no store",
        selection: &[
            "-p",
            "atlas-machines",
            "--no-default-features",
            "--features",
            "runpod",
            "--edges",
            "normal,build",
        ],
        never: &[
            "atlas-machines-local",
            "atlas-machines-pod",
            "atlas-machines-sim",
            "atlas-machines-orchestrator",
            "redb",
            "yaml_serde",
        ],
    },
    Purity {
        what: "feature `orchestrator` alone brings no provider, no store on disk, no YAML and no HTTP client",
        selection: &[
            "-p",
            "atlas-machines",
            "--no-default-features",
            "--features",
            "orchestrator",
            "--edges",
            "normal,build",
        ],
        never: &["atlas-machines-local", "atlas-machines-pod", "atlas-machines-sim", "redb", "yaml_serde", "reqwest"],
    },
    Purity {
        what: "feature `auth` alone brings no provider, no orchestrator and no HTTP client",
        selection: &["-p", "atlas-machines", "--no-default-features", "--features", "auth", "--edges", "normal,build"],
        never: &[
            "atlas-machines-local",
            "atlas-machines-sim",
            "atlas-machines-orchestrator",
            "redb",
            "reqwest",
            "hyper",
        ],
    },
    Purity {
        what: "the mock provider opens no socket and speaks no HTTP",
        selection: &["-p", "atlas-machines-sim", "--no-default-features", "--edges", "normal,build"],
        never: &["axum", "hyper", "hyper-util", "http", "tower", "atlas-machines-pod"],
    },
    Purity {
        what: "one crypto and TLS provider, ring, on every platform; no archived YAML",
        selection: &["--workspace", "--all-features", "--edges", "normal,build,dev", "--target", "all"],
        never: &["aws-lc-rs", "aws-lc-sys", "openssl", "openssl-sys", "native-tls", "serde_yaml", "serde_yml"],
    },
];

/// The verb.
pub(crate) fn run(workspace: &Workspace, words: &[String]) -> Outcome {
    no_words(words)?;
    check(workspace)
}

/// Checks every selection; says all that is wrong, not only the first.
pub(crate) fn check(workspace: &Workspace) -> Outcome {
    let mut wrong = Vec::new();
    for purity in PURITIES {
        let words: Vec<&str> = ["tree", "--locked", "--prefix", "none", "--format", "{p}"]
            .iter()
            .chain(purity.selection)
            .copied()
            .collect();
        for package in strangers(&read_cargo(&workspace.root, &words)?, purity.never) {
            let invert: Vec<&str> = ["tree", "--invert", package].iter().chain(purity.selection).copied().collect();
            wrong.push(format!(
                "{}, but {package} is there; see who asks for it: {}",
                purity.what,
                spelled(&invert, &[])
            ));
        }
    }
    if wrong.is_empty() {
        println!("{} selections of features are pure", PURITIES.len());
        Ok(())
    } else {
        Err(wrong.join("\n"))
    }
}

/// Which of `never` stand in a tree printed one package a line, name first.
fn strangers<'a>(tree: &str, never: &[&'a str]) -> Vec<&'a str> {
    let present = |name: &&&str| tree.lines().any(|line| line.split(' ').next() == Some(**name));
    never.iter().filter(present).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::strangers;

    #[test]
    fn a_forbidden_package_is_found_by_its_whole_name() {
        let tree = "atlas-machines v0.1.0 (here)\nredb v4.6.0\nredb-derive v1.0.0 (*)\n";
        assert_eq!(strangers(tree, &["redb", "reqwest", "derive"]), ["redb"]);
        assert!(strangers(tree, &["red", "reqwest"]).is_empty());
    }
}
