//! Two runs against each other: is the second one worse, beyond a margin? (pure)
//!
//! Requests that share a queue are not independent, so whole blocks of neighbouring
//! requests are drawn again, not single ones (block bootstrap). A metric is *worse*
//! where the 95% interval of its change lies above the margin, *not worse* where it
//! lies below. Differences between runs that stem from the machine's mood are not in
//! one run of each: interleave several (A B B A) to see those.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    latency::{PerMetric, row},
    measure::microseconds,
    quantile::{nearest_rank, needed, rank},
};
use crate::slo::Metric;

/// Draws for each interval; its ends move by less than 2% of its width from seed to seed.
const DRAWS: usize = 2000;

/// Values beyond which fewer draws are made, so that a comparison takes seconds.
const VALUES_FOR_ALL_DRAWS: usize = 50_000;

/// Blocks of each run; more would be shorter than the queue's memory.
const BLOCKS: usize = 20;

/// Error rates are compared in points: this much more is worse.
const ERROR_MARGIN: f64 = 0.01;

/// One request of a run that was written with `--output json`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Request {
    pub intended_s: f64,
    #[serde(flatten)]
    pub latencies: PerMetric<Option<f64>>,
    pub error: Option<String>,
}

/// How the second run compares with the first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    pub verdict: Judgement,
    /// Largest change that is not worse, as a fraction.
    pub margin: f64,
    pub requests: [u64; 2],
    pub metrics: Vec<Compared>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Compared {
    pub metric: String,
    /// Milliseconds; a fraction for `error_rate`. Null where there are too few values.
    pub a: Option<f64>,
    pub b: Option<f64>,
    /// b / a − 1; for `error_rate` b − a.
    pub change: Option<f64>,
    pub ci95: Option<[f64; 2]>,
    pub verdict: Judgement,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    NotWorse,
    Worse,
    Undecided,
}

#[derive(Deserialize)]
struct Line {
    event: String,
}

/// The requests of a run's NDJSON, or what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Request>, String> {
    let mut requests = Vec::new();
    for (at, line) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let wrong = |error: serde_json::Error| format!("line {}: {error}", at + 1);
        let event: Line = serde_json::from_str(line).map_err(wrong)?;
        if event.event == "request" {
            requests.push(serde_json::from_str(line).map_err(wrong)?);
        }
    }
    if requests.is_empty() {
        return Err("it has no line with \"event\":\"request\"".to_owned());
    }
    requests.sort_unstable_by(|a: &Request, b| a.intended_s.total_cmp(&b.intended_s));
    Ok(requests)
}

/// Compares `b` with `a`; the same seed gives the same answer.
pub fn compare(a: &[Request], b: &[Request], margin: f64, seed: u64) -> Comparison {
    let many = (a.len() + b.len()).max(VALUES_FOR_ALL_DRAWS);
    let draws = (DRAWS * VALUES_FOR_ALL_DRAWS / many).max(200);
    resampled(a, b, margin, &Draws { count: draws, seed })
}

/// How blocks are drawn again.
struct Draws {
    count: usize,
    seed: u64,
}

fn resampled(a: &[Request], b: &[Request], margin: f64, draws: &Draws) -> Comparison {
    let mut metrics = Vec::new();
    let quantiles = Metric::ALL.into_iter().flat_map(|metric| {
        let compared = row(metric).compared.iter();
        compared.map(move |(stat, q)| (metric, *stat, *q))
    });
    for (metric, stat, q) in quantiles {
        let value = |request: &Request| request.latencies[metric];
        let (a, b) = (blocks(a, value), blocks(b, value));
        if a.iter().chain(&b).all(Vec::is_empty) {
            continue;
        }
        let statistic = |values: &mut Vec<f64>| quantile(values, q);
        let change = |a: f64, b: f64| b / a - 1.0;
        metrics.push(compared(
            &format!("{}.{stat}", metric.name()),
            [&a, &b],
            needed(q),
            margin,
            draws,
            statistic,
            change,
        ));
    }
    let failed = |request: &Request| Some(f64::from(u8::from(request.error.is_some())));
    let (failed_a, failed_b) = (blocks(a, failed), blocks(b, failed));
    metrics.push(compared(
        "error_rate",
        [&failed_a, &failed_b],
        1,
        ERROR_MARGIN,
        draws,
        |values| mean(values),
        |a, b| b - a,
    ));
    let any = |verdict| metrics.iter().any(|metric| metric.verdict == verdict);
    let verdict = if any(Judgement::Worse) {
        Judgement::Worse
    } else if any(Judgement::Undecided) {
        Judgement::Undecided
    } else {
        Judgement::NotWorse
    };
    Comparison {
        verdict,
        margin,
        requests: [a.len() as u64, b.len() as u64],
        metrics,
    }
}

