//! Configuration: what each mistake is told as, what overrides what, and what is never shown.

#![allow(clippy::disallowed_methods, reason = "tests stand outside the seams")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{BuildContext, ErrorKind, Provider};

/// A secret that must never be seen.
const CANARY: &str = "canary-3f1c";

fn home() -> Environment {
    Environment::from_pairs([("HOME", "/h")])
}

fn id(name: &str) -> ProviderId {
    ProviderId::parse(name).unwrap()
}

#[derive(Debug)]
struct Cloud;

impl ProviderFactory for Cloud {
    fn kind(&self) -> &'static str {
        "runpod"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["api_key", "base_url"]
    }

    fn key_variable(&self) -> Option<&'static str> {
        Some("RUNPOD_API_KEY")
    }

    fn build(&self, _: &ProviderId, _: &Settings, _: &BuildContext) -> Result<Arc<dyn Provider>> {
        Err(Error::unsupported("a test builds none"))
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let config = Config::from_environment(&home(), Path::new("/w")).unwrap();
    assert_eq!(config.state_dir, Path::new("/h/.local/state/atlas"));
    assert_eq!(config.deployment.as_str(), "default");
    assert_eq!((config.default_provider, config.store), (None, StoreSetting::Redb));
    assert!(config.providers.is_empty());
    let minutes = Duration::from_mins;
    assert_eq!(
        config.orchestrator,
        OrchestratorSettings {
            reap_interval: minutes(1),
            reap_grace: minutes(2),
            reap_providers: None,
            idle_ttl: minutes(30),
            max_lifetime: Lifetime::Limited(minutes(24 * 60)),
            start_timeout: minutes(20),
            aliens: AlienPolicy::Report,
        }
    );
}

#[test]
fn the_state_goes_where_the_environment_says() {
    let state_dir = |pairs: &[(&str, &str)]| {
        let environment = Environment::from_pairs(pairs.iter().copied());
        Config::from_environment(&environment, Path::new("/w")).map(|config| config.state_dir.display().to_string())
    };
    assert_eq!(state_dir(&[("HOME", "/h"), ("XDG_STATE_HOME", "/x")]).unwrap(), "/x/atlas");
    assert_eq!(state_dir(&[("HOME", "/h"), ("XDG_STATE_HOME", "relative")]).unwrap(), "/h/.local/state/atlas");
    assert_eq!(state_dir(&[("HOME", "/h"), ("XDG_STATE_HOME", "")]).unwrap(), "/h/.local/state/atlas");
    assert_eq!(state_dir(&[("ATLAS_STATE_DIR", "s")]).unwrap(), "/w/s");
    assert_eq!(state_dir(&[("ATLAS_STATE_DIR", "/s")]).unwrap(), "/s");
    assert_eq!(state_dir(&[("ATLAS_STATE_DIR", "~/s"), ("HOME", "/h")]).unwrap(), "/h/s");
    let error = state_dir(&[]).unwrap_err();
    assert_eq!(error.to_string(), "no place for the state: set state_dir, ATLAS_STATE_DIR or HOME");
}

