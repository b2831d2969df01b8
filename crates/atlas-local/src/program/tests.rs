//! How the pod program is found.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::fs;

use super::*;

#[test]
fn programs_are_found_as_the_pod_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    let whole = program.to_str().unwrap();
    let search = Some(OsString::from(format!("relative:/nowhere:{}", folder.path().display())));

    assert!(find(whole, None).unwrap_err().ends_with("it is not an executable file"));
    assert_eq!(
        find("program", search.as_ref()).unwrap_err(),
        "program is not found in PATH; name it with its whole path"
    );

    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    find(whole, None).unwrap();
    find("program", search.as_ref()).unwrap();
    find("whatever", None).unwrap();

    assert!(find("./program", search.as_ref()).unwrap_err().contains("begin it with /"));
    assert!(find(folder.path().to_str().unwrap(), None).unwrap_err().ends_with("it is not an executable file"));
    assert!(find("/nowhere/program", None).unwrap_err().starts_with("/nowhere/program: No such file"));
}

#[test]
fn the_request_s_own_search_path_counts() {
    let request = ComputeRequest::cpu().command(["sh"]);
    check(&request).unwrap();
    let error = check(&request.env("PATH", "/nowhere")).unwrap_err();
    assert_eq!(error.to_string(), "the command cannot be run: sh is not found in PATH; name it with its whole path");
}

#[test]
fn only_the_atlas_program_carries_the_pod_behind_a_subcommand() {
    assert_eq!(pod_at(Path::new("/b/atlas-pod")), PodProgram::new("/b/atlas-pod"));
    assert_eq!(pod_at(Path::new("/b/atlas")), PodProgram::new("/b/atlas").prefix(["__pod"]));
}
