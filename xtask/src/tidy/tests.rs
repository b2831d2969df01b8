//! Each rule of tidy shown to fail on a text that breaks it, and to leave alone one that looks alike.

use super::source::Source;
use super::{Violation, canary, foreign, house, imports, places, readme, shape, spill};
use crate::workspace::{Dependency, Kind, Package};

fn source(text: &str) -> Source {
    Source::read("crates/atlas-core/src/thing.rs", text)
}

fn lines(found: &[Violation]) -> Vec<usize> {
    found.iter().map(|violation| violation.line).collect()
}

fn package(folder: &str, dependencies: Vec<Dependency>) -> Package {
    Package {
        name: folder.replacen("atlas", "atlas-machines", 1),
        folder: folder.to_owned(),
        path: format!("crates/{folder}"),
        binaries: vec![folder.to_owned()],
        has_library: folder != "atlas-cli",
        is_published: true,
        dependencies,
    }
}

fn inside(folder: &str, kind: Kind, requirement: &str) -> Dependency {
    Dependency { folder: Some(folder.to_owned()), ..outside(folder, kind, requirement) }
}

fn outside(name: &str, kind: Kind, requirement: &str) -> Dependency {
    Dependency {
        name: name.to_owned(),
        alias: name.to_owned(),
        kind,
        requirement: requirement.to_owned(),
        features: Vec::new(),
        folder: None,
    }
}

/// How many complaints the house has about one dependency of `folder`.
fn complaints(folder: &str, dependency: Dependency) -> usize {
    let names = [
        "atlas-auth",
        "atlas-pod",
        "atlas-core",
        "atlas-local",
        "atlas-sim",
        "atlas-orchestrator",
        "atlas",
        "atlas-cli",
    ];
    let all: Vec<Package> = names.iter().map(|name| package(name, Vec::new())).collect();
    house::check(&package(folder, vec![dependency]), &all, "Cargo.toml", "").len()
}

#[test]
fn house_arrows_go_down_only() {
    let normal = |from, to| complaints(from, inside(to, Kind::Normal, "^0.1"));
    let down = [
        ("atlas-pod", "atlas-auth"),
        ("atlas-core", "atlas-auth"),
        ("atlas-local", "atlas-pod"),
        ("atlas-orchestrator", "atlas-core"),
        ("atlas", "atlas-local"),
        ("atlas-cli", "atlas"),
    ];
    for (from, to) in down {
        assert_eq!(normal(from, to), 0, "{from} -> {to}");
        assert_eq!(normal(to, from), 1, "{to} -> {from}");
    }
    for (from, to) in
        [("atlas-local", "atlas-sim"), ("atlas-orchestrator", "atlas-local"), ("atlas-auth", "atlas-auth")]
    {
        assert_eq!(normal(from, to), 1, "{from} -> {to}");
    }
}

#[test]
fn house_lets_tests_lean_sideways_but_not_up_and_without_versions() {
    let development = |from, to, requirement| complaints(from, inside(to, Kind::Development, requirement));
    assert_eq!(development("atlas-orchestrator", "atlas-sim", "*"), 0);
    assert_eq!(development("atlas-orchestrator", "atlas-sim", "^0.1.0"), 1);
    assert_eq!(development("atlas-local", "atlas-sim", "*"), 0);
    assert_eq!(development("atlas-local", "atlas-orchestrator", "*"), 1);
    // What is never published waits for nothing.
    let all = [package("atlas-sim", Vec::new())];
    let of_tests = |is_published| {
        let dependency = inside("atlas-sim", Kind::Development, "^0.1.0");
        let tests = Package { is_published, ..package("tests", vec![dependency]) };
        house::check(&tests, &all, "Cargo.toml", "").len()
    };
    assert_eq!((of_tests(false), of_tests(true)), (0, 1));
}

