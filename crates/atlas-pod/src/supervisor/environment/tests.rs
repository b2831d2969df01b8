//! Whose value wins.

use std::fmt::Write;

use atlas_auth::{Secret, Timestamp};

use super::*;

fn shown(asked: &[(&str, &str)], inherited: &[(&'static str, &str)], ports: Vec<BoundPort>) -> String {
    let asked = asked.iter().map(|(name, value)| ((*name).to_owned(), Revealed(Secret::from(*value)))).collect();
    let report = PodReport {
        run: 1,
        compute_id: "one".to_owned(),
        pid: 1,
        started_ticks: 1,
        boot_id: String::new(),
        session: 1,
        keeper: None,
        output: None,
        marker: "00ff".to_owned(),
        ports,
        started_at: Timestamp::EPOCH,
    };
    let inherited = inherited.iter().map(|(name, value)| (*name, OsString::from(value)));
    let mut text = String::new();
    for (name, value) in of_command(&asked, &report, Path::new("/pods/one/work"), inherited) {
        writeln!(text, "{}={}", name.display(), value.display()).unwrap();
    }
    text
}

fn port(container: u16, kind: PortKind, inner: u16) -> BoundPort {
    BoundPort { container, kind, public: 40_000, inner, guarded: false }
}

#[test]
fn a_bare_command_has_what_every_command_needs() {
    insta::assert_snapshot!(shown(&[], &[], vec![]), @r"
    ATLAS_COMPUTE_ID=one
    ATLAS_POD_RUN=00ff
    HOME=/pods/one/work
    LANG=C.UTF-8
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    ");
}

#[test]
fn the_spec_wins_over_the_owner_and_the_pod_over_both() {
    let ports =
        vec![port(22, PortKind::Tcp, 18_022), port(80, PortKind::Http, 18_080), port(81, PortKind::Http, 18_081)];
    let asked = [("HOME", "/asked"), ("PORT", "80"), ("ATLAS_COMPUTE_ID", "two"), ("TOKEN", "t")];
    let inherited = [("PATH", "/owner"), ("HOME", "/owner"), ("LANG", "C")];
    insta::assert_snapshot!(shown(&asked, &inherited, ports), @r"
    ATLAS_COMPUTE_ID=one
    ATLAS_POD_RUN=00ff
    ATLAS_PORT_22=18022
    ATLAS_PORT_80=18080
    ATLAS_PORT_81=18081
    HOME=/asked
    LANG=C
    PATH=/owner
    PORT=18080
    TOKEN=t
    ");
}

#[test]
fn without_an_http_port_the_specs_own_port_stays() {
    let shown = shown(&[("PORT", "7")], &[], vec![port(22, PortKind::Tcp, 18_022)]);
    assert!(shown.contains("\nPORT=7\n"), "{shown}");
}
