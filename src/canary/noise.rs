//! How much a pool's latency drifts by itself: learned from live, estimated high.
//!
//! Requests on one pool share its queue, so a test that treats them as independent
//! finds "changes" between two equal pools (up to 42% false alarms in simulation). How
//! strong the drift is cannot be known beforehand. So a grid of possible noises is
//! carried along, each with a prior weight around the start values; live's own block
//! means, and the differences that are tested, say which of them explain the data.

use super::filter::{Filter, PoolNoise};

/// Standard deviations considered. The first is the floor: even a quiet pool is not
/// trusted to be steadier than 3%.
const SDS: [f64; 8] = [0.03, 0.04, 0.05, 0.07, 0.10, 0.14, 0.20, 0.30];

/// Time scales considered, in seconds.
const TIME_SCALES_S: [f64; 3] = [5.0, 15.0, 45.0];

pub const CANDIDATES: usize = SDS.len() * TIME_SCALES_S.len();

/// What is assumed before anything was seen.
pub const START: PoolNoise = PoolNoise {
    sd: 0.05,
    time_scale_s: 15.0,
};

/// How far the start values are trusted: one standard deviation, in log units. Chosen with
/// `simulation.rs`: wider costs power on quiet pools, narrower lets false alarms pass α
/// where the noise is 10%.
const START_TRUST_SD: f64 = 0.4;
const START_TRUST_TIME_SCALE: f64 = 0.75;

/// Weight of live's own series: half, because it also holds the load that both versions
/// share and that cancels in their difference.
const LIVE_SERIES_WEIGHT: f64 = 0.5;

/// Log weights of the grid's noises, up to a constant.
pub type Scores = [f64; CANDIDATES];

/// The grid, in the order of [`Scores`].
pub fn grid() -> impl Iterator<Item = PoolNoise> {
    SDS.into_iter().flat_map(|sd| {
        TIME_SCALES_S
            .into_iter()
            .map(move |time_scale_s| PoolNoise { sd, time_scale_s })
    })
}

/// What live's blocks have taught so far.
#[derive(Debug, Clone)]
pub struct Noise {
    filters: Vec<Filter>,
    /// `--pool-noise`: the sd is given, only its time scale is learned.
    given: Option<f64>,
    blocks: u32,
}

impl Noise {
    pub fn new(given: Option<f64>) -> Self {
        Self {
            filters: grid().map(|noise| Filter::new(noise, 1.0)).collect(),
            given,
            blocks: 0,
        }
    }

    /// Learns from a block of live: the mean of its logs and that mean's own variance.
    pub fn learn(&mut self, mean: f64, within: f64) {
        for filter in &mut self.filters {
            filter.update(mean, within);
        }
        self.blocks += 1;
    }

    pub fn skip(&mut self) {
        for filter in &mut self.filters {
            filter.skip();
        }
    }

    /// Blocks learned from.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// How well each noise explains live, with its prior.
    pub fn scores(&self) -> Scores {
        let mut scores = [0.0; CANDIDATES];
        for ((score, filter), noise) in scores.iter_mut().zip(&self.filters).zip(grid()) {
            *score = LIVE_SERIES_WEIGHT * filter.ln_likelihood() + self.ln_prior(noise);
        }
        scores
    }

    /// The noise to reckon with: means over the grid.
    pub fn learned(&self) -> PoolNoise {
        let (mut total, mut variance, mut time_scale_s) = (0.0, 0.0, 0.0);
        for (noise, weight) in grid().zip(shares(&self.scores())) {
            total += weight;
            variance += weight * noise.sd * noise.sd;
            time_scale_s += weight * noise.time_scale_s;
        }
        PoolNoise {
            sd: (variance / total).sqrt(),
            time_scale_s: time_scale_s / total,
        }
    }

    fn ln_prior(&self, noise: PoolNoise) -> f64 {
        let time_scale = (noise.time_scale_s / START.time_scale_s).ln() / START_TRUST_TIME_SCALE;
        let sd = match self.given {
            // The grid point nearest to what was given, and no other.
            Some(given) => (noise.sd / nearest_sd(given)).ln() * 1e3,
            None => (noise.sd / START.sd).ln() / START_TRUST_SD,
        };
        -0.5 * (time_scale * time_scale + sd * sd)
    }
}

/// The smallest sd of the grid that is not below `given` (to be on the safe side).
fn nearest_sd(given: f64) -> f64 {
    SDS.into_iter()
        .find(|sd| *sd >= given - 1e-9)
        .unwrap_or(SDS[SDS.len() - 1])
}

/// Log weights as weights that sum to one.
pub fn shares(scores: &Scores) -> Scores {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = scores.map(|score| (score - top).exp());
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pseudo-random walk around zero with the given sd and no memory.
    fn teach(noise: &mut Noise, sd: f64, blocks: u32) {
        for block in 0..blocks {
            let sign = if block % 2 == 0 { 1.0 } else { -1.0 };
            noise.learn(sd * sign * if block % 4 < 2 { 1.0 } else { -1.0 }, 1e-5);
        }
    }

    #[test]
    fn before_anything_is_seen_the_start_values_hold() {
        let learned = Noise::new(None).learned();
        assert!((0.045..0.07).contains(&learned.sd), "{learned:?}");
        assert!((12.0..25.0).contains(&learned.time_scale_s), "{learned:?}");
    }

    #[test]
    fn a_quiet_pool_is_learned_down_to_the_floor_and_a_loud_one_up() {
        let (mut quiet, mut loud) = (Noise::new(None), Noise::new(None));
        teach(&mut quiet, 0.001, 60);
        teach(&mut loud, 0.15, 60);
        assert!(
            (0.03..0.035).contains(&quiet.learned().sd),
            "{:?}",
            quiet.learned()
        );
        assert!(loud.learned().sd > 0.1, "{:?}", loud.learned());
    }

    #[test]
    fn a_given_noise_is_taken_and_rounded_up() {
        let mut given = Noise::new(Some(0.06));
        teach(&mut given, 0.001, 60);
        assert!(
            (given.learned().sd - 0.07).abs() < 1e-6,
            "{:?}",
            given.learned()
        );
    }
}
