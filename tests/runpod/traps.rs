//! The pages that say by which test each trap of RunPod's, and each line of the simulator's check-list, is held: no row
//! without a test or a reason, no name of a test that is not there, no such test that no row names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The rows of the first table beneath a heading of a page: the numbers of the first cell, and the last cell.
fn rows(page: &str, heading: &str) -> Vec<(Vec<u32>, String)> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (_, beneath) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{page}: {heading}"));
    let beneath = beneath.split("\n## ").next().unwrap();
    let cells = beneath.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let row = |line: &str| {
        let (first, rest) = line.split_once(" | ")?;
        let numbers: Result<Vec<u32>, _> = first.split(", ").map(str::parse).collect();
        Some((numbers.ok()?, rest.rsplit(" | ").next()?.to_owned()))
    };
    cells.filter_map(row).collect()
}

/// The names of tests in a cell.
fn named(cell: &str, prefix: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).filter(|word| word.starts_with(prefix)).map(str::to_owned).collect()
}

/// The functions beneath a folder whose names begin so.
fn written(folder: &Path, prefix: &str, into: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            written(&path, prefix, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions =
                text.lines().filter_map(|line| line.trim_start().trim_start_matches("async ").strip_prefix("fn "));
            into.extend(
                functions
                    .filter(|name| name.starts_with(prefix))
                    .filter_map(|name| Some(name.split_once('(')?.0.to_owned())),
            );
        }
    }
}

/// Compares a page with the tests of a crate; how many numbers it has.
fn compare(page: &str, heading: &str, folder: &str, prefix: &str) -> BTreeSet<u32> {
    let mut there = BTreeSet::new();
    written(&root().join(folder), prefix, &mut there);
    let (mut told, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (row, cell) in rows(page, heading) {
        let names = named(&cell, prefix);
        assert!(!names.is_empty() || cell.starts_with("no test: "), "{page}, row {row:?}: neither a test nor a reason");
        for name in &names {
            assert!(there.contains(name), "{page}, row {row:?}: there is no test {name}");
            let of_row = |number: &u32| {
                let rest = name.strip_prefix(prefix).unwrap();
                rest.split('_').map_while(|part| part.parse::<u32>().ok()).any(|named| named == *number)
            };
            assert!(row.iter().all(of_row), "{page}, row {row:?}: {name} is of another row");
        }
        told.extend(names);
        numbers.extend(row);
    }
    assert_eq!(there.difference(&told).collect::<Vec<_>>(), [] as [&String; 0], "{page} does not name them");
    numbers
}

#[test]
fn every_trap_has_a_test_or_a_reason() {
    let numbers = compare("docs/providers/runpod.md", "Traps", "crates/atlas-runpod", "trap_");
    assert_eq!(numbers, (1..=32).collect());
}

#[test]
fn every_line_of_the_simulators_check_list_has_a_test() {
    let numbers = compare("docs/sim.md", "What it is faithful in", "crates/atlas-sim/tests", "s9_");
    assert_eq!(numbers, (1..=8).collect());
}
