//! What both versions did during a run, for people and for the result.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    judge::Subject,
    pair::{Arm, Pair},
    proof::Share,
    sample::{BLOCK_MS, Outcome},
};
use crate::{
    load::{Latency, Values, quantile::nearest_rank},
    weight::Weight,
};

/// Latencies kept of one version and metric; beyond it every second one goes, so that
/// hours fit into a few MB.
const VALUES_MAX: usize = 200_000;

/// Over how long rates are taken.
const RATE_WINDOW_MS: u64 = 10_000;

/// What one version did.
#[derive(Debug, Default)]
pub struct VersionTally {
    pub requests: u64,
    pub errors: u64,
    ttft_ms: Kept,
    tpot_ms: Kept,
    recent: VecDeque<(u64, u32)>,
    block: BlockLatencies,
}

/// Values thinned out evenly once there are too many.
#[derive(Debug, Default)]
struct Kept {
    values: Vec<f64>,
    /// Every how many-th value is kept, as a power of two.
    every: u32,
    seen: u64,
}

impl Kept {
    fn add(&mut self, value: Option<f64>) {
        let Some(value) = value else { return };
        self.seen += 1;
        if !self.seen.is_multiple_of(1 << self.every) {
            return;
        }
        if self.values.len() == VALUES_MAX {
            let mut at = 0;
            self.values.retain(|_| {
                at += 1;
                at % 2 == 0
            });
            self.every += 1;
        }
        self.values.push(value);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        values
    }
}

#[derive(Debug, Default)]
struct BlockLatencies {
    ttft_ms: Vec<f64>,
    tpot_ms: Vec<f64>,
}

/// p50 and p95; `None` where nothing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
}

impl Quantiles {
    fn of(values: &mut [f64]) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self {
            p50: nearest_rank(values, 0.5),
            p95: nearest_rank(values, 0.95),
        }
    }
}

/// Five seconds of one version.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Moment {
    pub ttft_ms: Quantiles,
    pub tpot_ms: Quantiles,
}

/// Five seconds of both, from the start of the run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub at_s: f64,
    pub weight: Weight,
    /// Of the step so far.
    pub share: Share,
    pub live: Moment,
    pub candidate: Moment,
    pub ln_e: [SubjectEvidence; 3],
}

/// `ln e` of both sides of one subject; errors have only the worse side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SubjectEvidence {
    pub subject: Subject,
    pub worse: f64,
    pub not_worse: Option<f64>,
}

impl VersionTally {
    fn add(&mut self, ended_ms: u64, outcome: &Outcome, output_tokens: u32) {
        self.requests += 1;
        self.errors += u64::from(outcome.failed);
        self.recent.push_back((ended_ms, output_tokens));
        if outcome.failed {
            return;
        }
        self.ttft_ms.add(outcome.ttft_ms);
        self.tpot_ms.add(outcome.tpot_ms);
        self.block.ttft_ms.extend(outcome.ttft_ms);
        self.block.tpot_ms.extend(outcome.tpot_ms);
    }

    /// Requests and output tokens a second over the last ten seconds.
    fn rates(&mut self, now_ms: u64, start_ms: u64) -> (f64, f64) {
        let from = now_ms.saturating_sub(RATE_WINDOW_MS);
        while self.recent.front().is_some_and(|(at, _)| *at < from) {
            self.recent.pop_front();
        }
        let window_s = now_ms.saturating_sub(start_ms).clamp(1_000, RATE_WINDOW_MS);
        let window_s = f64::from(u32::try_from(window_s).unwrap_or(u32::MAX)) / 1e3;
        let count = f64::from(u32::try_from(self.recent.len()).unwrap_or(u32::MAX));
        // A sum of nothing is -0, which would be shown as such.
        let tokens: f64 = self
            .recent
            .iter()
            .map(|(_, n)| f64::from(*n))
            .fold(0.0, |sum, n| sum + n);
        (count / window_s, tokens / window_s)
    }

    fn quantiles(&self) -> Moment {
        Moment {
            ttft_ms: Quantiles::of(&mut self.ttft_ms.values.clone()),
            tpot_ms: Quantiles::of(&mut self.tpot_ms.values.clone()),
        }
    }

    fn close_block(&mut self) -> Moment {
        let mut block = std::mem::take(&mut self.block);
        Moment {
            ttft_ms: Quantiles::of(&mut block.ttft_ms),
            tpot_ms: Quantiles::of(&mut block.tpot_ms),
        }
    }

    pub fn ttft(&self) -> Latency {
        Latency::of(&Values::Sorted(self.ttft_ms.sorted()))
    }

