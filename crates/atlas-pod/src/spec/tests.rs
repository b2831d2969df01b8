//! What may be asked for, and that a spec tells its secrets to the pipe only.

use super::*;

fn spec() -> LaunchSpec {
    LaunchSpec::new(PodProgram::new("/usr/bin/atlas-pod").prefix(["__pod"]), "/pods/one", 3)
}

#[test]
fn what_cannot_be_honoured_is_said() {
    for (asked, expected) in [
        (spec().command(["", "x"]), "the command's first word is empty: name a program"),
        (spec().command(["a\0b"]), "the command holds a zero byte, which no program can be given"),
        (spec().env("", "x"), r#""" is no name of an environment variable: leave out "=" and zero bytes"#),
        (spec().env("A=B", "x"), r#""A=B" is no name of an environment variable: leave out "=" and zero bytes"#),
        (spec().env("A", "hidden\0"), "the value of the environment variable A holds a zero byte: remove it"),
        (spec().port(PortSpec::http(0)), "0 is no port number: give one from 1 to 65535"),
        (spec().port(PortSpec::http(80).public(0)), "0 is no port number: give one from 1 to 65535"),
        (spec().port(PortSpec::http(80)).port(PortSpec::tcp(80)), "port 80 is asked for twice"),
    ] {
        assert_eq!(asked.check(), Err(expected.to_owned()));
    }
    assert_eq!(spec().command(["sh", ""]).env("A", "").port(PortSpec::http(80)).check(), Ok(()));
}

#[test]
fn the_pipe_carries_everything_and_debug_no_secret() {
    let spec = spec().env("KEY", "canary").command(["a"]).port(PortSpec::tcp(5)).limits(Limits::none().open_files(9));
    assert!(!format!("{spec:?}").contains("canary"));
    let text = serde_json::to_string(&spec.wire()).unwrap();
    insta::assert_snapshot!(text, @r#"{"program":"/usr/bin/atlas-pod","prefix":["__pod"],"run":3,"compute_id":"","command":["a"],"environment":{"KEY":"canary"},"ports":[{"container":5,"kind":"tcp","public":null}],"limits":{"open_files":9,"address_space":null,"processor_seconds":null},"log_cap":8388608,"grace_millis":5000,"guarded":true}"#);
    let read: Wire = serde_json::from_str(&text).unwrap();
    assert_eq!(read.environment["KEY"].0.expose(), "canary");
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}
