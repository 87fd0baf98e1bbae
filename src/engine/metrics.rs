//! The Prometheus names under which engines export the same figure.

use super::ENGINES;

/// Names of one engine's metrics, the newest first; empty where it exports no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricNames {
    pub running: &'static [&'static str],
    pub waiting: &'static [&'static str],
    /// Used share of the KV cache, 0 to 1.
    pub kv_cache_usage: &'static [&'static str],
    /// Histogram of the time to first token in seconds, without `_bucket`.
    pub ttft_seconds: &'static [&'static str],
    /// Histogram of a request's mean time per token in seconds, without `_bucket`.
    pub tpot_seconds: &'static [&'static str],
    /// Histogram of single gaps between tokens in seconds, without `_bucket`. The gaps of one
    /// request are no independent samples.
    pub token_gap_seconds: &'static [&'static str],
    pub output_tokens: &'static [&'static str],
    /// Counter of HTTP responses with the labels `status` and `handler`.
    pub responses: &'static [&'static str],
}

/// Chooses the names of one figure in an engine's row.
pub type Figure = fn(&MetricNames) -> &'static [&'static str];

/// The names of one figure, of all engines: a reader of `/metrics` need not know the engine.
pub fn names(figure: Figure) -> impl Iterator<Item = &'static str> {
    let rows = ENGINES.iter();
    rows.flat_map(move |engine| figure(&engine.metrics).iter().copied())
}
