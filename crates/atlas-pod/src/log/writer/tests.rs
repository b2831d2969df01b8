//! The cap, and where lines are cut.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn content(directory: &Directory) -> (Vec<u8>, Vec<u8>) {
    let read = |path| std::fs::read(path).unwrap_or_default();
    (read(directory.older_log()), read(directory.log()))
}

#[test]
fn lines_are_cut_only_where_they_are_long() {
    let long = vec![b'x'; LONG_LINE + 10];
    for (text, room, expected) in [
        (&b"one\ntwo\n"[..], 8, 8),
        (b"one\ntwo\n", 7, 4),
        (b"one\ntwo\n", 3, 0),
        (b"one", 0, 0),
        (&long, LONG_LINE - 1, 0),
        (&long, LONG_LINE, LONG_LINE),
    ] {
        assert_eq!(head_within(text, room).len(), expected, "{room}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_cap_holds_and_the_end_is_kept(
        cap in 0_u64..40_000,
        chunks in prop::collection::vec((0_usize..9000, 1_usize..200), 0..30),
    ) {
        let home = TempDir::new().unwrap();
        let directory = Directory::new(home.path().to_owned());
        let log = LogWriter::open(&directory, cap).unwrap();
        let mut all = Vec::new();
        for (length, width) in chunks {
            // Lines of `width`, the last one open.
            let chunk: Vec<u8> = (0..length).map(|at| if at % width == width - 1 { b'\n' } else { b'x' }).collect();
            log.append(&chunk);
            all.extend_from_slice(&chunk);
            let (older, newer) = content(&directory);
            prop_assert!(u64::try_from(older.len() + newer.len()).unwrap() <= cap.max(LEAST_CAP));
            prop_assert!(all.ends_with(&[older, newer].concat()), "what is kept is the end, in one piece");
        }
        let (older, newer) = content(&directory);
        let kept = u64::try_from(older.len() + newer.len()).unwrap();
        let at_least = (cap.max(LEAST_CAP) / 2).saturating_sub(u64::try_from(LONG_LINE).unwrap());
        prop_assert!(kept >= at_least.min(u64::try_from(all.len()).unwrap()));
    }
}

#[test]
fn a_lower_cap_than_before_holds_too() {
    let home = TempDir::new().unwrap();
    let directory = Directory::new(home.path().to_owned());
    for path in [directory.log(), directory.older_log()] {
        std::fs::write(path, vec![b'x'; 50_000]).unwrap();
    }
    LogWriter::open(&directory, 8192).unwrap().append(b"new\n");
    assert_eq!(content(&directory), (vec![], b"new\n".to_vec()));
}

#[test]
fn what_is_lost_is_counted_and_said() {
    let home = TempDir::new().unwrap();
    let folder = home.path().join("pod");
    std::fs::create_dir(&folder).unwrap();
    let directory = Directory::new(folder.clone());
    let log = LogWriter::open(&directory, 8192).unwrap();
    log.append(&[b'x'; 4096]);
    // The next file cannot be made.
    std::fs::rename(&folder, home.path().join("away")).unwrap();
    log.append(b"lost\n");
    log.append(b"too\n");
    std::fs::rename(home.path().join("away"), &folder).unwrap();
    log.append(b"after\n");
    let (_, newer) = content(&directory);
    assert_eq!(
        String::from_utf8(newer).unwrap(),
        "[atlas-pod: 9 bytes of the log could not be written and are lost]\nafter\n"
    );
}
