//! What a request's body must look like: schemas that are closed, as data, and one function that says all that is wrong.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::reply::Problem;

/// What one value must be.
#[derive(Debug)]
pub(super) enum Shape {
    /// A text of at least so many characters.
    Text(usize),
    /// A text, or null.
    TextOrNull,
    /// A whole number within bounds.
    Integer(i64, i64),
    /// A number of at least so much.
    Number(f64),
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A version such as `12.8`; the empty text where it may be cleared.
    Version {
        clears: bool,
    },
    /// A list of at least and at most so many.
    List(&'static Shape, usize, usize),
    /// An object of texts.
    Texts,
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// Whatever is wanted is looked at elsewhere.
    Anything,
}

/// One field of a closed object.
#[derive(Debug)]
pub(super) struct Field {
    name: &'static str,
    required: bool,
    shape: Shape,
}

pub(super) const fn must(name: &'static str, shape: Shape) -> Field {
    Field { name, required: true, shape }
}

pub(super) const fn may(name: &'static str, shape: Shape) -> Field {
    Field { name, required: false, shape }
}

/// A whole number of at least so much.
pub(super) const fn at_least(least: i64) -> Shape {
    Shape::Integer(least, i64::MAX)
}

/// A list of whatever length.
pub(super) const fn many(of: &'static Shape) -> Shape {
    Shape::List(of, 0, usize::MAX)
}

/// Reads a body of this shape.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes, fields: &'static [Field]) -> Result<T, Problem> {
    let value: Value =
        serde_json::from_slice(body).map_err(|_| Problem::bad_request("request body could not be parsed as JSON"))?;
    let mut errors = Vec::new();
    check(&value, &Shape::Object(fields), "$", &mut errors);
    if !errors.is_empty() {
        return Err(Problem::unprocessable(errors));
    }
    serde_json::from_value(value).map_err(|error| Problem::unprocessable(vec![format!("$: {error}")]))
}

fn check(value: &Value, shape: &Shape, path: &str, errors: &mut Vec<String>) {
    let mut wrong = |text: String| errors.push(format!("{path}: {text}"));
    let mut type_wrong = |want: &str| wrong(format!("got {}, want {want}", kind(value)));
    match shape {
        Shape::Anything => {}
        Shape::Text(least) => match value.as_str() {
            None => type_wrong("string"),
            Some(text) if text.chars().count() < *least => {
                wrong(format!("minLength: got {}, want {least}", text.chars().count()));
            }
            Some(_) => {}
        },
        Shape::TextOrNull if value.is_null() || value.is_string() => {}
        Shape::TextOrNull => type_wrong("null or string"),
        Shape::Flag if value.is_boolean() => {}
        Shape::Flag => type_wrong("boolean"),
        Shape::Integer(least, most) => match value.as_i64() {
            None => type_wrong("integer"),
            Some(number) if number < *least => wrong(format!("minimum: got {number}, want {least}")),
            Some(number) if number > *most => wrong(format!("maximum: got {number}, want {most}")),
            Some(_) => {}
        },
        Shape::Number(least) => match value.as_f64() {
            None => type_wrong("number"),
            Some(number) if number < *least => wrong(format!("minimum: got {number}, want {least}")),
            Some(_) => {}
        },
        Shape::Word(words) if value.as_str().is_some_and(|text| words.contains(&text)) => {}
        Shape::Word(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            wrong(format!("value must be one of {}", words.join(", ")));
        }
        Shape::Version { clears } => match value.as_str() {
            None => type_wrong("string"),
            Some("") if *clears => {}
            Some(text) if !is_version(text) => wrong(format!("'{text}' does not match pattern '^\\\\d+\\\\.\\\\d+$'")),
            Some(_) => {}
        },
        Shape::List(of, least, most) => match value.as_array() {
            None => type_wrong("array"),
            Some(items) => {
                if items.len() < *least {
                    wrong(format!("minItems: got {}, want {least}", items.len()));
                }
                if items.len() > *most {
                    wrong(format!("maxItems: got {}, want {most}", items.len()));
                }
                for (index, item) in items.iter().enumerate() {
                    check(item, of, &format!("{path}[{index}]"), errors);
                }
            }
        },
        Shape::Texts => match value.as_object() {
            None => type_wrong("object"),
            Some(entries) => {
                for (name, entry) in entries {
                    check(entry, &Shape::Text(0), &format!("{path}.{name}"), errors);
                }
            }
        },
        Shape::Object(fields) => match value.as_object() {
            None => type_wrong("object"),
            Some(entries) => check_object(entries, fields, path, errors),
        },
    }
}

fn check_object(entries: &Map<String, Value>, fields: &[Field], path: &str, errors: &mut Vec<String>) {
    let unknown: Vec<_> = entries.keys().filter(|name| fields.iter().all(|field| field.name != *name)).collect();
    for name in unknown {
        errors.push(format!("{path}: additional properties '{name}' not allowed"));
    }
    for field in fields {
        match entries.get(field.name) {
            Some(value) => check(value, &field.shape, &format!("{path}.{}", field.name), errors),
            None if field.required => errors.push(format!("{path}: missing property '{}'", field.name)),
            None => {}
        }
    }
}

/// Whether a text is two numbers with a dot between.
pub(super) fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
