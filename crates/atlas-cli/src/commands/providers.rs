//! `atlas providers`: names with capabilities.

use std::collections::BTreeSet;

use atlas::{Capabilities, Capability};
use clap::Args;
use serde::Serialize;

use crate::Outcome;
use crate::context::Context;
use crate::table::Table;

/// Show the providers that this program knows, with what each can do.
///
/// A kind's own name needs no entry in the configuration. An account that cannot be used yet is shown with the reason.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Providers {}

const EXAMPLES: &str = "\
Examples:
  atlas providers
  atlas providers --json | jq -r '.[] | select(.capabilities | index(\"stop_resume\")) | .name'";

/// One account, or one kind that needs none.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    kind: String,
    /// Whether the configuration names it.
    configured: bool,
    default: bool,
    /// Empty where the account cannot be built.
    capabilities: Capabilities,
    /// Why the account cannot be used.
    error: Option<String>,
}

impl Providers {
    #[expect(clippy::unused_self, reason = "every command is run the same way")]
    pub(crate) fn run(self, context: &Context) -> Outcome {
        let atlas = &context.atlas;
        let configured: BTreeSet<_> = atlas.configured().into_iter().collect();
        let mut rows = Vec::new();
        for id in atlas.known() {
            let kind = atlas.config().providers.get(&id).map_or(id.as_str(), |entry| entry.kind.as_str()).to_owned();
            let built = context.build(id.as_str());
            let (capabilities, error) = match &built {
                Ok(account) => (account.provider().traits().capabilities, None),
                Err(failure) => (Capabilities::NONE, Some(failure.error().to_string())),
            };
            rows.push(Row {
                name: id.to_string(),
                kind,
                configured: configured.contains(&id),
                default: atlas.config().default_provider.as_ref() == Some(&id),
                capabilities,
                error,
            });
        }
        context.output.result(&rows, || {
            let mut table = Table::new(&["NAME", "KIND", "DEFAULT", "CAPABILITIES"]);
            for row in &rows {
                let capabilities = row.capabilities.iter().map(Capability::name).collect::<Vec<_>>().join(" ");
                let last = row.error.as_ref().map_or(capabilities, |error| format!("cannot be used: {error}"));
                let default = if row.default { "yes" } else { "" };
                table.row([row.name.clone(), row.kind.clone(), default.to_owned(), last]);
            }
            context.output.table(&table)
        })?;
        Ok(())
    }
}
