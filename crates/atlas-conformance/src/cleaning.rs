//! An end for all that was made, whatever became of its case.

use std::time::Duration;

use atlas_auth::Timestamp;
use atlas_core::{ComputeId, ComputeStatus, Mark, RentalKind, Result};

use crate::bench::{Bench, Broken, mark_of};
use crate::dated;
use crate::orders::DEPLOYMENT;

impl Bench<'_> {
    /// Ends all that bears the mark of this run, and `stale` ones of earlier runs; what is left, in words.
    pub(crate) async fn clean(&self, stale: bool) -> Vec<String> {
        self.harness().heal();
        let mut left = Vec::new();
        for kind in [RentalKind::Machine, RentalKind::Volume] {
            match self.ours(kind, stale).await {
                Err(error) => left.push(format!("it is not known whether a {kind} is left: {error}")),
                Ok(ids) => {
                    for id in ids {
                        let ended = if kind == RentalKind::Machine {
                            self.end(&id).await
                        } else {
                            self.provider().end_rented(&self.context(), kind, &id).await.map_err(Broken::from)
                        };
                        if let Err(why) = ended {
                            left.push(format!("{kind} {id} is left: {why}"));
                        }
                    }
                }
            }
        }
        left
    }

    /// How old a thing of another run must be to be no more in use: each case ends what it made within its own bound.
    fn stale_after(&self) -> Duration {
        Duration::from_hours(1).max(self.harness().patience() * 4)
    }

    /// What bears the mark of this run; with `stale`, also what an earlier one left more than an hour ago, by its token,
    /// or else by what the cloud says. What tells no age may be of a run that goes on beside this one, and is left alone.
    async fn ours(&self, kind: RentalKind, stale: bool) -> Result<Vec<ComputeId>> {
        let bears = |mark: Option<Mark>, made: Option<Timestamp>| {
            mark.is_some_and(|mark| {
                let made = dated::made_at(mark.token).or(made);
                let old = made.is_some_and(|made| self.now().since(made) > self.stale_after());
                mark.deployment.as_str() == DEPLOYMENT && (mark.installation == self.installation || (stale && old))
            })
        };
        if kind == RentalKind::Volume {
            if !self.provider().traits().has(atlas_core::Capability::NetworkVolumes) {
                return Ok(Vec::new());
            }
            let all = self.provider().list_volumes(&self.context()).await?;
            let ours = all.into_iter().filter(|volume| bears(volume.mark(), volume.created_at));
            return Ok(ours.map(|volume| ComputeId::new(volume.id.as_str())).collect());
        }
        let all = self.list().await?;
        let living = all.into_iter().filter(|compute| compute.status != ComputeStatus::Terminated);
        let ours = living.filter(|compute| bears(mark_of(compute), compute.created_at));
        Ok(ours.map(|compute| compute.id).collect())
    }
}
