//! Judges SLO gates by the figures of a run (pure).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    latency::PerMetric,
    measure::{Values, microseconds},
};
use crate::slo::{Gate, Stat, Subject};

/// Everything a gate may ask about.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    pub latencies: PerMetric<Values>,
    /// Requests that ended, without those given up by an interrupt.
    pub requests: u64,
    pub failed: u64,
    pub requests_per_s: Option<f64>,
    pub output_tokens_per_s: Option<f64>,
    pub client_valid: bool,
}

/// One gate and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GateResult {
    /// As it was written, without blanks.
    pub gate: String,
    /// In milliseconds, as a fraction, or per second; null where it could not be measured.
    pub value: Option<f64>,
    /// Null where the values are too few or the client was not valid.
    pub pass: Option<bool>,
    /// Values it was judged on.
    pub n: u64,
    /// How many it would have needed; only where there were too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n_needed: Option<u64>,
}

impl Figures {
    pub(super) fn judge(&self, gate: &Gate) -> GateResult {
        let (n, value) = match gate.subject {
            Subject::Latency(metric, stat) => {
                let values = &self.latencies[metric];
                (values.n(), values.stat(stat))
            }
            Subject::ErrorRate => (self.requests, self.error_rate().ok_or(1)),
            Subject::RequestsPerSecond => (self.requests, self.requests_per_s.ok_or(1)),
            Subject::OutputTokensPerSecond => (self.requests, self.output_tokens_per_s.ok_or(1)),
        };
        // How often a server fails does not depend on how well the client keeps time.
        let judged = self.client_valid || gate.subject == Subject::ErrorRate;
        GateResult {
            gate: gate.to_string(),
            value: value.ok().map(microseconds),
            pass: value.ok().filter(|_| judged).map(|value| gate.holds(value)),
            n,
            n_needed: value.err(),
        }
    }

    /// Median TTFT, or of the whole request where nothing is streamed.
    pub(super) fn user_p50_ms(&self) -> Option<f64> {
        let median = |values: &Values| values.stat(Stat::Quantile(0.5)).ok();
        median(&self.latencies.ttft).or_else(|| median(&self.latencies.e2e))
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn error_rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.failed as f64 / self.requests as f64)
    }
}
