//! An engine's response on its way to the client, measured while it passes.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{
    meter::Meter,
    upstream::{InFlight, PooledConnection},
};

/// Passes each piece on as it comes. Dropped before its end (the client went away), it
/// takes the connection to the engine with it, and so the engine stops working on it.
#[derive(Debug)]
pub(super) struct Relay {
    body: Incoming,
    meter: Meter,
    /// Counted as in flight until the last byte has been passed on.
    in_flight: InFlight,
    /// Kept for the next request once the answer is whole.
    connection: Option<PooledConnection>,
}

impl Relay {
    pub(super) fn new(
        body: Incoming,
        meter: Meter,
        in_flight: InFlight,
        connection: PooledConnection,
    ) -> Self {
        let mut relay = Self {
            body,
            meter,
            in_flight,
            connection: Some(connection),
        };
        // hyper does not poll an empty body for its end.
        if relay.body.is_end_stream() {
            relay.finish();
        }
        relay
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.meter.finished();
            self.in_flight.upstream().keep(connection);
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
                // With a known length hyper does not poll again after the last byte.
                if self.body.is_end_stream() {
                    self.finish();
                }
            }
            Some(Err(_)) => {
                self.connection = None;
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
