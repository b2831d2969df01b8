//! `atlas logs`: what a machine writes, as it wrote it.

use atlas::{ComputeId, LogOptions, LogStream};
use clap::Args;
use futures_util::StreamExt;
use serde_json::json;

use crate::Outcome;
use crate::arguments::{Named, machine_id};
use crate::context::Context;
use crate::output::Output;

/// Show what a machine writes.
///
/// The bytes come as the machine wrote them; with --json each line is an object {"line": ...}.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Logs {
    /// What the cloud calls the machine
    #[arg(allow_hyphen_values = true, value_parser = machine_id)]
    id: ComputeId,
    /// Go on as more is written, until the machine ends
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    named: Named,
}

const EXAMPLES: &str = "\
Examples:
  atlas logs --provider local ID
  atlas logs --provider local ID --follow | grep -i error";

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Outcome {
        let account = context.account(self.named.provider.as_deref())?;
        let options = if self.follow { LogOptions::follow() } else { LogOptions::now() };
        let stream = account.logs(self.id, &options)?;
        context.interrupt.unless(copy(stream, context.output)).await
    }
}

async fn copy(mut stream: LogStream, output: Output) -> Outcome {
    let mut lines = Lines::default();
    while let Some(bytes) = stream.next().await {
        let bytes = bytes?;
        if output.is_json() {
            for line in lines.take(&bytes) {
                output.result(&json!({ "line": line }), String::new)?;
            }
        } else {
            output.raw(&bytes)?;
        }
    }
    if let Some(line) = lines.rest() {
        output.result(&json!({ "line": line }), String::new)?;
    }
    Ok(())
}

/// The longest line that is kept together.
const LONGEST: usize = 64 * 1024;

/// Cuts bytes into lines; what is no UTF-8 in them is replaced.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        self.0.extend_from_slice(bytes);
        let mut lines = Vec::new();
        let mut start = 0;
        while let Some(end) = self.0[start..].iter().position(|byte| *byte == b'\n').map(|at| start + at) {
            lines.push(String::from_utf8_lossy(&self.0[start..end]).into_owned());
            start = end + 1;
        }
        self.0.drain(..start);
        if self.0.len() > LONGEST {
            lines.extend(self.rest());
        }
        lines
    }

    fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.0);
        (!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned())
    }
}

#[cfg(test)]
mod tests {
    //! Lines come out whole, however the bytes come in.

    use super::*;

    #[test]
    fn lines_come_out_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"a\nb"), ["a"]);
        assert_eq!(lines.take(b"c\n\nd\xff"), ["bc", ""]);
        assert_eq!(lines.rest().as_deref(), Some("d\u{fffd}"));
        assert_eq!(lines.rest(), None);
        assert_eq!(lines.take(&vec![b'x'; LONGEST + 1])[0].len(), LONGEST + 1, "a line without end fills no memory");
    }
}
