//! Renting what is no machine (rule O1): recorded, sent once, closed by an answer or by proof.

use std::sync::Arc;

use super::Account;
use super::spawn::MAY_SEND_FOR;
use crate::{
    CallContext, Effect, Error, Intent, Intents, Mark, Rentable, RentalKind, RentalOrder, Result, SpawnToken,
    TokenKind, mark,
};

impl Account {
    /// Rents something that bills and is no machine, by a create of its provider's own. **Bills until it is ended.** Sent
    /// once.
    ///
    /// The rental is recorded first, and `create` is then called once with the order for it. What it makes must bear the
    /// order's [name](RentalOrder::name), and may be made only before its [last moment](RentalOrder::not_after). When the
    /// cloud's answer is lost, the error's effect is `unknown` and the intent stays open: `reap` finds out what became of
    /// it. So it does if the future is dropped. What comes back under another mark is ended before this returns.
    ///
    /// For a network volume there is [`create_volume`](Self::create_volume).
    pub async fn rent<R, T, F, Made>(&self, name: Option<String>, request: R, create: F) -> Result<T>
    where
        T: Rentable,
        F: FnOnce(CallContext, RentalOrder<R>) -> Made,
        Made: Future<Output = Result<T>>,
    {
        let (kind, shared) = (T::KIND, &self.surroundings);
        let named = |error: Error| error.with_provider(self.provider.id()).with_operation(makes(kind));
        self.refuse_unfindable(kind)?;
        name.as_deref().map_or(Ok(()), mark::check_name).map_err(named)?;
        let token = SpawnToken::generate(TokenKind::Plain, &*shared.entropy);
        let mark = Mark::new(shared.deployment.clone(), shared.installation.clone(), token, name);
        let (now, scope) = (self.now(), self.provider.scope(&self.context));
        let intent = Intent::machine(mark.clone(), self.provider.id(), scope, now, now.plus(MAY_SEND_FOR));
        let intent = intent.of_kind(kind);
        let limit = self.provider.traits().name_limit;
        let order = RentalOrder::record(&shared.intents, &intent, request, limit).await.map_err(named)?;
        // Held here as well: until the answer is written down, no other process may take its sender for dead.
        let sending = Arc::new(shared.intents.sending(token));
        let order = order.holding(sending.clone());
        if self.now() > order.not_after() {
            let late = Error::timeout("the create was to be sent within a minute of its record, and was not");
            return Err(named(self.failed(&intent, late.with_effect(Effect::NotSent)).await));
        }
        let made = match create(self.context.clone(), order).await {
            Ok(made) => made,
            Err(error) => return Err(self.failed(&intent, error).await),
        };
        let rented = made.rented();
        let bound = shared.intents.bound(token, &rented.id).await;
        drop(sending);
        // What cannot be recorded nobody else will ever know of (rule P2).
        let handed_out = bound
            .map_err(|error| error.context(format!("the {kind} was made and could not be recorded")))
            .and_then(|()| self.refuse_altered(&rented, &mark));
        let handed_out = match handed_out {
            Ok(()) => self.read_back(kind, &rented.id, &mark).await,
            refused => refused,
        };
        match handed_out {
            Ok(()) => Ok(made),
            Err(error) => Err(self.undo(&intent, std::slice::from_ref(&rented.id), named(error)).await),
        }
    }

    /// Refuses to rent what could not be found again after a lost answer.
    fn refuse_unfindable(&self, kind: RentalKind) -> Result<()> {
        let Some(capability) = kind.capability() else {
            let error = Error::validation("a machine is rented by `spawn`, which gives it its keys");
            return Err(error.with_provider(self.provider.id()).with_operation(makes(kind)));
        };
        if self.provider.traits().has(capability) {
            return Ok(());
        }
        Err(self.provider.unsupported(makes(kind), capability))
    }
}

/// The operation by which such a thing is made, as errors name it.
const fn makes(kind: RentalKind) -> &'static str {
    match kind {
        RentalKind::Machine => "spawn",
        RentalKind::Volume => "create_volume",
        RentalKind::Endpoint => "create_endpoint",
    }
}
