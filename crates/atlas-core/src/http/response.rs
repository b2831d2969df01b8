//! One answer: its head, and a body that is here whole or still comes in pieces.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{BoxStream, Error, ErrorKind, Result};

/// A body.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// As it comes; an `Err` item ends it.
    Pieces(BoxStream<'static, Result<Bytes>>),
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(formatter, "{} bytes", bytes.len()),
            Self::Pieces(_) => formatter.write_str("in pieces"),
        }
    }
}

/// One answer. `Debug` shows the status only.
#[non_exhaustive]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
}

impl Response {
    /// An answer that is here whole.
    pub fn new(status: StatusCode, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self { status, headers, body: Body::Whole(body.into()) }
    }

    /// An answer whose body still comes.
    pub fn in_pieces(status: StatusCode, headers: HeaderMap, pieces: BoxStream<'static, Result<Bytes>>) -> Self {
        Self { status, headers, body: Body::Pieces(pieces) }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body, where it is here whole; else nothing.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Whole(bytes) => bytes,
            Body::Pieces(_) => &[],
        }
    }

    /// The body as JSON. What does not fit is a `decode` error that says where, and never quotes the body.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.bytes()).map_err(|cause| {
            let (line, column) = (cause.line(), cause.column());
            Error::new(
                ErrorKind::Decode,
                format!(
                    "the cloud answered something that cannot be read ({:?}, line {line}, column {column})",
                    cause.classify()
                ),
            )
            .with_status(self.status.as_u16())
        })
    }

    /// The body in pieces, as it comes.
    pub fn into_pieces(self) -> BoxStream<'static, Result<Bytes>> {
        match self.body {
            Body::Pieces(pieces) => pieces,
            Body::Whole(bytes) => Box::pin(futures_util::stream::iter([Ok(bytes)])),
        }
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Response({})", self.status.as_u16())
    }
}