    pub fn tpot(&self) -> Latency {
        Latency::of(&Values::Sorted(self.tpot_ms.sorted()))
    }

    /// Every latency kept, sorted, for the report's curves.
    pub fn values(&self, subject: Subject) -> Vec<f64> {
        match subject {
            Subject::Ttft => self.ttft_ms.sorted(),
            Subject::Tpot => self.tpot_ms.sorted(),
            Subject::Errors => Vec::new(),
        }
    }
}

/// Requests of each version from which its own traffic is what is shown, not the probes.
const SHOWN_MIN: u64 = 5;

/// All that was measured in a run.
#[derive(Debug, Default)]
pub struct Tally {
    start_ms: u64,
    pub traffic: Pair<VersionTally>,
    pub probes: Pair<VersionTally>,
    pub points: Vec<Point>,
    last_quantiles: Option<(u64, Pair<Moment>)>,
}

impl Tally {
    pub fn new(start_ms: u64) -> Self {
        Self {
            start_ms,
            ..Self::default()
        }
    }

    pub fn add(&mut self, ended_ms: u64, arm: Arm, outcome: &Outcome, output_tokens: u32) {
        self.traffic[arm].add(ended_ms, outcome, output_tokens);
    }

    pub fn add_probe(&mut self, ended_ms: u64, arm: Arm, outcome: &Outcome) {
        self.probes[arm].add(ended_ms, outcome, 0);
    }

    /// What users sent, or the probes where they sent too little to either version.
    pub fn shown(&self) -> &Pair<VersionTally> {
        if self.shows_probes() {
            &self.probes
        } else {
            &self.traffic
        }
    }

    pub fn shows_probes(&self) -> bool {
        let few = |of: &Pair<VersionTally>| of.live.requests.min(of.candidate.requests) < SHOWN_MIN;
        few(&self.traffic) && !few(&self.probes)
    }

    /// Closes five seconds at `weight`, of which `share` is known and `ln_e` was made.
    pub fn close_block(
        &mut self,
        ended_ms: u64,
        weight: Weight,
        share: Share,
        ln_e: [SubjectEvidence; 3],
    ) -> Point {
        let at_ms = ended_ms.saturating_sub(self.start_ms);
        let close = |tally: &mut VersionTally| tally.close_block();
        let traffic = self.traffic.as_mut().map(close);
        let probes = self.probes.as_mut().map(close);
        let Pair { live, candidate } = if self.shows_probes() { probes } else { traffic };
        let point = Point {
            at_s: seconds(at_ms),
            weight,
            share,
            live,
            candidate,
            ln_e,
        };
        self.points.push(point);
        point
    }

    /// Requests and output tokens a second of what users sent to live and candidate.
    pub fn rates(&mut self, now_ms: u64) -> Pair<(f64, f64)> {
        let start_ms = self.start_ms;
        let traffic = self.traffic.as_mut();
        traffic.map(|tally| tally.rates(now_ms, start_ms))
    }

    /// Quantiles of the whole run; sorted anew once a second at most.
    pub fn quantiles(&mut self, now_ms: u64) -> Pair<Moment> {
        match self.last_quantiles {
            Some((at, shown)) if now_ms.saturating_sub(at) < 1_000 => shown,
            _ => {
                let shown = self.shown().as_ref().map(VersionTally::quantiles);
                self.last_quantiles = Some((now_ms, shown));
                shown
            }
        }
    }
}

/// Milliseconds as seconds.
pub fn seconds(ms: u64) -> f64 {
    f64::from(u32::try_from(ms / 100).unwrap_or(u32::MAX)) / 10.0
}

const _: () = assert!(RATE_WINDOW_MS >= BLOCK_MS, "a rate spans a block");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_shape_and_the_bound() {
        let mut kept = Kept::default();
        for value in 0..500_000 {
            kept.add(Some(f64::from(value % 1000)));
        }
        assert!(kept.values.len() <= VALUES_MAX);
        let median = nearest_rank(&kept.sorted(), 0.5).unwrap();
        assert!((480.0..520.0).contains(&median), "{median}");
    }

    #[test]
    fn rates_are_of_the_last_ten_seconds() {
        let mut tally = Tally::new(0);
        let outcome = Outcome::default();
        for at in 0..200 {
            tally.add(at * 100, Arm::Live, &outcome, 5);
        }
        let rates = tally.rates(20_000);
        let ((requests, tokens), candidate) = (rates.live, rates.candidate);
        assert!((requests - 10.0).abs() < 0.2, "{requests}");
        assert!((tokens - 50.0).abs() < 1.0, "{tokens}");
        assert!(candidate.0.abs() < 1e-9);
    }
}
