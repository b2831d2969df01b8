//! The cloud's own answer, less what nobody shall read: environments come back in every read of RunPod, with the keys in
//! them.

use serde_json::Value;

/// What is taken out wherever it stands: environments, credentials, addresses that hold a secret, a job's input.
const PRIVATE: &[&str] =
    &["env", "registry", "password", "webhook", "s3Config", "accessSecret", "apiKey", "aiKey", "input", "value"];

/// The answer without what is private.
pub(crate) fn redacted(mut answer: Value) -> Value {
    redact(&mut answer, &|name| PRIVATE.contains(&name));
    answer
}

/// A job's answer without what is private. Its output is the user's own, whatever its fields are called.
pub(crate) fn redacted_job(mut answer: Value) -> Value {
    let output = answer.get_mut("output").map(Value::take);
    redact(&mut answer, &|name| PRIVATE.contains(&name));
    if let (Some(output), Value::Object(fields)) = (output, &mut answer) {
        fields.insert("output".to_owned(), output);
    }
    answer
}

fn redact(value: &mut Value, private: &dyn Fn(&str) -> bool) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !private(name));
            fields.values_mut().for_each(|value| redact(value, private));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| redact(value, private)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    //! What is private goes, at whatever depth.

    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_private_is_taken_out_wherever_it_stands() {
        let pod =
            json!({"id": "p", "env": {"KEY": "canary"}, "x": [{"env": {"A": "canary"}, "cost": 1}], "registry": "r"});
        assert_eq!(redacted(pod), json!({"id": "p", "x": [{"cost": 1}]}));
    }

    #[test]
    fn a_jobs_output_is_left_as_it_is() {
        let job =
            json!({"id": "j", "input": {"a": 1}, "webhook": "https://x/?s=canary", "output": {"value": 1, "env": 2}});
        assert_eq!(redacted_job(job), json!({"id": "j", "output": {"value": 1, "env": 2}}));
    }
}
