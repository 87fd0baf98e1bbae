//! The latency metrics: one row each, used by the readout, the summary, the gates, the
//! comparison and the report (pure).
//!
//! A new metric is a variant of [`Metric`]: the compiler then asks for its field in
//! [`PerMetric`] and for its row in [`row`].

use std::ops::{Index, IndexMut};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timing::Latencies;
use crate::slo::Metric;

/// How one metric is read from a request, and where it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// In tables and charts.
    pub label: &'static str,
    /// In the report's table.
    pub title: &'static str,
    /// The value of one request, in milliseconds. `None` for a metric with many values a
    /// request, which is only counted.
    pub of: fn(&Latencies) -> Option<f64>,
    /// Whether the report draws its distribution and its course over time.
    pub is_drawn: bool,
    /// The quantiles that `infer load compare` compares.
    pub compared: &'static [(&'static str, f64)],
}

const P50_P95: &[(&str, f64)] = &[("p50", 0.5), ("p95", 0.95)];

pub fn row(metric: Metric) -> Row {
    match metric {
        Metric::Ttft => Row {
            label: "TTFT",
            title: "TTFT, time to first token",
            of: |latencies| latencies.ttft_ms,
            is_drawn: true,
            compared: P50_P95,
        },
        Metric::Ttfo => Row {
            label: "TTFO",
            title: "TTFO, the same without reasoning",
            of: |latencies| latencies.ttfo_ms,
            is_drawn: false,
            compared: &[],
        },
        Metric::Tpot => Row {
            label: "TPOT",
            title: "TPOT, time per output token",
            of: |latencies| latencies.tpot_ms,
            is_drawn: true,
            compared: P50_P95,
        },
        Metric::ChunkGap => Row {
            label: "gap",
            title: "gap between chunks",
            of: |_| None,
            is_drawn: false,
            compared: &[],
        },
        Metric::E2e => Row {
            label: "E2E",
            title: "E2E, whole answer",
            of: |latencies| Some(latencies.e2e_ms),
            is_drawn: true,
            compared: &[("p50", 0.5)],
        },
    }
}

/// The metrics that the report draws, with their rows.
pub(super) fn drawn() -> impl Iterator<Item = (Metric, Row)> {
    let rows = Metric::ALL.into_iter().map(|metric| (metric, row(metric)));
    rows.filter(|(_, row)| row.is_drawn)
}

/// One value for each metric; in results each field has its unit in its name.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct PerMetric<T> {
    /// First token event − intended start.
    #[serde(rename = "ttft_ms")]
    pub ttft: T,
    /// The same without reasoning.
    #[serde(rename = "ttfo_ms")]
    pub ttfo: T,
    /// (last − first token event) / (tokens − 1), one value a request.
    #[serde(rename = "tpot_ms")]
    pub tpot: T,
    /// Raw gaps between token events.
    #[serde(rename = "chunk_gap_ms")]
    pub chunk_gap: T,
    /// Last token event (embeddings: end of body) − intended start.
    #[serde(rename = "e2e_ms")]
    pub e2e: T,
}

impl<T> PerMetric<T> {
    pub fn of(mut value: impl FnMut(Metric) -> T) -> Self {
        Self {
            ttft: value(Metric::Ttft),
            ttfo: value(Metric::Ttfo),
            tpot: value(Metric::Tpot),
            chunk_gap: value(Metric::ChunkGap),
            e2e: value(Metric::E2e),
        }
    }
}

impl<T> Index<Metric> for PerMetric<T> {
    type Output = T;

    fn index(&self, metric: Metric) -> &T {
        match metric {
            Metric::Ttft => &self.ttft,
            Metric::Ttfo => &self.ttfo,
            Metric::Tpot => &self.tpot,
            Metric::ChunkGap => &self.chunk_gap,
            Metric::E2e => &self.e2e,
        }
    }
}

impl<T> IndexMut<Metric> for PerMetric<T> {
    fn index_mut(&mut self, metric: Metric) -> &mut T {
        match metric {
            Metric::Ttft => &mut self.ttft,
            Metric::Ttfo => &mut self.ttfo,
            Metric::Tpot => &mut self.tpot,
            Metric::ChunkGap => &mut self.chunk_gap,
            Metric::E2e => &mut self.e2e,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_written_by_its_name_with_its_unit() {
        let written = serde_json::to_value(PerMetric::of(Metric::name)).unwrap();
        let written = written.as_object().unwrap();
        for metric in Metric::ALL {
            assert_eq!(written[&format!("{}_ms", metric.name())], metric.name());
        }
        // A metric that is missing from `Metric::ALL` would be in no readout.
        assert_eq!(written.len(), Metric::ALL.len());
    }
}