#[test]
fn house_keeps_programs_dependencies_out_of_libraries() {
    for name in ["clap", "anyhow", "tracing-subscriber"] {
        assert_eq!(complaints("atlas-core", outside(name, Kind::Normal, "1")), 1, "{name}");
        assert_eq!(complaints("atlas-core", outside(name, Kind::Development, "1")), 0, "{name}");
        assert_eq!(complaints("atlas-cli", outside(name, Kind::Normal, "1")), 0, "{name}");
    }
    let full = Dependency { features: vec!["full".to_owned()], ..outside("tokio", Kind::Normal, "1") };
    assert_eq!(complaints("atlas-core", full), 1);
    assert_eq!(complaints("atlas-core", outside("tokio", Kind::Normal, "1")), 0);
}

#[test]
fn house_knows_every_folder_and_names_the_line() {
    assert_eq!(complaints("atlas-newcomer", outside("serde", Kind::Normal, "1")), 1);
    let manifest =
        "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\n[dev-dependencies]\natlas-sim.workspace = true\n";
    let all = [package("atlas-sim", Vec::new())];
    let owner = package("atlas-orchestrator", vec![inside("atlas-sim", Kind::Development, "^0.1.0")]);
    assert_eq!(lines(&house::check(&owner, &all, "Cargo.toml", manifest)), [6]);
}

#[test]
fn shape_wants_module_docs() {
    assert_eq!(lines(&shape::check(&source("use std::fmt;\n"))), [1]);
    assert_eq!(lines(&shape::check(&source("// plain\n//! late\n"))), [1]);
    assert!(shape::check(&source("//! What it is.\n")).is_empty());
}

#[test]
fn shape_counts_code_and_nothing_else() {
    let padding = "/* a\n b */\n\n// c\n/// d\n";
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "fn t() {}\n".repeat(300));
    let fits = format!("//! Doc.\n{}{}{tests}", "fn f() {}\n".repeat(400), padding.repeat(50));
    assert!(shape::check(&source(&fits)).is_empty());
    let long = format!("{fits}fn one_more() {{}}\n");
    assert_eq!(shape::check(&source(&long)).len(), 1);
    let elsewhere = Source::read("crates/atlas-core/src/thing/tests.rs", &long);
    assert!(shape::check(&elsewhere).is_empty());
}

#[test]
fn shape_wants_a_reason_for_every_exception() {
    let text = "//! Doc.\n#[allow(dead_code)]\nfn a() {}\n#![expect(unused)]\n#[allow(dead_code, reason = \"x\")]\nfn b() { x.expect(\"y\") }\n";
    assert_eq!(lines(&shape::check(&source(text))), [2, 4]);
}

