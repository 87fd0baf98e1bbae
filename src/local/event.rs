//! What `infer serve` reports while it runs.

use std::time::Duration;

use super::{
    control::{Phase, Split},
    view::View,
};
use crate::name::{ReleaseName, VersionId};

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The gateway takes requests.
    Serving {
        release: ReleaseName,
        endpoint: String,
    },
    /// A version's engine has a process.
    Started {
        version: VersionId,
        pid: u32,
        port: u16,
    },
    /// The engine of an earlier `infer serve` was found running.
    Adopted { version: VersionId, pid: u32 },
    /// A version has entered another phase.
    Entered {
        version: VersionId,
        phase: Phase,
        /// From the start of its process until it was ready for the first time.
        after: Option<Duration>,
    },
    /// An engine is asked to end, with so many requests in flight.
    Draining { version: VersionId, in_flight: u64 },
    /// Traffic has moved, or the journal of a canary has changed.
    Split(Split),
    /// Something went wrong that does not end the service.
    Trouble(String),
    /// Once a second: everything, and the last ten seconds of traffic.
    Seen(Box<View>),
    /// No new requests are taken; those in flight may end.
    Stopping { in_flight: u64 },
    /// Engines keep running without a gateway.
    Left { engines: usize },
}
