//! `atlas url`: addresses that open by themselves, for one method, until an hour.

use std::time::Duration;

use atlas::auth::{Clock, DEFAULT_KEY_ID, SystemClock, UrlError, UrlSigner, UrlVerifier};
use atlas::{Error, ErrorKind};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::Outcome;
use crate::failure::Failure;
use crate::input::SecretSource;
use crate::output::Output;

/// A signature that holds longer is a slip of the finger.
const LONGEST: Duration = Duration::from_hours(10 * 366 * 24);

/// Sign and verify URLs.
#[derive(Debug, Subcommand)]
pub(crate) enum Url {
    Sign(Sign),
    Verify(Verify),
}

/// Sign a URL.
///
/// Whoever has the signed URL is admitted with its method until it expires; GET serves for HEAD too. It must be https,
/// or http on this machine itself.
#[derive(Debug, Args)]
#[command(after_help = SIGN_EXAMPLES)]
pub(crate) struct Sign {
    /// The URL to sign
    #[arg(allow_hyphen_values = true)]
    url: String,
    #[command(flatten)]
    secret: SecretSource,
    /// How long the signature holds
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = atlas::duration::parse, allow_hyphen_values = true)]
    expires: Duration,
    #[command(flatten)]
    terms: Terms,
}

const SIGN_EXAMPLES: &str = "\
Examples:
  atlas url sign https://gpu.example.com/out.png --secret-env SIGNING_KEY
  atlas url sign https://gpu.example.com/upload --secret-file key.txt --method PUT --expires 10m";

/// Tell whether a signed URL is good.
///
/// Exits 0 if it is; 4 if it has expired, or is signed by another key or for another URL or method; 2 if it is no signed
/// URL at all, as when its end was cut off.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// The signed URL
    #[arg(allow_hyphen_values = true)]
    url: String,
    #[command(flatten)]
    secret: SecretSource,
    #[command(flatten)]
    terms: Terms,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  atlas url verify 'https://gpu.example.com/out.png?atlas-expires=…' --secret-env SIGNING_KEY";

/// What signer and verifier must agree on.
#[derive(Debug, Args)]
struct Terms {
    /// The method that the signature is for
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// The name of the key, where there are several
    #[arg(long, value_name = "ID", default_value = DEFAULT_KEY_ID, allow_hyphen_values = true)]
    key_id: String,
}

impl Url {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self {
            Self::Sign(sign) => sign.run(output),
            Self::Verify(verify) => verify.run(output),
        }
    }
}

impl Sign {
    fn run(&self, output: Output) -> Outcome {
        if self.expires < Duration::from_secs(1) {
            return Err(Failure::usage("--expires must be at least one second"));
        }
        if self.expires > LONGEST {
            return Err(Failure::usage("--expires must be at most ten years: rotate the key before that"));
        }
        let signer = UrlSigner::new(&self.terms.key_id, self.secret.read()?).map_err(wrong_key)?;
        let signed = signer
            .sign(&self.terms.method, &self.url, SystemClock.now().plus(self.expires))
            .map_err(|error| refused(&error))?;
        let answer = json!({ "url": signed.expose(), "expires_at": signed.expires_at() });
        output.result(&answer, || signed.expose().to_owned())?;
        Ok(())
    }
}

impl Verify {
    fn run(&self, output: Output) -> Outcome {
        let verifier = UrlVerifier::new(&self.terms.key_id, self.secret.read()?).map_err(wrong_key)?;
        verifier.verify(&self.terms.method, &self.url, SystemClock.now()).map_err(|error| refused(&error))?;
        output.result(&json!({ "valid": true }), || "the URL is valid".to_owned())?;
        Ok(())
    }
}

fn wrong_key(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}

/// Malformed is the caller's mistake; expired, forged and unknown are refusals.
fn refused(error: &UrlError) -> Failure {
    let kind = match error {
        UrlError::Malformed(_) => ErrorKind::Validation,
        _ => ErrorKind::Unauthorized,
    };
    Failure::from(Error::new(kind, error.to_string()).with_effect(atlas::Effect::NotSent))
}
