//! The smallest change that a canary can detect, and when; known before anything moves.

use serde::Serialize;

use super::{
    filter::{BLOCK_S, Filter, PoolNoise},
    judge::{Rules, SAMPLES_MIN},
    mixture::ln_e_above_zero,
};

/// What there is to see with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrafficForecast {
    pub live_per_s: f64,
    pub candidate_per_s: f64,
    pub pairs_per_s: f64,
    pub noise: PoolNoise,
}

/// The smallest change that has an even chance to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct DetectableEffect {
    /// As a fraction (0.12 is 12%), by the end of the step.
    pub smallest_change: f64,
    pub by_s: f64,
    /// When a change of the margin can be told from none; null where not within the step.
    pub margin_after_s: Option<f64>,
}

/// Log-sd of TTFT between requests, and of paired differences: what studies of real
/// servers show where nothing was measured yet.
const SPREAD: f64 = 0.5;
const PAIR_SPREAD: f64 = 0.2;

/// Looks ahead over one step; `None` where no request will come.
pub fn detectable(
    forecast: &TrafficForecast,
    rules: &Rules,
    step_s: f64,
) -> Option<DetectableEffect> {
    let traffic = forecast.live_per_s.min(forecast.candidate_per_s) > 0.0;
    let pairs = forecast.pairs_per_s > 0.0;
    if !traffic && !pairs {
        return None;
    }
    let within_traffic = SPREAD * SPREAD / BLOCK_S
        * (1.0 / forecast.live_per_s.max(1e-9) + 1.0 / forecast.candidate_per_s.max(1e-9));
    let within_pairs = PAIR_SPREAD * PAIR_SPREAD / (BLOCK_S * forecast.pairs_per_s.max(1e-9));
    let within = match (traffic, pairs) {
        (true, true) => within_traffic.min(within_pairs),
        (true, false) => within_traffic,
        _ => within_pairs,
    };
    // Where there are two sources, each alone must make up for the half it is averaged with.
    let threshold = rules.ln_threshold() + if pairs { 2f64.ln() } else { 0.0 };
    let samples_per_s = forecast.candidate_per_s + forecast.pairs_per_s;
    let mut filter = Filter::new(forecast.noise, 2.0);
    let (mut now_s, mut smallest, mut margin_after_s) = (0.0, f64::INFINITY, None);
    while now_s + BLOCK_S <= step_s {
        now_s += BLOCK_S;
        filter.update(0.0, within);
        let (_, variance) = filter.estimate()?;
        if samples_per_s * now_s < f64::from(SAMPLES_MIN) {
            continue;
        }
        smallest = smallest_estimate(variance, threshold);
        if margin_after_s.is_none() && smallest <= rules.ln_margin() {
            margin_after_s = Some(now_s);
        }
    }
    smallest.is_finite().then(|| DetectableEffect {
        smallest_change: smallest.exp_m1(),
        by_s: now_s,
        margin_after_s,
    })
}

/// The smallest estimate whose evidence reaches `threshold` at this variance, by bisection.
fn smallest_estimate(variance: f64, threshold: f64) -> f64 {
    let (mut low, mut high) = (0.0, 20.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if ln_e_above_zero(middle, variance) < threshold {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Seconds until evidence for "above zero" reaches `threshold` if things go on as they are:
/// the same estimate, its variance falling as one over time. `None` beyond `limit_s`.
pub fn seconds_until(
    estimate: f64,
    variance: f64,
    elapsed_s: f64,
    threshold: f64,
    limit_s: f64,
) -> Option<f64> {
    let mut after_s = 0.0;
    while after_s <= limit_s {
        let variance = variance * elapsed_s / (elapsed_s + after_s);
        if ln_e_above_zero(estimate, variance) >= threshold {
            return Some(after_s);
        }
        after_s += BLOCK_S;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::noise::START, *};

    const RULES: Rules = Rules {
        margin: 0.2,
        alpha: 0.01,
        steps: 1,
        probing: false,
        pool_noise: None,
    };

    fn forecast(live_per_s: f64, candidate_per_s: f64, pairs_per_s: f64) -> TrafficForecast {
        TrafficForecast {
            live_per_s,
            candidate_per_s,
            pairs_per_s,
            noise: START,
        }
    }

    #[test]
    fn more_requests_and_more_time_see_smaller_changes() {
        let see = |forecast, step_s| {
            detectable(&forecast, &RULES, step_s)
                .unwrap()
                .smallest_change
        };
        assert!(see(forecast(45.0, 5.0, 0.0), 600.0) < see(forecast(9.0, 1.0, 0.0), 600.0));
        assert!(see(forecast(9.0, 1.0, 0.0), 600.0) < see(forecast(9.0, 1.0, 0.0), 120.0));
        assert!(see(forecast(9.0, 1.0, 2.0), 120.0) < see(forecast(9.0, 1.0, 0.0), 120.0));
    }

    #[test]
    fn the_margin_is_in_reach_about_when_the_simulation_finds_it() {
        let detectable = detectable(&forecast(9.0, 1.0, 0.0), &RULES, 600.0).unwrap();
        let after_s = detectable.margin_after_s.unwrap();
        assert!((140.0..260.0).contains(&after_s), "{after_s}");
    }

    #[test]
    fn without_any_request_nothing_is_in_reach() {
        assert_eq!(detectable(&forecast(0.0, 0.0, 0.0), &RULES, 600.0), None);
        assert_eq!(detectable(&forecast(9.0, 1.0, 0.0), &RULES, 10.0), None);
    }

    #[test]
    fn evidence_that_is_there_needs_no_more_time_and_none_for_the_wrong_side() {
        assert_eq!(seconds_until(0.5, 0.001, 60.0, 5.7, 600.0), Some(0.0));
        assert_eq!(seconds_until(-0.1, 0.001, 60.0, 5.7, 600.0), None);
        let later = seconds_until(0.1, 0.002, 60.0, 5.7, 600.0).unwrap();
        assert!(later > 0.0, "{later}");
    }
}
