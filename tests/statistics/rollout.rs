//! Virtual rollouts, judged on a simulated clock: shared by the statistics and by the unit tests
//! of `canary`.
//!
//! A virtual rollout draws each 5-second block's sufficient statistics (count, mean and
//! squares of log-normal latencies) for both versions. Each pool drifts by itself
//! (Ornstein–Uhlenbeck, sd σ, time scale τ); the judge is told neither and sees nothing
//! before the shift. It is looked at after every block for ten minutes and never
//! stopped early, which is the worst case for false alarms.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, ChiSquared, Distribution, Poisson, StandardNormal};

use super::canary::{
    evidence::{MetricBlock, Moments},
    failures::Requests,
    judge::{Block, Decision, Judge, Rules},
};

const BLOCKS: u32 = 120;

/// Log-sd of single latencies: TTFT, TPOT, and differences of paired probes.
const SPREAD: [f64; 2] = [0.5, 0.15];
const PAIR_SPREAD: f64 = 0.2;
const PAIRS_PER_BLOCK: f64 = 10.0;
const FAILED_SHARE: f64 = 0.005;

#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) requests_per_s: f64,
    pub(crate) weight: f64,
    pub(crate) probing: bool,
    pub(crate) noise_sd: f64,
    pub(crate) time_scale_s: f64,
    /// Change of the candidate's TTFT, in log units.
    pub(crate) ttft: f64,
}

struct Rollout {
    world: World,
    random: ChaCha8Rng,
    /// Drift of live and candidate, for each metric.
    drift: [[f64; 2]; 2],
}

impl Rollout {
    fn new(world: World, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let drift = [(); 2].map(|()| [(); 2].map(|()| world.noise_sd * normal(&mut random)));
        Self {
            world,
            random,
            drift,
        }
    }

    fn block(&mut self) -> Block {
        let (rate, weight) = (5.0 * self.world.requests_per_s, self.world.weight);
        let live = count(&mut self.random, rate * (1.0 - weight));
        let candidate = count(&mut self.random, rate * weight);
        Block {
            ttft: self.metric(0, live, candidate, self.world.ttft),
            tpot: self.metric(1, live, candidate, 0.0),
            live: self.requests(live),
            candidate: self.requests(candidate),
        }
    }

    fn metric(&mut self, at: usize, live: u32, candidate: u32, change: f64) -> MetricBlock {
        let drift = [self.drifted(at, 0), self.drifted(at, 1) + change];
        let pairs = if self.world.probing {
            count(&mut self.random, PAIRS_PER_BLOCK)
        } else {
            0
        };
        MetricBlock {
            live: moments(&mut self.random, live, drift[0], SPREAD[at]),
            candidate: moments(&mut self.random, candidate, drift[1], SPREAD[at]),
            pairs: moments(&mut self.random, pairs, drift[1] - drift[0], PAIR_SPREAD),
        }
    }

    /// The pool's drift, averaged over the block in ten steps.
    fn drifted(&mut self, metric: usize, version: usize) -> f64 {
        let keep = (-0.5 / self.world.time_scale_s).exp();
        let fresh = self.world.noise_sd * (1.0 - keep * keep).sqrt();
        let mut sum = 0.0;
        for _ in 0..10 {
            let drift = &mut self.drift[metric][version];
            *drift = keep * *drift + fresh * normal(&mut self.random);
            sum += *drift;
        }
        sum / 10.0
    }

    fn requests(&mut self, sent: u32) -> Requests {
        let failed = Binomial::new(u64::from(sent), FAILED_SHARE).unwrap();
        Requests {
            sent,
            failed: u32::try_from(failed.sample(&mut self.random)).unwrap(),
        }
    }
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(random)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a Poisson count is small and whole"
)]
fn count(random: &mut ChaCha8Rng, mean: f64) -> u32 {
    Poisson::new(mean).unwrap().sample(random) as u32
}

fn moments(random: &mut ChaCha8Rng, count: u32, mean: f64, sd: f64) -> Moments {
    if count == 0 {
        return Moments::default();
    }
    let n = f64::from(count);
    let squares = if count > 1 {
        ChiSquared::new(n - 1.0).unwrap().sample(random)
    } else {
        0.0
    };
    Moments {
        count,
        mean: mean + sd / n.sqrt() * normal(random),
        squares: sd * sd * squares,
    }
}

/// Seconds until each decision was first made; `None` where it never was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Decided {
    pub(crate) worse: Option<u32>,
    pub(crate) ttft_not_worse: Option<u32>,
    pub(crate) not_worse: Option<u32>,
}

fn run(world: World, seed: u64) -> Decided {
    let rules = Rules {
        margin: 0.2,
        alpha: 0.01,
        steps: 1,
        probing: world.probing,
        pool_noise: None,
    };
    let mut judge = Judge::new(rules);
    let mut rollout = Rollout::new(world, seed);
    let mut decided = Decided::default();
    for block in 1..=BLOCKS {
        judge.observe(&rollout.block());
        let summary = judge.summary();
        let now = Some(5 * block);
        match summary.decision {
            Decision::Worse { .. } => decided.worse = decided.worse.or(now),
            Decision::NotWorse => decided.not_worse = decided.not_worse.or(now),
            Decision::Open => {}
        }
        if summary.ttft.ln_e_not_worse >= summary.ln_threshold {
            decided.ttft_not_worse = decided.ttft_not_worse.or(now);
        }
    }
    decided
}

/// Runs each world `count` times, on two threads.
pub(crate) fn run_all(worlds: &[World], count: u64) -> Vec<Vec<Decided>> {
    let half = |odd: u64| {
        let runs = |world: &World| {
            let seeds = (0..count).filter(|seed| seed % 2 == odd);
            seeds.map(|seed| run(*world, seed)).collect()
        };
        worlds.iter().map(runs).collect::<Vec<Vec<Decided>>>()
    };
    let (mut even, odd) = std::thread::scope(|scope| {
        let odd = scope.spawn(|| half(1));
        (half(0), odd.join().unwrap())
    });
    for (all, more) in even.iter_mut().zip(odd) {
        all.extend(more);
    }
    even
}

pub(crate) fn worlds(ttft: f64) -> Vec<World> {
    let mut worlds = Vec::new();
    for (requests_per_s, weight, probing) in [
        (10.0, 0.1, false),
        (10.0, 0.1, true),
        (10.0, 0.5, false),
        (50.0, 0.1, true),
        (50.0, 0.5, false),
    ] {
        for noise_sd in [0.0, 0.1] {
            worlds.push(World {
                requests_per_s,
                weight,
                probing,
                noise_sd,
                time_scale_s: 15.0,
                ttft,
            });
        }
    }
    worlds
}

/// Nearest-rank quantile of the times, counting what was never decided as forever.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rank among some hundred times"
)]
pub(crate) fn quantile(times: impl Iterator<Item = Option<u32>>, q: f64) -> Option<u32> {
    let mut times: Vec<_> = times.map(|time| time.unwrap_or(u32::MAX)).collect();
    times.sort_unstable();
    let rank = (q * times.len() as f64).ceil().max(1.0) as usize;
    times
        .get(rank - 1)
        .copied()
        .filter(|time| *time != u32::MAX)
}
