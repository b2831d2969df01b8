//! `atlas token`: bearer tokens.

use atlas::auth::{BearerToken, SystemEntropy, TokenHash};
use atlas::{Error, ErrorKind};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;
use crate::table::pairs;

/// Mint and verify bearer tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    Mint(Mint),
    Verify(Verify),
}

/// Make a new bearer token.
///
/// 256 random bits. Keep the hash; hand the token to whoever shall be admitted. It is stored nowhere.
#[derive(Debug, Args)]
#[command(after_help = MINT_EXAMPLES)]
pub(crate) struct Mint {}

const MINT_EXAMPLES: &str = "\
Examples:
  atlas token mint
  atlas token mint --json | jq -r .hash";

/// Tell whether the token on standard input belongs to a hash.
///
/// One newline at the end of the input is dropped. Exits 0 if it does, 4 if not, 2 if the hash is none.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct Verify {
    /// The hash: 64 hexadecimal digits in lower case
    #[arg(allow_hyphen_values = true, value_parser = TokenHash::parse)]
    hash: TokenHash,
}

const VERIFY_EXAMPLES: &str = "\
Examples:
  atlas token verify HASH < token.txt
  printenv ATLAS_PRESHARED_KEY | atlas token verify HASH";

impl Token {
    pub(crate) fn run(self, output: Output) -> Outcome {
        match self {
            Self::Mint(_) => mint(output),
            Self::Verify(verify) => verify.run(output),
        }
    }
}

fn mint(output: Output) -> Outcome {
    let token = BearerToken::mint(&SystemEntropy);
    let (variable, value) = token.env();
    let hash = token.hash().to_string();
    let env = Map::from_iter([(variable.to_owned(), Value::from(value.expose()))]);
    let header = token.header();
    let answer = json!({ "token": token.expose(), "hash": hash, "header": header.expose(), "env": env });
    output.result(&answer, || {
        pairs(&[
            ("token", token.expose().to_owned()),
            ("hash", hash),
            ("header", header.expose().to_owned()),
            ("env", format!("{variable}={}", value.expose())),
        ])
    })?;
    Ok(())
}

impl Verify {
    fn run(&self, output: Output) -> Outcome {
        let token = input::secret_from_stdin()?;
        if !self.hash.matches(token.expose()) {
            let error = Error::new(ErrorKind::Unauthorized, "the token does not belong to this hash");
            return Err(Failure::from(error.with_effect(atlas::Effect::NotSent).with_operation("token verify")));
        }
        output.result(&json!({ "valid": true }), || "the token is valid".to_owned())?;
        Ok(())
    }
}
