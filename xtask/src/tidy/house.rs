//! The arrows of the house (docs/architecture.md): who may depend on whom, and what no library may pull in.

use super::Violation;
use crate::workspace::{Dependency, Kind, Package};

/// Every folder's floor. Arrows go down only.
const FLOORS: &[(&str, u8)] = &[
    ("atlas-auth", 0),
    ("atlas-pod", 0),
    ("atlas-core", 1),
    ("atlas-runpod", 2),
    ("atlas-fly-machines", 2),
    ("atlas-lambda", 2),
    ("atlas-vast", 2),
    ("atlas-local", 2),
    ("atlas-fly-ops", 2),
    ("atlas-sim", 2),
    ("atlas-conformance", 2),
    ("atlas-orchestrator", 3),
    ("atlas-store-postgres", 3),
    ("atlas", 4),
    ("atlas-server", 4),
    ("atlas-dashboard", 4),
    ("atlas-client", 4),
    ("atlas-cli", 5),
    ("tests", 5),
    ("xtask", 5),
];
const GROUND: u8 = 0;
const PROVIDERS: u8 = 2;
const ORCHESTRATOR: u8 = 3;
const TOP: u8 = 5;

/// What belongs to a program, never to a library that others build on.
const NOT_FOR_LIBRARIES: &[(&str, &str)] = &[
    ("tracing-subscriber", "the program chooses where its traces go"),
    ("anyhow", "a library's errors can be told apart"),
    ("clap", "only the command reads arguments"),
];

/// Whether others build on this package, so that the rules for libraries hold for it.
pub(super) fn is_product_library(package: &Package) -> bool {
    package.has_library && floor(&package.folder).is_none_or(|floor| floor < TOP)
}

/// All that is wrong with one package's dependencies. `text` is its manifest, to name the line.
pub(super) fn check(package: &Package, all: &[Package], manifest: &str, text: &str) -> Vec<Violation> {
    let Some(own) = floor(&package.folder) else {
        let what = format!("{} has no floor in the house: give it one in xtask/src/tidy/house.rs", package.folder);
        return vec![Violation::new(manifest, 1, what)];
    };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let inside = dependency.folder.as_ref().filter(|folder| all.iter().any(|other| other.folder == **folder));
        let complaint = match inside {
            Some(folder) => arrow(package, own, folder, dependency),
            None => is_product_library(package).then(|| stranger(dependency)).flatten(),
        };
        found.extend(complaint.map(|what| Violation::new(manifest, line_of(text, dependency), what)));
    }
    found
}

fn floor(folder: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == folder).map(|(_, floor)| *floor)
}

fn arrow(package: &Package, own: u8, target: &str, dependency: &Dependency) -> Option<String> {
    let folder = package.folder.as_str();
    let below = floor(target).unwrap_or(TOP);
    if dependency.kind == Kind::Development {
        if package.is_published && dependency.requirement != "*" {
            return Some(format!(
                "dev-dependency {target} carries a version, so it would have to be published first: write \
                 {} = {{ package = \"{}\", path = \"../{target}\" }} here",
                dependency.alias, dependency.name
            ));
        }
        return (below > own).then(|| {
            format!(
                "{folder} (floor {own}) tests itself with {target} (floor {below}): move the test to tests/ or down"
            )
        });
    }
    let allowed = match (own, below) {
        (GROUND, GROUND) => (folder, target) == ("atlas-pod", "atlas-auth"),
        (ORCHESTRATOR, PROVIDERS) => false,
        _ => below < own,
    };
    (!allowed).then(|| {
        format!(
            "{folder} (floor {own}) depends on {target} (floor {below}): arrows go down only, providers know core and \
             the ground, the orchestrator no provider; move what is shared to atlas-core"
        )
    })
}

fn stranger(dependency: &Dependency) -> Option<String> {
    if dependency.kind == Kind::Development {
        return None;
    }
    if dependency.name == "tokio" && dependency.features.iter().any(|feature| feature == "full") {
        return Some("tokio with feature `full` in a library: name the features that it uses".to_owned());
    }
    let (name, why) = NOT_FOR_LIBRARIES.iter().find(|(name, _)| *name == dependency.name)?;
    Some(format!("a library depends on {name}: {why}; move it to atlas-cli"))
}

/// The line that names the dependency, within the section of its kind.
fn line_of(text: &str, dependency: &Dependency) -> usize {
    let wanted = match dependency.kind {
        Kind::Normal => "dependencies]",
        Kind::Build => "build-dependencies]",
        Kind::Development => "dev-dependencies]",
    };
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        if let Some(header) = line.trim().strip_prefix('[') {
            section = header.rsplit('.').next().unwrap_or(header);
        }
        let named = line.split(['.', '=', ' ']).next() == Some(&dependency.alias);
        if section == wanted && named {
            return index + 1;
        }
    }
    1
}
