//! The latency law: when each token of a simulated answer is due.
//!
//! ```text
//! first token   start + (base + prefill × prompt tokens) × load × drift × noise
//! token k       token k-1 + per_token × load × drift × noise
//! start         arrival, or when a slot and KV blocks for prompt + output came free, in order of arrival
//! load          1 + slowdown × (running - 1) / (slots - 1), running counted at start, itself included
//! noise         exp(sigma × z), z standard normal, drawn anew for each token: its median is 1
//! drift         exp(sigma' × x), the same for all requests; x moves between standard normals 15 s
//!               apart, read at start: a machine's good and bad times
//! KV blocks     ceil((prompt + output) / 16), held from start to the last token
//! ```
//!
//! Pure and seeded: request `n` under seed `s` draws the same noise on every run,
//! whatever the other requests do.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Tokens in one KV block, as in vLLM.
pub(super) const KV_BLOCK_TOKENS: u32 = 16;

/// How far apart the points are between which drift moves.
const DRIFT_STEP: Duration = Duration::from_secs(15);

/// The law's constants.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Law {
    /// Time to the first token before any prompt token is counted.
    #[serde(rename = "base_ms", serialize_with = "as_milliseconds")]
    #[schemars(with = "f64")]
    pub base: Duration,
    /// Added to the first token's time for each prompt token.
    #[serde(rename = "prefill_ms_per_token", serialize_with = "as_milliseconds")]
    #[schemars(with = "f64")]
    pub prefill_per_token: Duration,
    /// Between two output tokens.
    #[serde(rename = "per_token_ms", serialize_with = "as_milliseconds")]
    #[schemars(with = "f64")]
    pub per_token: Duration,
    /// Sigma of the log-normal noise; 0 is none.
    pub noise: f64,
    /// Sigma of the drift that all requests share; 0 is none.
    pub drift: f64,
    /// Requests answered at once; more of them queue.
    pub slots: u32,
    /// How much slower everything is with all slots taken: 1 is twice the time.
    pub slowdown: f64,
    /// KV blocks in all.
    pub kv_blocks: u32,
    /// Longest prompt and output together, in tokens.
    pub context_tokens: u32,
    /// Output tokens where the request names no limit.
    pub output_tokens: u32,
    pub seed: u64,
}

fn as_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64() * 1e3)
}

impl Default for Law {
    /// An 8B model on one mid-range GPU, roughly.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(40),
            prefill_per_token: Duration::from_micros(100),
            per_token: Duration::from_millis(10),
            noise: 0.05,
            drift: 0.0,
            slots: 64,
            slowdown: 0.0,
            kv_blocks: 8192,
            context_tokens: 8192,
            output_tokens: 64,
            seed: 0,
        }
    }
}

/// A law that cannot hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("{name} must be from 0 to {max}, not {value}")]
    OutOfRange {
        name: &'static str,
        max: u32,
        value: String,
    },
    #[error("{0} is too long to be meant")]
    TooLong(&'static str),
    #[error("error-status must be from 400 to 599, not {0}")]
    NotAnError(u16),
}

impl Law {
    /// A wait beyond this is a typing error, and its sums could overflow.
    const WAIT_MAX: Duration = Duration::from_hours(1);
    /// Above 2, one token in forty takes fifty times the median.
    const NOISE_MAX: u32 = 2;
    const SLOWDOWN_MAX: u32 = 1000;

    pub fn check(&self) -> Result<(), Broken> {
        for (name, value) in [
            ("slots", self.slots),
            ("kv-blocks", self.kv_blocks),
            ("context-tokens", self.context_tokens),
            ("output-tokens", self.output_tokens),
        ] {
            if value == 0 {
                return Err(Broken::Zero(name));
            }
        }
        for (name, wait) in [
            ("base", self.base),
            ("prefill", self.prefill_per_token),
            ("per-token", self.per_token),
        ] {
            if wait > Self::WAIT_MAX {
                return Err(Broken::TooLong(name));
            }
        }
        within("noise", self.noise, Self::NOISE_MAX)?;
        within("drift", self.drift, Self::NOISE_MAX)?;
        within("slowdown", self.slowdown, Self::SLOWDOWN_MAX)
    }

    /// How much slower everything is with `running` requests holding a slot.
    pub fn load(&self, running: u32) -> f64 {
        if self.slots <= 1 {
            return 1.0;
        }
        let others = f64::from(running.saturating_sub(1)) / f64::from(self.slots - 1);
        1.0 + self.slowdown * others.min(1.0)
    }

    /// How much slower everything is `uptime` after the server's start.
    pub fn drift(&self, uptime: Duration) -> f64 {
        if self.drift == 0.0 {
            return 1.0;
        }
        let step = uptime.as_nanos() / DRIFT_STEP.as_nanos();
        let within = uptime.as_secs_f64() / DRIFT_STEP.as_secs_f64();
        let after = within - libm::floor(within);
        let at = |step: u128| -> f64 {
            let number = u64::try_from(step).unwrap_or(u64::MAX);
            StandardNormal.sample(&mut draws(self.seed, number, Purpose::Drift))
        };
        // Divided by what mixing two independent normals does to their spread.
        let before = 1.0 - after;
        let x = (before * at(step) + after * at(step + 1)) / libm::hypot(before, after);
        libm::exp(self.drift * x)
    }

    /// KV blocks that a request holds while it is answered.
    pub fn blocks(prompt_tokens: u32, output_tokens: u32) -> u32 {
        prompt_tokens
            .saturating_add(output_tokens)
            .div_ceil(KV_BLOCK_TOKENS)
    }

