//! Forgetting what ended long ago. Closed tokens are watched for a day at least (rule O4).

use super::Held;
use crate::Result;
use crate::books::{Expect, Read};
use crate::inner::Inner;
use crate::rental::RentalRecord;
use crate::session::SessionRecord;

pub(crate) async fn session(inner: &Inner, held: &Held, session: Read<SessionRecord>) -> Result<()> {
    // What is found of it late and still bills must find its bill.
    if !inner.rentals_of(&session.record).await?.is_empty() {
        let due = inner.session_due(&session.record);
        let change = inner.books.change().under(&held.key, held.fence);
        change.session(&session.record, Expect::At(session.version), due).commit().await?;
        return Ok(());
    }
    inner.books.change().under(&held.key, held.fence).delete(held.key.clone(), session.version).commit().await?;
    inner.activity.forget(&session.record.id, session.record.key.as_deref());
    Ok(())
}

pub(crate) async fn rental(inner: &Inner, held: &Held, rental: Read<RentalRecord>) -> Result<()> {
    inner.books.change().under(&held.key, held.fence).delete(held.key.clone(), rental.version).commit().await?;
    Ok(())
}

pub(crate) async fn breaker(inner: &Inner, held: &Held, version: u64) -> Result<()> {
    inner.books.change().under(&held.key, held.fence).delete(held.key.clone(), version).commit().await?;
    Ok(())
}
