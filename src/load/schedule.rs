//! When each request of an open loop is due (pure).
//!
//! Due times are absolute and come from the seed alone: a stalled server cannot
//! slow the schedule and so hide its own delay (coordinated omission), and the
//! same seed gives the same schedule to the nanosecond.

use std::{fmt, str::FromStr, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

/// How the gaps between requests vary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrival {
    /// Equal gaps.
    Constant,
    /// Exponential gaps: independent users.
    Poisson,
    /// Gamma gaps of this shape: below 1 burstier than Poisson, above 1 smoother.
    Gamma(f64),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid arrival process: use constant, poisson or gamma:S with S from 0.01 to 1000"
)]
pub struct ArrivalError(String);

impl FromStr for Arrival {
    type Err = ArrivalError;

    fn from_str(text: &str) -> Result<Self, ArrivalError> {
        match text {
            "constant" => return Ok(Self::Constant),
            "poisson" => return Ok(Self::Poisson),
            _ => {}
        }
        let shape = text.strip_prefix("gamma:").map(str::parse::<f64>);
        match shape {
            Some(Ok(shape)) if (0.01..=1000.0).contains(&shape) => Ok(Self::Gamma(shape)),
            _ => Err(ArrivalError(text.to_owned())),
        }
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Poisson => f.write_str("poisson"),
            Self::Gamma(shape) => write!(f, "gamma:{shape}"),
        }
    }
}

/// Requests a second; above zero and at most a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid rate: use requests per second, above 0 and at most 1000000")]
pub struct RateError(String);

impl Rate {
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        match text.parse::<f64>() {
            Ok(rate) if rate > 0.0 && rate <= 1e6 => Ok(Self(rate)),
            _ => Err(RateError(text.to_owned())),
        }
    }
}

/// The endless due times of one open loop, from its start.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    gap_mean_s: f64,
    gaps: Gaps,
    random: ChaCha8Rng,
    sent: u64,
    at_s: f64,
}

#[derive(Debug, Clone, Copy)]
enum Gaps {
    Constant,
    Poisson,
    Gamma(Gamma<f64>),
}

impl Schedule {
    /// # Panics
    ///
    /// Where a gamma shape is not positive; parsed ones are.
    pub(super) fn new(rate: Rate, arrival: Arrival, seed: u64) -> Self {
        let gap_mean_s = 1.0 / rate.0;
        let gaps = match arrival {
            Arrival::Constant => Gaps::Constant,
            Arrival::Poisson => Gaps::Poisson,
            Arrival::Gamma(shape) => Gaps::Gamma(
                Gamma::new(shape, gap_mean_s / shape).expect("shape and rate are positive"),
            ),
        };
        Self {
            gap_mean_s,
            gaps,
            random: ChaCha8Rng::seed_from_u64(seed),
            sent: 0,
            at_s: 0.0,
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn next(&mut self) -> Option<Duration> {
        self.at_s = match self.gaps {
            // By multiplication: adding a million gaps would drift.
            Gaps::Constant => self.sent as f64 * self.gap_mean_s,
            Gaps::Poisson => {
                // `1 - u` is never 0, so the logarithm is finite.
                let unit: f64 = self.random.random();
                self.at_s - libm::log(1.0 - unit) * self.gap_mean_s
            }
            Gaps::Gamma(gamma) => self.at_s + gamma.sample(&mut self.random),
        };
        self.sent += 1;
        Duration::try_from_secs_f64(self.at_s).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(rate: &str, arrival: &str, seed: u64) -> Schedule {
        Schedule::new(rate.parse().unwrap(), arrival.parse().unwrap(), seed)
    }

    fn gaps(arrival: &str) -> Vec<f64> {
        let due: Vec<_> = schedule("50", arrival, 3).take(20_001).collect();
        due.windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]).as_secs_f64())
            .collect()
    }

    /// Standard deviation over mean: 1 for exponential, 1/√S for gamma.
    fn variation(gaps: &[f64]) -> f64 {
        let n = f64::from(u32::try_from(gaps.len()).unwrap());
        let mean = gaps.iter().sum::<f64>() / n;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / n;
        assert!((mean * 50.0 - 1.0).abs() < 0.05, "mean gap {mean}");
        variance.sqrt() / mean
    }

    #[test]
    fn constant_is_really_constant() {
        let due: Vec<_> = schedule("4", "constant", 1).take(4).collect();
        assert_eq!(due, [0, 250, 500, 750].map(Duration::from_millis));
        assert!(variation(&gaps("constant")) < 1e-6);
    }

    #[test]
    fn poisson_and_gamma_have_their_rate_and_burstiness() {
        assert!((variation(&gaps("poisson")) - 1.0).abs() < 0.05);
        assert!((variation(&gaps("gamma:0.25")) - 2.0).abs() < 0.15);
        assert!((variation(&gaps("gamma:4")) - 0.5).abs() < 0.05);
    }

    #[test]
    fn wrong_arrivals_and_rates_are_refused() {
        for text in [
            "",
            "uniform",
            "gamma",
            "gamma:",
            "gamma:0",
            "gamma:-1",
            "gamma:inf",
            "gamma:NaN",
        ] {
            assert!(text.parse::<Arrival>().is_err(), "{text}");
        }
        for text in ["", "0", "-1", "inf", "NaN", "2000000", "fast"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert_eq!(
            "gamma:0.5".parse::<Arrival>().unwrap().to_string(),
            "gamma:0.5"
        );
    }

    proptest! {
        #[test]
        fn the_same_seed_gives_the_same_schedule_and_time_never_runs_back(seed in any::<u64>()) {
            for arrival in ["constant", "poisson", "gamma:0.5"] {
                let due: Vec<_> = schedule("1000", arrival, seed).take(200).collect();
                prop_assert_eq!(&due, &schedule("1000", arrival, seed).take(200).collect::<Vec<_>>());
                prop_assert!(due.is_sorted());
            }
            let first: Vec<_> = schedule("9", "poisson", seed).take(3).collect();
            let other: Vec<_> = schedule("9", "poisson", seed ^ 1).take(3).collect();
            prop_assert_ne!(first, other);
        }
    }
}
