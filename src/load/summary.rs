//! What a run amounts to: the result that pipelines read (pure).

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::Error,
    fault::{Failed, Fault},
    gate::{Figures, GateResult},
    latency::{PerMetric, row},
    measure::{Counted, Latency, Values, microseconds},
    timing::Latencies,
};
use crate::slo::{Gate, Metric};

/// Least share of the offered load that must have been sent.
pub(super) const DELIVERED_MIN: f64 = 0.995;

/// Client-added latency above this, and above 1% of what is measured, makes a run invalid.
const ADDED_MS_MAX: f64 = 1.0;
const ADDED_SHARE_MAX: f64 = 0.01;

/// One finished request.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub index: u64,
    /// When it was meant to be sent, from the start of the run.
    pub intended_s: f64,
    pub sent_s: f64,
    pub ended_s: f64,
    pub result: Result<Good, Failed>,
}

/// What was measured of a request that succeeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Good {
    pub latencies: Latencies,
    pub output_tokens: u64,
    /// Whether the server counted them.
    pub counted: bool,
    pub prompt_tokens: Option<u64>,
}

/// The load that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offered {
    pub rps: f64,
    /// Requests that were due.
    pub due: u64,
    /// Of those, how many were sent in time.
    pub sent_in_time: u64,
}

/// A finished run, as measured.
#[derive(Debug, Clone)]
pub struct Measured {
    pub records: Vec<Record>,
    pub chunk_gaps: Counted,
    /// How late the client itself was.
    pub client_added: Counted,
    /// Requests sent and given up by an interrupt.
    pub cancelled: u64,
    /// `None` for a closed loop.
    pub offered: Option<Offered>,
    pub simulated: Option<bool>,
}

/// The result of `infer load`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Whether the server reports that no model is run; null where it reports neither.
    pub simulated: Option<bool>,
    pub requests: Requests,
    /// Null for a closed loop.
    pub offered_rps: Option<f64>,
    /// Share of the due requests that were sent in time; 1 for a closed loop.
    pub delivered: f64,
    pub duration_s: f64,
    pub requests_per_s: Option<f64>,
    pub output_tokens_per_s: Option<f64>,
    pub tokens: Tokens,
    #[serde(flatten)]
    pub latencies: PerMetric<Latency>,
    pub client: ClientReport,
    pub gates: Vec<GateResult>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    pub sent: u64,
    pub ok: u64,
    pub failed: u64,
    /// Failed requests by type.
    pub errors: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Null where the server does not count them.
    pub prompt: Option<u64>,
    pub output: u64,
    pub source: TokenSource,
}

/// How the output tokens were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenSource {
    /// The server's `usage`.
    Usage,
    /// Token events: a lower bound, as one may hold several tokens.
    Events,
    /// Some requests each.
    Mixed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientReport {
    /// Latency that the client itself added.
    pub added_ms: Added,
    /// False where that is above 1 ms and above 1% of the median TTFT.
    pub valid: bool,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Added {
    pub p50: Option<f64>,
    pub p99: Option<f64>,
}

/// How a run ends for a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// A gate is broken.
    Missed,
    /// A gate cannot be judged, the client was too slow, or the load was not delivered.
    Undecided,
}

impl Measured {
    pub fn summarize(&self, gates: &[Gate]) -> Summary {
        let good = || {
            self.records
                .iter()
                .filter_map(|record| record.result.as_ref().ok())
        };
        let values = |metric| match metric {
            Metric::ChunkGap => Values::Counted(Box::new(self.chunk_gaps.clone())),
            one_a_request => {
                let of = row(one_a_request).of;
                Values::sorted(good().filter_map(|good| of(&good.latencies)).collect())
            }
        };
        let requests = self.requests();
        let duration_s = self
            .records
            .iter()
            .map(|record| record.ended_s)
            .fold(0.0, f64::max);
        let tokens = tokens(good());
        let figures = Figures {
            latencies: PerMetric::of(values),
            requests: requests.sent - self.cancelled,
            failed: requests.failed - self.cancelled,
            requests_per_s: per_second(requests.ok, duration_s),
            output_tokens_per_s: per_second(tokens.output, duration_s),
            client_valid: true,
        };
        let client = client(&self.client_added, &figures);
        let figures = Figures {
            client_valid: client.valid,
            ..figures
        };
        Summary {
            simulated: self.simulated,
            offered_rps: self.offered.map(|offered| offered.rps),
            delivered: self.offered.map_or(1.0, Offered::delivered),
            duration_s: microseconds(duration_s),
            requests_per_s: figures.requests_per_s.map(microseconds),
            output_tokens_per_s: figures.output_tokens_per_s.map(microseconds),
            requests,
            tokens,
            latencies: PerMetric::of(|metric| Latency::of(&figures.latencies[metric])),
            client,
            gates: gates.iter().map(|gate| figures.judge(gate)).collect(),
        }
    }

