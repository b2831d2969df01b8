//! One session as its user holds it: where its machine is, with what it opens, how it stands, when it is over.

use std::time::Duration;

use crate::books::Read;
use crate::endpoint::{Endpoint, NoEndpoint, reached};
use crate::events::EventStream;
use crate::view::{Phase, SessionView};
use crate::{Error, Orchestrator, Result, SessionId};

/// The longest that a waiting caller sleeps without looking: a net under the notifications.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// One session, as its user holds it. Cheap to clone; dropping it ends nothing.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) id: SessionId,
    pub(crate) orchestrator: Orchestrator,
    pub(crate) differs: Vec<&'static str>,
}

impl Session {
    /// Its name, for [`Orchestrator::touch`] and everything else.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// In what the live session differs from the request that asked for it.
    pub fn differs(&self) -> &[&'static str] {
        &self.differs
    }

    /// How it stands now.
    pub async fn view(&self) -> Result<SessionView> {
        let inner = &self.orchestrator.inner;
        let read = inner.books.session(self.id).await?.ok_or(Error::NoSession(self.id))?;
        let mut view = inner.view(&read.record).await?;
        view.differs.clone_from(&self.differs);
        Ok(view)
    }

    /// Waits until its machine answers, for as long as its start time-out; then where it is reached, and with what. A
    /// stopped session is not waited for.
    pub async fn ready(&self) -> Result<Endpoint> {
        loop {
            // Registered before the read, so that no change in between is slept through.
            let cell = self.orchestrator.inner.activity.cell(&self.id);
            let changed = cell.as_ref().map(|cell| cell.changed());
            match self.endpoint().await {
                // What no waiting mends is told at once.
                Err(Error::NoEndpoint { why, .. }) if why != NoEndpoint::Stopped && why != NoEndpoint::Unreadable => {}
                reached_or_refused => return reached_or_refused,
            }
            if self.orchestrator.inner.closing.is_cancelled() {
                return Err(Error::Closed);
            }
            match changed {
                Some(changed) => drop(tokio::time::timeout(LONGEST_WAIT, changed).await),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Where it is reached now, and with what; an error that says why there is nothing to be reached, if there is not:
    /// [`Error::NoEndpoint`] while it lives, [`Error::Over`] once it ends. Ask each time, keep nothing (rule P12).
    pub async fn endpoint(&self) -> Result<Endpoint> {
        let inner = &self.orchestrator.inner;
        let Read { record: session, .. } = inner.books.session(self.id).await?.ok_or(Error::NoSession(self.id))?;
        if let Some(receipt) = session.receipt() {
            return Err(Error::Over { session: self.id, reason: receipt.reason });
        }
        let rental = match session.current {
            Some(current) => match inner.books.rental(current).await {
                Err(Error::Unreadable { .. }) => None,
                read => read?.map(|read| read.record),
            },
            None => None,
        };
        let (compute, published) =
            reached(&session, rental.as_ref()).map_err(|why| Error::NoEndpoint { session: self.id, why })?;
        Ok(Endpoint {
            generation: published.generation,
            compute: compute.clone(),
            ports: published.ports.clone(),
            credentials: inner.credentials(&session, rental.as_ref().expect("what is reached is a rental's"))?,
            expires_at: session.max_lifetime.map(|lifetime| session.created_at.plus(lifetime)),
        })
    }

    /// Waits until all its machines are proven gone; at once if it has ended already.
    pub async fn ended(&self) -> Result<SessionView> {
        loop {
            let cell = self.orchestrator.inner.activity.cell(&self.id);
            let changed = cell.as_ref().map(|cell| cell.changed());
            let view = self.view().await?;
            if view.phase == Phase::Ended {
                return Ok(view);
            }
            match changed {
                Some(changed) => drop(tokio::time::timeout(LONGEST_WAIT, changed).await),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// Follows what happens to it: its state first.
    pub async fn events(&self) -> Result<EventStream> {
        let seen = self.orchestrator.last_event().await?;
        let state = vec![self.view().await?];
        Ok(EventStream::new(&self.orchestrator.inner, Some(self.id), seen, state))
    }
}
