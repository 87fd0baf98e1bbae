//! An engine's own counters → what its users felt between two readings (pure).
//!
//! A histogram says how many requests fell between two edges and what all of them sum up
//! to. Its edges alone hide a change that stays between two of them (vLLM has none between
//! 100 and 250 ms), so the requests of one reading are placed where their sum says: all at
//! the same height within their buckets. A reading with one request gives its exact value.

use crate::{
    engine::{Figure, names},
    load::prometheus::{Sample, samples},
};

/// Requests taken from one reading of one pod; beyond it they are thinned out evenly.
const SAMPLES_MAX: usize = 500;

/// One cumulative histogram; buckets by rising edge, the last one without an edge.
#[derive(Debug, Clone, PartialEq, Default)]
struct Histogram {
    /// (upper edge in seconds, requests up to it).
    buckets: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
}

/// What one reading of an engine's `/metrics` counts since the engine started.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counters {
    ttft: Histogram,
    tpot: Histogram,
    gaps: Histogram,
    output_tokens: f64,
    failed: f64,
}

/// What happened between two readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    pub ttft_ms: Vec<f64>,
    pub tpot_ms: Vec<f64>,
    pub output_tokens: f64,
    /// Inference requests answered with 5xx.
    pub failed: u32,
}

impl Counters {
    /// From Prometheus text; label sets of one name are added up.
    pub fn parse(text: &str) -> Self {
        let mut counters = Self::default();
        for sample in samples(text).filter(|sample| sample.value >= 0.0) {
            counters.take(&sample);
        }
        for histogram in [&mut counters.ttft, &mut counters.tpot, &mut counters.gaps] {
            histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        counters
    }

    /// Whether the engine exports latencies at all; llama.cpp does not.
    pub fn says_latencies(&self) -> bool {
        !self.ttft.buckets.is_empty()
    }

    fn take(&mut self, sample: &Sample<'_>) {
        let figures: [(Figure, &mut Histogram); 3] = [
            (|engine| engine.ttft_seconds, &mut self.ttft),
            (|engine| engine.tpot_seconds, &mut self.tpot),
            // A request's gaps are no independent samples: a reading of them counts as one.
            (|engine| engine.token_gap_seconds, &mut self.gaps),
        ];
        for (figure, histogram) in figures {
            let part = names(figure).find_map(|name| sample.name.strip_prefix(name));
            match part {
                Some("_sum") => histogram.sum += sample.value,
                Some("_count") => histogram.count += sample.value,
                Some("_bucket") => histogram.add(sample),
                _ => {}
            }
        }
        if names(|engine| engine.output_tokens).any(|name| name == sample.name) {
            self.output_tokens += sample.value;
        }
        let is_response = names(|engine| engine.responses).any(|name| name == sample.name);
        let inference = sample
            .label("handler")
            .is_none_or(|path| path.starts_with("/v1/"));
        let server_error = sample
            .label("status")
            .is_some_and(|status| status.starts_with('5'));
        if is_response && inference && server_error {
            self.failed += sample.value;
        }
    }

    /// What came after `before`; `None` where the engine has begun anew since.
    pub fn since(&self, before: &Self) -> Option<Change> {
        let ttft = self.ttft.since(&before.ttft)?;
        let tpot = self.tpot.since(&before.tpot)?;
        let gaps = self.gaps.since(&before.gaps)?;
        let output_tokens = self.output_tokens - before.output_tokens;
        let failed = self.failed - before.failed;
        if output_tokens < 0.0 || failed < 0.0 {
            return None;
        }
        let tpot_ms = if tpot.buckets.is_empty() {
            gaps.mean_ms().into_iter().collect()
        } else {
            tpot.samples_ms()
        };
        Some(Change {
            ttft_ms: ttft.samples_ms(),
            tpot_ms,
            output_tokens,
            failed: whole(failed),
        })
    }
}

impl Histogram {
    fn add(&mut self, sample: &Sample<'_>) {
        let Some(edge) = sample.label("le").and_then(edge) else {
            return;
        };
        let known = self
            .buckets
            .iter_mut()
            .find(|(known, _)| same(*known, edge));
        match known {
            Some((_, count)) => *count += sample.value,
            None => self.buckets.push((edge, sample.value)),
        }
    }

    /// What was added since; `None` where something was taken away.
    fn since(&self, before: &Self) -> Option<Self> {
        let added = |now: f64, then: f64| (now >= then).then_some(now - then);
        let mut buckets = Vec::with_capacity(self.buckets.len());
        for (at, (edge, count)) in self.buckets.iter().enumerate() {
            let then = match before.buckets.get(at) {
                Some((known, then)) if same(*known, *edge) => *then,
                Some(_) => return None,
                None => 0.0,
            };
            buckets.push((*edge, added(*count, then)?));
        }
        Some(Self {
            buckets,
            sum: added(self.sum, before.sum)?,
            count: added(self.count, before.count)?,
        })
    }

    fn mean_ms(&self) -> Option<f64> {
        (self.count >= 1.0).then(|| self.sum / self.count * 1e3)
    }

    /// One value a request: at the same height within its bucket for all, so that they
    /// sum up to what the engine says.
    fn samples_ms(&self) -> Vec<f64> {
        let ranges = self.ranges();
        let total: usize = ranges.iter().map(|range| range.count).sum();
        if total == 0 {
            return Vec::new();
        }
        let sum_at = |height: f64| -> f64 {
            ranges
                .iter()
                .map(|range| range.at(height) * float(range.count))
                .sum()
        };
        // Rises with the height, so halving finds it; 50 halvings are beyond a double's digits.
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if sum_at(middle) < self.sum {
                low = middle;
            } else {
                high = middle;
            }
        }
        let every = total.div_ceil(SAMPLES_MAX);
        let mut samples = Vec::new();
        let (mut next, mut below) = (0, 0);
        for range in &ranges {
            below += range.count;
            while next < below {
                samples.push(range.at(low) * 1e3);
                next += every;
            }
        }
        samples
    }

    /// Buckets that hold requests.
    fn ranges(&self) -> Vec<Range> {
        let (mut below, mut edge_below) = (0.0, 0.0);
        let mut ranges = Vec::new();
        for (edge, up_to) in &self.buckets {
            let count = whole(up_to - below) as usize;
            if count > 0 {
                // Above the last edge only the sum says how far.
                let high = if edge.is_finite() {
                    *edge
                } else {
                    self.sum.max(edge_below)
                };
                ranges.push(Range {
                    low: edge_below,
                    high,
                    count,
                });
            }
            (below, edge_below) = (*up_to, *edge);
        }
        ranges
    }
}

struct Range {
    low: f64,
    high: f64,
    count: usize,
}

impl Range {
    fn at(&self, height: f64) -> f64 {
        self.low + (self.high - self.low) * height
    }
}

fn edge(text: &str) -> Option<f64> {
    if text == "+Inf" {
        return Some(f64::INFINITY);
    }
    text.parse().ok().filter(|edge: &f64| edge.is_finite())
}

/// Edges are written by the same program each time, so they are equal to the bit.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests, saturating"
)]
fn whole(count: f64) -> u32 {
    count.round().max(0.0) as u32
}

#[expect(clippy::cast_precision_loss, reason = "a count of requests")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
