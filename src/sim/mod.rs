//! A simulated GPU server: the OpenAI API and vLLM's metrics over a stated latency law.
//!
//! No model is run, and every response is marked so ([`SIMULATED_HEADER`]). It is for
//! checking what measures and routes: its truth is arithmetic ([`Law`]), and it
//! fails on demand ([`Faults`]).

mod answer;
mod exposition;
mod faults;
mod http;
mod law;
mod metrics;
mod openai;
mod server;
mod slots;
mod stream;

use std::{io, net::SocketAddr, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    duration::as_seconds,
    explain::{Explain, Kind},
};

pub use self::{
    faults::Faults,
    law::{Broken, Law},
    metrics::Totals,
    server::{Ended, Server},
};

/// On every response, with the value `true`.
pub const SIMULATED_HEADER: &str = "x-infer-simulated";
/// `owned_by` in `/v1/models`.
pub const OWNER: &str = "infer-sim";

/// Everything that a simulated server does.
#[derive(Debug, Clone, PartialEq)]
pub struct Simulation {
    pub law: Law,
    pub faults: Faults,
    /// The only model in `/v1/models`.
    pub model: String,
    /// Leading chat tokens that come as `reasoning`.
    pub reasoning_tokens: u32,
    /// Ends streams with a usage chunk even where the request does not ask for it.
    pub usage_always: bool,
    /// How long answers under way may go on after a stop.
    pub drain: Duration,
}

impl From<Law> for Simulation {
    fn from(law: Law) -> Self {
        Self {
            law,
            faults: Faults::default(),
            model: OWNER.to_owned(),
            reasoning_tokens: 0,
            usage_always: false,
            drain: Duration::from_secs(30),
        }
    }
}

/// What is worth telling while it runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    Listening {
        url: String,
        model: String,
        /// Always true: no model is run.
        simulated: bool,
        law: Law,
    },
    Draining {
        #[serde(rename = "limit_s", serialize_with = "as_seconds")]
        #[schemars(with = "f64")]
        limit: Duration,
    },
}

/// How it went, when it is over.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Summary {
    /// Always true: no model is run.
    pub simulated: bool,
    #[serde(flatten)]
    pub totals: Totals,
    /// Connections cut because they outlived the drain limit.
    pub connections_cut: usize,
    pub seconds: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot listen on {addr}")]
    Listen { addr: SocketAddr, source: io::Error },
    #[error("the latency law cannot hold")]
    Law(#[from] Broken),
    #[error("the simulated engine crashed, as asked for")]
    Crashed,
    #[error("the simulated engine failed to start, as asked for")]
    FailedToStart,
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Law(_) => Kind::Usage,
            _ => Kind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Law(_) => "`infer sim --help` states the law and its options",
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "name another port with --port, or 0 for a free one"
            }
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}