#[test]
fn variables_set_every_key() {
    let environment = Environment::from_pairs([
        ("ATLAS_DEFAULT_PROVIDER", "team_b"),
        ("ATLAS_DEPLOYMENT", "my-app"),
        ("ATLAS_STATE_DIR", "/s"),
        ("ATLAS_MASTER_KEY", CANARY),
        ("ATLAS_STORE", "postgres://u:canary-3f1c@h/d"),
        ("ATLAS_PROVIDERS__TEAM_B__KIND", "runpod"),
        ("ATLAS_PROVIDERS__TEAM_B__API_KEY", CANARY),
        ("ATLAS_PROVIDERS__MINE__SETTINGS__ZONE", "x"),
        ("ATLAS_PROVIDERS__A__B__APP", "two levels in one name"),
        ("ATLAS_ORCHESTRATOR__REAP_PROVIDERS", "runpod, vast"),
        ("ATLAS_ORCHESTRATOR__MAX_LIFETIME", "unlimited"),
        ("ATLAS_ORCHESTRATOR__ALIENS", "end after 12h"),
        ("ATLAS_FLY__USE_CONFIG_FILE", "false"),
        ("ATLAS_BUDGETS__PER_USER", ""),
        ("ATLAS_CONFIG", "elsewhere"),
        ("ATLAS_SERVER_TOKEN", "not the configuration's"),
        ("ATLAS_LOG", "debug"),
    ]);
    let config = Config::from_environment(&environment, Path::new("/w")).unwrap();
    assert_eq!(config.default_provider, Some(id("team_b")));
    assert_eq!(config.deployment.as_str(), "my-app");
    assert_eq!(config.master_key().unwrap().unwrap().expose(), CANARY);
    assert!(matches!(&config.store, StoreSetting::Postgres(_)));
    let team = &config.providers[&id("team_b")];
    assert_eq!((team.kind.as_str(), team.settings.text("api_key")), ("runpod", Some(CANARY)));
    assert_eq!(config.providers[&id("mine")].settings.text("zone"), Some("x"));
    assert_eq!(config.providers[&id("mine")].kind, "mine");
    assert_eq!(config.providers[&id("a__b")].settings.text("app"), Some("two levels in one name"));
    assert_eq!(config.orchestrator.reap_providers, Some(vec![id("runpod"), id("vast")]));
    assert_eq!(config.orchestrator.max_lifetime, Lifetime::Unlimited);
    assert_eq!(config.orchestrator.aliens, AlienPolicy::EndAfter(Duration::from_hours(12)));
    assert!(!config.fly.use_config_file);
    assert!(!format!("{config:?}").contains(CANARY), "{config:?}");
}

#[test]
fn a_misspelt_variable_is_an_error() {
    for (variable, value, expected) in [
        ("ATLAS_PROVIDERS__RUNPOD__API_KYE", CANARY, "there is no key `api_kye`; did you mean `api_key`?"),
        ("ATLAS_PROVIDERS__RUNPOD", CANARY, "providers.runpod takes keys with values below it"),
        ("ATLAS_PROVIDERS", CANARY, "providers takes keys with values below it"),
        (
            "ATLAS_PROVIDERS__RUN-POD__API_KEY",
            CANARY,
            "`run-pod` is no name: use lower-case letters, digits and `_`, at most 40",
        ),
        ("ATLAS_PROVIDER__RUNPOD__API_KEY", CANARY, "there is no key `provider`; did you mean `providers`?"),
        (
            "ATLAS_ORCHESTRATOR__IDLE",
            "1h",
            "there is no key `idle`; known are reap_interval, reap_grace, reap_providers, idle_ttl, max_lifetime, start_timeout, aliens",
        ),
        ("ATLAS_ORCHESTRATOR__IDLE_TTL__X", "1h", "nothing can stand below it, so not `x`"),
        (
            "ATLAS_ORCHESTRATOR__IDLE_TTL",
            "10",
            "\"10\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
        ),
        ("ATLAS_STORE", "mysql://u:canary-3f1c@h", "that is no store: write redb, or a postgres:// URL"),
        ("ATLAS_FLY__USE_CONFIG_FILE", "yes", "\"yes\" is neither true nor false"),
        ("ATLAS_ORCHESTRATOR__REAP_PROVIDERS", "a,a", "a stands there twice"),
    ] {
        let error =
            Config::from_environment(&Environment::from_pairs([(variable, value)]), Path::new("/w")).unwrap_err();
        assert_eq!(error.to_string(), format!("the variable {variable}: {expected}"));
        assert_eq!(error.kind(), ErrorKind::Validation);
    }
}

#[test]
fn a_budget_is_refused_and_not_ignored() {
    let environment = Environment::from_pairs([("ATLAS_BUDGETS__PER_HOUR", "50"), ("HOME", "/h")]);
    let error = Config::from_environment(&environment, Path::new("/w")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "ATLAS_BUDGETS__PER_HOUR: budgets are not kept by this version; remove budgets.per_hour"
    );
}

