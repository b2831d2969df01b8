//! Reading beside a writer.
#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::log::writer::LogWriter;

fn drain(reader: &mut LogReader) -> String {
    let mut text = Vec::new();
    while let Some(chunk) = reader.read().unwrap() {
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_reader_that_keeps_pace_reads_everything_once(steps in prop::collection::vec((1_usize..40, any::<bool>()), 0..60)) {
        let home = TempDir::new().unwrap();
        let pod = Pod::new(home.path());
        let log = LogWriter::open(pod.directory(), 8192).unwrap();
        let mut reader = pod.read_log().unwrap();
        let (mut expected, mut seen, mut number, mut unread) = (String::new(), String::new(), 0, 0);
        for (lines, read) in steps {
            for _ in 0..lines {
                let line = format!("line {number}, which is about as long as a line of a log mostly is\n");
                log.append(line.as_bytes());
                unread += line.len();
                expected.push_str(&line);
                number += 1;
            }
            // Up to one file behind, whatever the reader has read of the one before.
            if read || unread > 1200 {
                seen.push_str(&drain(&mut reader));
                unread = 0;
            }
        }
        seen.push_str(&drain(&mut reader));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn the_end_begins_with_a_whole_line(last_bytes in 0_u64..10_000, count in 0_usize..300) {
        let home = TempDir::new().unwrap();
        let pod = Pod::new(home.path());
        let log = LogWriter::open(pod.directory(), 8192).unwrap();
        for number in 0..count {
            log.append(format!("the line with number {number}\n").as_bytes());
        }
        let whole = drain(&mut pod.read_log().unwrap());
        let end = drain(&mut pod.read_log_end(last_bytes).unwrap());
        let from = whole.len().saturating_sub(usize::try_from(last_bytes).unwrap());
        let expected = if from == 0 || whole.as_bytes()[from - 1] == b'\n' {
            &whole[from..]
        } else {
            whole[from..].split_once('\n').map_or("", |(_, rest)| rest)
        };
        prop_assert_eq!(end, expected);
    }
}

#[test]
fn a_reader_that_sleeps_through_rotations_goes_on_with_what_is_left() {
    let home = TempDir::new().unwrap();
    let pod = Pod::new(home.path());
    let log = LogWriter::open(pod.directory(), 8192).unwrap();
    log.append(b"first\n");
    let mut reader = pod.read_log().unwrap();
    assert_eq!(reader.read().unwrap().unwrap(), "first\n");
    for number in 0..1000 {
        log.append(format!("line {number}\n").as_bytes());
    }
    let rest = drain(&mut reader);
    assert!(rest.ends_with("line 998\nline 999\n"));
    // What the held file had gained before it was rotated away is not lost either.
    assert!(rest.starts_with("line 0\n"));
}

#[test]
fn a_log_that_is_not_there_yet_is_read_when_it_comes() {
    let home = TempDir::new().unwrap();
    let pod = Pod::new(home.path());
    let mut reader = pod.read_log().unwrap();
    assert_eq!(reader.read().unwrap(), None);
    LogWriter::open(pod.directory(), 8192).unwrap().append(b"here\n");
    assert_eq!(reader.read().unwrap().unwrap(), "here\n");
    assert_eq!(reader.read().unwrap(), None);
}
