//! The body of an answer: a short text of the pod's own, or a stream that is passed on as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

#[derive(Debug)]
pub(crate) enum AnswerBody {
    Text(Full<Bytes>),
    Stream(Incoming),
}

impl From<&'static str> for AnswerBody {
    fn from(text: &'static str) -> Self {
        Self::Text(Full::from(text))
    }
}

impl From<String> for AnswerBody {
    fn from(text: String) -> Self {
        Self::Text(Full::from(text))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Text(text) => Pin::new(text).poll_frame(context).map_err(|never| match never {}),
            Self::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_end_stream(),
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => text.size_hint(),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}
