//! Making, growing and deleting network volumes.

use std::time::Duration;

use atlas_core::{CallContext, Error, ErrorKind, RentalKind, Result, Volume, VolumeId, VolumeOrder};
use serde_json::Value;

use crate::account::RunPod;
use crate::deadline::Deadline;
use crate::error::DELETE_VOLUME;
use crate::translate::{mark, places, volume};

/// How long it may take to find out what uses a volume.
const LOOK: Duration = Duration::from_secs(10);

impl RunPod {
    /// Makes one of an order, where its data centre has such.
    pub(crate) async fn make_volume(&self, context: &CallContext, order: &VolumeOrder) -> Result<Volume> {
        volume::check(order.request())?;
        self.refuse_expired(order.not_after())?;
        let deadline = Deadline::of(self.clock(), context);
        let centers = self.centers(&deadline.context()?).await.ok();
        if let Some(centers) = centers.as_deref() {
            let having: Vec<_> =
                centers.iter().filter(|center| !center.network_volume_types.is_empty()).cloned().collect();
            places::data_center(
                order.request().region.trim(),
                Some(&having).filter(|having| !having.is_empty()).map(Vec::as_slice),
            )?;
        }
        // Asking may have taken a while.
        let sending = self.creating(&deadline, order.not_after())?;
        let answer = self.api().create_volume(&sending, &volume::body(order)).await?;
        let id = answer.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kept = mark::keep(&answer, &id, order.mark());
        let made = volume::read(self.name(), answer)?;
        kept.map(|()| made)
    }

    /// Makes one larger. One that has the size already is left as it is.
    pub(crate) async fn grow(&self, context: &CallContext, id: &VolumeId, size_gb: u32) -> Result<Volume> {
        volume::size(size_gb)?;
        let deadline = Deadline::of(self.clock(), context);
        let now = self.api().get_volume(&deadline.context()?, "grow_volume", id.as_str()).await?;
        let now = volume::read(self.name(), now)?;
        if now.size_gb > size_gb {
            let message = format!("volume {id} has {} gigabytes, and none can be made smaller", now.size_gb);
            return Err(Error::validation(message));
        }
        if now.size_gb == size_gb {
            return Ok(now);
        }
        let answer = self.api().resize_volume(&deadline.context()?, id.as_str(), size_gb).await?;
        volume::read(self.name(), answer)
    }

    /// Deletes one and all that is on it. Of one that is not deleted while something uses it, it says what that is.
    pub(crate) async fn drop_volume(&self, context: &CallContext, id: &VolumeId) -> Result<()> {
        let deadline = Deadline::of(self.clock(), context);
        match self.api().delete_volume(context, id.as_str()).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                Err(match self.users_of(deadline.within(LOOK), id).await.as_slice() {
                    [] => error,
                    users => error.context(format!("volume {id} is mounted by {}", users.join(", "))),
                })
            }
            done => done,
        }
    }

    /// What uses a volume, as far as it can be read: this only helps who reads an error.
    async fn users_of(&self, deadline: Deadline<'_>, id: &VolumeId) -> Vec<String> {
        let mut users = Vec::new();
        if let Ok(context) = deadline.context() {
            let pods = deadline.reading(self.api().list_pods(self.clock(), &context, DELETE_VOLUME)).await;
            users.extend(volume::users(id, RentalKind::Machine, &pods.unwrap_or_default()));
        }
        if let Ok(context) = deadline.context() {
            let endpoints = deadline.reading(self.api().list_endpoints(self.clock(), &context, DELETE_VOLUME)).await;
            users.extend(volume::users(id, RentalKind::Endpoint, &endpoints.unwrap_or_default()));
        }
        users
    }
}
