//! The readout of a run while it goes on (pure).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    gate::{Figures, GateResult},
    latency::{PerMetric, row},
    measure::{Counted, Values, microseconds},
    plan::{Pace, Plan},
    quantile::nearest_rank,
    scrape::ServerFigures,
    summary::{Record, is_valid},
};
use crate::slo::Metric;

/// Points of a sparkline.
const TREND_POINTS: usize = 16;

/// Everything measured so far.
#[derive(Debug)]
pub(super) struct Live {
    figures: PerMetric<Counted>,
    client_added: Counted,
    errors: BTreeMap<&'static str, u64>,
    ok: u64,
    failed: u64,
    /// First tokens and gaps of each second.
    ttft_trend: Trend,
    gap_trend: Trend,
}

/// The median of each second.
#[derive(Debug, Default)]
struct Trend {
    second: u64,
    values: Vec<f64>,
    medians: Vec<Option<f64>>,
}

impl Trend {
    fn add(&mut self, second: u64, value: f64) {
        self.close_before(second);
        self.values.push(value);
    }

    /// Closes every second before this one.
    fn close_before(&mut self, second: u64) {
        while self.second < second {
            self.values.sort_unstable_by(f64::total_cmp);
            self.medians.push(nearest_rank(&self.values, 0.5));
            self.values.clear();
            self.second += 1;
        }
    }

    fn last(&self) -> Vec<Option<f64>> {
        let start = self.medians.len().saturating_sub(TREND_POINTS);
        self.medians[start..].to_vec()
    }
}

/// What a person sees; figures are of the whole run so far.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct View {
    pub elapsed_s: f64,
    /// Until the last request is due; `None` where that cannot be known.
    pub left_s: Option<f64>,
    /// Null for a closed loop.
    pub offered_rps: Option<f64>,
    pub sent_rps: f64,
    pub sent: u64,
    /// How many are to be sent, where that was asked for.
    pub total: Option<u64>,
    pub ok: u64,
    pub failed: u64,
    pub errors: BTreeMap<&'static str, u64>,
    pub in_flight: u64,
    pub streamed: bool,
    pub ttft_ms: Quantiles,
    pub chunk_gap_ms: Quantiles,
    pub e2e_ms: Quantiles,
    #[serde(skip)]
    pub ttft_trend: Vec<Option<f64>>,
    #[serde(skip)]
    pub gap_trend: Vec<Option<f64>>,
    pub output_tokens_per_s: f64,
    pub server: Option<ServerFigures>,
    pub client_added_ms: Quantiles,
    pub client_valid: bool,
    pub gates: Vec<GateResult>,
}

/// Of whatever was measured so far, however little.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, schemars::JsonSchema)]
pub struct Quantiles {
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

impl Quantiles {
    fn of(counted: &Counted) -> Self {
        let quantile = |q| counted.nearest_rank_ms(q).map(microseconds);
        Self {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// Counters that only the sending threads know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) elapsed_s: f64,
    pub(super) sent: u64,
    pub(super) tokens: u64,
    pub(super) server: Option<ServerFigures>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            figures: PerMetric::default(),
            client_added: Counted::default(),
            errors: BTreeMap::new(),
            ok: 0,
            failed: 0,
            ttft_trend: Trend::default(),
            gap_trend: Trend::default(),
        }
    }

