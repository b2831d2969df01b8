//! Lines of `/proc/PID/stat`, and handles of this very process.

use proptest::prelude::*;

use super::*;

fn line(name: &str, state: &str, threads: u32) -> String {
    format!("42 ({name}) {state} 7 42 40 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 {threads} 0 987654 0 0 18446744073709551615")
}

#[test]
fn a_line_is_read_whatever_the_program_calls_itself() {
    let expected = Process { pid: 42, parent: 7, session: 40, started: 987_654, dead: false };
    for name in ["sh", "a b", ") R 1 1 1", "((", "", "tmux: server", "\u{fffd}"] {
        assert_eq!(parse_stat(&line(name, "S", 1)), Some(expected), "{name}");
    }
}

#[test]
fn zombies_are_dead_unless_threads_of_them_run() {
    for (state, threads, dead) in [
        ("R", 1, false),
        ("T", 1, false),
        ("D", 1, false),
        ("Z", 1, true),
        ("Z", 0, true),
        ("Z", 2, false),
        ("X", 1, true),
    ] {
        assert_eq!(parse_stat(&line("sh", state, threads)).unwrap().dead, dead, "{state} {threads}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in ".*") {
        let _ = parse_stat(&text);
        let _ = parse_stat(&format!("1 (x) {text}"));
    }
}

#[test]
fn a_handle_needs_the_right_start() {
    let own = i32::try_from(std::process::id()).unwrap();
    let itself = read(own).unwrap();
    assert!(Handle::open(own, itself.started).is_some());
    assert!(Handle::open(own, itself.started + 1).is_none());
    assert!(Handle::open(0, 0).is_none());
    assert!(Handle::open(-1, 0).is_none());
    assert!(all().unwrap().contains(&read(own).unwrap()));
}
