//! From texts by path to a [`Config`]: types, defaults, and what paths are relative to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use atlas_auth::Secret;

use super::schema::accounts;
use super::settings::{parse_flag, parse_span};
use super::values::Values;
use super::{
    AlienPolicy, Config, Environment, FlySettings, Lifetime, OrchestratorSettings, ProviderEntry, StoreSetting,
};
use crate::{Deployment, Error, ProviderId, Result, Settings};

impl Config {
    /// The defaults.
    pub(super) fn new(state_dir: PathBuf, environment: Environment) -> Self {
        Self {
            default_provider: None,
            deployment: Deployment::default(),
            state_dir,
            store: StoreSetting::default(),
            providers: BTreeMap::new(),
            orchestrator: OrchestratorSettings::default(),
            fly: FlySettings::default(),
            master_key: None,
            environment,
            values: Arc::default(),
        }
    }

    /// What `values` say, over the defaults.
    pub(super) fn assemble(values: Values, environment: &Environment, start_dir: &Path) -> Result<Self> {
        refuse_budgets(&values)?;
        let paths = Paths { values: &values, environment, start_dir };
        let state_dir = match paths.get("state_dir")? {
            Some(path) => path,
            None => default_state_dir(environment)
                .ok_or_else(|| Error::validation("no place for the state: set state_dir, ATLAS_STATE_DIR or HOME"))?,
        };
        let mut config = Self::new(state_dir, environment.clone());
        config.default_provider = typed(&values, "default_provider", ProviderId::parse)?;
        config.deployment = typed(&values, "deployment", Deployment::parse)?.unwrap_or_default();
        config.store = typed(&values, "store", StoreSetting::parse)?.unwrap_or_default();
        config.master_key = values.get("master_key").cloned();
        config.orchestrator = orchestrator(&values)?;
        config.fly = fly(&values, &paths)?;
        config.providers = providers(&values, &paths)?;
        config.values = Arc::new(values);
        Ok(config)
    }
}

/// Where state is kept unless told otherwise; `None` where the environment names no home.
pub(super) fn default_state_dir(environment: &Environment) -> Option<PathBuf> {
    // A relative XDG path is to be ignored, as its specification says.
    let state = environment.get_filled("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || environment.get_filled("HOME").map(|home| Path::new(home).join(".local/state"));
    state.or_else(home).map(|state| state.join("atlas"))
}

/// A limit that is not kept must not look as if it were.
fn refuse_budgets(values: &Values) -> Result<()> {
    for path in values.below("budgets") {
        if values.needed(path)?.is_some() {
            let place = values.place(path);
            return Err(Error::unsupported(format!("{place}: budgets are not kept by this version; remove {path}")));
        }
    }
    Ok(())
}

fn orchestrator(values: &Values) -> Result<OrchestratorSettings> {
    let default = OrchestratorSettings::default();
    let span = |key: &str| typed(values, &format!("orchestrator.{key}"), parse_span);
    Ok(OrchestratorSettings {
        reap_interval: span("reap_interval")?.unwrap_or(default.reap_interval),
        reap_grace: span("reap_grace")?.unwrap_or(default.reap_grace),
        reap_providers: typed(values, "orchestrator.reap_providers", accounts)?,
        idle_ttl: span("idle_ttl")?.unwrap_or(default.idle_ttl),
        max_lifetime: typed(values, "orchestrator.max_lifetime", Lifetime::parse)?.unwrap_or(default.max_lifetime),
        start_timeout: span("start_timeout")?.unwrap_or(default.start_timeout),
        aliens: typed(values, "orchestrator.aliens", AlienPolicy::parse)?.unwrap_or(default.aliens),
    })
}

/// Nothing uses these yet, so a missing variable of theirs is nobody's error.
fn fly(values: &Values, paths: &Paths<'_>) -> Result<FlySettings> {
    let default = FlySettings::default();
    let text = |key: &str| values.get(&format!("fly.{key}")).map(Secret::expose);
    Ok(FlySettings {
        storage: text("storage").map(|path| paths.resolve("fly.storage", path)),
        logs_url: text("logs_url").map(str::to_owned),
        poll_interval: text("poll_interval").map(parse_span).transpose()?.unwrap_or(default.poll_interval),
        cli_timeout: text("cli_timeout").map(parse_span).transpose()?.unwrap_or(default.cli_timeout),
        use_config_file: text("use_config_file").map(parse_flag).transpose()?.unwrap_or(default.use_config_file),
    })
}

fn providers(values: &Values, paths: &Paths<'_>) -> Result<BTreeMap<ProviderId, ProviderEntry>> {
    let mut entries: BTreeMap<ProviderId, ProviderEntry> = BTreeMap::new();
    let mut given: BTreeMap<(ProviderId, String), &str> = BTreeMap::new();
    let mut paths_given = values.below("providers");
    // A variable has the last word, also over the same setting that the file has in the other place.
    paths_given.sort_by_key(|path| !values.is_from_file(path));
    for path in paths_given {
        let mut keys = path.splitn(4, '.').skip(1);
        let Some(name) = keys.next() else { continue };
        let id = ProviderId::parse(name)?;
        let entry = entries.entry(id.clone()).or_insert_with(|| ProviderEntry::new(name, Settings::new()));
        let Some(key) = keys.next() else { continue };
        // What stands under `settings` is as if it stood beside it.
        let setting = keys.next().unwrap_or(key);
        if let Some(before) = given.insert((id, setting.to_owned()), path) {
            if values.is_from_file(before) == values.is_from_file(path) {
                let place = values.place(path);
                return Err(Error::validation(format!(
                    "{place}: {path} is also given beside `settings`; keep one of them"
                )));
            }
            entry.missing.retain(|missing| missing.path != before);
        }
        if let Some(missing) = values.missing(path) {
            entry.missing.push(missing);
        }
        let Some(text) = values.get(path) else { continue };
        if key == "kind" {
            text.expose().clone_into(&mut entry.kind);
        } else {
            let is_path = setting == "pod" && text.expose().contains('/');
            let text =
                if is_path { paths.resolve(path, text.expose()).display().to_string().into() } else { text.clone() };
            entry.settings = std::mem::take(&mut entry.settings).with(setting, text);
        }
    }
    Ok(entries)
}

/// The value at `path`, of a key that is always used.
fn typed<T>(values: &Values, path: &str, parse: impl FnOnce(&str) -> Result<T>) -> Result<Option<T>> {
    values.needed(path)?.map(|text| parse(text.expose())).transpose().map_err(|error| error.context(values.place(path)))
}

/// What paths are relative to: the file that names them, else the working directory. `~/` is the user's home.
struct Paths<'a> {
    values: &'a Values,
    environment: &'a Environment,
    start_dir: &'a Path,
}

impl Paths<'_> {
    fn get(&self, path: &str) -> Result<Option<PathBuf>> {
        Ok(self.values.needed(path)?.map(|text| self.resolve(path, text.expose())))
    }

    fn resolve(&self, path: &str, text: &str) -> PathBuf {
        if let (Some(rest), Some(home)) = (text.strip_prefix("~/"), self.environment.get_filled("HOME")) {
            return Path::new(home).join(rest);
        }
        let folder = self.values.file().filter(|_| self.values.is_from_file(path)).and_then(|file| file.path.parent());
        folder.unwrap_or(self.start_dir).join(text)
    }
}
