//! The mark (rule O2) in what RunPod answers: in the name, and uncut in the environment, which every read echoes.

use atlas_core::{ComputeId, Effect, Error, ErrorKind, MARK_ENV, Mark, Result, SpawnToken};
use serde_json::Value;

/// The mark of a pod or an endpoint: its environment's, else its name's.
pub(crate) fn of(thing: &Value) -> Option<Mark> {
    in_env(thing).and_then(Mark::read).or_else(|| thing.get("name")?.as_str().and_then(Mark::read))
}

/// Whether it bears `token`, in its name or in its environment.
pub(crate) fn bears(thing: &Value, token: SpawnToken) -> bool {
    let name = thing.get("name").and_then(Value::as_str);
    [in_env(thing), name].into_iter().flatten().filter_map(Mark::read).any(|mark| mark.token == token)
}

/// Refuses, as rule O2 says, what came back under another mark: it could not be known again. It exists all the same.
pub(crate) fn keep(thing: &Value, id: &str, mark: &Mark) -> Result<()> {
    let kept = |text: &str| {
        Mark::read(text).is_some_and(|read| {
            read.token == mark.token && read.deployment == mark.deployment && read.installation == mark.installation
        })
    };
    let name = thing.get("name").and_then(Value::as_str).unwrap_or_default();
    // An environment that is not echoed says nothing; one that is must hold the mark as it was sent.
    let env = thing
        .get("env")
        .and_then(Value::as_object)
        .is_none_or(|env| env.is_empty() || env.get(MARK_ENV).and_then(Value::as_str).is_some_and(kept));
    if kept(name) && env {
        return Ok(());
    }
    let message = format!("the cloud altered the mark of {id}, so that it could not be known again");
    Err(Error::new(ErrorKind::Provider, message).with_effect(Effect::Unknown).with_leftover(ComputeId::new(id)))
}

fn in_env(thing: &Value) -> Option<&str> {
    thing.get("env")?.get(MARK_ENV)?.as_str()
}
