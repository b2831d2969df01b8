//! Spans of time as people write them: `90s`, `2m`, `1h 30m`.

use std::time::Duration;

use serde::Serializer;

use crate::{Error, Result};

#[cfg(test)]
mod tests;

/// Reads a span such as `90s`, `2m` or `1h 30m`. A bare number is refused: its unit would be a guess.
pub fn parse(text: &str) -> Result<Duration> {
    humantime::parse_duration(text).map_err(|_| {
        Error::validation(format!(
            "\"{}\" is no span of time: write a number with its unit, such as 90s, 2m or 1h 30m",
            crate::error::excerpt(text)
        ))
    })
}

/// Writes a span in the form that [`parse`] reads.
pub fn format(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

/// Writes a span for people, to the millisecond: what is left of a bound is never a round number.
pub fn rounded(span: Duration) -> String {
    const HALF: Duration = Duration::from_micros(500);
    let millis = span.saturating_add(HALF).as_millis();
    format(u64::try_from(millis).map_or(span, Duration::from_millis))
}

/// For `#[serde(serialize_with = "…")]`.
pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_duration(*span))
}

/// The other half of it.
pub fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    parse(&<String as serde::Deserialize>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// For `#[serde(serialize_with = "…")]`: a span that may be absent.
pub fn serialize_optional<S: Serializer>(
    span: &Option<Duration>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    match span {
        Some(span) => serialize(span, serializer),
        None => serializer.serialize_none(),
    }
}
