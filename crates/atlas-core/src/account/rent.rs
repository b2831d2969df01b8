//! Renting what is no machine (rule O1): recorded, sent once, closed by an answer or by proof.

use std::future::Ready;
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
    /// Who can list what there is rents by [`rent_or_find`](Self::rent_or_find), which survives a lost answer. For a
    /// network volume there is [`create_volume`](Self::create_volume).
    pub async fn rent<R, T, F, Making>(&self, name: Option<String>, request: R, create: F) -> Result<T>
    where
        T: Rentable,
        F: FnOnce(CallContext, RentalOrder<R>) -> Making,
        Making: Future<Output = Result<T>>,
    {
        let no_list = None::<fn(CallContext) -> Ready<Result<Vec<T>>>>;
        self.rent_with(name, request, create, no_list).await
    }

    /// As [`rent`](Self::rent); when the cloud's answer is lost, what it made is looked for in what `list` gives, at most
    /// for twenty seconds and within the call's time-out, and handed out as if the answer had come.
    ///
    /// `list` gives all of this kind that the account has, or an error. Of several that bear the order's mark the oldest is
    /// handed out, and the others are left alone: they are shown by `list` and `reap`.
    pub async fn rent_or_find<R, T, F, Making, L, Listing>(
        &self,
        name: Option<String>,
        request: R,
        create: F,
        list: L,
    ) -> Result<T>
    where
        T: Rentable,
        F: FnOnce(CallContext, RentalOrder<R>) -> Making,
        Making: Future<Output = Result<T>>,
        L: Fn(CallContext) -> Listing,
        Listing: Future<Output = Result<Vec<T>>>,
    {
        self.rent_with(name, request, create, Some(list)).await
    }

    async fn rent_with<R, T, F, Making, L, Listing>(
        &self,
        name: Option<String>,
        request: R,
        create: F,
        list: Option<L>,
    ) -> Result<T>
    where
        T: Rentable,
        F: FnOnce(CallContext, RentalOrder<R>) -> Making,
        Making: Future<Output = Result<T>>,
        L: Fn(CallContext) -> Listing,
        Listing: Future<Output = Result<Vec<T>>>,
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
        let answer = create(self.context.clone(), order).await;
        let made = match (answer, list) {
            (Ok(made), _) => made,
            (Err(error), None) => return Err(self.failed(&intent, error).await),
            (lost, Some(list)) => {
                let look = || async {
                    let mut all = list(self.context.clone()).await?;
                    all.retain(|one| one.rented().bears(token) && !one.rented().is_gone());
                    Ok(all)
                };
                self.made_by(&intent, lost, look).await?.first
            }
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
