//! The words with which the program explains itself.

use std::time::Instant;

use crate::home::Home;

#[test]
fn help_lists_what_works() {
    let home = Home::new();
    let help = home.good(&["--help"]);
    assert_eq!(help.err, "");
    insta::assert_snapshot!(help.out, @"
    Rents machines across clouds, one per user, and gives them back

    Usage: atlas [OPTIONS] <COMMAND>

    Commands:
      demo         See the whole story on this machine, in under 30 seconds: no account, no set-up,
                   nothing left behind
      providers    Show the providers that this program knows, with what each can do
      gpus         Show the GPUs that can be rented now, with live prices and stock
      spawn        Rent a machine; it bills until it is terminated
      get          Show one machine
      list         Show machines, stopped ones too
      stop         Stop a machine, keeping its disk
      start        Start a stopped machine; it bills again
      terminate    Destroy machines and their disks
      logs         Show what a machine writes
      job          Run and follow serverless jobs
      volume       Make, show, grow and delete network volumes
      endpoint     Make, show and delete serverless endpoints
      reap         Compare the clouds with what is recorded here, once, and end what nobody holds
      sim          Run the simulated clouds as one local server, to point tests of any language at
      conformance  Hold a provider against all that providers promise
      token        Mint and verify bearer tokens
      url          Sign and verify URLs
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --config <FILE>  The configuration file [default: atlas.yaml, here or in a folder above]
          --json           Results, and errors, as JSON
      -q, --quiet          Say nothing but results and errors
      -v, --verbose...     Show what happens underneath; more of it with -vv and -vvv

    Examples:
      atlas spawn --provider local --port 8000/http --auth bearer --wait
      atlas list
      atlas terminate --provider local ID

    Each command has examples of its own: atlas spawn --help

    Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not found, 4 unauthorized, 5 unsupported,
    6 no capacity, 7 timeout, 8 rate limited, 9 budget or quota, 10 store held by another process,
    130 interrupted
    ");
}

#[test]
fn every_command_explains_itself_with_examples() {
    let home = Home::new();
    let commands: [&[&str]; 30] = [
        &["demo"],
        &["reap"],
        &["providers"],
        &["gpus"],
        &["conformance"],
        &["sim"],
        &["job", "run"],
        &["job", "get"],
        &["job", "cancel"],
        &["job", "stream"],
        &["volume", "create"],
        &["volume", "list"],
        &["volume", "get"],
        &["volume", "grow"],
        &["volume", "delete"],
        &["endpoint", "create"],
        &["endpoint", "list"],
        &["endpoint", "get"],
        &["endpoint", "delete"],
        &["spawn"],
        &["get"],
        &["list"],
        &["stop"],
        &["start"],
        &["terminate"],
        &["logs"],
        &["token", "mint"],
        &["token", "verify"],
        &["url", "sign"],
        &["url", "verify"],
    ];
    for words in commands {
        let help = home.good(&[words, &["--help"]].concat());
        insta::assert_snapshot!(format!("help_{}", words.join("_")), help.out);
    }
}

/// The goal is 10 ms, which `xtask bench` measures; here only that nothing heavy is done, under any load.
#[test]
fn the_version_costs_nothing() {
    let home = Home::new();
    let begun = Instant::now();
    let version = home.good(&["--version"]);
    assert!(begun.elapsed().as_millis() < 1000);
    assert_eq!(version.out, format!("atlas {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!home.state().exists(), "it made a state directory");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::new();
    for words in [&["--help"][..], &["token", "mint"], &["providers"]] {
        let mut command = home.command(words);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ran = command.stdout(writer).output().expect("the program starts");
        assert_eq!(ran.status.code(), Some(0), "{words:?}");
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    }
}

#[test]
fn providers_shows_what_each_can_do() {
    let home = Home::new();
    home.configure("default_provider: local\nproviders:\n  cheap: { kind: local, price_per_hour: \"0.10\" }\n");
    insta::assert_snapshot!(home.good(&["providers"]).out, @"
    NAME    KIND    DEFAULT  CAPABILITIES
    cheap   local   -        raw_tcp stop_resume logs cpu commands
    local   local   yes      raw_tcp stop_resume logs cpu commands
    mock    mock    -        spot serverless network_volumes http_proxy raw_tcp webhooks stop_resume logs cpu gpu images commands catalog
    runpod  runpod  -        serverless network_volumes http_proxy raw_tcp symmetric_ports webhooks global_networking stop_resume logs cpu gpu images commands catalog
    ");
    let rows = home.good(&["providers", "--json"]).json();
    let cheap = rows.as_array().expect("a list").iter().find(|row| row["name"] == "cheap").expect("it is configured");
    assert_eq!(cheap["kind"], "local");
    assert_eq!(cheap["configured"], true);
    assert_eq!(cheap["default"], false);
    assert!(cheap["capabilities"].as_array().expect("a list").iter().any(|name| name == "stop_resume"));
}

#[test]
fn an_account_that_cannot_be_used_says_why() {
    let home = Home::new();
    home.configure("providers:\n  cheap: { kind: local, price_per_hour: \"${PRICE}\" }\n");
    let rows = home.good(&["providers", "--json"]).json();
    let cheap = rows.as_array().expect("a list").iter().find(|row| row["name"] == "cheap").expect("it is configured");
    assert!(cheap["error"].as_str().expect("it has one").contains("PRICE"), "{cheap}");
}
