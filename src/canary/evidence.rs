//! Evidence about one metric: is the candidate worse, is it not worse by the margin?

use super::{
    filter::{Filter, PoolNoise},
    mixture::{EFFECT_SCALE, ln_e_above_zero},
    noise::{Noise, Scores, grid, shares},
};

/// Count, mean and sum of squared deviations of the logs of some latencies.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Moments {
    pub count: u32,
    pub mean: f64,
    pub squares: f64,
}

impl Moments {
    /// Adds one value (Welford 1962).
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / f64::from(self.count);
        self.squares += before * (value - self.mean);
    }
}

/// One block of one metric, from every source that saw it.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct MetricBlock {
    pub live: Moments,
    pub candidate: Moments,
    /// Differences `ln candidate − ln live` of paired probes: the same prompt to both.
    pub pairs: Moments,
}

/// Spread of single values, pooled over blocks; two values' worth of a wide start keeps
/// the first estimates high.
#[derive(Debug, Clone, Copy)]
struct Spread {
    squares: f64,
    freedom: f64,
}

const START_SPREAD: f64 = 0.5;

impl Spread {
    fn new() -> Self {
        Self {
            squares: 2.0 * START_SPREAD * START_SPREAD,
            freedom: 2.0,
        }
    }

    fn add(&mut self, block: &Moments) {
        if block.count > 1 {
            self.squares += block.squares;
            self.freedom += f64::from(block.count - 1);
        }
    }

    fn variance(&self) -> f64 {
        self.squares / self.freedom
    }

    /// The variance, leaning on `other` while there are few values.
    fn variance_leaning_on(&self, other: &Self) -> f64 {
        const LEAN: f64 = 10.0;
        (self.squares + LEAN * other.variance()) / (self.freedom + LEAN)
    }
}

/// Filters of one source, one per noise of the grid.
#[derive(Debug, Clone)]
struct Source {
    filters: Vec<Filter>,
    samples: u32,
}

impl Source {
    fn new() -> Self {
        Self {
            filters: grid().map(|noise| Filter::new(noise, 2.0)).collect(),
            samples: 0,
        }
    }

    fn update(&mut self, difference: Option<(f64, f64)>, samples: u32) {
        for filter in &mut self.filters {
            match difference {
                Some((value, within)) => filter.update(value, within),
                None => filter.skip(),
            }
        }
        self.samples += samples;
    }

    /// `ln e` that the shift is above (`sign` = 1) or below (`sign` = −1) `bound`.
    ///
    /// The noise is not known, so the e-values of the grid are averaged with the weight
    /// that each noise has *if the null is true*: the Bayes factor with the noise
    /// integrated out of both sides. A drift that some likely noise explains is then no
    /// evidence.
    fn ln_e(&self, live: &Scores, sign: f64, bound: f64) -> f64 {
        let mut scores = *live;
        for (score, filter) in scores.iter_mut().zip(&self.filters) {
            *score += filter.ln_likelihood_at(bound);
        }
        let mut e = 0.0;
        for (weight, filter) in shares(&scores).into_iter().zip(&self.filters) {
            // Leaving a term out only weakens the evidence.
            if weight < 1e-9 {
                continue;
            }
            let ln_e = filter.estimate().map_or(0.0, |(estimate, variance)| {
                ln_e_above_zero(sign * (estimate - bound), variance)
            });
            e += weight * ln_e.min(LN_E_MAX).exp();
        }
        e.ln()
    }

    /// Estimate and variance, averaged over the noises that explain the data.
    fn estimate(&self, live: &Scores) -> Option<(f64, f64)> {
        let mut scores = *live;
        for (score, filter) in scores.iter_mut().zip(&self.filters) {
            *score += filter.ln_likelihood();
        }
        let (mut mean, mut square) = (0.0, 0.0);
        for (weight, filter) in shares(&scores).into_iter().zip(&self.filters) {
            let (estimate, variance) = filter.estimate()?;
            mean += weight * estimate;
            square += weight * (variance + estimate * estimate);
        }
        Some((mean, square - mean * mean))
    }
}

/// Samples from which one source alone may contradict the other.
const SOURCE_SAMPLES_MIN: u32 = 30;

/// Evidence beyond this is not told apart: `e` = 10^130.
const LN_E_MAX: f64 = 300.0;

/// What is known about one metric.
#[derive(Debug, Clone)]
pub struct Evidence {
    noise: Noise,
    traffic: Source,
    probes: Source,
    probing: bool,
    live: Spread,
    candidate: Spread,
    pairs: Spread,
}

