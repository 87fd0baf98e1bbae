//! The likelihood of a constant shift in a series with correlated noise, block by block.
//!
//! A series of block means is modelled as `y_b = Δ + M_b + ε_b`: a constant Δ, a
//! stationary AR(1) disturbance `M` (an Ornstein–Uhlenbeck process seen every
//! [`BLOCK_S`] seconds: sd σ, time scale τ) and independent within-block noise of
//! known variance. The Kalman filter turns the series into independent
//! innovations (Harvey 1989, §3.4), each linear in Δ, so the likelihood ratio of any
//! Δ against zero is `exp(Δ·S − Δ²·I/2)`: a martingale under Δ = 0, at every block.

/// Length of a block; short against the time scale of queues (about 15 s), long
/// enough for some requests in each.
pub const BLOCK_S: f64 = 5.0;

/// How one pool's latency drifts by itself, whatever is deployed on it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct PoolNoise {
    /// Standard deviation of the drift, in log units (0.05 is about 5%).
    pub sd: f64,
    /// How long it remembers, in seconds.
    pub time_scale_s: f64,
}

/// One filter for one assumed noise.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Correlation of the disturbance from block to block.
    memory: f64,
    /// Its stationary variance.
    variance: f64,
    mean: f64,
    /// What the filtered mean would gain if Δ were one.
    gain_of_shift: f64,
    spread: f64,
    score: f64,
    information: f64,
    squares: f64,
    ln_determinant: f64,
    blocks: u32,
}

impl Filter {
    /// `pools` disturbances act on the series: one on a version's mean, two on a difference.
    pub fn new(noise: PoolNoise, pools: f64) -> Self {
        let variance = pools * noise.sd * noise.sd;
        Self {
            memory: (-BLOCK_S / noise.time_scale_s).exp(),
            variance,
            mean: 0.0,
            gain_of_shift: 0.0,
            spread: variance,
            score: 0.0,
            information: 0.0,
            squares: 0.0,
            ln_determinant: 0.0,
            blocks: 0,
        }
    }

    /// A block in which nothing was measured.
    pub fn skip(&mut self) {
        self.mean *= self.memory;
        self.gain_of_shift *= self.memory;
        let kept = self.memory * self.memory;
        self.spread = kept * self.spread + (1.0 - kept) * self.variance;
    }

    /// A block with mean `value` whose own sampling variance is `within`.
    pub fn update(&mut self, value: f64, within: f64) {
        self.skip();
        let variance = self.spread + within;
        let innovation = value - self.mean;
        let seen = 1.0 - self.gain_of_shift;
        let gain = self.spread / variance;
        self.mean += gain * innovation;
        self.gain_of_shift += gain * seen;
        self.spread *= 1.0 - gain;
        self.score += innovation * seen / variance;
        self.information += seen * seen / variance;
        self.squares += innovation * innovation / variance;
        self.ln_determinant += variance.ln();
        self.blocks += 1;
    }

    /// The best estimate of Δ and its variance; `None` before the first block.
    pub fn estimate(&self) -> Option<(f64, f64)> {
        (self.blocks > 0).then(|| (self.score / self.information, 1.0 / self.information))
    }

    /// Log likelihood of the series for a given Δ, up to a constant that all filters share.
    pub fn ln_likelihood_at(&self, shift: f64) -> f64 {
        let explained = shift * (2.0 * self.score - shift * self.information);
        -0.5 * (self.ln_determinant + self.squares - explained)
    }

    /// Log likelihood of the series with Δ integrated out (flat prior), up to a constant:
    /// how well the assumed noise explains what was seen.
    pub fn ln_likelihood(&self) -> f64 {
        if self.blocks < 2 {
            return 0.0;
        }
        self.ln_likelihood_at(self.score / self.information) - 0.5 * self.information.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: PoolNoise = PoolNoise {
        sd: 0.05,
        time_scale_s: 15.0,
    };

    #[test]
    fn without_pool_noise_it_is_the_weighted_mean() {
        let none = PoolNoise {
            sd: 0.0,
            time_scale_s: 15.0,
        };
        let mut filter = Filter::new(none, 2.0);
        filter.update(1.0, 0.1);
        filter.update(4.0, 0.2);
        let (estimate, variance) = filter.estimate().unwrap();
        assert!((estimate - 2.0).abs() < 1e-12, "{estimate}");
        assert!((variance - 1.0 / 15.0).abs() < 1e-12, "{variance}");
    }

    #[test]
    fn pool_noise_sets_a_floor_that_more_requests_do_not_lower() {
        let mut filter = Filter::new(NOISE, 2.0);
        for _ in 0..20 {
            filter.update(0.0, 1e-9);
        }
        // V ≈ 2σ²·(2τ/T)·[1 − (τ/T)(1 − e^(−T/τ))] for T = 100 s: 0.0013.
        let t = 100.0 / 15.0;
        let continuous = 2.0 * 0.05 * 0.05 * (2.0 / t) * (1.0 - (1.0 - f64::exp(-t)) / t);
        let (_, variance) = filter.estimate().unwrap();
        assert!(
            (variance / continuous - 1.0).abs() < 0.15,
            "{variance} {continuous}"
        );
    }

    #[test]
    fn a_shift_moves_the_estimate_by_just_itself() {
        let series = [0.02, -0.01, 0.05, 0.0, 0.03];
        let run = |shift: f64| {
            let mut filter = Filter::new(NOISE, 2.0);
            for value in series {
                filter.update(value + shift, 0.01);
                filter.skip();
            }
            filter
        };
        let (still, moved) = (run(0.0), run(0.5));
        let difference = moved.estimate().unwrap().0 - still.estimate().unwrap().0;
        assert!((difference - 0.5).abs() < 1e-9, "{difference}");
        assert!((moved.ln_likelihood() - still.ln_likelihood()).abs() < 1e-9);
    }
}