#[test]
fn foreign_finds_types_in_every_kind_of_public_item() {
    let dependencies = ["redb".to_owned(), "tokio".to_owned(), "serde_json".to_owned(), "http".to_owned()];
    for text in [
        "pub fn open() -> redb::Database {",
        "pub async fn open(a: u8, b: &redb::Database) {",
        "pub const fn open(a: ::redb::Key) {",
        "pub struct Store { pub(crate) fine: u8, pub inner: redb::Database }",
        "pub struct Store(pub redb::Database);",
        "pub struct Store<T: redb::Key> { inner: T }",
        "pub enum Fault { Disk(redb::Error) }",
        "pub enum Fault { Disk { source:redb::Error }, Other }",
        "pub trait Open { fn a(&self) { b() } fn open(&self) -> redb::Error; }",
        "pub type Base = redb::Database;",
        "pub const TABLE: redb::Table = x;",
        "pub use redb::Database;",
        "pub use redb::{Key as Name};",
        "pub use ::tokio::time::*;",
        "use redb::Database; pub fn open() -> Database {",
        "use redb::{self, Database as Base}; pub fn open(base: Base) {",
        "use tokio::sync::mpsc; pub fn open(a: Vec<mpsc::Sender<u8>>) {",
        "pub fn raw() -> serde_json::Error {",
    ] {
        let found = foreign::check(&source(text), &dependencies);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn foreign_leaves_what_is_ours_private_or_allowed() {
    let dependencies = ["redb".to_owned(), "tokio".to_owned(), "serde_json".to_owned(), "http".to_owned()];
    for text in [
        "pub(crate) fn open() -> redb::Database {",
        "fn open() -> redb::Database {",
        "pub fn open() { let base: redb::Database = x(); }",
        "pub struct Store { inner: redb::Database }",
        "pub struct Store(redb::Database);",
        "pub trait Open { fn open(&self) { redb::open() } }",
        "pub const TABLE: Table = redb::table();",
        "pub(crate) use redb::Database;",
        "use redb::Database; pub fn open() -> Base {",
        "mod redb; pub use redb::RedbStore;",
        "pub use self::redb::RedbStore;",
        "pub fn raw(a: serde_json::Value, b: &serde_json::Map<String, serde_json::Value>, c: http::Uri) {",
        "use serde_json::{Map, Value}; pub fn raw(a: Value) -> Map {",
        "// pub fn open() -> redb::Database\nconst A: &str = \"pub use redb::X;\";",
        "pub enum Fault { #[redb::attribute] Disk(u8) }",
        "use redb::Database; pub enum Fault { Database(u8), Disk }",
        "use tokio::time; pub fn time(a: u8) {",
        "use tokio::time; pub fn wait(time: u8, a:u8) { pub struct A { pub time : u8 }",
        "#[cfg(test)]\nmod tests { pub fn open() -> redb::Database {} }",
    ] {
        assert_eq!(foreign::check(&source(text), &dependencies), [], "{text}");
    }
}

#[test]
fn imports_are_taken_apart() {
    let text = source("use a::{b, c::{self, d as e}, f::*}; pub use g;");
    let found: Vec<(String, String, bool)> =
        imports::read(&text.code).into_iter().map(|import| (import.name, import.path, import.public)).collect();
    let expected = [
        ("b", "a::b", false),
        ("c", "a::c", false),
        ("e", "a::c::d", false),
        ("*", "a::f::*", false),
        ("g", "g", true),
    ];
    assert_eq!(found, expected.map(|(name, path, public)| (name.to_owned(), path.to_owned(), public)));
}

#[test]
fn canary_finds_unfinished_work_only_in_code() {
    let text = "fn a() { todo!() }\nfn b() { unimplemented!(\"x\") }\nfn c() { dbg!(1); }\n// todo!()\nconst D: &str = r#\"dbg!(\"\"#;\n";
    assert_eq!(lines(&canary::check(&source(text))), [1, 2, 3]);
}

#[test]
fn canary_wants_skip_all() {
    let text = "#[instrument]\nfn a() {}\n#[tracing::instrument(level = \"debug\")]\nfn b() {}\n#[instrument(skip_all)]\nfn c() {}\n";
    assert_eq!(lines(&canary::check(&source(text))), [1, 3]);
}

#[test]
fn canary_finds_plain_secrets_in_debugged_types() {
    let text = "#[derive(Clone, Debug)]\n#[serde(x)]\npub struct A {\n    pub api_key: String,\n    token: Option<String>,\n    \
                key_id: String,\n    keys: u32,\n    // not a secret: a name that the caller chose\n    key: String,\n    \
                password: Secret,\n}\n#[derive(Clone)]\nstruct B { secret: String }\n\
                #[derive(Debug)]\nenum C { D { tokens: Vec<String> } }\n";
    assert_eq!(lines(&canary::check(&source(text))), [4, 5, 15]);
}

#[test]
fn canary_looks_into_bytes_and_types_without_names() {
    let text = "#[derive(Debug)]\nstruct ApiKey(String);\n#[derive(Debug)]\nstruct A { key: [u8; 32], token: Bytes }\n\
                #[derive(Debug)]\nstruct TokenHash(String);\n#[derive(Clone)]\nstruct Password(String);\n\
                #[derive(Debug)]\nstruct Key(u64);\n// not a secret: names a row\n#[derive(Debug)]\nstruct B { key: u64 }\n";
    assert_eq!(lines(&canary::check(&source(text))), [2, 4, 4]);
}

#[test]
fn spill_finds_secrets_that_go_where_others_read() {
    for text in [
        "fn a() { tracing::warn!(%token, \"x\"); }",
        "fn a() { info!(target: \"x\", api_key); }",
        "fn a() { debug!(password = ?given, \"x\"); }",
        "fn a() { error!(\"sent {token}\"); }",
        "fn a() { error!(\"sent {secret:?} twice\"); }",
        "fn a() { println!(\"{}\", self.token); }",
        "fn a() { eprintln!(\"{}\", &key); }",
        "fn a() { panic!(\"{}\", value.expose()); }",
        "fn a() { warn!(url = url.expose(), \"x\"); }",
        "let a = info_span!(\"x\", token);",
        "impl fmt::Debug for A {\n fn fmt(&self) { f.field(self.0.expose()) } }",
        "impl<T> std::fmt::Display for A<T> { fn fmt(&self) { write!(f, \"{}\", self.0.expose()) } }",
        "#[derive(Debug, clap::Args)]\nstruct A { #[arg(long)] token: Secret, tokens: u8 }",
        "#[derive(Parser)] struct A { password: Option<String> }",
    ] {
        let found = spill::check(&source(text));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn spill_leaves_what_is_no_secret_or_goes_nowhere() {
    for text in [
        "fn a() { tracing::warn!(rental = %token, \"x\"); }",
        "fn a() { warn!(token_id, key_count = 3, \"a token was {kind}\"); }",
        "fn a() { warn!(\"{{token}} is written so\"); }",
        "fn a() { // not a secret: names a row\n warn!(\"{key}\"); }",
        "fn a() { header(format!(\"Bearer {}\", token.expose())); }",
        "// warn!(%token)\nconst A: &str = \"println!(token)\";",
        "fn a() { warn!(answer = check(key), \"x\"); }",
        "impl A { fn header(&self) { self.0.expose() } }\nimpl fmt::Debug for A { fn fmt(&self) { \"[redacted]\" } }",
        "#[derive(Args)] struct A { secret_file: PathBuf, secret_env: Option<String>, hash: String }",
        "#[cfg(test)]\nmod tests { fn a() { println!(\"{token}\"); } }",
    ] {
        assert_eq!(spill::check(&source(text)), [], "{text}");
    }
    let test = Source::read("crates/atlas-core/src/thing/tests.rs", "fn a() { println!(\"{token}\"); }");
    assert_eq!(spill::check(&test), []);
}

#[test]
fn canary_leaves_choices_to_the_program() {
    let text = "fn a() { provider.install_default(); }\n#[tokio::main]\nasync fn main() {}\n// install_default\n";
    assert_eq!(lines(&canary::check_library(&source(text))), [1, 2]);
}

#[test]
fn places_finds_folders_and_registries_of_one_machine() {
    let folder = format!("see {}rk/x\nhttps://example.com/wo{}x\n", "/wo", "rk/");
    assert_eq!(lines(&places::check("README.md", &folder)), [1]);
    let lock = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"sparse+https://mirror.example/\"\n";
    assert_eq!(lines(&places::check("Cargo.lock", lock)), [2]);
    let settings = "[alias]\n[source.crates-io]\n";
    assert_eq!(lines(&places::check(".cargo/config.toml", settings)), [2]);
    assert!(places::check("deny.toml", "[sources]\n").is_empty());
}

#[test]
fn readme_names_only_what_exists() {
    let packages = [package("atlas-cli", Vec::new())];
    let check = |readme: &str, ci| readme::check(readme, ci, &packages, &["ci"]);
    let good = "```sh\n$ cargo run -p atlas-machines-cli -- demo  # the story\ncargo xtask ci\n```\n";
    let run = Some("set -e\nexec cargo xtask ci\n");
    assert_eq!(check(good, run), []);
    assert_eq!(check(good, None).len(), 1);
    assert_eq!(check("cargo xtask ci\n", run).len(), 2, "not in a fenced block");
    assert_eq!(lines(&check(&good.replace("machines-cli", "machines-tool"), run)), [2]);
    assert_eq!(check(&good.replace("xtask ci", "xtask all"), run).len(), 2);
}