/// The evidence as figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricEvidence {
    pub ln_e_worse: f64,
    pub ln_e_not_worse: f64,
    /// Change of the candidate against live in log units, with an interval that holds at
    /// every look (95%).
    pub change: Option<EstimatedChange>,
    /// Candidate requests and probe pairs behind it.
    pub samples: u32,
    /// Whether traffic or probes, seen alone, point beyond the margin.
    pub contradicted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EstimatedChange {
    pub estimate: f64,
    pub variance: f64,
    pub low: f64,
    pub high: f64,
}

impl Evidence {
    /// `probing`: whether paired probes run beside the traffic.
    pub fn new(given_noise: Option<f64>, probing: bool) -> Self {
        Self {
            noise: Noise::new(given_noise),
            traffic: Source::new(),
            probes: Source::new(),
            probing,
            live: Spread::new(),
            candidate: Spread::new(),
            pairs: Spread::new(),
        }
    }

    /// A step at another weight is another experiment; what was learned about the noise stays.
    pub fn restart(&mut self) {
        self.traffic = Source::new();
        self.probes = Source::new();
    }

    pub fn add(&mut self, block: &MetricBlock) {
        self.live.add(&block.live);
        self.candidate.add(&block.candidate);
        self.pairs.add(&block.pairs);
        let live_within = self.live.variance() / f64::from(block.live.count.max(1));
        if block.live.count > 0 {
            self.noise.learn(block.live.mean, live_within);
        } else {
            self.noise.skip();
        }
        let both = block.live.count > 0 && block.candidate.count > 0;
        let difference = both.then(|| {
            let candidate = self.candidate.variance_leaning_on(&self.live);
            let within = live_within + candidate / f64::from(block.candidate.count);
            (block.candidate.mean - block.live.mean, within)
        });
        self.traffic
            .update(difference, if both { block.candidate.count } else { 0 });
        let paired = (block.pairs.count > 0).then(|| {
            let within = self.pairs.variance() / f64::from(block.pairs.count);
            (block.pairs.mean, within)
        });
        self.probes.update(paired, block.pairs.count);
    }

    /// The pool noise learned so far and the blocks of live it was learned from.
    pub fn noise(&self) -> (PoolNoise, u32) {
        (self.noise.learned(), self.noise.blocks())
    }

    /// `margin` in log units.
    pub fn summarize(&self, margin: f64) -> MetricEvidence {
        let live = self.noise.scores();
        MetricEvidence {
            ln_e_worse: self.mean_ln_e(&live, 1.0, 0.0),
            ln_e_not_worse: self.mean_ln_e(&live, -1.0, margin),
            change: self.change(&live),
            samples: self.traffic.samples + self.probes.samples,
            contradicted: [&self.traffic, &self.probes].into_iter().any(|source| {
                let estimate = source.estimate(&live).map(|(estimate, _)| estimate);
                source.samples >= SOURCE_SAMPLES_MIN && estimate.is_some_and(|it| it > margin)
            }),
        }
    }

    /// Traffic and probes each bet on their own; the mean of two e-processes with weights
    /// fixed beforehand is one (Vovk & Wang 2021, "E-values: calibration, combination and
    /// applications"), however the two depend on each other.
    fn mean_ln_e(&self, live: &Scores, sign: f64, bound: f64) -> f64 {
        let traffic = self.traffic.ln_e(live, sign, bound);
        if !self.probing {
            return traffic;
        }
        let probes = self.probes.ln_e(live, sign, bound);
        let (more, less) = (traffic.max(probes), traffic.min(probes));
        more + (0.5 * (1.0 + (less - more).exp())).ln()
    }

    /// The more precise source's estimate, with the normal-mixture confidence sequence
    /// `Δ̂ ± √(V(V+ρ²)/ρ²·(2 ln(1/α) + ln((V+ρ²)/V)))`, α = 5% (Howard et al. 2021).
    fn change(&self, live: &Scores) -> Option<EstimatedChange> {
        let sources = [&self.traffic, &self.probes];
        let (estimate, variance) = sources
            .into_iter()
            .filter_map(|source| source.estimate(live))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        let square = EFFECT_SCALE * EFFECT_SCALE;
        let total = variance + square;
        let half =
            (variance * total / square * (2.0 * 20f64.ln() + (total / variance).ln())).sqrt();
        Some(EstimatedChange {
            estimate,
            variance,
            low: estimate - half,
            high: estimate + half,
        })
    }
}
