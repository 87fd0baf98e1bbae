//! How a canary ended: the result that pipelines read (DESIGN §8).

use schemars::JsonSchema;
use serde::Serialize;

use super::{proof::Share, tally::VersionTally};
use crate::{header_match::HeaderMatch, load::Latency, weight::Weight};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything goes to the candidate.
    Promoted,
    /// Not worse; the weight stays.
    Held,
    /// Worse; the candidate gets nothing.
    RolledBack,
    /// Not decided in time.
    Undecided,
    /// Ended by its operator.
    Aborted,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Held => "held",
            Self::RolledBack => "rolled-back",
            Self::Undecided => "undecided",
            Self::Aborted => "aborted",
        }
    }
}

/// The result of `infer canary`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CanaryResult {
    pub verdict: Verdict,
    pub release: String,
    /// The candidate's share in force at the end, in percent.
    pub weight: u8,
    pub split: SplitResult,
    pub reason: String,
    /// Whether no model is run.
    pub simulated: bool,
    pub versions: Versions,
    /// From the start of this command to its end.
    pub seconds: f64,
    /// Whether a signal ended it.
    #[serde(skip)]
    pub interrupted: bool,
}

/// The share asked in the last step, as a fraction, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct SplitResult {
    /// Null where requests were sent by a header.
    pub asked: Option<f64>,
    /// The requests that met the candidate, `header:x-beta=1`; null where a share of all did.
    #[serde(rename = "match")]
    #[schemars(with = "Option<String>")]
    pub matches: Option<HeaderMatch>,
    pub measured: Option<f64>,
    pub ci95: Option<[f64; 2]>,
}

impl SplitResult {
    pub fn new(asked: Weight, matches: Option<&HeaderMatch>, share: &Share) -> Self {
        let digits = |value: f64| (value * 1e4).round() / 1e4;
        Self {
            asked: matches.is_none().then(|| asked.fraction()),
            matches: matches.cloned(),
            measured: share.measured().map(digits),
            ci95: share.interval().map(|interval| interval.map(digits)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Versions {
    pub live: VersionResult,
    pub candidate: VersionResult,
}

/// What one version did during the run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionResult {
    pub version: String,
    pub requests: u64,
    pub ttft_ms: Latency,
    pub tpot_ms: Latency,
    /// Requests that failed.
    pub errors: u64,
}

impl VersionResult {
    pub fn new(version: &impl ToString, tally: &VersionTally) -> Self {
        Self {
            version: version.to_string(),
            requests: tally.requests,
            ttft_ms: tally.ttft(),
            tpot_ms: tally.tpot(),
            errors: tally.errors,
        }
    }
}
