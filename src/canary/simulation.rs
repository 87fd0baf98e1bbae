//! Some hundred virtual rollouts; `tests/statistics` has the ten thousands that the promises need.

#[path = "../../tests/statistics/rollout.rs"]
mod rollout;

use self::rollout::{World, quantile, run_all, worlds};
use crate::canary;

/// At a chance of 1% each, more than 8 of 250 come about once in a thousand.
const WRONG_MAX: usize = 8;

#[test]
fn of_250_equal_candidates_few_are_called_worse() {
    let runs = run_all(&worlds(0.0), 25);
    let alarms = runs.iter().flatten();
    let alarms = alarms.filter(|decided| decided.worse.is_some()).count();
    assert!(alarms <= WRONG_MAX, "{alarms} of 250");
}

#[test]
fn of_250_candidates_worse_by_the_margin_few_are_called_not_worse() {
    let runs = run_all(&worlds(0.2f64.ln_1p()), 25);
    let wrong = runs.iter().flatten();
    let wrong = wrong
        .filter(|decided| decided.ttft_not_worse.is_some())
        .count();
    assert!(wrong <= WRONG_MAX, "{wrong} of 250");
}

#[test]
fn a_candidate_twice_as_slow_is_found_within_half_a_minute() {
    let world = World {
        requests_per_s: 10.0,
        weight: 0.1,
        probing: true,
        noise_sd: 0.05,
        time_scale_s: 15.0,
        ttft: 2f64.ln(),
    };
    let times = &run_all(&[world], 40)[0];
    let p90 = quantile(times.iter().map(|decided| decided.worse), 0.9);
    assert!(p90.is_some_and(|found| found <= 35), "{p90:?}");
}
