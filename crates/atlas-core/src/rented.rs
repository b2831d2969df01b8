//! Whatever bills, in the few words that its keeping and its ending need (rule O1): a machine, a network volume, a
//! serverless endpoint.

use atlas_auth::Timestamp;
use serde::Serialize;

use crate::{Compute, ComputeId, ComputeStatus, Mark, Money, RentalKind, SpawnToken, Volume};

/// One thing that bills, as its cloud shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Rented {
    /// What it is.
    pub kind: RentalKind,
    /// What the cloud calls it.
    pub id: ComputeId,
    /// Its name at the cloud, with the mark.
    pub name: Option<String>,
    /// What it is doing, where it is something that runs; else `None`.
    pub status: Option<ComputeStatus>,
    /// What it costs an hour, in dollars, where the cloud says.
    pub cost_per_hour: Option<Money>,
    /// When the cloud made it.
    pub created_at: Option<Timestamp>,
    /// The mark that was read from elsewhere than its name. Ask [`mark`](Self::mark()) which one it bears.
    #[serde(skip)]
    pub mark: Option<Mark>,
}

impl Rented {
    /// Something of which only this much is known.
    pub fn new(kind: RentalKind, id: impl Into<String>) -> Self {
        let id = ComputeId::new(id);
        Self { kind, id, name: None, status: None, cost_per_hour: None, created_at: None, mark: None }
    }

    /// The mark that it bears: one that was read from elsewhere, else its name's.
    pub fn mark(&self) -> Option<Mark> {
        self.mark.clone().or_else(|| self.name.as_deref().and_then(Mark::read))
    }

    /// Whether it came from this create, by its mark or by its name.
    pub fn bears(&self, token: SpawnToken) -> bool {
        let named = self.name.as_deref().and_then(Mark::read);
        [self.mark.as_ref(), named.as_ref()].into_iter().flatten().any(|mark| mark.token == token)
    }

    /// Whether its cloud says that it is over and bills no more.
    pub fn is_gone(&self) -> bool {
        self.status == Some(ComputeStatus::Terminated)
    }
}

/// What bills, as one kind of thing: what [`Account::rent`](crate::Account::rent) can be given to make.
pub trait Rentable {
    /// Which kind.
    const KIND: RentalKind;

    /// The same in the words that its keeping and its ending need. Of the kind [`KIND`](Self::KIND).
    fn rented(&self) -> Rented;
}

impl Rentable for Compute {
    const KIND: RentalKind = RentalKind::Machine;

    fn rented(&self) -> Rented {
        Rented {
            name: self.name.clone(),
            status: Some(self.status.clone()),
            cost_per_hour: self.cost_per_hour,
            created_at: self.created_at,
            mark: self.mark.clone(),
            ..Rented::new(Self::KIND, self.id.as_str())
        }
    }
}

impl Rentable for Volume {
    const KIND: RentalKind = RentalKind::Volume;

    fn rented(&self) -> Rented {
        Rented {
            name: self.name.clone(),
            cost_per_hour: self.cost_per_hour,
            created_at: self.created_at,
            ..Rented::new(Self::KIND, self.id.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    //! A thing is known by the mark in its name or elsewhere, and by no other.

    use atlas_auth::SeededEntropy;

    use super::*;
    use crate::{Deployment, Installation, ProviderId, TokenKind, VolumeId};

    fn mark(seed: u64) -> Mark {
        let entropy = SeededEntropy::new(seed);
        let token = SpawnToken::generate(TokenKind::Plain, &entropy);
        Mark::new(Deployment::default(), Installation::generate(&entropy), token, None)
    }

    #[test]
    fn it_bears_the_token_of_its_name_or_of_the_mark_that_was_read_elsewhere() {
        let (named, elsewhere) = (mark(1), mark(2));
        let mut volume = Volume::new(&ProviderId::parse("mock").unwrap(), VolumeId::new("v1"), 10);
        assert!(volume.rented().mark().is_none() && !volume.rented().bears(named.token));
        volume.name = Some(named.to_string());
        let mut rented = volume.rented();
        assert_eq!((rented.kind, rented.id.as_str(), rented.mark()), (RentalKind::Volume, "v1", Some(named.clone())));
        assert!(rented.bears(named.token) && !rented.bears(elsewhere.token));
        // A cloud that keeps it in two places may cut it in one of them.
        rented.mark = Some(elsewhere.clone());
        assert!(rented.bears(named.token) && rented.bears(elsewhere.token));
        assert_eq!(rented.mark(), Some(elsewhere));
        rented.name = Some("data".to_owned());
        assert!(!rented.bears(named.token));
    }

    #[test]
    fn only_a_status_says_that_it_is_gone() {
        let mut rented = Rented::new(RentalKind::Machine, "m1");
        assert!(!rented.is_gone());
        for status in ComputeStatus::KNOWN {
            rented.status = Some(status.clone());
            assert_eq!(rented.is_gone(), status == ComputeStatus::Terminated, "{status}");
        }
    }
}
