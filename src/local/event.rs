//! What `infer serve` reports while it runs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    control::{Phase, Split},
    view::View,
};
use crate::{
    duration::as_seconds,
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    weight::Weight,
};

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The gateway takes requests.
    Serving {
        release: ReleaseName,
        endpoint: String,
    },
    /// A version's engine has a process.
    #[serde(rename = "engine-started")]
    Started {
        version: VersionId,
        pid: u32,
        port: u16,
    },
    /// The engine of an earlier `infer serve` was found running.
    #[serde(rename = "engine-adopted")]
    Adopted { version: VersionId, pid: u32 },
    /// A version has entered another phase.
    #[serde(rename = "phase")]
    Entered {
        version: VersionId,
        #[serde(flatten)]
        phase: Phase,
        /// From the start of its process until it was ready for the first time.
        #[serde(rename = "after_s", serialize_with = "as_seconds")]
        #[schemars(with = "Option<f64>")]
        after: Option<Duration>,
    },
    /// An engine is asked to end, with so many requests in flight.
    Draining { version: VersionId, in_flight: u64 },
    /// Traffic has moved, or the journal of a canary has changed.
    #[serde(serialize_with = "without_journal")]
    #[schemars(with = "SplitFields")]
    Split(Split),
    /// Something went wrong that does not end the service.
    #[serde(rename = "warning", serialize_with = "as_message")]
    #[schemars(with = "Message")]
    Trouble(String),
    /// Once a second: everything, and the last ten seconds of traffic.
    #[serde(skip)]
    Seen(Box<View>),
    /// No new requests are taken; those in flight may end.
    Stopping { in_flight: u64 },
    /// Engines keep running without a gateway.
    Left { engines: usize },
}

/// A split without the journal of its canary.
#[derive(Serialize, JsonSchema)]
struct SplitFields<'a> {
    generation: u64,
    live: Option<&'a VersionId>,
    candidate: Option<&'a VersionId>,
    weight: Weight,
    #[serde(rename = "match")]
    matches: Option<&'a HeaderMatch>,
    run_id: Option<&'a str>,
}

fn without_journal<S: Serializer>(split: &Split, serializer: S) -> Result<S::Ok, S::Error> {
    SplitFields {
        generation: split.generation,
        live: split.live.as_ref(),
        candidate: split.candidate.as_ref(),
        weight: split.weight,
        matches: split.matches.as_ref(),
        run_id: split.run(),
    }
    .serialize(serializer)
}

#[derive(Serialize, JsonSchema)]
struct Message<'a> {
    message: &'a str,
}

fn as_message<S: Serializer>(message: &str, serializer: S) -> Result<S::Ok, S::Error> {
    Message { message }.serialize(serializer)
}
