//! A request body of known length made of pieces.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use gatepost_outbound::Stopwatch;
use http_body::{Body, Frame, SizeHint};

use crate::envelope::Envelope;

/// The pieces that are still to be sent.
#[derive(Debug)]
pub(super) struct Pieces {
    left: VecDeque<Bytes>,
    bytes: u64,
    watch: Stopwatch,
}

impl Pieces {
    /// An envelope's. When the last one is taken is noted.
    pub(super) fn new(envelope: Envelope, watch: Stopwatch) -> Self {
        let bytes = envelope.len() as u64;
        Self { left: envelope.into_queue(), bytes, watch }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.left.pop_front();
        self.bytes -= next.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.left.is_empty() {
            self.watch.sent();
        }
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes)
    }
}
