//! The one-sided normal-mixture e-value: how strongly an estimate speaks for "above zero".
//!
//! An e-value is a bet against a hypothesis: under it, its expectation is at most
//! one at any stopping time, so the chance that it *ever* reaches `1/α` is at most
//! α, however often one looks (Ville's inequality; Howard et
//! al. 2021, "Time-uniform, nonparametric, nonasymptotic confidence sequences").

use std::f64::consts::{LN_2, SQRT_2};

/// Scale of the changes that the test mostly bets on, in log units: effects near 20%
/// (`ln 1.2 = 0.18`) are found fastest.
pub const EFFECT_SCALE: f64 = 0.2;

/// A tenth of the bet is on changes of several times: where a pool may be very noisy, a narrow
/// bet alone would leave even ×4 undecided for minutes.
const WIDE_SCALE: f64 = 1.0;
const WIDE_BET: f64 = 0.1;

/// `ln e` for the null "the mean is at most zero", given an unbiased `estimate` of the
/// mean with `variance`: the bets on [`EFFECT_SCALE`] and on [`WIDE_SCALE`], added up.
pub fn ln_e_above_zero(estimate: f64, variance: f64) -> f64 {
    let narrow = (1.0 - WIDE_BET).ln() + ln_e_of(EFFECT_SCALE, estimate, variance);
    let wide = WIDE_BET.ln() + ln_e_of(WIDE_SCALE, estimate, variance);
    let (more, less) = (narrow.max(wide), narrow.min(wide));
    more + (less - more).exp().ln_1p()
}

/// The likelihood ratio of mean `m` against zero, averaged over a half-normal `m > 0`
/// with scale ρ: `e = 2·√(V/(V+ρ²))·exp(Δ̂²ρ²/(2V(V+ρ²)))·Φ(Δ̂ρ/√(V(V+ρ²)))`.
/// For any mean at or below zero each ratio has expectation at most one, so the
/// average has too.
fn ln_e_of(scale: f64, estimate: f64, variance: f64) -> f64 {
    let square = scale * scale;
    let total = variance + square;
    let z = estimate * scale / (variance * total).sqrt();
    LN_2 + 0.5 * (variance / total).ln() + 0.5 * z * z + ln_normal_cdf(z)
}

/// `ln Φ(z)`, also far in the lower tail where `Φ` itself is zero.
pub fn ln_normal_cdf(z: f64) -> f64 {
    if z > -30.0 {
        (0.5 * libm::erfc(-z / SQRT_2)).ln()
    } else {
        // Mills' ratio, first two terms: within 1e-5 here.
        -0.5 * z * z - (-z).ln() - 0.5 * std::f64::consts::TAU.ln() - 1.0 / (z * z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_of_zero_never_speaks_for_a_change() {
        for variance in [1e-6, 1e-3, 1.0, 1e3] {
            assert!(ln_e_above_zero(0.0, variance) <= 1e-12, "{variance}");
        }
    }

    #[test]
    fn evidence_grows_with_the_estimate_and_with_precision() {
        let far = ln_e_above_zero(0.2, 0.002);
        assert!(far > ln_e_above_zero(0.1, 0.002));
        assert!(far > ln_e_above_zero(0.2, 0.004));
        // A fourfold latency, while half a minute of a very noisy pool says ±30%.
        assert!(ln_e_above_zero(4f64.ln(), 0.1) > 300f64.ln());
        assert!(ln_e_of(EFFECT_SCALE, 4f64.ln(), 0.1) < 300f64.ln());
        let far = ln_e_of(EFFECT_SCALE, 0.2, 0.002);
        // 2·√(V/(V+ρ²))·exp(…)·Φ(…) by hand: V = 0.002, Δ̂ = 0.2, ρ = 0.2.
        let by_hand =
            2f64.ln() + 0.5 * (0.002f64 / 0.042).ln() + 0.04 * 0.04 / (2.0 * 0.002 * 0.042);
        assert!((far - by_hand).abs() < 1e-4, "{far} {by_hand}");
    }

    #[test]
    fn the_average_over_the_null_is_one() {
        // E[e] for an estimate drawn from N(0, V), by the midpoint rule over ±200 sd.
        for variance in [1e-3f64, 0.04, 1.0] {
            let sd = variance.sqrt();
            let steps = 300_000;
            let width = 400.0 / f64::from(steps);
            let mean: f64 = (0..steps)
                .map(|n| {
                    let z = -200.0 + (f64::from(n) + 0.5) * width;
                    let ln_density = -0.5 * (z * z + std::f64::consts::TAU.ln());
                    width * (ln_density + ln_e_above_zero(z * sd, variance)).exp()
                })
                .sum();
            assert!((mean - 1.0).abs() < 1e-3, "{variance}: {mean}");
        }
    }

    #[test]
    fn the_lower_tail_is_continuous_where_the_formula_changes() {
        let (below, above) = (ln_normal_cdf(-30.000_01), ln_normal_cdf(-29.999_99));
        assert!((below - above).abs() < 1e-2, "{below} {above}");
        assert!(ln_normal_cdf(-1e6).is_finite());
    }
}