    /// When each output token of request `number` is due, counted from its start;
    /// `factor` is load times drift at the start.
    pub fn tokens(&self, number: u64, prompt_tokens: u32, factor: f64) -> Tokens {
        let prefill = self.prefill_per_token.as_secs_f64() * f64::from(prompt_tokens);
        Tokens {
            draws: draws(self.seed, number, Purpose::Latency),
            next_gap: (self.base.as_secs_f64() + prefill) * factor,
            gap: self.per_token.as_secs_f64() * factor,
            noise: self.noise,
            due: 0.0,
        }
    }
}

fn within(name: &'static str, value: f64, max: u32) -> Result<(), Broken> {
    if (0.0..=f64::from(max)).contains(&value) {
        Ok(())
    } else {
        Err(Broken::OutOfRange {
            name,
            max,
            value: value.to_string(),
        })
    }
}

/// The instants of one answer, one a token, without an end.
#[derive(Debug)]
pub struct Tokens {
    draws: ChaCha8Rng,
    next_gap: f64,
    gap: f64,
    noise: f64,
    due: f64,
}

impl Iterator for Tokens {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let z: f64 = StandardNormal.sample(&mut self.draws);
        self.due += self.next_gap * libm::exp(self.noise * z);
        self.next_gap = self.gap;
        Some(Duration::from_secs_f64(self.due))
    }
}

/// What random numbers are drawn for; each has its own stream, so that asking for
/// faults does not change the latencies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Latency,
    Fault,
    Drift,
}

/// The random numbers of one request.
pub(super) fn draws(seed: u64, number: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut draws = ChaCha8Rng::seed_from_u64(seed);
    draws.set_stream(number.wrapping_mul(3) + purpose as u64);
    draws
}

/// A uniform draw in `0.0..1.0`, from the top 53 bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit an f64 exactly")]
pub(super) fn uniform(draws: &mut impl Rng) -> f64 {
    (draws.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact() -> Law {
        Law {
            noise: 0.0,
            ..Law::default()
        }
    }

    fn milliseconds(tokens: Tokens, count: usize) -> Vec<f64> {
        tokens
            .take(count)
            .map(|due| (due.as_secs_f64() * 1e6).round() / 1e3)
            .collect()
    }

    #[test]
    fn without_noise_the_instants_are_the_formula() {
        let due = milliseconds(exact().tokens(0, 100, 1.0), 3);
        assert_eq!(due, [50.0, 60.0, 70.0]);
    }

    #[test]
    fn a_full_engine_is_slower_by_the_slowdown() {
        let law = Law {
            slowdown: 0.5,
            slots: 5,
            ..exact()
        };
        assert_eq!(milliseconds(law.tokens(0, 0, law.load(1)), 2), [40.0, 50.0]);
        assert_eq!(milliseconds(law.tokens(0, 0, law.load(3)), 2), [50.0, 62.5]);
        assert_eq!(milliseconds(law.tokens(0, 0, law.load(5)), 2), [60.0, 75.0]);
        let single = Law { slots: 1, ..law };
        assert_eq!(milliseconds(single.tokens(0, 0, single.load(1)), 1), [40.0]);
    }

    #[test]
    fn a_request_draws_the_same_noise_on_every_run_and_others_draw_their_own() {
        let law = Law {
            noise: 0.3,
            ..Law::default()
        };
        let of = |number| milliseconds(law.tokens(number, 10, 1.0), 5);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        let reseeded = Law {
            seed: 1,
            ..law.clone()
        };
        assert_ne!(of(7), milliseconds(reseeded.tokens(7, 10, 1.0), 5));
    }

    #[test]
    fn noise_has_median_one_and_the_stated_sigma() {
        let law = Law {
            noise: 0.2,
            base: Duration::from_secs(1),
            ..Law::default()
        };
        let mut logs: Vec<f64> = (0..4000)
            .map(|number| {
                law.tokens(number, 0, 1.0)
                    .next()
                    .unwrap()
                    .as_secs_f64()
                    .ln()
            })
            .collect();
        logs.sort_by(f64::total_cmp);
        assert!(logs[2000].abs() < 0.015, "median {}", logs[2000]);
        let variance = logs.iter().map(|log| log * log).sum::<f64>() / 4000.0;
        assert!(
            (variance.sqrt() - 0.2).abs() < 0.01,
            "sigma {}",
            variance.sqrt()
        );
    }

    #[test]
    fn drift_has_the_stated_sigma_and_moves_slowly() {
        let law = Law {
            drift: 0.1,
            ..exact()
        };
        let at = |second| law.drift(Duration::from_secs(second)).ln();
        let variance = (0..30_000).map(|second| at(second).powi(2)).sum::<f64>() / 30_000.0;
        assert!((variance.sqrt() - 0.1).abs() < 0.005, "{}", variance.sqrt());
        assert!((at(100) - at(101)).abs() < 0.05);
        assert_eq!(
            exact().drift(Duration::from_secs(7)).to_bits(),
            1.0_f64.to_bits()
        );
    }

    #[test]
    fn kv_blocks_round_up() {
        assert_eq!(Law::blocks(16, 16), 2);
        assert_eq!(Law::blocks(17, 16), 3);
        assert_eq!(Law::blocks(u32::MAX, 1), u32::MAX / 16 + 1);
    }

    #[test]
    fn a_law_that_cannot_hold_is_refused_by_name() {
        let refused = |law: Law| law.check().unwrap_err().to_string();
        assert_eq!(exact().check(), Ok(()));
        assert_eq!(
            refused(Law {
                slots: 0,
                ..exact()
            }),
            "slots must be at least 1"
        );
        let nan = refused(Law {
            noise: f64::NAN,
            ..exact()
        });
        assert_eq!(nan, "noise must be from 0 to 2, not NaN");
        let day = Duration::from_hours(24);
        assert_eq!(
            refused(Law {
                base: day,
                ..exact()
            }),
            "base is too long to be meant"
        );
    }
}