fn compared(
    name: &str,
    sides: [&Vec<Vec<f64>>; 2],
    least: usize,
    margin: f64,
    draws: &Draws,
    statistic: impl Fn(&mut Vec<f64>) -> f64,
    change: impl Fn(f64, f64) -> f64,
) -> Compared {
    let whole = sides.map(|blocks| {
        let mut values = blocks.concat();
        (values.len() >= least).then(|| statistic(&mut values))
    });
    let [Some(a), Some(b)] = whole else {
        return Compared {
            metric: name.to_owned(),
            a: whole[0].map(microseconds),
            b: whole[1].map(microseconds),
            change: None,
            ci95: None,
            verdict: Judgement::Undecided,
        };
    };
    let mut random = ChaCha8Rng::seed_from_u64(draws.seed);
    let mut changes: Vec<f64> = (0..draws.count)
        .map(|_| {
            let [mut a, mut b] = sides.map(|blocks| drawn(blocks, &mut random));
            change(statistic(&mut a), statistic(&mut b))
        })
        .filter(|change| change.is_finite())
        .collect();
    changes.sort_unstable_by(f64::total_cmp);
    let ends = [0.025, 0.975].map(|q| nearest_rank(&changes, q));
    let [Some(low), Some(high)] = ends else {
        return Compared {
            metric: name.to_owned(),
            a: Some(a),
            b: Some(b),
            change: None,
            ci95: None,
            verdict: Judgement::Undecided,
        };
    };
    Compared {
        metric: name.to_owned(),
        a: Some(microseconds(a)),
        b: Some(microseconds(b)),
        change: Some(rounded(change(a, b))),
        ci95: Some([rounded(low), rounded(high)]),
        verdict: if low > margin {
            Judgement::Worse
        } else if high <= margin {
            Judgement::NotWorse
        } else {
            Judgement::Undecided
        },
    }
}

fn rounded(fraction: f64) -> f64 {
    (fraction * 1e5).round() / 1e5
}

/// Values of neighbouring requests, together.
fn blocks(requests: &[Request], value: impl Fn(&Request) -> Option<f64>) -> Vec<Vec<f64>> {
    let size = requests.len().div_ceil(BLOCKS).max(1);
    let blocks = requests.chunks(size);
    blocks
        .map(|block| block.iter().filter_map(&value).collect())
        .collect()
}

/// As many blocks, drawn with replacement.
fn drawn(blocks: &[Vec<f64>], random: &mut ChaCha8Rng) -> Vec<f64> {
    let picked = (0..blocks.len()).map(|_| &blocks[random.random_range(0..blocks.len())]);
    picked.flatten().copied().collect()
}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    let at = rank(values.len(), q);
    match values.get(at) {
        Some(_) => *values.select_nth_unstable_by(at, f64::total_cmp).1,
        None => f64::NAN,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, LogNormal};

    use super::*;

    fn run(seed: u64, n: u32, factor: f64) -> Vec<Request> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let noise = LogNormal::new(0.0, 0.2).unwrap();
        (0..n)
            .map(|at| {
                let ttft = 100.0 * factor * noise.sample(&mut random);
                Request {
                    intended_s: f64::from(at) * 0.05,
                    latencies: PerMetric {
                        ttft: Some(ttft),
                        tpot: Some(10.0 * noise.sample(&mut random)),
                        e2e: Some(ttft + 500.0),
                        ..PerMetric::default()
                    },
                    error: None,
                }
            })
            .collect()
    }

    fn verdict(a: &[Request], b: &[Request]) -> Judgement {
        let few = Draws {
            count: 200,
            seed: 1,
        };
        resampled(a, b, 0.05, &few).verdict
    }

    #[test]
    fn the_same_server_is_rarely_called_worse() {
        let worse = (0..20).filter(|seed| {
            verdict(&run(*seed, 400, 1.0), &run(seed + 1000, 400, 1.0)) == Judgement::Worse
        });
        assert!(worse.count() <= 1);
    }

    #[test]
    fn a_fifth_slower_is_found() {
        let found = compare(&run(1, 400, 1.0), &run(2, 400, 1.2), 0.05, 1);
        assert_eq!(found.verdict, Judgement::Worse);
        let ttft = &found.metrics[0];
        assert_eq!(
            (ttft.metric.as_str(), ttft.verdict),
            ("ttft.p50", Judgement::Worse)
        );
        let [low, high] = ttft.ci95.unwrap();
        assert!(low < 0.2 && 0.2 < high, "{low} … {high}");
    }

    #[test]
    fn long_runs_of_the_same_server_are_not_worse() {
        assert_eq!(
            verdict(&run(1, 4000, 1.0), &run(2, 4000, 1.0)),
            Judgement::NotWorse
        );
    }

    #[test]
    fn few_requests_decide_nothing_and_failures_are_worse() {
        assert_eq!(
            verdict(&run(1, 20, 1.0), &run(2, 20, 1.0)),
            Judgement::Undecided
        );
        let mut failing = run(2, 4000, 1.0);
        failing
            .iter_mut()
            .step_by(20)
            .for_each(|request| request.error = Some("reset".to_owned()));
        assert_eq!(verdict(&run(1, 4000, 1.0), &failing), Judgement::Worse);
    }

    #[test]
    fn a_comparison_is_repeatable() {
        let (a, b) = (run(1, 300, 1.0), run(2, 300, 1.1));
        assert_eq!(compare(&a, &b, 0.05, 9), compare(&a, &b, 0.05, 9));
    }

    #[test]
    fn a_file_without_requests_is_refused() {
        assert!(
            parse("{\"event\":\"start\"}\n")
                .unwrap_err()
                .contains("request")
        );
        assert!(
            parse("{\"event\":\"start\"}\nnot json\n")
                .unwrap_err()
                .contains("line 2")
        );
        let line = "{\"event\":\"request\",\"intended_s\":0.5,\"ttft_ms\":1,\"tpot_ms\":null,\"e2e_ms\":2,\"error\":null}";
        assert_eq!(parse(line).unwrap().len(), 1);
    }
}
