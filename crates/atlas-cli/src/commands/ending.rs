//! Ending several things with one command: each waits for its own proof, all are tried, the worst failure counts.

use serde_json::Value;

use crate::Outcome;
use crate::context::Context;
use crate::failure::Failure;

/// Ends each of `ids` once, at the same time, and says of each that it "is `word`".
pub(super) async fn all(
    context: &Context,
    ids: &[String],
    word: &str,
    end: impl AsyncFn(&str) -> Result<Value, Failure>,
) -> Outcome {
    let mut once: Vec<&str> = Vec::new();
    for id in ids {
        if !once.contains(&id.as_str()) {
            once.push(id);
        }
    }
    context.interrupt.may_leave(format!(
        "interrupted while ending {}: what is recorded as being ended is carried on by `atlas reap`",
        once.join(", ")
    ));
    // At once, so that a slow one delays no other.
    let ending = once.iter().map(|id| end(id));
    let answers = context.interrupt.unless(async { Ok(futures_util::future::join_all(ending).await) }).await?;
    let (mut ended, mut failures): (Vec<Value>, Vec<Failure>) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Ok(value) => ended.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    context.output.result(&ended, || {
        let line = |value: &Value| format!("{} {word}\n", value["id"].as_str().unwrap_or_default());
        ended.iter().map(line).collect()
    })?;
    // The worst comes last, where scripts look for it.
    failures.sort_by_key(|failure| failure.kind().exit());
    let worst = failures.pop();
    for failure in &failures {
        failure.say(context.output);
    }
    worst.map_or(Ok(()), Err)
}