#[test]
fn a_config_is_made_in_code() {
    let config = Config::builder()
        .state_dir("/s")
        .deployment(Deployment::parse("code").unwrap())
        .default_provider(id("runpod"))
        .master_key(CANARY)
        .provider(id("b"), ProviderEntry::new("runpod", Settings::new().with("base_url", "https://b")))
        .environment(Environment::from_pairs([("RUNPOD_API_KEY", CANARY)]))
        .build();
    let settings = config.settings_for(&id("b"), &Cloud).unwrap();
    assert_eq!(settings.text("base_url"), Some("https://b"));
    assert_eq!(settings.text("api_key"), Some(CANARY), "the cloud's own variable comes last");
    assert_eq!(config.settings_for(&id("runpod"), &Cloud).unwrap().names().count(), 1, "a kind needs no entry");
    assert!(config.missing().is_empty());
    assert!(!format!("{config:?}").contains(CANARY));
}

#[cfg(feature = "config")]
mod file {
    use super::super::expand::{Expanded, expand};
    use super::*;

    fn read(text: &str, environment: &Environment) -> Result<Config> {
        Config::from_yaml(text, Path::new("conf/atlas.yaml"), environment)
    }

    #[test]
    fn expansion_table() {
        let environment = Environment::from_pairs([("A", "1"), ("EMPTY", ""), ("NESTED", "${A}"), ("_x9", "ok")]);
        let text = |text: &str| Ok(Expanded::Text(text.to_owned()));
        for (given, expected) in [
            ("", text("")),
            ("plain", text("plain")),
            ("${A}", text("1")),
            ("a${A}b${A}", text("a1b1")),
            ("${EMPTY}", text("")),
            ("${EMPTY:-d}", text("d")),
            ("${NONE:-}", text("")),
            ("${NONE:-a:-b}", text("a:-b")),
            ("${A:-d}", text("1")),
            ("${NESTED}", text("${A}")),
            ("${_x9}", text("ok")),
            ("$A $ $$ 5$", text("$A $ $$ 5$")),
            ("$${A}", text("${A}")),
            ("$${A} ${A}", text("${A} 1")),
            ("ä${A}ö", text("ä1ö")),
            ("${NONE}", Ok(Expanded::Missing("NONE".to_owned()))),
            ("${A}${NONE}", Ok(Expanded::Missing("NONE".to_owned()))),
            ("${A", Err("a `${` has no `}`; write `$${` for the two characters themselves".to_owned())),
        ] {
            assert_eq!(expand(given, &environment), expected, "{given}");
        }
        for wrong in ["${}", "${1A}", "${A B}", "${A-d}", "${:-d}", "${${A}}"] {
            assert!(expand(wrong, &environment).unwrap_err().contains("is no variable"), "{wrong}");
        }
    }

    #[test]
    fn the_contract_s_own_example_reads_as_it_says() {
        let text = r#"
default_provider: local
deployment: my-app            # part of every machine's mark
state_dir: .atlas
master_key: "${ATLAS_MASTER_KEY:-}"
store: redb
providers:
  runpod: { api_key: "${RUNPOD_API_KEY}", settle_window: 5m }
  fly:    { api_key: "${FLY_API_TOKEN}", app: my-gpus, org: personal, region: iad }
  lambda_labs: { api_key: "${LAMBDA_LABS_API_KEY}", ssh_key_name: me }
  local:  { price_per_hour: "0.10", pod: ./bin/pod }
  team_b: { kind: runpod, api_key: "${TEAM_B_KEY}" }
  vast:
  mine: { kind: my_cloud, settings: { zone: 0123 } }
orchestrator: { reap_interval: 60s, reap_grace: 2m, reap_providers: [runpod], idle_ttl: 45m, max_lifetime: 24h, start_timeout: 20m, aliens: report }
budgets:
fly: { storage: .atlas/fly-tokens.redb, logs_url: "https://l", poll_interval: 2s, cli_timeout: 15s, use_config_file: true }
"#;
        let environment = Environment::from_pairs([("RUNPOD_API_KEY", "r"), ("TEAM_B_KEY", "b: [x]")]);
        let config = read(text, &environment).unwrap();
        assert_eq!(config.state_dir, Path::new("conf/.atlas"), "relative to the file");
        assert_eq!(config.fly.storage.as_deref(), Some(Path::new("conf/.atlas/fly-tokens.redb")));
        assert!(config.master_key().unwrap().is_none());
        assert_eq!(config.orchestrator.idle_ttl, Duration::from_mins(45));
        assert_eq!(config.orchestrator.reap_providers, Some(vec![id("runpod")]));
        let setting = |account: &str, name: &str| config.providers[&id(account)].settings.text(name).map(str::to_owned);
        assert_eq!(setting("runpod", "api_key").as_deref(), Some("r"));
        assert_eq!(setting("runpod", "settle_window").as_deref(), Some("5m"));
        assert_eq!(setting("team_b", "api_key").as_deref(), Some("b: [x]"), "a value is never read as YAML");
        assert_eq!(setting("local", "price_per_hour").as_deref(), Some("0.10"));
        assert_eq!(setting("local", "pod").as_deref(), Some("conf/./bin/pod"));
        assert_eq!(setting("mine", "zone").as_deref(), Some("0123"), "as it is written");
        assert_eq!(config.providers[&id("mine")].kind, "my_cloud");
        assert_eq!(config.providers[&id("vast")].kind, "vast", "an account with nothing to say is one all the same");
        let missing: Vec<_> = config.missing().into_iter().map(|missing| missing.error().to_string()).collect();
        assert_eq!(
            missing,
            [
                "conf/atlas.yaml:9:22: providers.fly.api_key needs the variable FLY_API_TOKEN, which is not set",
                "conf/atlas.yaml:10:27: providers.lambda_labs.api_key needs the variable LAMBDA_LABS_API_KEY, which is not set",
            ]
        );
    }

