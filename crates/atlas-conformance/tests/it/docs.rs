//! The tables in the documents are those in the code.

use atlas_conformance::CASES;

use crate::broken::MUTANTS;

/// The rows below the first table of the document that has this heading.
fn rows(heading: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    let text = std::fs::read_to_string(path).expect("the document stands there");
    let mut lines = text.lines().skip_while(|line| *line != heading).skip(2);
    lines.by_ref().take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_document_names_every_case() {
    let wanted: Vec<_> = CASES.iter().map(|case| format!("| `{}` | {} |", case.name, case.promise)).collect();
    similar(&rows("| case | promise |"), &wanted);
}

#[test]
fn the_document_names_every_broken_provider() {
    let row = |words: &str, fails: &[&str]| {
        let fails: Vec<_> = fails.iter().map(|case| format!("`{case}`")).collect();
        format!("| {words} | {} |", fails.join(", "))
    };
    let wanted: Vec<_> = MUTANTS.iter().map(|mutant| row(mutant.words, mutant.fails)).collect();
    similar(&rows("| the provider | the cases that fail |"), &wanted);
}

/// The counts that other documents tell.
#[test]
fn the_documents_count_right() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
    let cases = format!("{} cases", CASES.len());
    for document in ["docs/testing.md", "CHANGELOG.md"] {
        let text = std::fs::read_to_string(format!("{folder}{document}")).unwrap();
        let told = text.lines().find(|line| line.contains("`atlas-conformance`") && line.contains(" cases")).unwrap();
        assert!(told.contains(&cases), "{document} should say \"{cases}\": {told}");
        if document == "docs/testing.md" {
            let providers = format!("{} providers", MUTANTS.len());
            assert!(told.contains(&providers), "{document} should say \"{providers}\": {told}");
        }
    }
}

fn similar(found: &[String], wanted: &[String]) {
    let lacking: Vec<_> = wanted.iter().filter(|row| !found.contains(row)).collect();
    assert!(lacking.is_empty(), "docs/conformance.md lacks these rows: {lacking:#?}");
    let surplus: Vec<_> = found.iter().filter(|row| !wanted.contains(row)).collect();
    assert!(surplus.is_empty(), "docs/conformance.md has these rows, and the code has not: {surplus:#?}");
    assert_eq!(found, wanted, "docs/conformance.md has the rows in another order");
}

#[test]
fn names_are_used_once() {
    let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len());
}
