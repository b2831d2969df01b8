//! One machine from the first of several accounts that has it.

use super::Account;
use crate::{Auth, ComputeRequest, Error, ErrorKind, Result, Spawned};

impl Account {
    /// Rents a machine on the first of `accounts` that can give it, and says which that was.
    ///
    /// The next one is asked only after a refusal that proves that nothing exists: no capacity, or something that this
    /// cloud does not have. Any other error ends the search, for a second create might be a second machine. Where all
    /// refuse, the error is that of want of capacity if there was one, since that may pass.
    pub async fn spawn_on_first<'a>(
        accounts: &'a [Self],
        request: &ComputeRequest,
        auth: Auth,
    ) -> Result<(&'a Self, Spawned)> {
        let mut refusals = Vec::new();
        for account in accounts {
            match account.spawn(request.clone(), auth).await {
                Ok(spawned) => return Ok((account, spawned)),
                Err(error) if leaves_others(&error) => refusals.push(error),
                Err(error) => return Err(error),
            }
        }
        Err(all_refused(refusals))
    }
}

/// Whether another account may be asked after this one.
fn leaves_others(error: &Error) -> bool {
    error.is_safe_to_resend() && matches!(error.kind(), ErrorKind::NoCapacity | ErrorKind::Unsupported)
}

fn all_refused(mut refusals: Vec<Error>) -> Error {
    if refusals.len() < 2 {
        return refusals.pop().unwrap_or_else(|| Error::validation("no account is named to rent from"));
    }
    let all = refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let no_capacity = refusals.iter().any(|error| error.kind() == ErrorKind::NoCapacity);
    let message = format!("none of {} accounts has such a machine: {all}", refusals.len());
    let error = if no_capacity { Error::no_capacity(message) } else { Error::unsupported(message) };
    error.with_operation("spawn")
}

#[cfg(test)]
mod tests {
    //! Only a proven refusal leads to the next account.

    use super::*;
    use crate::{ComputeId, Effect};

    #[test]
    fn only_a_proven_refusal_leads_to_the_next_account() {
        assert!(leaves_others(&Error::no_capacity("none free")));
        assert!(leaves_others(&Error::unsupported("no gpu")));
        assert!(!leaves_others(&Error::no_capacity("none free").with_effect(Effect::Unknown)));
        assert!(!leaves_others(&Error::no_capacity("none free").with_leftover(ComputeId::new("m1"))));
        assert!(!leaves_others(&Error::validation("no such port")));
        assert!(!leaves_others(&Error::timeout("no answer")));
    }

    #[test]
    fn where_all_refuse_want_of_capacity_counts_most() {
        let refused = all_refused(vec![Error::no_capacity("none free"), Error::unsupported("no gpu")]);
        assert_eq!(refused.kind(), ErrorKind::NoCapacity);
        assert!(refused.is_safe_to_resend());
        insta::assert_snapshot!(
            refused,
            @"spawn: none of 2 accounts has such a machine: none free; no gpu"
        );
        assert_eq!(all_refused(vec![Error::unsupported("no gpu")]).to_string(), "no gpu");
        assert_eq!(all_refused(Vec::new()).kind(), ErrorKind::Validation);
    }
}
