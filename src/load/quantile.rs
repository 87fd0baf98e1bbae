//! Quantiles of measured values, and how far they can be trusted (pure).
//!
//! Nearest rank: never interpolates, so the answer is a value that some request
//! really had (Hyndman & Fan 1996, type 1). Intervals are order statistics of a
//! binomial count, free of any assumption on the distribution; they do assume
//! independent values, which requests that share a queue are only roughly.

/// One less the confidence of every bound here.
const DOUBT: f64 = 0.05;

/// Zero-based rank of the `q` quantile among `n` sorted values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "n is far below 2^52"
)]
pub(super) fn rank(n: usize, q: f64) -> usize {
    // The epsilon keeps 0.99 × 100 from becoming rank 100 by rounding.
    let rank = (q * n as f64 - 1e-9).ceil() as usize;
    rank.clamp(1, n.max(1)) - 1
}

/// The `q` quantile of `sorted` whatever their number, for lines over time.
pub fn nearest_rank<T: Copy>(sorted: &[T], q: f64) -> Option<T> {
    sorted.get(rank(sorted.len(), q)).copied()
}

/// Fewest values from which a 95% upper bound of the `q` quantile exists: 5 for
/// p50, 29 for p90, 59 for p95, 299 for p99, 2995 for p99.9.
///
/// The largest of `n` values is below the quantile with probability `qⁿ`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "quantiles are below 1, so the count is finite and positive"
)]
pub fn needed(q: f64) -> usize {
    if q <= 0.0 {
        return 1;
    }
    (libm::log(DOUBT) / libm::log(q)).ceil().max(1.0) as usize
}

/// A two-sided 95% interval of the `q` quantile of `sorted`, from order
/// statistics; `None` where the values are too few for one (p99: below 368).
pub fn interval<T: Copy>(sorted: &[T], q: f64) -> Option<(T, T)> {
    let (low, high) = interval_ranks(sorted.len(), q)?;
    Some((sorted[low], sorted[high]))
}

/// Zero-based ranks `l` and `u` with P(value l ≤ quantile < value u) ≥ 95%.
#[expect(clippy::cast_precision_loss, reason = "n is far below 2^52")]
fn interval_ranks(n: usize, q: f64) -> Option<(usize, usize)> {
    if n == 0 || q <= 0.0 || q >= 1.0 {
        return None;
    }
    // B ~ Binomial(n, q) values lie below the quantile; one-based value r is at
    // most the quantile unless B < r.
    let tail = DOUBT / 2.0;
    let mode = (((n + 1) as f64) * q).floor().min(n as f64);
    let at_mode = libm::exp(
        libm::lgamma(n as f64 + 1.0)
            - libm::lgamma(mode + 1.0)
            - libm::lgamma(n as f64 - mode + 1.0)
            + mode * libm::log(q)
            + (n as f64 - mode) * libm::log1p(-q),
    );
    let low = lower_rank(n, q, mode, at_mode, tail)?;
    let high = upper_rank(n, q, mode, at_mode, tail)?;
    Some((low - 1, high - 1))
}

/// Largest one-based `l` with P(B < l) ≤ tail.
fn lower_rank(n: usize, q: f64, mode: f64, at_mode: f64, tail: f64) -> Option<usize> {
    let below = |count: f64, p: f64| p * count * (1.0 - q) / ((as_f64(n) - count + 1.0) * q);
    let masses = masses(mode, at_mode, |count| count > 0.0, -1.0, below);
    let mut sum = 0.0;
    let mut found = 0.0;
    for (count, mass) in masses.into_iter().rev() {
        sum += mass;
        if sum > tail {
            // P(B ≤ count) is over: `count` itself still has P(B < count) ≤ tail.
            found = count;
            break;
        }
    }
    (found >= 1.0).then(|| as_usize(found))
}

/// Smallest one-based `u` with P(B ≥ u) ≤ tail.
fn upper_rank(n: usize, q: f64, mode: f64, at_mode: f64, tail: f64) -> Option<usize> {
    let above = |count: f64, p: f64| p * (as_f64(n) - count) * q / ((count + 1.0) * (1.0 - q));
    let masses = masses(mode, at_mode, |count| count < as_f64(n), 1.0, above);
    let mut sum = 0.0;
    let mut found = as_f64(n) + 1.0;
    for (count, mass) in masses.into_iter().rev() {
        sum += mass;
        if sum > tail {
            found = count + 1.0;
            break;
        }
    }
    (found <= as_f64(n)).then(|| as_usize(found))
}

/// Counts and their probabilities from the mode outwards, until they no longer matter.
fn masses(
    mode: f64,
    at_mode: f64,
    in_range: impl Fn(f64) -> bool,
    step: f64,
    next: impl Fn(f64, f64) -> f64,
) -> Vec<(f64, f64)> {
    const NEGLIGIBLE: f64 = 1e-15;
    let (mut count, mut mass) = (mode, at_mode);
    let mut masses = vec![(count, mass)];
    while in_range(count) && mass > NEGLIGIBLE {
        mass = next(count, mass);
        count += step;
        masses.push((count, mass));
    }
    masses
}

#[expect(clippy::cast_precision_loss, reason = "n is far below 2^52")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole count between 0 and n"
)]
fn as_usize(count: f64) -> usize {
    count as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_measured_value() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!(nearest_rank(&values, 0.5), Some(50));
        assert_eq!(nearest_rank(&values, 0.99), Some(99));
        assert_eq!(nearest_rank(&values, 0.991), Some(100));
        assert_eq!(nearest_rank(&values, 0.001), Some(1));
        assert_eq!(nearest_rank::<u32>(&[], 0.5), None);
    }

    #[test]
    fn each_quantile_needs_so_many_values() {
        for (q, least) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)] {
            assert_eq!(needed(q), least);
        }
    }

    #[test]
    fn the_interval_of_p99_has_the_known_ranks() {
        assert_eq!(interval_ranks(1000, 0.99), Some((983 - 1, 997 - 1)));
        assert_eq!(interval_ranks(10_000, 0.99), Some((9880 - 1, 9920 - 1)));
        assert_eq!(interval_ranks(367, 0.99), None);
        assert_eq!(interval_ranks(500, 0.99).unwrap().1, 499);
        assert!(interval_ranks(368, 0.99).is_some());
    }

    #[test]
    fn the_interval_covers_the_true_median_in_95_of_100_runs() {
        use rand::{RngExt, SeedableRng};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let covered = (0..2000)
            .filter(|_| {
                let mut values: Vec<f64> = (0..101).map(|_| random.random()).collect();
                values.sort_unstable_by(f64::total_cmp);
                let (low, high) = interval(&values, 0.5).unwrap();
                low <= 0.5 && 0.5 < high
            })
            .count();
        assert!((1880..=1960).contains(&covered), "{covered} of 2000");
    }

    #[test]
    fn a_million_values_are_no_trouble() {
        let (low, high) = interval_ranks(1_000_000, 0.5).unwrap();
        assert!(low < 499_999 && 499_999 < high && high - low < 2_100);
    }
}
