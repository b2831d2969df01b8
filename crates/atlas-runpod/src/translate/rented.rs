//! What is no machine and bills, in the few words that its keeping and its ending need.

use atlas_auth::Timestamp;
use atlas_core::{Error, ErrorKind, RentalKind, Rented, Result};
use serde_json::Value;

use super::mark;

/// A network volume or an endpoint of a listing. Only its id is needed: what RunPod adds or leaves out may not hide it.
pub(crate) fn read(kind: RentalKind, thing: &Value) -> Result<Rented> {
    let text = |name: &str| thing.get(name).and_then(Value::as_str);
    let Some(id) = text("id").filter(|id| !id.is_empty()) else {
        return Err(Error::new(ErrorKind::Decode, format!("the cloud lists {} without an id", kind.one())));
    };
    let mut rented = Rented::new(kind, id);
    rented.name = text("name").map(str::to_owned);
    rented.created_at = text("createdAt").and_then(|text| Timestamp::parse(text).ok());
    rented.mark = mark::of(thing);
    Ok(rented)
}
