//! Server-sent events: the lines of a stream put together again, however they were cut on the way.

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, stream};

use crate::{BoxStream, Error, ErrorKind, Result};

/// No event may be longer, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Event {
    /// Its id, by which a stream that broke can be taken up again.
    pub id: Option<String>,
    /// Its name; `message` where it has none is left out.
    pub name: Option<String>,
    /// Its data, lines joined.
    pub data: String,
}

/// Puts events together out of pieces. Pure.
#[derive(Debug, Default)]
pub struct Parser {
    rest: BytesMut,
    event: Event,
    has_data: bool,
}

impl Parser {
    /// Takes one more piece, and gives the events that are whole by now.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let mut line = self.rest.split_to(end + 1);
            line.truncate(end - usize::from(end > 0 && line[end - 1] == b'\r'));
            self.line(&String::from_utf8_lossy(&line), &mut events);
        }
        if self.rest.len() + self.event.data.len() > LONGEST {
            return Err(Error::new(ErrorKind::Decode, "an event of the cloud's stream is longer than can be read"));
        }
        Ok(events)
    }

    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            // The id holds on for the events that follow.
            self.event.id.clone_from(&event.id);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.event.id = Some(value.to_owned()),
            "event" => self.event.name = Some(value.to_owned()),
            // Comments, and what a later version may say.
            _ => {}
        }
    }
}

/// The events of a stream of bytes. A stream that breaks ends with its error.
pub fn events(pieces: impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static) -> BoxStream<'static, Result<Event>> {
    let parts = stream::unfold((pieces, Parser::default(), false), |(mut pieces, mut parser, over)| async move {
        if over {
            return None;
        }
        let piece = pieces.next().await?;
        let events = piece.and_then(|piece| parser.push(&piece));
        let over = events.is_err();
        let items: Vec<Result<Event>> = match events {
            Ok(events) => events.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        };
        Some((stream::iter(items), (pieces, parser, over)))
    });
    parts.flatten().boxed()
}

#[cfg(test)]
mod tests {
    //! However a stream is cut, the events are the same.

    use super::*;

    const TEXT: &str =
        ": hello\nid: 1\ndata: {\"a\":1}\n\ndata:two\r\ndata: lines\r\n\r\nevent: end\ndata\n\nid: 9\n\ndata: un";

    fn all(pieces: &[&[u8]]) -> Vec<Event> {
        let mut parser = Parser::default();
        pieces.iter().flat_map(|piece| parser.push(piece).unwrap()).collect()
    }

    #[test]
    fn events_are_put_together_however_they_were_cut() {
        let whole = all(&[TEXT.as_bytes()]);
        let told: Vec<_> =
            whole.iter().map(|event| (event.id.as_deref(), event.name.as_deref(), &*event.data)).collect();
        assert_eq!(
            told,
            [(Some("1"), None, "{\"a\":1}"), (Some("1"), None, "two\nlines"), (Some("1"), Some("end"), "")]
        );
        for at in 0..TEXT.len() {
            let (left, right) = TEXT.as_bytes().split_at(at);
            assert_eq!(all(&[left, right]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = TEXT.as_bytes().chunks(1).collect();
        assert_eq!(all(&bytes), whole);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1024 * 1024];
        let refused = (0..6).any(|_| parser.push(&piece).is_err());
        assert!(refused);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_ends_with_its_error() {
        let pieces = stream::iter([
            Ok(Bytes::from_static(b"data: 1\n\n")),
            Err(Error::transport("cut")),
            Ok(Bytes::from_static(b"data: 2\n\n")),
        ]);
        let events: Vec<_> = events(pieces).collect().await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[0].as_ref().unwrap().data, "1");
        assert!(events[1].is_err());
    }
}
