//! What a test sees of the cloud beside its answers, and what it can do to it: things that happen at a cloud without
//! any call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use atlas_auth::{Clock, Secret, Timestamp};
use atlas_core::{CloudType, Compute, ComputeId, Error, Money, Provider, Result};

use super::call::refused;
use super::{Call, Mock, State, fingerprint, translate};
use crate::faults::{Operation, Rule};
use crate::model::{Blueprint, Cloud, Ledger, Machine, Phase, Refusal};
use crate::probe::{Asked, MockProbe};

/// Time, faults, and starting over.
impl Mock {
    /// The clock that the cloud follows.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner().clock.clone()
    }

    /// Lets `span` pass at the cloud. Its own clock moves with it; a clock of yours does not.
    pub fn advance(&self, span: Duration) {
        if let Some(manual) = &self.inner().manual {
            manual.advance(span);
        } else {
            self.lock().ahead += span;
        }
        self.look(|_, _| ());
        self.call_back();
    }

    /// Lets a fault happen, as its rule says.
    ///
    /// # Panics
    /// If the rule is about a call that the mock does not have ([`Operation::is_served_only`]): it would never strike.
    #[track_caller]
    pub fn inject(&self, rule: Rule) {
        assert!(!rule.operation().is_served_only(), "the mock has no call {}", rule.operation());
        let mut state = self.lock();
        let now = self.now_in(&state);
        state.plan.add(rule, now);
    }

    /// Forgets all faults that are still to come. What they did stays done.
    pub fn heal(&self) {
        self.lock().plan = crate::FaultPlan::new();
    }

    /// The faults that are still to come.
    pub fn rules(&self) -> Vec<Rule> {
        self.lock().plan.rules().to_vec()
    }

    /// Makes the cloud as new: no machines, no ledger, no calls, the faults, keys and seed that it was built with. Only
    /// time goes on.
    pub fn reset(&self) {
        let inner = self.inner();
        let mut fresh = State::new(inner.settings.clone(), inner.seed, inner.key.clone());
        let mut state = self.lock();
        fresh.ahead = state.ahead;
        fresh.forgotten = state.next_call();
        *state = fresh;
        let now = self.now_in(&state);
        for rule in inner.faults.rules() {
            state.plan.add(rule.clone(), now);
        }
    }
}

/// The truth, whatever was answered.
impl Mock {
    /// What was rented from when to when and what it cost, by now.
    pub fn ledger(&self) -> Ledger {
        self.look(Cloud::ledger)
    }

    /// What will have been rented, and what it will have cost, at `now` if nothing happens until then.
    pub fn ledger_at(&self, now: Timestamp) -> Ledger {
        self.look(|cloud, _| cloud.ledger(now))
    }

    /// Every machine that is on the bill now, in every account, hidden ones too; oldest first.
    pub fn machines(&self) -> Vec<Compute> {
        self.look(|cloud, now| {
            let live = cloud.all().filter(|machine| machine.is_live(now));
            live.map(|machine| translate::describe(cloud, machine, self.id(), self.traits().kind, now)).collect()
        })
    }

    /// The ids of what is on the bill now.
    pub fn live(&self) -> Vec<ComputeId> {
        self.look(|cloud, now| {
            cloud.all().filter(|machine| machine.is_live(now)).map(|machine| machine.id.clone()).collect()
        })
    }

    /// Every call that the cloud heard, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// How many calls of one operation it heard.
    pub fn count(&self, operation: Operation) -> usize {
        self.lock().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// The environment that a machine was given: its mark and its keys are in it.
    pub fn env(&self, id: &ComputeId) -> Option<BTreeMap<String, Secret>> {
        self.look(|cloud, _| cloud.machine(id).map(|machine| machine.blueprint.env.clone()))
    }

    /// Every question that the probes of this cloud asked.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// The questions with which a machine's key went to a stranger: there must be none.
    pub fn keys_at_strangers(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(Asked::betrays_key).collect()
    }

    /// A probe that asks the ports of this cloud's machines.
    pub fn probe(&self) -> MockProbe {
        MockProbe::new(self.clone())
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Cloud, Timestamp) -> T) -> T {
        let mut state = self.lock();
        let now = self.now_in(&state);
        let now = state.cloud.settle(now);
        look(&state.cloud, now)
    }
}

/// What happens at a cloud without any call. An id that no live machine has is `not_found`.
impl Mock {
    /// Takes a spot machine back. One that is no spot machine is a `validation` error.
    pub fn reclaim(&self, id: &ComputeId) -> Result<()> {
        if !self.change(id, |machine, _| machine.blueprint.spot)? {
            return Err(Error::validation(format!("machine {id} is no spot machine, and no cloud takes it back")));
        }
        self.happen(|cloud, now| cloud.take_away(id, "reclaimed", now))
    }

