//! One moment of a canary as figures to draw (pure).

use super::{
    evidence::MetricEvidence,
    judge::{Decision, EvidenceSummary, Rules, Subject},
    pair::Pair,
    power::seconds_until,
    proof::Share,
    tally::{Moment, Tally},
};
use crate::{header_match::HeaderMatch, load::ServerFigures, name::VersionId, weight::Weight};

/// Points of a sparkline; each is five seconds.
pub const SPARK_POINTS: usize = 12;

/// ETAs beyond this are not told: too much may change.
const ETA_MAX_S: f64 = 3_600.0;

#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub live: VersionView,
    pub candidate: VersionView,
    pub asked: Weight,
    /// In place of a share: the requests that meet the candidate.
    pub matches: Option<HeaderMatch>,
    pub share: Share,
    pub elapsed_s: f64,
    pub ttft: MetricView,
    pub tpot: MetricView,
    pub verdict: VerdictView,
    pub margin: f64,
    /// Whether the latencies are those of probes.
    pub of_probes: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct VersionView {
    pub version: VersionId,
    pub requests: u64,
    pub errors: u64,
    pub requests_per_s: f64,
    pub tokens_per_s: f64,
    pub figures: ServerFigures,
}

/// One metric of both versions, in milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricView {
    pub p50: Pair<Option<f64>>,
    pub p95: Pair<Option<f64>>,
    /// The candidate's p50 and p95 over the last minute.
    pub spark_p50: Vec<Option<f64>>,
    pub spark_p95: Vec<Option<f64>>,
    /// Change of the candidate as fractions: estimate, low and high of an interval that holds at any time (95%).
    pub change: Option<[f64; 3]>,
}

/// How far the evidence has come, and when it may be enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VerdictView {
    /// `ln e` over its threshold, 0 to 1.
    pub worse: f64,
    pub not_worse: f64,
    /// The subject that leads towards "worse".
    pub worst: Subject,
    /// Seconds until "not worse" or "worse" if things go on as they are.
    pub eta_s: Option<f64>,
    pub decision: Decision,
}

impl VerdictView {
    /// `elapsed_s` of the step.
    pub fn new(summary: &EvidenceSummary, rules: &Rules, elapsed_s: f64) -> Self {
        let share = |ln_e: f64| (ln_e / summary.ln_threshold).clamp(0.0, 1.0);
        let sides = [
            (Subject::Ttft, summary.ttft.ln_e_worse),
            (Subject::Tpot, summary.tpot.ln_e_worse),
            (Subject::Errors, summary.ln_e_errors),
        ];
        let (worst, ln_e) = sides
            .into_iter()
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
            .unwrap_or((Subject::Errors, 0.0));
        let judged = [&summary.ttft, &summary.tpot];
        let not_worse = judged
            .iter()
            .filter(|metric_evidence| metric_evidence.samples > 0)
            .map(|metric_evidence| metric_evidence.ln_e_not_worse)
            .reduce(f64::min)
            .unwrap_or(0.0);
        let passes = judged
            .iter()
            .filter(|metric_evidence| metric_evidence.samples > 0)
            .map(|metric_evidence| eta(metric_evidence, rules, elapsed_s, -1.0))
            .reduce(|a, b| a.zip(b).map(|(a, b)| a.max(b)))
            .flatten();
        let fails = judged
            .iter()
            .filter_map(|metric_evidence| eta(metric_evidence, rules, elapsed_s, 1.0))
            .reduce(f64::min);
        let eta_s = match (passes, fails) {
            (Some(passes), Some(fails)) => Some(passes.min(fails)),
            (one, other) => one.or(other),
        };
        Self {
            worse: share(ln_e),
            not_worse: share(not_worse),
            worst,
            eta_s,
            decision: summary.decision,
        }
    }
}

/// Seconds until one metric is shown worse (`sign` = 1) or not worse by the margin (−1).
fn eta(metric_evidence: &MetricEvidence, rules: &Rules, elapsed_s: f64, sign: f64) -> Option<f64> {
    let change = metric_evidence.change?;
    let bound = if sign > 0.0 { 0.0 } else { rules.ln_margin() };
    let estimate = sign * (change.estimate - bound);
    let threshold = rules.ln_threshold();
    seconds_until(
        estimate,
        change.variance,
        elapsed_s.max(5.0),
        threshold,
        ETA_MAX_S,
    )
}

impl MetricView {
    pub fn new(
        subject: Subject,
        tally: &Tally,
        quantiles: Pair<Moment>,
        metric_evidence: Option<&MetricEvidence>,
    ) -> Self {
        let of = |moment: &Moment| match subject {
            Subject::Tpot => moment.tpot_ms,
            Subject::Ttft | Subject::Errors => moment.ttft_ms,
        };
        let from = tally.points.len().saturating_sub(SPARK_POINTS);
        let spark = tally.points[from..]
            .iter()
            .map(|point| of(&point.candidate));
        let change = metric_evidence
            .and_then(|metric_evidence| metric_evidence.change)
            .map(|change| [change.estimate, change.low, change.high].map(f64::exp_m1));
        Self {
            p50: quantiles.map(|moment| of(&moment).p50),
            p95: quantiles.map(|moment| of(&moment).p95),
            spark_p50: spark.clone().map(|quantiles| quantiles.p50).collect(),
            spark_p95: spark.map(|quantiles| quantiles.p95).collect(),
            change,
        }
    }
}
