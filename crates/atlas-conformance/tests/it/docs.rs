//! The table in the documents is the table in the code.

use atlas_conformance::CASES;

#[test]
fn the_document_names_every_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/conformance.md");
    let text = std::fs::read_to_string(folder).unwrap();
    for case in CASES {
        let row = format!("| `{}` | {} |", case.name, case.promise);
        assert!(text.contains(&row), "docs/conformance.md lacks the row: {row}");
    }
    let named = text.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(named, CASES.len(), "docs/conformance.md names a case that is none");
}

#[test]
fn names_are_used_once() {
    let mut names: Vec<_> = CASES.iter().map(|case| case.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CASES.len());
}
