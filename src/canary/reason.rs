//! Why a canary ended as it did, in words.

use super::{
    evidence::MetricEvidence,
    judge::{EvidenceSummary, SAMPLES_MIN, Subject},
    pair::Arm,
    state::RunState,
};
use crate::interrupt::{EndedBy, Signals};

/// Why a run is ended by its operator.
pub(super) fn reason_of(signals: Signals) -> &'static str {
    match signals.ended_by {
        Some(EndedBy::Terminate) => "interrupted by SIGTERM",
        Some(EndedBy::HangUp) => "interrupted by SIGHUP",
        Some(EndedBy::OutputClosed) => "interrupted: the output was closed",
        None => "interrupted by Ctrl-C",
    }
}

impl RunState {
    /// `--hold`: what the time has shown, where there is no decision.
    pub(super) fn compared(&self) -> String {
        let waited = self.journal().plan.step_limit_s;
        format!("compared for {waited} s: {}{}", self.seen(), self.astray())
    }

    pub(super) fn out_of_time(&self) -> String {
        let waited = self.journal().plan.step_limit_s;
        format!(
            "not decided within {waited} s: {}{}{}",
            self.seen(),
            self.lacking(),
            self.astray()
        )
    }

    /// The evidence that is missing for "not worse".
    fn lacking(&self) -> String {
        let Some(summary) = self.summary() else {
            return String::new();
        };
        let threshold = summary.ln_threshold;
        let of = |(name, metric): (&str, &MetricEvidence)| {
            if metric.samples > 0 && metric.samples < SAMPLES_MIN {
                Some(format!(
                    "{name} has {} of {SAMPLES_MIN} samples",
                    metric.samples
                ))
            } else if metric.samples > 0 && metric.ln_e_not_worse < threshold {
                let (has, needs) = (metric.ln_e_not_worse.exp(), threshold.exp());
                Some(format!("{name} has e={has:.1} of {needs:.0} for not worse"))
            } else {
                None
            }
        };
        let metrics = [("ttft", &summary.ttft), ("tpot", &summary.tpot)];
        let lacking: Vec<_> = metrics.into_iter().filter_map(of).collect();
        if lacking.is_empty() {
            String::new()
        } else {
            format!("; {}", lacking.join(", "))
        }
    }

    /// Where requests are not split as was asked.
    fn astray(&self) -> String {
        if let Some(header) = self.proof().wrong_match() {
            return format!("; the gateway does not route requests by {header} as asked");
        }
        self.proof()
            .wrong_share()
            .map_or_else(String::new, |share| {
                format!(
                    "; the split is {}, not {}",
                    percent(share.measured().unwrap_or(0.0)),
                    self.journal().weight()
                )
            })
    }

    /// The changes as they are known.
    fn seen(&self) -> String {
        let change = |name: &str, metric_evidence: Option<&MetricEvidence>| {
            let change = metric_evidence?.change?;
            Some(format!(
                "{name} {} ({} … {})",
                signed(change.estimate.exp_m1()),
                signed(change.low.exp_m1()),
                signed(change.high.exp_m1())
            ))
        };
        let summary = self.summary();
        let seen: Vec<_> = [
            change("ttft", summary.map(|summary| &summary.ttft)),
            change("tpot", summary.map(|summary| &summary.tpot)),
        ]
        .into_iter()
        .flatten()
        .collect();
        if seen.is_empty() {
            "nothing was measured".to_owned()
        } else {
            seen.join(", ")
        }
    }

    pub(super) fn worse(&self, subject: Subject, summary: &EvidenceSummary) -> String {
        let (metric_evidence, ln_e) = match subject {
            Subject::Ttft => (Some(&summary.ttft), summary.ttft.ln_e_worse),
            Subject::Tpot => (Some(&summary.tpot), summary.tpot.ln_e_worse),
            Subject::Errors => (None, summary.ln_e_errors),
        };
        let e = e_value(ln_e);
        if let Some(change) = metric_evidence.and_then(|metric_evidence| metric_evidence.change) {
            let by = percent(change.estimate.exp_m1());
            return format!("{} worse by {by} ({e})", subject.name());
        }
        let (live, candidate) = (self.failed_of(Arm::Live), self.failed_of(Arm::Candidate));
        format!("errors worse: {candidate} failed, live {live} ({e})")
    }

    /// `3 of 40`, probes included.
    fn failed_of(&self, arm: Arm) -> String {
        let (traffic, probes) = (&self.tally.traffic[arm], &self.tally.probes[arm]);
        format!(
            "{} of {}",
            traffic.errors + probes.errors,
            traffic.requests + probes.requests
        )
    }

    pub(super) fn not_worse(&self) -> String {
        let summary = self.summary();
        let judged: Vec<_> = [
            ("TTFT", summary.map(|summary| &summary.ttft)),
            ("TPOT", summary.map(|summary| &summary.tpot)),
        ]
        .into_iter()
        .filter(|(_, metric_evidence)| {
            metric_evidence.is_some_and(|metric_evidence| metric_evidence.samples > 0)
        })
        .map(|(name, _)| name)
        .collect();
        let rules = self.judge().rules();
        format!(
            "not worse by {} on {} (α {})",
            short_percent(rules.margin),
            judged.join(" and "),
            short_percent(rules.alpha)
        )
    }
}

/// `e=1240`, or a power of ten where the digits tell nothing.
fn e_value(ln_e: f64) -> String {
    if ln_e < 1e6f64.ln() {
        format!("e={:.0}", ln_e.exp())
    } else {
        format!("e=10^{:.0}", ln_e / std::f64::consts::LN_10)
    }
}

fn percent(fraction: f64) -> String {
    format!("{:.0}%", fraction * 100.0)
}

fn short_percent(fraction: f64) -> String {
    format!("{}%", (fraction * 1e4).round() / 100.0)
}

fn signed(fraction: f64) -> String {
    format!("{:+.1}%", fraction * 100.0)
}