    /// Makes a machine disappear: it bills no more, and nobody asked for it.
    pub fn vanish(&self, id: &ComputeId) -> Result<()> {
        self.happen(|cloud, now| cloud.take_away(id, "vanished", now))
    }

    /// Ends a machine's command with this code. The machine bills on.
    pub fn exit(&self, id: &ComputeId, code: i32) -> Result<()> {
        self.happen(|cloud, now| cloud.befall(id, Phase::Exited(code), now))
    }

    /// Breaks a machine. It bills on.
    pub fn fail(&self, id: &ComputeId) -> Result<()> {
        self.happen(|cloud, now| cloud.befall(id, Phase::Failed, now))
    }

    /// Gives a machine a new id, which is returned; the old one is not found any more.
    pub fn migrate(&self, id: &ComputeId) -> Result<ComputeId> {
        self.happen(|cloud, now| cloud.migrate(id, now))
    }

    /// Makes another machine with the same name and environment, as a human does in a cloud's console.
    pub fn clone_machine(&self, id: &ComputeId) -> Result<ComputeId> {
        self.happen(|cloud, now| cloud.copy(id, now))
    }

    /// Makes a machine that somebody else rented in the same account, under whatever name.
    pub fn foreign_machine(&self, name: &str) -> ComputeId {
        let blueprint = self.stranger(name);
        let mut state = self.lock();
        let now = self.now_in(&state);
        let place = state.cloud.best_place(&blueprint);
        state.cloud.place(blueprint, place, now)
    }

    /// Gives a machine's id to a new machine of a stranger; the one that had it is gone.
    pub fn reuse_id(&self, id: &ComputeId, name: &str) -> Result<()> {
        let blueprint = self.stranger(name);
        self.happen(|cloud, now| cloud.reuse(id, blueprint, now))
    }

    /// Hides a machine from every read for `span`. It runs and bills on.
    pub fn hide(&self, id: &ComputeId, span: Duration) -> Result<()> {
        self.change(id, |machine, now| machine.hidden_until = now.plus(span))
    }

    /// Gives a machine another variable, as a human does in a cloud's console.
    pub fn set_env(&self, id: &ComputeId, name: &str, value: impl Into<Secret>) -> Result<()> {
        self.change(id, |machine, _| {
            machine.blueprint.env.insert(name.to_owned(), value.into());
        })
    }

    /// Lets a machine write to its log.
    pub fn write_log(&self, id: &ComputeId, text: &str) -> Result<()> {
        self.change(id, |machine, _| machine.log.extend_from_slice(text.as_bytes()))
    }

    /// Lets a machine's application answer every question whose key is right with this HTTP status.
    pub fn set_answer(&self, id: &ComputeId, status: u16) -> Result<()> {
        self.change(id, |machine, _| {
            machine.answers.insert(None, status);
        })
    }

    /// The same for one path, which goes before [`set_answer`](Self::set_answer).
    pub fn set_path_answer(&self, id: &ComputeId, path: &str, status: u16) -> Result<()> {
        self.change(id, |machine, _| {
            machine.answers.insert(Some(path.to_owned()), status);
        })
    }

    /// From now on there are so many of this GPU (`cpu` for machines without one).
    pub fn set_capacity(&self, gpu: &str, count: u32) {
        self.lock().cloud.settings.catalog.set_capacity(gpu, CloudType::Any, None, count);
    }

    /// From now on a new machine with this GPU costs so much an hour for each (`cpu` for machines without one).
    pub fn set_price(&self, gpu: &str, per_hour: Money) {
        self.lock().cloud.settings.catalog.set_price(gpu, per_hour);
    }

    /// The configuration names another key from now on: that of another account, unless the key is known.
    pub fn use_key(&self, key: impl Into<Secret>) {
        self.lock().key = Some(key.into());
    }

    /// The account gets a new key, and the configuration names it from now on: another scope, the same machines.
    pub fn rotate_key(&self, key: impl Into<Secret>) {
        let key = key.into();
        let mut state = self.lock();
        let (_, owner) = state.account(None);
        state.owners.insert(fingerprint(&key), owner);
        state.key = Some(key);
    }

    fn stranger(&self, name: &str) -> Blueprint {
        let account = self.lock().account(None).1;
        Blueprint { name: name.to_owned(), account, ..Blueprint::default() }
    }

    pub(super) fn happen<T>(&self, change: impl FnOnce(&mut Cloud, Timestamp) -> Result<T, Refusal>) -> Result<T> {
        let mut state = self.lock();
        let now = self.now_in(&state);
        change(&mut state.cloud, now).map_err(|refusal| refused(&refusal, "machine").with_provider(self.id()))
    }

    fn change<T>(&self, id: &ComputeId, change: impl FnOnce(&mut Machine, Timestamp) -> T) -> Result<T> {
        self.happen(|cloud, now| {
            let now = cloud.settle(now);
            cloud.machine_mut(id).map(|machine| change(machine, now))
        })
    }
}