    pub(super) fn add_lag(&mut self, lag_us: u64) {
        self.client_added.add_us(lag_us);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds since the start"
    )]
    pub(super) fn add(&mut self, record: &Record, gaps_us: &[u32]) {
        let good = match &record.result {
            Ok(good) => good,
            Err(failed) => {
                self.failed += 1;
                *self.errors.entry(failed.fault.name()).or_default() += 1;
                return;
            }
        };
        self.ok += 1;
        let second = record.ended_s.max(0.0) as u64;
        let latencies = good.latencies;
        for metric in Metric::ALL {
            if let Some(value) = (row(metric).of)(&latencies) {
                self.figures[metric].add_ms(value);
            }
        }
        for gap in gaps_us {
            self.figures.chunk_gap.add_us(u64::from(*gap));
        }
        if let Some(ttft) = latencies.ttft_ms {
            self.ttft_trend.add(second, ttft);
        }
        if let Some(tpot) = latencies.tpot_ms {
            self.gap_trend.add(second, tpot);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts and seconds of one run"
    )]
    pub(super) fn view(&mut self, plan: &Plan, now: Now) -> View {
        let second = now.elapsed_s.max(0.0) as u64;
        self.ttft_trend.close_before(second);
        self.gap_trend.close_before(second);
        let per_second = |count: u64| {
            if now.elapsed_s > 0.0 {
                count as f64 / now.elapsed_s
            } else {
                0.0
            }
        };
        let ttft = Quantiles::of(&self.figures.ttft);
        let e2e = Quantiles::of(&self.figures.e2e);
        let added = Quantiles::of(&self.client_added);
        let client_valid = is_valid(added.p99, ttft.p50.or(e2e.p50));
        let figures = self.figures(client_valid, per_second(self.ok), per_second(now.tokens));
        View {
            elapsed_s: now.elapsed_s,
            left_s: left(plan, now),
            offered_rps: match plan.pace {
                Pace::Closed { .. } => None,
                Pace::Open { rate, .. } => Some(rate.per_second()),
            },
            sent_rps: per_second(now.sent),
            sent: now.sent,
            total: plan.amount.requests,
            ok: self.ok,
            failed: self.failed,
            errors: self.errors.clone(),
            in_flight: now.sent.saturating_sub(self.ok + self.failed),
            streamed: plan.shape.stream,
            ttft_ms: ttft,
            chunk_gap_ms: Quantiles::of(&self.figures.chunk_gap),
            e2e_ms: e2e,
            ttft_trend: self.ttft_trend.last(),
            gap_trend: self.gap_trend.last(),
            output_tokens_per_s: per_second(now.tokens),
            server: now.server,
            client_added_ms: added,
            client_valid,
            gates: plan.gates.iter().map(|gate| figures.judge(gate)).collect(),
        }
    }

    fn figures(&self, client_valid: bool, requests_per_s: f64, tokens_per_s: f64) -> Figures {
        let values = |metric| Values::Counted(Box::new(self.figures[metric].clone()));
        Figures {
            latencies: PerMetric::of(values),
            requests: self.ok + self.failed,
            failed: self.failed,
            requests_per_s: Some(requests_per_s),
            output_tokens_per_s: Some(tokens_per_s),
            client_valid,
        }
    }

    /// The gaps and the client's own delays, for the summary.
    pub(super) fn into_counted(self) -> (Counted, Counted) {
        (self.figures.chunk_gap, self.client_added)
    }
}

/// Seconds until the last request is due.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn left(plan: &Plan, now: Now) -> Option<f64> {
    let by_time = plan
        .amount
        .duration
        .map(|duration| duration.as_secs_f64() - now.elapsed_s);
    let by_count = plan.amount.requests.and_then(|requests| {
        let waiting = requests.saturating_sub(now.sent) as f64;
        match plan.pace {
            Pace::Open { rate, .. } => Some(waiting / rate.per_second()),
            Pace::Closed { .. } => {
                (now.sent > 0).then(|| waiting * now.elapsed_s / now.sent as f64)
            }
        }
    });
    let left = match (by_time, by_count) {
        (Some(time), Some(count)) => Some(time.min(count)),
        (time, count) => time.or(count),
    };
    left.map(|left| left.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_has_a_gap_where_nothing_was_measured() {
        let mut trend = Trend::default();
        trend.add(0, 5.0);
        trend.add(0, 7.0);
        trend.add(2, 9.0);
        trend.close_before(3);
        assert_eq!(trend.last(), [Some(5.0), None, Some(9.0)]);
        trend.close_before(100);
        assert_eq!(trend.last().len(), TREND_POINTS);
    }
}
