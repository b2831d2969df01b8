//! Orders whose intents are kept nowhere: for calls of a provider by itself, at a cloud that ends with its test.

use std::time::Duration;

use atlas_auth::{Clock, SystemClock, SystemEntropy};
use atlas_core::testing::Forgotten;
use atlas_core::{
    Auth, CallContext, ComputeRequest, Credentials, Deployment, Installation, Intent, Mark, Provider, RentalKind,
    RentalOrder, Result, SpawnOrder, SpawnToken, TokenKind,
};

/// How long after its making an order may still be sent: longer than any test or benchmark takes.
const VALID: Duration = Duration::from_hours(1);

/// The longest name that RunPod takes, which is what rentals that are no machines are named for here.
const NAME_LIMIT: usize = 191;

/// The order for one machine, with a bearer key of its own.
pub async fn machine_order(provider: &dyn Provider, request: ComputeRequest) -> Result<SpawnOrder> {
    let credentials = Credentials::mint(Auth::Bearer, &SystemEntropy);
    let intent = intent(provider, request.name.clone())?;
    SpawnOrder::record(&Forgotten, &intent, request, &credentials, provider.traits()).await
}

/// The order for something that bills and is no machine.
pub async fn rental_order<R: Send>(provider: &dyn Provider, kind: RentalKind, request: R) -> Result<RentalOrder<R>> {
    let intent = intent(provider, None)?.of_kind(kind);
    RentalOrder::record(&Forgotten, &intent, request, NAME_LIMIT).await
}

fn intent(provider: &dyn Provider, name: Option<String>) -> Result<Intent> {
    let token = SpawnToken::generate(TokenKind::Plain, &SystemEntropy);
    let mark = Mark::new(Deployment::parse("test")?, Installation::parse("abcdef")?, token, name);
    let (now, scope) = (SystemClock.now(), provider.scope(&CallContext::new()));
    Ok(Intent::machine(mark, provider.id(), scope, now, now.plus(VALID)))
}
