//! What an account owns and owes, told from the world.

use atlas_auth::Timestamp;

use super::app::World;
use super::catalog::dollars;
use crate::model::Machine;

/// What an account has that nobody said anything of.
const USUAL_BALANCE: f64 = 10_000.0;

impl World {
    fn machines_of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Machine> {
        self.cloud.all().filter(move |machine| machine.blueprint.account == account)
    }

    /// Dollars an hour that the account spends now.
    pub(super) fn spending(&self, account: &str, now: Timestamp) -> f64 {
        let live = self.machines_of(account).filter(|machine| machine.is_live(now));
        dollars(live.map(|machine| machine.rate(now).as_micros()).sum())
    }

    /// Dollars that the account has left.
    pub(super) fn balance(&self, account: &str, now: Timestamp) -> f64 {
        let spent: i64 = self.machines_of(account).map(|machine| machine.cost(now).as_micros()).sum();
        self.account(account).balance.unwrap_or(USUAL_BALANCE) - dollars(spent)
    }

    /// Whether an endpoint stands on a template.
    pub(super) fn is_template_used(&self, account: &str, id: &str, now: Timestamp) -> bool {
        self.cloud.list_endpoints(account, now).any(|endpoint| endpoint.plan.notes["templateId"] == id)
    }
}
