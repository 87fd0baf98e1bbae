//! An engine's answer on its way to whoever asked, measured while it passes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    meter::Meter,
    slot::{Link, Visit},
};

/// Passes each piece on as it comes. Dropped before its end (the sender went away), it
/// takes the connection to the engine with it, and so the engine stops working on it.
#[derive(Debug)]
pub(super) struct Relay {
    body: Incoming,
    meter: Meter,
    /// Counted as in flight until the last byte has been passed on.
    visit: Visit,
    /// Kept for the next request once the answer is whole.
    link: Option<Link>,
}

impl Relay {
    pub(super) fn new(body: Incoming, meter: Meter, visit: Visit, link: Link) -> Self {
        let mut relay = Self {
            body,
            meter,
            visit,
            link: Some(link),
        };
        // Nobody asks an empty body for its end.
        if relay.body.is_end_stream() {
            relay.finish();
        }
        relay
    }

    fn finish(&mut self) {
        if let Some(link) = self.link.take() {
            self.meter.finished();
            self.visit.slot().keep(link);
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(bytes) = frame.data_ref() {
                    self.meter.read(bytes);
                }
                // With a known length nobody asks for more after the last byte.
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
            Some(Err(_)) => {
                self.link = None;
                self.meter.broken();
            }
            None => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
