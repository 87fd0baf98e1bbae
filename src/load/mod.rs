//! Load tests of OpenAI-compatible servers, and the measuring that others share.
//!
//! A run is a [`Plan`] against a [`Target`]: [`run`] drives it and ends in
//! [`Measured`] records, which [`Measured::summarize`] turns into the [`Summary`]
//! that pipelines read. Pure, and used by the local gateway and by canaries too:
//! [`sse`] (bytes → events), [`timing`] (one answer's bytes and arrival instants →
//! the latencies that its user saw, or why it failed), [`quantile`], and [`prometheus`] (a server's
//! own `/metrics`). [`Client`] sends one
//! request and times it.

mod chunk;
mod client;
pub mod compare;
mod error;
mod fault;
mod gate;
mod latency;
mod live;
mod measure;
mod plan;
pub mod prometheus;
mod prompt;
pub mod quantile;
pub mod report;
mod request;
mod run;
mod schedule;
pub mod scrape;
pub mod sse;
mod summary;
mod target;
pub mod timing;
mod worker;

pub use self::{
    chunk::Chunk,
    client::{Client, Connection, Timeouts, VERSION_HEADER},
    error::Error,
    fault::{Failed, Fault},
    gate::GateResult,
    latency::row,
    live::{Quantiles, View},
    measure::{Latency, Values},
    plan::{Amount, Pace, Plan},
    prompt::{Entry, Prompt, Prompts},
    request::{Api, Body, Shape},
    run::{Finish as RunFinish, run},
    schedule::{Arrival, Rate},
    scrape::ServerFigures,
    summary::{Record, Requests, Summary, TokenSource, Verdict},
    target::{Engine, Target, base},
    timing::Latencies,
};

/// What a run reports while it goes on.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event<'a> {
    WarmedUp {
        requests: u64,
    },
    /// Requests that have just finished.
    #[serde(skip)]
    Requests(&'a [Record]),
    Progress(Box<View>),
}