    /// The error of a run in which every request failed and no gate has missed already.
    pub fn nothing_succeeded(&self, summary: &Summary) -> Option<Error> {
        let failed = |record: &Record| record.result.as_ref().err().cloned();
        let first = self.records.iter().find_map(failed)?;
        if summary.requests.ok > 0 || summary.verdict() == Verdict::Missed {
            return None;
        }
        Some(Error::NothingSucceeded {
            sent: summary.requests.sent,
            source: first,
        })
    }

    fn requests(&self) -> Requests {
        let mut errors = BTreeMap::new();
        let mut ok = 0;
        for record in &self.records {
            match &record.result {
                Ok(_) => ok += 1,
                Err(failed) => *errors.entry(failed.fault.name().to_owned()).or_default() += 1,
            }
        }
        if self.cancelled > 0 {
            errors.insert(Fault::Cancelled.name().to_owned(), self.cancelled);
        }
        let sent = self.records.len() as u64 + self.cancelled;
        Requests {
            sent,
            ok,
            failed: sent - ok,
            errors,
        }
    }
}

impl Offered {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn delivered(self) -> f64 {
        if self.due == 0 {
            return 1.0;
        }
        let share = self.sent_in_time as f64 / self.due as f64;
        (share * 1e4).round() / 1e4
    }

    /// Until when a request counts as sent in time: ten gaps, within 10 to 100 ms,
    /// after the last was due. A burst at the end is not a failure to deliver.
    pub fn grace(rps: f64) -> Duration {
        Duration::from_secs_f64((10.0 / rps).clamp(0.01, 0.1))
    }
}

impl Summary {
    pub fn verdict(&self) -> Verdict {
        if self.gates.iter().any(|gate| gate.pass == Some(false)) {
            Verdict::Missed
        } else if self.undecided().is_empty() {
            Verdict::Passed
        } else {
            Verdict::Undecided
        }
    }

    /// Why nothing can be concluded, a sentence each.
    pub fn undecided(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.client.valid {
            let added = self.client.added_ms.p99.unwrap_or_default();
            reasons.push(format!(
                "the client itself added {added:.1} ms at p99, so latencies cannot be judged; \
                 use a machine with more free cores or less load"
            ));
        }
        if self.delivered < DELIVERED_MIN {
            reasons.push(format!(
                "only {:.1}% of the offered load was sent; allow more in flight with --concurrency",
                self.delivered * 100.0
            ));
        }
        for gate in &self.gates {
            if let (None, Some(needed)) = (gate.pass, gate.n_needed) {
                reasons.push(format!(
                    "{} needs {needed} values and has {}",
                    gate.gate, gate.n
                ));
            }
        }
        reasons
    }
}

fn tokens<'a>(good: impl Iterator<Item = &'a Good>) -> Tokens {
    let (mut prompt, mut output, mut counted, mut by_events) = (None, 0, false, false);
    for request in good {
        output += request.output_tokens;
        if let Some(tokens) = request.prompt_tokens {
            *prompt.get_or_insert(0) += tokens;
        }
        if request.counted {
            counted = true;
        } else {
            by_events = true;
        }
    }
    Tokens {
        prompt,
        output,
        source: match (counted, by_events) {
            (true, true) => TokenSource::Mixed,
            (false, true) => TokenSource::Events,
            (_, false) => TokenSource::Usage,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn per_second(count: u64, duration_s: f64) -> Option<f64> {
    (duration_s > 0.0).then(|| count as f64 / duration_s)
}

fn client(added: &Counted, figures: &Figures) -> ClientReport {
    let quantile = |q| added.nearest_rank_ms(q).map(microseconds);
    let p99 = quantile(0.99);
    ClientReport {
        valid: is_valid(p99, figures.user_p50_ms()),
        added_ms: Added {
            p50: quantile(0.5),
            p99,
        },
    }
}

/// Whether the client's own delay is small beside the median latency of users.
pub(super) fn is_valid(added_p99_ms: Option<f64>, user_p50_ms: Option<f64>) -> bool {
    let Some(added) = added_p99_ms else {
        return true;
    };
    added <= ADDED_MS_MAX || user_p50_ms.is_some_and(|p50| added <= p50 * ADDED_SHARE_MAX)
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
