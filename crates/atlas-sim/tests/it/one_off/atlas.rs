//! The way in: accounts by name, by value, or the default (rule C11).

use std::path::Path;

use atlas_core::config::{Environment, ProviderEntry};
use atlas_core::{Effect, ErrorKind, ProviderId, Settings};

use super::*;

fn id(name: &str) -> ProviderId {
    ProviderId::parse(name).unwrap()
}

fn entry(kind: &str, settings: Settings) -> ProviderEntry {
    ProviderEntry::new(kind, settings)
}

fn atlas(
    state: &Path,
    build: impl FnOnce(atlas_core::config::ConfigBuilder) -> atlas_core::config::ConfigBuilder,
) -> Atlas {
    let config = Config::builder().state_dir(state).environment(Environment::empty());
    Atlas::builder(build(config).build()).factory(Arc::new(atlas_sim::factory())).build()
}

#[test]
fn an_account_is_found_by_its_name_by_its_kind_or_as_the_default() {
    let state = tempfile::tempdir().unwrap();
    let sandbox = entry("mock", Settings::new().with("price_per_hour", "0.50"));
    let atlas = atlas(state.path(), |config| config.provider(id("sandbox"), sandbox).default_provider(id("sandbox")));
    assert_eq!(atlas.provider("sandbox").unwrap().provider().id().as_str(), "sandbox");
    assert_eq!(atlas.provider("mock").unwrap().provider().id().as_str(), "mock");
    assert_eq!(atlas.default_provider().unwrap().provider().id().as_str(), "sandbox");
}

#[test]
fn an_account_is_built_once() {
    let state = tempfile::tempdir().unwrap();
    let atlas = atlas(state.path(), |config| config);
    let first = atlas.build(&id("mock")).unwrap();
    std::thread::scope(|scope| {
        let builders: Vec<_> = (0..8).map(|_| scope.spawn(|| atlas.build(&id("mock")).unwrap())).collect();
        for builder in builders {
            assert!(Arc::ptr_eq(&first, &builder.join().unwrap()));
        }
    });
    assert!(Arc::ptr_eq(&first, atlas.provider("mock").unwrap().provider()));
}

#[test]
fn those_who_build_an_account_at_once_hold_the_same_one() {
    for _ in 0..20 {
        let state = tempfile::tempdir().unwrap();
        let atlas = atlas(state.path(), |config| config);
        let built: Vec<_> = std::thread::scope(|scope| {
            let builders: Vec<_> = (0..8).map(|_| scope.spawn(|| atlas.build(&id("mock")).unwrap())).collect();
            builders.into_iter().map(|builder| builder.join().unwrap()).collect()
        });
        assert!(built.iter().all(|provider| Arc::ptr_eq(provider, &built[0])));
    }
}

#[tokio::test]
async fn an_account_by_value_is_as_good_as_a_configured_one() {
    let state = tempfile::tempdir().unwrap();
    let config = Config::builder().state_dir(state.path()).build();
    let mine: Arc<dyn Provider> = Arc::new(Mock::builder().id("mine").build());
    let atlas = Atlas::builder(config).provider(mine.clone()).build();
    assert!(Arc::ptr_eq(atlas.provider("mine").unwrap().provider(), &mine));
    assert_eq!((atlas.known(), atlas.configured()), (vec![id("mine")], vec![id("mine")]));
    let spawned = atlas.provider("mine").unwrap().spawn(request(), Auth::None).await.unwrap();
    // Another account of the same directory knows the same records.
    atlas.account(mine).unwrap().terminate(&spawned).await.unwrap();
}

#[test]
fn an_account_that_was_only_asked_for_is_not_configured() {
    let state = tempfile::tempdir().unwrap();
    let atlas = atlas(state.path(), |config| config.provider(id("sandbox"), entry("mock", Settings::new())));
    atlas.provider("mock").unwrap();
    assert_eq!(atlas.configured(), [id("sandbox")]);
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let state = tempfile::tempdir().unwrap();
    let atlas = atlas(state.path(), |config| {
        config
            .provider(id("sandbox"), entry("mock", Settings::new()))
            .provider(id("odd"), entry("cumulus", Settings::new()))
    });
    for (name, words) in [
        ("nowhere", "no provider \"nowhere\" is known; known are mock, odd, sandbox"),
        ("Sand Box", "known are mock, odd, sandbox"),
        ("odd", "provider odd is of kind \"cumulus\", which is not built in"),
    ] {
        let error = atlas.provider(name).unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Validation, Effect::NotSent));
        assert!(error.message().contains(words), "{error}");
    }
    let error = atlas.default_provider().unwrap_err();
    assert!(error.message().ends_with("no default is configured; known are mock, odd, sandbox"), "{error}");
}

#[test]
fn a_setting_that_cannot_be_right_is_refused_with_the_accounts_name() {
    let state = tempfile::tempdir().unwrap();
    for (name, value) in [("price_per_hour", "cheap"), ("prize", "1")] {
        let sandbox = entry("mock", Settings::new().with(name, value));
        let atlas = atlas(state.path(), |config| config.provider(id("sandbox"), sandbox));
        let error = atlas.provider("sandbox").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Validation);
        assert!(error.to_string().contains(name), "{error}");
        atlas.provider("mock").unwrap();
    }
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("state");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    let atlas = atlas(&blocked.join("below"), |config| config);
    let error = atlas.provider("mock").unwrap_err();
    assert_eq!(error.effect(), Effect::NotSent);
    assert!(error.message().starts_with("cannot make the state directory"), "{error}");
    assert!(error.message().contains(blocked.to_str().unwrap()), "{error}");
}

#[test]
fn only_accounts_with_something_left_are_in_use() {
    let state = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cloud: Arc<dyn Provider> = Arc::new(Mock::builder().id("mine").build());
        let config = || Config::builder().state_dir(state.path()).build();
        let account = Atlas::builder(config()).build().account(cloud).unwrap();
        let later = || Atlas::builder(config()).build().in_use().unwrap();
        assert!(later().is_empty());
        let spawned = account.spawn(request(), Auth::None).await.unwrap();
        assert_eq!(later(), [id("mine")]);
        account.terminate(&spawned).await.unwrap();
        assert!(later().is_empty(), "what is closed is only remembered");
    });
}
