//! Making and growing network volumes.

use atlas_core::{CallContext, Error, Result, Volume, VolumeId, VolumeOrder};
use serde_json::Value;

use crate::account::RunPod;
use crate::deadline::Deadline;
use crate::translate::{mark, places, volume};

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
}
