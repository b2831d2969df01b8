//! Settings: what is taken, what is refused by name.

use atlas_auth::{MasterKey, Sealer, SeededEntropy};
use atlas_core::ErrorKind;
use atlas_core::testing::ScriptedTransport;

use super::*;

fn build(settings: &Settings) -> Result<Arc<dyn Provider>> {
    let master = MasterKey::generate(&SeededEntropy::new(1));
    let sealer = Arc::new(Sealer::from_master(&master, "provider/runpod"));
    let context = BuildContext::new("state".into(), sealer, Arc::new(SystemClock), Arc::new(SeededEntropy::new(2)))
        .with_transport(Arc::new(ScriptedTransport::new()));
    factory().build(&ProviderId::parse("team_b").unwrap(), settings, &context)
}

#[test]
fn an_account_is_built_of_its_settings() {
    assert_eq!((factory().kind(), factory().key_variable()), ("runpod", Some("RUNPOD_API_KEY")));
    let settings = Settings::new()
        .with("api_key", "rpa_x")
        .with("base_url", "http://127.0.0.1:4010/v2")
        .with("runtime_url", "http://127.0.0.1:4010/rt/v2")
        .with("graphql_url", "http://127.0.0.1:4010/graphql")
        .with("proxy_url", "http://127.0.0.1:4010/proxy/{id}/{port}");
    let account = build(&settings).unwrap();
    assert_eq!(account.id().as_str(), "team_b");
    let native = (*account).native::<RunPod>().expect("RunPod's own type");
    assert!(native.scope(&atlas_core::CallContext::new()).as_str().starts_with("127.0.0.1:4010/"));
    build(&Settings::new()).unwrap();
}

#[test]
fn what_cannot_be_right_is_refused_by_the_name_of_its_setting() {
    for (name, value) in [
        ("base_url", "http://api.runpod.io/v2"),
        ("base_url", "https://rest.runpod.io/v1"),
        ("runtime_url", "nowhere"),
        ("graphql_url", "https://a:b@c"),
        ("proxy_url", "https://proxy.runpod.net"),
        ("proxy_url", "{id}{port}"),
        ("settle_window", "3"),
        // A real cloud is given its time.
        ("settle_window", "119s"),
        ("app", "x"),
    ] {
        let error = build(&Settings::new().with(name, value)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn how_long_a_create_may_stay_invisible_can_be_set_longer_and_at_a_simulated_cloud_shorter() {
    let window = |settings: Settings| build(&settings).unwrap().traits().settle_window.as_secs();
    assert_eq!(window(Settings::new()), 120);
    assert_eq!(window(Settings::new().with("settle_window", "5m")), 300);
    for here in ["http://127.0.0.1:4010/v2", "http://[::1]:4010/v2", "http://localhost:4010/v2"] {
        assert_eq!(window(Settings::new().with("base_url", here).with("settle_window", "1s")), 1);
    }
}

#[test]
fn a_port_is_reached_where_the_proxy_stands() {
    let url = |text: &str| ProxyUrl::parse(text).unwrap().url("p1", 8000);
    assert_eq!(url(PROXY_URL), "https://p1-8000.proxy.runpod.net");
    assert_eq!(url("http://127.0.0.1:9/{id}/{port}/"), "http://127.0.0.1:9/p1/8000");
}
