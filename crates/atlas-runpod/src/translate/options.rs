//! A user's own options: merged last and deeply into the body that goes to RunPod (rule C5). Those that would change the
//! mark or a key are refused.

use atlas_auth::Secret;
use atlas_core::error::excerpt;
use atlas_core::{Error, Result};
use serde_json::{Map, Value};

/// An option of ours that no body holds: so many ports that have the same number outside as inside.
pub(crate) const SYMMETRIC_PORTS: &str = "symmetric_ports";

/// From this number on RunPod gives a port the same number on both sides.
const FIRST_SYMMETRIC: u32 = 70_000;

/// Merges `over` into `base`: objects field by field, anything else replaces what was there.
pub(crate) fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                merge(base.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Refuses options that would change the name or a variable that is Atlas's own to set.
pub(crate) fn check(options: &Map<String, Value>, protected: &[String]) -> Result<()> {
    if options.contains_key("name") {
        return Err(Error::validation("the option \"name\" would change the mark; use the name field"));
    }
    let Some(env) = options.get("env") else { return Ok(()) };
    let Some(env) = env.as_object().filter(|env| env.values().all(Value::is_string)) else {
        return Err(Error::validation("the option \"env\" must be an object of texts"));
    };
    match env.keys().find(|name| name.starts_with("ATLAS_") || protected.contains(name)) {
        None => Ok(()),
        Some(name) => {
            Err(Error::validation(format!("the option \"env\" sets {}, which is Atlas's own to set", excerpt(name))))
        }
    }
}

/// The ports that the option of ours asks for.
pub(crate) fn symmetric(options: &Map<String, Value>) -> Result<Vec<String>> {
    let Some(count) = options.get(SYMMETRIC_PORTS) else { return Ok(Vec::new()) };
    let count = count.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| (1..=10).contains(count));
    let Some(count) = count else {
        return Err(Error::validation(format!("the option \"{SYMMETRIC_PORTS}\" must be a number from 1 to 10")));
    };
    Ok((FIRST_SYMMETRIC..FIRST_SYMMETRIC + count).map(|port| format!("{port}/tcp")).collect())
}

/// The options that go into the body.
pub(crate) fn native(options: &Map<String, Value>) -> Value {
    let native = options.iter().filter(|(name, _)| *name != SYMMETRIC_PORTS);
    Value::Object(native.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// All texts of options, at whatever depth. Atlas does not know what the cloud takes for a secret: no error quotes them.
pub(crate) fn texts(options: &Map<String, Value>) -> Vec<Secret> {
    fn collect(value: &Value, texts: &mut Vec<Secret>) {
        match value {
            Value::String(text) => texts.push(Secret::from(text.as_str())),
            Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
            Value::Object(fields) => fields.values().for_each(|value| collect(value, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    options.values().for_each(|value| collect(value, &mut texts));
    texts
}

#[cfg(test)]
mod tests {
    //! Merging as properties.

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i32>().prop_map(Value::from)];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_merged_last_is_there_and_the_rest_is_left(base in value(), over in value()) {
            let mut merged = base.clone();
            merge(&mut merged, &over);
            let again = { let mut again = merged.clone(); merge(&mut again, &over); again };
            prop_assert_eq!(&again, &merged);
            let (Value::Object(base), Value::Object(over)) = (&base, &over) else {
                prop_assert_eq!(&merged, &over);
                return Ok(());
            };
            for (name, value) in base.iter().filter(|(name, _)| !over.contains_key(*name)) {
                prop_assert_eq!(&merged[name], value);
            }
            for name in over.keys() {
                prop_assert!(merged.get(name).is_some());
            }
        }
    }

    #[test]
    fn what_is_atlass_own_is_refused_by_name() {
        let refused = |options: Value| {
            let Value::Object(options) = options else { panic!("an object") };
            check(&options, &["API_TOKEN".to_owned()]).unwrap_err().to_string()
        };
        assert!(refused(json!({"name": "mine"})).contains("name"));
        assert!(refused(json!({"env": {"ATLAS_MARK": "x"}})).contains("ATLAS_MARK"));
        assert!(refused(json!({"env": {"API_TOKEN": "x"}})).contains("API_TOKEN"));
        for wrong in [json!({"env": null}), json!({"env": []}), json!({"env": {"A": 1}})] {
            assert!(refused(wrong).contains("object of texts"));
        }
        assert!(check(json!({"env": {"A": "1"}, "gpu": {"minCudaVersion": "12.8"}}).as_object().unwrap(), &[]).is_ok());
    }

    #[test]
    fn symmetric_ports_begin_where_runpod_begins_them() {
        let of = |options: Value| symmetric(options.as_object().unwrap());
        assert_eq!(of(json!({"symmetric_ports": 2})).unwrap(), ["70000/tcp", "70001/tcp"]);
        assert!(of(json!({})).unwrap().is_empty());
        for wrong in [json!(0), json!(11), json!(-1), json!("2"), json!(1.5)] {
            assert!(of(json!({"symmetric_ports": wrong})).is_err());
        }
    }
}
