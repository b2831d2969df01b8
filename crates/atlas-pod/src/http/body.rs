//! The body of an answer: a short text of the pod's own, or a stream that is passed on as it comes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

/// The body of an answer: a short text of the pod's own, or a stream that is passed on as it comes.
#[derive(Debug)]
pub struct AnswerBody<B>(Kind<B>);

/// What the command behind a pod's port answers.
pub(crate) type PassedBody = AnswerBody<Incoming>;

#[derive(Debug)]
enum Kind<B> {
    Text(Full<Bytes>),
    Stream(B),
}

impl<B> AnswerBody<B> {
    pub(crate) const fn stream(body: B) -> Self {
        Self(Kind::Stream(body))
    }
}

impl<B> From<&'static str> for AnswerBody<B> {
    fn from(text: &'static str) -> Self {
        Self(Kind::Text(Full::from(text)))
    }
}

impl<B> From<String> for AnswerBody<B> {
    fn from(text: String) -> Self {
        Self(Kind::Text(Full::from(text)))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.get_mut().0 {
            Kind::Text(text) => Pin::new(text).poll_frame(context).map_err(|never| match never {}),
            Kind::Stream(stream) => Pin::new(stream).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Text(text) => text.is_end_stream(),
            Kind::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Text(text) => text.size_hint(),
            Kind::Stream(stream) => stream.size_hint(),
        }
    }
}
