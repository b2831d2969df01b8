//! Conveniences over any provider. They decide nothing that the provider's own methods do not.

use std::time::Duration;

use async_trait::async_trait;

use crate::{CallContext, Compute, ComputeId, ComputeStatus, Error, ErrorKind, Provider, Result};

/// How often a waiting read asks.
const PAUSE: Duration = Duration::from_millis(250);

/// Conveniences over any provider.
#[async_trait]
pub trait ProviderExt: Provider {
    /// Reads until the machine runs; `timeout` or one that ended first is an error. Reads only: repeats safely.
    async fn wait_running(&self, context: &CallContext, id: &ComputeId, timeout: Duration) -> Result<Compute> {
        self.wait_status(context, id, timeout, &ComputeStatus::Running).await
    }

    /// Reads until the machine is stopped; `timeout` or one that ended first is an error. Reads only.
    async fn wait_stopped(&self, context: &CallContext, id: &ComputeId, timeout: Duration) -> Result<Compute> {
        self.wait_status(context, id, timeout, &ComputeStatus::Stopped).await
    }

    /// Reads until the machine has this status.
    async fn wait_status(
        &self,
        context: &CallContext,
        id: &ComputeId,
        timeout: Duration,
        wanted: &ComputeStatus,
    ) -> Result<Compute> {
        let reading = async {
            let mut unseen = Duration::ZERO;
            loop {
                match self.get(context, id).await {
                    Ok(compute) if compute.status == *wanted => return Ok(compute),
                    Ok(compute) if compute.status.is_over() => {
                        let message = format!("machine {id} is {} and will not be {wanted}", compute.status);
                        return Err(Error::new(ErrorKind::Provider, message).with_provider(self.id()));
                    }
                    Ok(_) => {}
                    Err(error) if error.is_transient() => {}
                    // It may only be new.
                    Err(error) if error.is_not_found() && unseen < self.traits().settle_window => unseen += PAUSE,
                    Err(error) => return Err(error),
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(timeout, reading).await.unwrap_or_else(|_| {
            let waited = crate::duration::format(timeout);
            Err(Error::timeout(format!("machine {id} is not {wanted} after {waited}")).with_provider(self.id()))
        })
    }
}

impl<P: Provider + ?Sized> ProviderExt for P {}
