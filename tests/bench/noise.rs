//! How noisy the machine is: the same piece of work, timed again and again. Figures of a
//! bench mean something where both lines, before and after it, are close to 1.

use std::{
    fmt,
    hint::black_box,
    time::{Duration, Instant},
};

const REPEATS: usize = 400;
const STEPS: u64 = 300_000;

/// Times of one piece of work, sorted.
pub(crate) struct Noise(Vec<Duration>);

impl Noise {
    pub(crate) fn measure() -> Self {
        let mut times: Vec<_> = (0..REPEATS).map(|_| work()).collect();
        times.sort_unstable();
        Self(times)
    }

    /// A quantile as a multiple of the fastest.
    fn slower(&self, per_mille: usize) -> f64 {
        let at = (self.0.len() - 1) * per_mille / 1000;
        self.0[at].as_secs_f64() / self.0[0].as_secs_f64()
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "machine: the same work takes {:.2} times its best at p50, {:.2} at p90, {:.2} at p99",
            self.slower(500),
            self.slower(900),
            self.slower(990)
        )
    }
}

fn work() -> Duration {
    let start = Instant::now();
    let mut value = black_box(1_u64);
    for step in 0..STEPS {
        value = value.wrapping_mul(6_364_136_223_846_793_005) ^ step;
    }
    black_box(value);
    start.elapsed()
}
