//! Which bounds are taken, which are refused, and what becomes of them.

use atlas_core::{Effect, ErrorKind};
use serde_json::json;

use super::*;

fn options(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn settings_and_options_bear_the_same_names() {
    let settings = Settings::new()
        .with("open_files", "64")
        .with("address_space_mb", "512")
        .with("processor_seconds", "60")
        .with("log_mb", "2");
    let asked = json!({ "open_files": 64, "address_space_mb": 512, "processor_seconds": 60, "log_mb": 2 });
    let expected = MachineLimits::none().open_files(64).address_space_mb(512).processor_seconds(60).log_mb(2);
    assert_eq!(MachineLimits::of_settings(&settings).unwrap(), expected);
    assert_eq!(MachineLimits::none().narrowed(&options(&asked)).unwrap(), expected);
    assert_eq!(serde_json::to_value(expected).unwrap(), asked);
    assert_eq!(expected.log_cap(), 2 << 20);
    let kernel = atlas_pod::Limits::none().open_files(64).address_space(512 << 20).processor_seconds(60);
    assert_eq!(expected.of_processes(), kernel);
}

#[test]
fn nothing_set_is_no_bound_and_the_usual_log() {
    assert!(MachineLimits::of_settings(&Settings::new()).unwrap().is_none());
    let none = MachineLimits::none().narrowed(&Map::new()).unwrap();
    assert!(none.is_none());
    assert_eq!((none.of_processes(), none.log_cap()), (atlas_pod::Limits::none(), 8 << 20));
}

#[test]
fn a_request_may_ask_for_less_than_the_account_and_not_for_more() {
    let account = MachineLimits::none().open_files(100);
    let less = account.narrowed(&options(&json!({ "open_files": 50, "log_mb": 1 }))).unwrap();
    assert_eq!(less, MachineLimits::none().open_files(50).log_mb(1));
    let error = account.narrowed(&options(&json!({ "open_files": 101 }))).unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
    insta::assert_snapshot!(error.message(), @"provider_opts: open_files is 101, and this account holds its machines to 100: ask for no more");
}

#[test]
fn bad_values_are_refused_by_name_and_not_quoted() {
    for name in NAMES {
        let (least, most) = range(name);
        let bad =
            [json!(-1), json!(least - 1), json!(most + 1), json!(64.5), json!("64"), json!(null), json!(["canary"])];
        for value in bad {
            let error = MachineLimits::none().narrowed(&options(&json!({ name: value }))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{name} {value}");
            assert!(
                error.to_string().contains(&format!("{name} must be a whole number from {least} to {most}")),
                "{error}"
            );
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        for text in ["-1", "0", "1e3", "canary", "", " 64", "18446744073709551616"] {
            let error = MachineLimits::of_settings(&Settings::new().with(name, text)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation, "{name} {text:?}");
            assert!(error.to_string().contains(name) && !error.to_string().contains("canary"), "{error}");
        }
    }
    assert!(MachineLimits::none().log_mb(0).check().is_err());
    assert!(MachineLimits::none().log_mb(1024).check().is_ok());
}

#[test]
fn what_cannot_be_bounded_says_why() {
    let table: Vec<String> = ["processes", "memory_mb", "cpus", "nice"]
        .into_iter()
        .map(|name| MachineLimits::none().narrowed(&options(&json!({ name: 1 }))).unwrap_err().to_string())
        .collect();
    insta::assert_snapshot!(table.join("\n"), @"
    local does not support provider_opts.processes (the kernel counts all processes of a user, so one machine's limit would hit the others); it knows open_files, address_space_mb, processor_seconds, log_mb
    local does not support provider_opts.memory_mb (its machines share this one, and it cannot give or limit a part of it); it knows open_files, address_space_mb, processor_seconds, log_mb
    local does not support provider_opts.cpus (its machines share this one, and it cannot give or limit a part of it); it knows open_files, address_space_mb, processor_seconds, log_mb
    local does not support provider_opts.nice (it has no such option); it knows open_files, address_space_mb, processor_seconds, log_mb
    ");
}