    #[test]
    fn each_mistake_is_one_line_with_its_place() {
        for (text, expected) in [
            ("deploymnt: x\n", "1:1: there is no key `deploymnt`; did you mean `deployment`?"),
            (
                "providers:\n  runpod:\n    api_kye: canary-3f1c\n",
                "3:5: providers.runpod: there is no key `api_kye`; did you mean `api_key`?",
            ),
            (
                "providers: { runpod: { canary: canary-3f1c } }\n",
                "1:24: providers.runpod: there is no key `canary`; known are kind, api_key, base_url, runtime_url, graphql_url, proxy_url, app, org, region, ssh_key_name, price_per_hour, settle_window, pod, open_files, address_space_mb, processor_seconds, log_mb, settings",
            ),
            ("providers:\n\trunpod: {}\n", "2:1: a tab stands where only spaces may: indent with spaces"),
            (
                "providers:\n  runpod:\n  \tapi_key: canary-3f1c\n",
                "3:3: a tab stands where only spaces may: indent with spaces",
            ),
            ("store: redb\ndeployment: a\nstore: redb\n", "3:1: the key `store` stands there twice"),
            ("providers:\n  a: {}\n  b: {}\n  a: {}\n", "4:3: providers: the key `a` stands there twice"),
            (
                "providers:\n  runpod:\n    api_key: a\n    api_key: b\n",
                "4:5: providers.runpod: the key `api_key` stands there twice",
            ),
            ("state_dir: \"${NOWHERE}\"\n", "1:12: state_dir needs the variable NOWHERE, which is not set"),
            ("deployment: [a]\n", "1:13: deployment: expected one text or number"),
            ("providers: canary-3f1c\n", "1:12: providers: expected keys with values below it"),
            ("providers:\n  runpod: canary-3f1c\n", "2:11: providers.runpod: expected keys with values below it"),
            ("providers:\n  - runpod\n", "2:3: providers: expected keys with values below it"),
            (
                "providers:\n  runpod: { api_key: { a: canary-3f1c } }\n",
                "2:22: providers.runpod.api_key: expected one text or number",
            ),
            (
                "orchestrator: { reap_providers: runpod }\n",
                "1:33: orchestrator.reap_providers: expected a list of account names, such as [runpod, vast]",
            ),
            (
                "orchestrator: { reap_providers: [] }\n",
                "1:33: orchestrator.reap_providers: the list is empty; name an account, or leave the key out for all",
            ),
            (
                "orchestrator: { reap_providers: [a, Bad] }\n",
                "1:37: orchestrator.reap_providers: \"Bad\" is no provider name: use lower-case letters, digits and `_`, at most 40",
            ),
            ("orchestrator: { reap_providers: [a, a] }\n", "1:37: orchestrator.reap_providers: a stands there twice"),
            (
                "orchestrator: { reap_providers: [[a]] }\n",
                "1:34: orchestrator.reap_providers[0]: expected the name of an account",
            ),
            (
                "orchestrator:\n  idle_ttl: 30\n",
                "2:13: orchestrator.idle_ttl: \"30\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
            ),
            (
                "orchestrator:\n  idle_ttl: 0s\n",
                "2:13: orchestrator.idle_ttl: a span of nothing is none: write more than zero",
            ),
            (
                "orchestrator:\n  idle_ttl: -5m\n",
                "2:13: orchestrator.idle_ttl: \"-5m\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
            ),
            (
                "orchestrator:\n  idle_ttl: 99999999999y\n",
                "2:13: orchestrator.idle_ttl: the span is longer than ten years",
            ),
            ("orchestrator:\n  idle_ttl: 11y\n", "2:13: orchestrator.idle_ttl: the span is longer than ten years"),
            (
                "orchestrator: { max_lifetime: forever }\n",
                "1:31: orchestrator.max_lifetime: neither `unlimited` nor a good span: \"forever\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
            ),
            (
                "orchestrator: { aliens: kill }\n",
                "1:25: orchestrator.aliens: \"kill\" is no policy for aliens: write `report`, or `end after` and a span, such as end after 12h",
            ),
            (
                "orchestrator: { aliens: end after lunch }\n",
                "1:25: orchestrator.aliens: \"lunch\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
            ),
            (
                "deployment: My_App\n",
                "1:13: deployment: \"My_App\" is no deployment name: use lower-case letters, digits and `-` (not at the ends), at most 20",
            ),
            (
                "deployment: a-name-that-is-far-too-long\n",
                "1:13: deployment: \"a-name-that-is-far-too-long\" is no deployment name: use lower-case letters, digits and `-` (not at the ends), at most 20",
            ),
            (
                "default_provider: run-pod\n",
                "1:19: default_provider: \"run-pod\" is no provider name: use lower-case letters, digits and `_`, at most 40",
            ),
            (
                "providers: { Runpod: {} }\n",
                "1:14: providers: `Runpod` is no name: use lower-case letters, digits and `_`, at most 40",
            ),
            (
                "providers: { runpod: { kind: \"Run Pod\" } }\n",
                "1:30: providers.runpod.kind: \"Run Pod\" is no provider name: use lower-case letters, digits and `_`, at most 40",
            ),
            (
                "providers: { local: { price_per_hour: -1 } }\n",
                "1:39: providers.local.price_per_hour: -1 dollars are less than nothing; write 0 or more",
            ),
            (
                "providers: { local: { price_per_hour: 1e3 } }\n",
                "1:39: providers.local.price_per_hour: \"1e3\" is no amount of dollars: write a decimal number such as 0.10",
            ),
            (
                "budgets: { per_user: -5 }\n",
                "1:22: budgets.per_user: -5 dollars are less than nothing; write 0 or more",
            ),
            ("budgets:\n  per_user: 20\n", "2:13: budgets are not kept by this version; remove budgets.per_user"),
            ("store: mysql://u:canary-3f1c@h\n", "1:8: store: that is no store: write redb, or a postgres:// URL"),
            ("fly: { use_config_file: 1 }\n", "1:25: fly.use_config_file: \"1\" is neither true nor false"),
            ("- a\n", "1:1: expected keys with values below it"),
            ("canary-3f1c\n", "1:1: expected keys with values below it"),
            (
                "a: b: c\n",
                "1:1: there is no key `a`; known are default_provider, deployment, state_dir, master_key, store, providers, orchestrator, budgets, fly",
            ),
            (
                "providers: { runpod: { api_key: ${KEY} } }\n",
                "1:34: did not find expected ',' or '}', while parsing a flow mapping; put quotes around a text with `${…}` in it",
            ),
            (
                "deployment: \"${KEY\"\n",
                "1:13: deployment: a `${` has no `}`; write `$${` for the two characters themselves",
            ),
            ("deployment: \"unended\n", "2:1: found unexpected end of stream, while scanning a quoted scalar"),
            ("deployment: a\n---\ndeployment: b\n", "2:1: a second document begins; a configuration is one"),
            ("deployment: *nowhere\n", "1:13: unknown anchor"),
            (
                "<<: { deployment: a }\n",
                "1:1: there is no key `<<`; known are default_provider, deployment, state_dir, master_key, store, providers, orchestrator, budgets, fly",
            ),
            ("? [a]\n: b\n", "1:3: expected the name of a key"),
            (
                "providers: { mine: { api_key: a, settings: { api_key: b } } }\n",
                "1:55: providers.mine.settings.api_key is also given beside `settings`; keep one of them",
            ),
            (
                "providers: { mine: { settings: { Zone: b } } }\n",
                "1:34: providers.mine.settings: `Zone` is no name: use lower-case letters, digits and `_`, at most 40",
            ),
        ] {
            let error = read(text, &home()).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains(CANARY) && !error.contains('\n'), "{error}");
            assert!(error.starts_with("conf/atlas.yaml:"), "{error}");
            assert_eq!(error, format!("conf/atlas.yaml:{expected}"), "{text}");
        }
    }

    #[test]
    fn nothing_is_no_mistake() {
        for text in [
            "",
            "\n\n",
            "# only a comment\n",
            "---\n",
            "--- \n# c\n",
            "providers:\n",
            "{}\n",
            "deployment:\n",
            "fly: ~\n",
        ] {
            let config = read(text, &home()).unwrap();
            assert_eq!(config.deployment, Deployment::default(), "{text:?}");
            assert_eq!(config.state_dir, Path::new("/h/.local/state/atlas"), "{text:?}");
        }
    }

    #[test]
    fn a_missing_variable_is_an_error_of_the_account_that_is_used() {
        let text = "providers:\n  runpod: { api_key: \"${NOWHERE}\" }\n  b: { kind: runpod, api_key: x }\n";
        let config = read(text, &home()).unwrap();
        assert_eq!(config.settings_for(&id("b"), &Cloud).unwrap().text("api_key"), Some("x"));
        let error = config.settings_for(&id("runpod"), &Cloud).unwrap_err();
        assert_eq!(
            error.to_string(),
            "conf/atlas.yaml:2:22: providers.runpod.api_key needs the variable NOWHERE, which is not set"
        );
        assert_eq!(config.missing()[0].variable, "NOWHERE");

        let variables = [("HOME", "/h"), ("ATLAS_PROVIDERS__RUNPOD__API_KEY", "over it")];
        let config = read(text, &Environment::from_pairs(variables)).unwrap();
        assert_eq!(config.settings_for(&id("runpod"), &Cloud).unwrap().text("api_key"), Some("over it"));
        assert!(config.missing().is_empty());
    }

    #[test]
    fn a_variable_wins_over_the_file_wherever_either_has_the_setting() {
        let beside = "providers: { runpod: { api_key: \"${NOWHERE}\" } }\n";
        let below = "providers: { runpod: { settings: { api_key: file } } }\n";
        for (text, variable) in
            [(beside, "ATLAS_PROVIDERS__RUNPOD__SETTINGS__API_KEY"), (below, "ATLAS_PROVIDERS__RUNPOD__API_KEY")]
        {
            let config = read(text, &Environment::from_pairs([("HOME", "/h"), (variable, "variable")])).unwrap();
            let settings = config.settings_for(&id("runpod"), &Cloud).unwrap();
            assert_eq!(settings.text("api_key"), Some("variable"), "{variable}");
        }
        let both = [("HOME", "/h"), ("ATLAS_PROVIDERS__A__APP", "x"), ("ATLAS_PROVIDERS__A__SETTINGS__APP", "y")];
        let error = read("", &Environment::from_pairs(both)).unwrap_err();
        assert!(error.to_string().contains("is also given beside `settings`"), "{error}");
    }

    #[test]
    fn c9_what_a_variable_holds_is_not_quoted_where_it_is_in_the_wrong_place() {
        let environment = Environment::from_pairs([("HOME", "/h"), ("KEY", CANARY)]);
        for text in [
            "providers: { local: { price_per_hour: \"${KEY}\" } }\n",
            "deployment: \"${KEY}_\"\n",
            "default_provider: \"${KEY}\"\n",
            "orchestrator: { idle_ttl: \"${KEY}\" }\n",
            "orchestrator: { aliens: \"${NOTHING:-x}${KEY}\" }\n",
        ] {
            let error = read(text, &environment).map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains(CANARY) && error.contains("what its variable holds"), "{error}");
        }
    }

    #[test]
    fn a_missing_variable_for_the_kind_of_an_account_is_told_as_such() {
        let state = tempfile::tempdir().unwrap();
        let text = "providers: { mine: { kind: \"${NOWHERE}\" } }\n";
        let mut config = read(text, &home()).unwrap();
        config.state_dir = state.path().to_owned();
        let error = crate::Atlas::builder(config).build().provider("mine").unwrap_err().to_string();
        assert!(error.contains("providers.mine.kind needs the variable NOWHERE, which is not set"), "{error}");
    }

    #[test]
    fn the_path_of_a_pod_is_relative_to_the_file_in_either_place() {
        for text in ["pod: bin/pod", "settings: { pod: bin/pod }"] {
            let config = read(&format!("providers: {{ local: {{ {text} }} }}\n"), &home()).unwrap();
            assert_eq!(config.providers[&id("local")].settings.text("pod"), Some("conf/bin/pod"), "{text}");
        }
    }

    #[test]
    fn a_missing_master_key_is_told_when_it_is_asked_for() {
        let config = read("master_key: \"${NOWHERE}\"\n", &home()).unwrap();
        assert_eq!(
            config.master_key().unwrap_err().to_string(),
            "conf/atlas.yaml:1:13: master_key needs the variable NOWHERE, which is not set"
        );
    }

    #[test]
    fn a_setting_of_another_kind_is_refused_with_its_place() {
        let config = read("providers:\n  runpod:\n    api_key: canary-3f1c\n    app: mine\n", &home()).unwrap();
        let error = config.settings_for(&id("runpod"), &Cloud).unwrap_err();
        assert_eq!(
            error.to_string(),
            "conf/atlas.yaml:4:10: \"app\" is no setting of runpod; it knows api_key, base_url"
        );
    }

    #[test]
    fn what_stands_above_wins() {
        let text =
            "deployment: from-file\nproviders: { runpod: { api_key: \"${EMPTY:-}\", base_url: \"https://file\" } }\n";
        let variables = |more: &[(&'static str, &'static str)]| {
            let fixed = [("HOME", "/h"), ("RUNPOD_API_KEY", "the cloud's own")];
            Environment::from_pairs(fixed.into_iter().chain(more.iter().copied()))
        };
        let config = read(text, &variables(&[])).unwrap();
        assert_eq!(config.deployment.as_str(), "from-file");
        let settings = config.settings_for(&id("runpod"), &Cloud).unwrap();
        assert_eq!(settings.text("api_key"), Some("the cloud's own"), "a key that is given as nothing says nothing");
        assert_eq!(settings.text("base_url"), Some("https://file"));

        let more = [("ATLAS_DEPLOYMENT", "variable"), ("ATLAS_PROVIDERS__RUNPOD__BASE_URL", "https://variable")];
        let config = read(text, &variables(&more)).unwrap();
        assert_eq!(config.deployment.as_str(), "variable");
        assert_eq!(config.settings_for(&id("runpod"), &Cloud).unwrap().text("base_url"), Some("https://variable"));
        let config = read(text, &variables(&[("ATLAS_DEPLOYMENT", "")])).unwrap();
        assert_eq!(config.deployment.as_str(), "from-file", "an empty variable says nothing");
    }

    #[test]
    fn a_key_in_the_wrong_place_is_not_shown() {
        let text = format!("providers: {{ runpod: {{ \"{CANARY}-{CANARY}-{CANARY}\" }} }}\n");
        let error = read(&text, &home()).unwrap_err().to_string();
        assert!(!error.contains(CANARY), "{error}");
    }

    #[test]
    fn neither_a_value_nor_the_file_s_text_is_ever_shown() {
        let text = "master_key: canary-3f1c\nproviders: { runpod: { api_key: canary-3f1c, app: \"${C}\" } }\n";
        let config = read(text, &Environment::from_pairs([("HOME", "/h"), ("C", CANARY)])).unwrap();
        assert!(!format!("{config:?} {config:#?}").contains(CANARY));
    }

    #[test]
    fn the_file_is_found_upwards_or_named() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        std::fs::create_dir_all(&deep).unwrap();
        let write = |path: &str, deployment: &str| {
            std::fs::write(root.path().join(path), format!("deployment: {deployment}\nstate_dir: state\n")).unwrap();
        };
        write("atlas.yaml", "top");
        write("a/b/atlas.yaml", "near");
        write("other.yaml", "other");
        let load = |environment: &Environment, explicit: Option<&str>| {
            let config = Config::load_with(environment, explicit.map(Path::new), &deep).unwrap();
            (config.deployment.to_string(), config.state_dir.strip_prefix(root.path()).unwrap().display().to_string())
        };
        let found = |deployment: &str, state: &str| (deployment.to_owned(), state.to_owned());
        assert_eq!(load(&Environment::empty(), None), found("near", "a/b/state"));
        let variable = Environment::from_pairs([("ATLAS_CONFIG", root.path().join("other.yaml").to_str().unwrap())]);
        assert_eq!(load(&variable, None), found("other", "state"));
        assert_eq!(load(&variable, Some("../../../atlas.yaml")), found("top", "a/b/c/../../../state"), "named wins");
        let state = Environment::from_pairs([("ATLAS_STATE_DIR", "here")]);
        assert_eq!(load(&state, None), found("near", "a/b/c/here"), "a variable's path is not the file's");
    }

    /// A configuration names programs to run and where keys are sent.
    #[cfg(unix)]
    #[test]
    fn a_file_of_another_user_holds_only_if_it_is_named() {
        let root = tempfile::tempdir().unwrap();
        let (path, below) = (root.path().join("atlas.yaml"), root.path().join("a"));
        std::fs::create_dir(&below).unwrap();
        std::fs::write(&path, "deployment: theirs\n").unwrap();
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_err() {
            return; // only root may give a file away
        }
        for folder in [root.path(), &below] {
            let error = Config::load_with(&home(), None, folder).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation);
            assert!(error.to_string().contains("belongs to another user"), "{error}");
        }
        assert_eq!(Config::load_with(&home(), Some(&path), &below).unwrap().deployment.as_str(), "theirs");
        let named = Environment::from_pairs([("HOME", "/h"), ("ATLAS_CONFIG", path.to_str().unwrap())]);
        assert_eq!(Config::load_with(&named, None, &below).unwrap().deployment.as_str(), "theirs");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_line() {
        let root = tempfile::tempdir().unwrap();
        let case = |name: &str, content: &[u8]| {
            let path = root.path().join(name);
            std::fs::write(&path, content).unwrap();
            let result = Config::load_with(&home(), Some(&path), root.path());
            result.map_err(|error| error.to_string().replace(root.path().to_str().unwrap(), "…"))
        };
        assert_eq!(case("bom.yaml", b"\xef\xbb\xbfdeployment: bom\n").unwrap().deployment.as_str(), "bom");
        assert_eq!(case("crlf.yaml", b"deployment: crlf\r\nstore: redb\r\n").unwrap().deployment.as_str(), "crlf");
        assert_eq!(
            case("latin.yaml", b"deployment: a\nstore: \"caf\xe9\"\n").unwrap_err(),
            "…/latin.yaml:2:12: this is no UTF-8 text; save the file as UTF-8"
        );
        assert_eq!(
            case("utf16.yaml", b"\xff\xfed\0").unwrap_err(),
            "…/utf16.yaml:1:1: this is no UTF-8 text; save the file as UTF-8"
        );
        let named = |name: &str| {
            let error = Config::load_with(&home(), Some(&root.path().join(name)), root.path()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Validation);
            error.to_string().replace(root.path().to_str().unwrap(), "…")
        };
        assert_eq!(
            named("none.yaml"),
            "cannot read the configuration …/none.yaml: there is no such file; write it, or name another"
        );
        assert_eq!(named(""), "cannot read the configuration …/: it is a folder; name the file in it");
        std::fs::write(root.path().join("file"), "").unwrap();
        assert_eq!(
            named("file/atlas.yaml"),
            "cannot read the configuration …/file/atlas.yaml: Not a directory (os error 20)"
        );
    }
}
