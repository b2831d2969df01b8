//! A record that this version cannot read: it may be somebody's machine, so it is told, priced as far as anything in it
//! can be made out, and left untouched (rule P14). It blocks nothing but its own create.

use std::fmt;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{ComputeId, Error, Money, ProviderId, RentalKind, SpawnToken};

/// A file of [`FileIntents`](super::FileIntents) that cannot be read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UnreadableIntent {
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be read, with its path.
    pub error: Error,
    /// Which create it is about, by its name.
    pub token: Option<SpawnToken>,
    /// The account, if that much can be made out.
    pub provider: Option<ProviderId>,
    /// What was to be made, if that much can be made out.
    pub kind: Option<RentalKind>,
    /// The machine, volume or endpoint, if that much can be made out.
    pub compute: Option<ComputeId>,
    /// What it should cost an hour, if that much can be made out.
    pub price: Option<Money>,
}

impl UnreadableIntent {
    /// What can be made out of `content`, if it came off the disk at all.
    pub(super) fn new(path: PathBuf, error: Error, content: Option<&[u8]>) -> Self {
        let value: Value = content.and_then(|content| serde_json::from_slice(content).ok()).unwrap_or_default();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let token = stem.split('-').next().and_then(|token| SpawnToken::parse(token).ok());
        Self {
            token,
            provider: part(&value, "/intent/provider"),
            kind: part(&value, "/intent/kind"),
            compute: part(&value, "/compute").or_else(|| part(&value, "/phase/compute")),
            price: part(&value, "/intent/price"),
            path,
            error,
        }
    }
}

impl fmt::Display for UnreadableIntent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; it may stand for ", self.error.message())?;
        // Records of earlier versions are of machines, and so is most of what cannot be made out.
        let kind = self.kind.unwrap_or(RentalKind::Machine);
        match &self.compute {
            Some(compute) => write!(formatter, "{kind} {compute}")?,
            None => formatter.write_str(kind.one())?,
        }
        if let Some(provider) = &self.provider {
            write!(formatter, " of {provider}")?;
        }
        match self.price {
            Some(price) => write!(formatter, " at ${price}/h"),
            None => formatter.write_str(" at a price that is not known"),
        }
    }
}

fn part<T: DeserializeOwned>(value: &Value, pointer: &str) -> Option<T> {
    T::deserialize(value.pointer(pointer)?).ok()
}
