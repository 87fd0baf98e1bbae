//! What `infer serve` reports while it runs. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::control::{Observation, Phase, Split, State};
use crate::{
    duration::as_seconds,
    header_match::HeaderMatch,
    load::quantile,
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

/// The whole at one moment, for eyes.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub state: State,
    pub traffic: Vec<Traffic>,
}

/// What one version's users saw in the last [`TRAFFIC_SPAN`].
#[derive(Debug, Clone, PartialEq)]
pub struct Traffic {
    pub version: VersionId,
    pub requests_per_s: f64,
    pub output_tokens_per_s: f64,
    pub ttft_p50_ms: Option<f64>,
    pub ttft_p95_ms: Option<f64>,
    pub tpot_p50_ms: Option<f64>,
    pub failed: usize,
}

/// How far back [`Traffic`] looks.
pub(super) const TRAFFIC_SPAN: Duration = Duration::from_secs(10);

pub(super) fn view(state: State, observed: &[Observation]) -> View {
    let traffic = state
        .versions
        .iter()
        .map(|known| traffic(&known.version, observed))
        .collect();
    View { state, traffic }
}

#[expect(clippy::cast_precision_loss, reason = "counts of ten seconds")]
fn traffic(version: &VersionId, observed: &[Observation]) -> Traffic {
    let own = || observed.iter().filter(|one| one.version == *version);
    let sorted = |figure: fn(&Observation) -> Option<f64>| {
        let mut values: Vec<f64> = own().filter_map(figure).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let ttft = sorted(|one| one.ttft_ms);
    let tokens: f64 = own()
        .filter_map(|one| one.output_tokens)
        .map(f64::from)
        .sum();
    Traffic {
        version: version.clone(),
        requests_per_s: own().count() as f64 / TRAFFIC_SPAN.as_secs_f64(),
        output_tokens_per_s: tokens / TRAFFIC_SPAN.as_secs_f64(),
        ttft_p50_ms: quantile::nearest_rank(&ttft, 0.5),
        ttft_p95_ms: quantile::nearest_rank(&ttft, 0.95),
        tpot_p50_ms: quantile::nearest_rank(&sorted(|one| one.tpot_ms), 0.5),
        failed: own().filter(|one| one.failed.is_some()).count(),
    }
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
