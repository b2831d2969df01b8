//! The workspace as `cargo metadata` tells it: its packages, what each depends on, and where they lie.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::step;

/// All packages, and the folder that holds them.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo puts what it builds.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
pub(crate) struct Package {
    /// The name that `-p` takes.
    pub(crate) name: String,
    /// The last part of its folder: the name that the house knows it by.
    pub(crate) folder: String,
    /// Its folder, relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) binaries: Vec<String>,
    pub(crate) has_library: bool,
    /// Whether it ever goes to a registry.
    pub(crate) is_published: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a package's dependencies.
#[derive(Clone)]
pub(crate) struct Dependency {
    /// The package's own name.
    pub(crate) name: String,
    /// The name that the manifest, and with `_` for `-` the code, use.
    pub(crate) alias: String,
    pub(crate) kind: Kind,
    pub(crate) requirement: String,
    pub(crate) features: Vec<String>,
    /// The folder's name, for a package of this workspace.
    pub(crate) folder: Option<String>,
}

/// When a dependency is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Development,
}

impl Workspace {
    /// Asks cargo. The lock file is taken as it is.
    pub(crate) fn read() -> Result<Self, String> {
        let text = step::read_cargo(Path::new("."), &["metadata", "--format-version", "1", "--no-deps", "--locked"])?;
        let metadata: Value =
            serde_json::from_str(&text).map_err(|error| format!("cargo metadata gave no JSON: {error}"))?;
        Ok(Self::parse(&metadata))
    }

    fn parse(metadata: &Value) -> Self {
        let root = PathBuf::from(text(metadata, "workspace_root"));
        let packages = items(metadata, "packages").iter().map(|package| Package::parse(package, &root)).collect();
        Self { root, target: PathBuf::from(text(metadata, "target_directory")), packages }
    }
}

impl Package {
    fn parse(package: &Value, root: &Path) -> Self {
        let manifest = PathBuf::from(text(package, "manifest_path"));
        let folder = manifest.parent().unwrap_or(root);
        let targets = items(package, "targets");
        let of_kind = |kind: &str| -> Vec<String> {
            let matching = targets.iter().filter(|target| items(target, "kind").iter().any(|found| found == kind));
            matching.map(|target| text(target, "name")).collect()
        };
        Self {
            name: text(package, "name"),
            folder: last_part(folder),
            path: folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().replace('\\', "/"),
            binaries: of_kind("bin"),
            has_library: !of_kind("lib").is_empty(),
            // `publish = false` is told as a list of no registries.
            is_published: package["publish"].as_array().is_none_or(|registries| !registries.is_empty()),
            dependencies: items(package, "dependencies").iter().map(Dependency::parse).collect(),
        }
    }
}

impl Dependency {
    fn parse(dependency: &Value) -> Self {
        let name = text(dependency, "name");
        Self {
            alias: dependency["rename"].as_str().unwrap_or(&name).to_owned(),
            kind: match dependency["kind"].as_str() {
                Some("dev") => Kind::Development,
                Some("build") => Kind::Build,
                _ => Kind::Normal,
            },
            requirement: text(dependency, "req"),
            features: items(dependency, "features").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            folder: dependency["path"].as_str().map(|path| last_part(Path::new(path))),
            name,
        }
    }

    /// The name that code knows it by.
    pub(crate) fn code_name(&self) -> String {
        self.alias.replace('-', "_")
    }
}

fn last_part(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
