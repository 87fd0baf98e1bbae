//! Measured values and the statistics that are drawn from them (pure).

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantile::{interval, nearest_rank, needed};
use crate::slo::Stat;

/// An hour in microseconds: the longest value that is counted exactly, beyond any total timeout.
const MICROSECONDS_MAX: u64 = 3_600_000_000;

/// Values of one metric in milliseconds.
#[derive(Debug, Clone)]
pub enum Values {
    /// Every value, ascending.
    Sorted(Vec<f64>),
    /// Counted into classes 0.1% wide, for metrics with many values a request.
    Counted(Box<Counted>),
}

/// A histogram with an exact mean and maximum.
#[derive(Debug, Clone)]
pub struct Counted {
    histogram: Histogram<u64>,
    sum_us: u128,
    max_us: u64,
}

impl Default for Counted {
    fn default() -> Self {
        Self {
            histogram: Histogram::new_with_bounds(1, MICROSECONDS_MAX, 3)
                .expect("the bounds and three digits are valid"),
            sum_us: 0,
            max_us: 0,
        }
    }
}

impl Counted {
    pub fn add_us(&mut self, value_us: u64) {
        self.histogram.saturating_record(value_us);
        self.sum_us += u128::from(value_us);
        self.max_us = self.max_us.max(value_us);
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a latency in microseconds, below an hour"
    )]
    pub fn add_ms(&mut self, value_ms: f64) {
        self.add_us((value_ms * 1e3).round().max(0.0) as u64);
    }

    pub fn n(&self) -> u64 {
        self.histogram.len()
    }

    /// Whatever the number of values, for a live readout; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "below an hour in microseconds")]
    pub fn nearest_rank_ms(&self, q: f64) -> Option<f64> {
        let value = || self.histogram.value_at_quantile(q).min(self.max_us);
        (self.n() > 0).then(|| value() as f64 / 1e3)
    }
}

impl Values {
    pub fn sorted(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self::Sorted(values)
    }

    pub fn n(&self) -> u64 {
        match self {
            Self::Sorted(values) => values.len() as u64,
            Self::Counted(counted) => counted.n(),
        }
    }

    /// A statistic, or how many values it would need.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and sums are far below 2^52"
    )]
    pub fn stat(&self, stat: Stat) -> Result<f64, u64> {
        let least = match stat {
            Stat::Mean | Stat::Max => 1,
            Stat::Quantile(q) => needed(q) as u64,
        };
        if self.n() < least {
            return Err(least);
        }
        let found = match (self, stat) {
            (Self::Sorted(values), Stat::Mean) => {
                Some(values.iter().sum::<f64>() / values.len() as f64)
            }
            (Self::Sorted(values), Stat::Max) => values.last().copied(),
            (Self::Sorted(values), Stat::Quantile(q)) => nearest_rank(values, q),
            (Self::Counted(counted), Stat::Mean) => {
                Some(counted.sum_us as f64 / 1e3 / counted.n() as f64)
            }
            (Self::Counted(counted), Stat::Max) => Some(counted.max_us as f64 / 1e3),
            (Self::Counted(counted), Stat::Quantile(q)) => counted.nearest_rank_ms(q),
        };
        found.ok_or(least)
    }
}

/// One latency in a result, in milliseconds. A quantile is null where there are
/// too few values for it (p50 5, p90 29, p95 59, p99 299).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    pub n: u64,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
    /// Two-sided 95% intervals by order statistics, as if requests were independent.
    /// Empty for `chunk_gap_ms`, whose values within a request are not.
    pub ci95: BTreeMap<String, [f64; 2]>,
}

/// The quantiles that results hold.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];

impl Latency {
    pub fn of(values: &Values) -> Self {
        let stat = |stat| values.stat(stat).ok().map(microseconds);
        let quantile = |q| stat(Stat::Quantile(q));
        let mut ci95 = BTreeMap::new();
        if let Values::Sorted(sorted) = values {
            for (name, q) in QUANTILES {
                if let (Some(_), Some((low, high))) = (quantile(q), interval(sorted, q)) {
                    ci95.insert(name.to_owned(), [microseconds(low), microseconds(high)]);
                }
            }
        }
        Self {
            n: values.n(),
            mean: stat(Stat::Mean),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: stat(Stat::Max),
            ci95,
        }
    }
}

/// Milliseconds rounded to the microsecond: finer digits were not measured.
pub(super) fn microseconds(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: u32) -> Vec<f64> {
        (1..=n).rev().map(f64::from).collect()
    }

    #[test]
    fn a_statistic_without_enough_values_says_how_many_it_needs() {
        let few = Values::sorted(values(58));
        assert_eq!(few.stat(Stat::Quantile(0.95)), Err(59));
        assert_eq!(few.stat(Stat::Max), Ok(58.0));
        assert_eq!(
            Values::sorted(values(59)).stat(Stat::Quantile(0.95)),
            Ok(57.0)
        );
        assert_eq!(Values::sorted(Vec::new()).stat(Stat::Mean), Err(1));
    }

    #[test]
    fn counting_loses_at_most_a_thousandth() {
        let mut counted = Counted::default();
        for value in values(10_000) {
            counted.add_ms(value / 10.0);
        }
        let counted = Values::Counted(Box::new(counted));
        for (stat, truth) in [
            (Stat::Quantile(0.5), 500.0),
            (Stat::Quantile(0.99), 990.0),
            (Stat::Mean, 500.05),
            (Stat::Max, 1000.0),
        ] {
            let found = counted.stat(stat).unwrap();
            assert!((found / truth - 1.0).abs() < 1.1e-3, "{stat:?}: {found}");
        }
    }

    #[test]
    fn a_latency_holds_null_where_nothing_can_be_said() {
        let latency = serde_json::to_value(Latency::of(&Values::sorted(values(100)))).unwrap();
        assert_eq!(latency["p95"], 95.0);
        assert_eq!(latency["p99"], serde_json::Value::Null);
        assert_eq!(latency["ci95"]["p50"][0], 40.0);
        assert_eq!(latency["ci95"].get("p99"), None);
    }
}
