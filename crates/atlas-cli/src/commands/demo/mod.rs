//! `atlas demo`: the whole story on this machine, each step seen to hold.
//!
//! ```text
//! this process (the backend's users)        ── lines of JSON ──►   its orchestrator (a child of its own)
//!      │ talks to each machine directly                                 │ store, loop, reaper
//!      ▼                                                                ▼
//! machines: real processes of the `local` provider, each behind its own key
//! ```
//!
//! The orchestrator is a process of its own so that it can be killed in mid-session. Everything stands in
//! `state_dir/demo`, which one demo at a time holds by its lock.

mod child;
mod home;
mod link;
mod protocol;
mod story;

use std::time::Duration;

use clap::Args;

pub(crate) use child::serve;
pub(crate) use home::Home;

use self::link::Link;
use self::story::Story;
use crate::Outcome;
use crate::context::Context;
use crate::failure::Failure;

/// The subcommand under which this program is the orchestrator of a demo. Nobody types it.
pub(crate) const CHILD: &str = "__demo";

/// The most sessions that fit the half minute that a demo may take.
const MOST_SESSIONS: u8 = 20;

/// How long the undoing of a demo may take.
const UNDO: Duration = Duration::from_secs(20);

/// See the whole story on this machine, in under 30 seconds: no account, no set-up, nothing left behind.
///
/// Starts sessions on the `local` provider (each a real process that serves HTTP behind its own key), talks to them as a
/// browser would, kills its own orchestrator in mid-session and recovers, keeps one session by touches while the others
/// go idle and are ended, ends the last one, and prints the bill. Exits 0 only if every step was seen to hold and
/// nothing is left running.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// How many users come
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_SESSIONS)))]
    sessions: u8,
    /// Keep the sessions in use until Ctrl-C, then end them
    #[arg(long)]
    stay: bool,
}

const EXAMPLES: &str = "\
Examples:
  atlas demo
  atlas demo --sessions 10
  atlas demo --stay
  atlas demo --json | jq .";

impl Demo {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let home = Home::take(&context.atlas.config().state_dir)?;
        context.interrupt.may_leave("interrupted; run `atlas demo` or `atlas reap` to end what the demo may have left");
        let mut link = Link::open(&home).await?;
        let mut story = Story::new(context.output, &home);
        let told = context.interrupt.unless(story.tell(&mut link, self.sessions, self.stay)).await;
        let interrupted = context.interrupt.is_requested();
        // Whatever happened: what was begun is ended, and that is seen.
        let ended = tokio::time::timeout(UNDO, story.end_all(&mut link)).await.unwrap_or_else(|_| {
            Err(Failure::from(atlas::Error::timeout("the demo's machines are not proven gone yet; run `atlas reap`")))
        });
        link.close().await;
        // What could not be ended is the worse news.
        ended?;
        match told {
            // Ctrl-C is how a demo that stays is ended: nothing failed, and nothing is left.
            Err(_) if interrupted && self.stay => {}
            Err(_) if interrupted => {
                return Err(Failure::interrupted("interrupted; everything that the demo had begun was ended"));
            }
            told => told?,
        }
        Ok(story.finish()?)
    }
}
