//! The judge: blocks in, a decision out. It keeps no clock and reads nothing, so the same
//! blocks always lead to the same decision.

use serde::{Deserialize, Serialize};

use super::{
    evidence::{Evidence, MetricBlock, MetricEvidence},
    failures::{self, Failures, Requests},
    filter::PoolNoise,
};

/// What the judge compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    Ttft,
    Tpot,
    Errors,
}

impl Subject {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Tpot => "tpot",
            Self::Errors => "errors",
        }
    }
}

/// Subjects that share α.
const SUBJECTS: u32 = 3;

/// Candidate samples below which latencies are not judged at all.
pub const SAMPLES_MIN: u32 = 30;

/// What the judge is told beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Not worse is shown to be slower by less than this: 0.2 for 20%.
    pub margin: f64,
    /// Chance of any wrong decision in the whole run.
    pub alpha: f64,
    /// Weights that will be judged one after the other; they share α.
    pub steps: u32,
    /// Whether paired probes run.
    pub probing: bool,
    /// `--pool-noise` as a fraction.
    pub pool_noise: Option<f64>,
}

impl Rules {
    pub fn ln_margin(&self) -> f64 {
        self.margin.ln_1p()
    }

    /// `ln e` at which one subject is decided in one step.
    ///
    /// The two sides of one subject share their α: a candidate is either not worse, so
    /// that only "worse" can be wrong, or worse by the margin, so that only "not worse"
    /// can be, or between the two, where both are right.
    pub fn ln_threshold(&self) -> f64 {
        (f64::from(SUBJECTS * self.steps.max(1)) / self.alpha).ln()
    }
}

/// Five seconds of both versions.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Block {
    pub ttft: MetricBlock,
    pub tpot: MetricBlock,
    pub live: Requests,
    pub candidate: Requests,
}

/// What the evidence has decided so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// Not decided.
    Open,
    Worse {
        subject: Subject,
    },
    NotWorse,
}

/// The evidence and the decision at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvidenceSummary {
    pub ttft: MetricEvidence,
    pub tpot: MetricEvidence,
    pub ln_e_errors: f64,
    pub ln_threshold: f64,
    pub decision: Decision,
}

/// Holds the evidence of one run.
#[derive(Debug, Clone)]
pub struct Judge {
    rules: Rules,
    ttft: Evidence,
    tpot: Evidence,
    failures: Failures,
    live: Requests,
    candidate: Requests,
}

impl Judge {
    pub fn new(rules: Rules) -> Self {
        let evidence = || Evidence::new(rules.pool_noise, rules.probing);
        Self {
            rules,
            ttft: evidence(),
            tpot: evidence(),
            failures: Failures::new(),
            live: Requests::default(),
            candidate: Requests::default(),
        }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A new weight is a new experiment: its evidence starts from nothing.
    pub fn begin_step(&mut self) {
        self.ttft.restart();
        self.tpot.restart();
        self.failures.restart();
        self.candidate = Requests::default();
        self.live = Requests::default();
    }

    pub fn observe(&mut self, block: &Block) {
        self.ttft.add(&block.ttft);
        self.tpot.add(&block.tpot);
        self.failures.add(block.live, block.candidate);
        self.live.add(block.live);
        self.candidate.add(block.candidate);
    }

    /// Pool noise of TTFT and the blocks it was learned from.
    pub fn noise(&self) -> (PoolNoise, u32) {
        self.ttft.noise()
    }

    pub fn evidence(&self, subject: Subject) -> Option<&Evidence> {
        match subject {
            Subject::Ttft => Some(&self.ttft),
            Subject::Tpot => Some(&self.tpot),
            Subject::Errors => None,
        }
    }

    pub fn summary(&self) -> EvidenceSummary {
        let margin = self.rules.ln_margin();
        let (ttft, tpot) = (self.ttft.summarize(margin), self.tpot.summarize(margin));
        let ln_e_errors = self.failures.ln_e();
        let ln_threshold = self.rules.ln_threshold();
        EvidenceSummary {
            ttft,
            tpot,
            ln_e_errors,
            ln_threshold,
            decision: self.rule(&ttft, &tpot, ln_e_errors),
        }
    }

    fn rule(&self, ttft: &MetricEvidence, tpot: &MetricEvidence, ln_e_errors: f64) -> Decision {
        let threshold = self.rules.ln_threshold();
        // Errors need no quorum: each one counts for what it is.
        if ln_e_errors >= threshold {
            let subject = Subject::Errors;
            return Decision::Worse { subject };
        }
        let latencies = [(Subject::Ttft, ttft), (Subject::Tpot, tpot)];
        for (subject, metric_evidence) in latencies {
            if metric_evidence.samples >= SAMPLES_MIN && metric_evidence.ln_e_worse >= threshold {
                return Decision::Worse { subject };
            }
        }
        let mut judged = latencies
            .into_iter()
            .filter(|(_, metric_evidence)| !self.is_silent(metric_evidence))
            .map(|(_, metric_evidence)| metric_evidence)
            .peekable();
        let any = judged.peek().is_some();
        let all = judged.all(|metric_evidence| {
            metric_evidence.samples >= SAMPLES_MIN
                && metric_evidence.ln_e_not_worse >= threshold
                && !metric_evidence.contradicted
        });
        if any && all && !self.fails_more() {
            Decision::NotWorse
        } else {
            Decision::Open
        }
    }

    /// A metric that these requests do not have: no first token without streaming, no time
    /// per token with one token. It is not waited for.
    fn is_silent(&self, metric_evidence: &MetricEvidence) -> bool {
        metric_evidence.samples == 0 && self.candidate.sent >= SAMPLES_MIN
    }

    /// Errors are judged on the worse side only (one point is beyond the reach of a few
    /// hundred requests: 0 failures of 570 are needed to show below 1% at α/3). So a
    /// candidate that failed more often so far is not called equal yet.
    fn fails_more(&self) -> bool {
        let candidate = self.candidate.failed_share().unwrap_or(0.0);
        candidate > self.live.failed_share().unwrap_or(0.0) + failures::MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::{super::evidence::Moments, *};

    const RULES: Rules = Rules {
        margin: 0.2,
        alpha: 0.01,
        steps: 1,
        probing: false,
        pool_noise: None,
    };

    fn moments(count: u32, mean: f64, sd: f64) -> Moments {
        Moments {
            count,
            mean,
            squares: sd * sd * f64::from(count.saturating_sub(1)),
        }
    }

    fn block(change: f64, failed: u32) -> Block {
        let metric = MetricBlock {
            live: moments(90, 5.0, 0.3),
            candidate: moments(10, 5.0 + change, 0.3),
            pairs: Moments::default(),
        };
        Block {
            ttft: metric,
            tpot: metric,
            live: Requests {
                sent: 90,
                failed: 0,
            },
            candidate: Requests { sent: 10, failed },
        }
    }

    fn decisions(rules: Rules, block: &Block, count: u32) -> Vec<Decision> {
        let mut judge = Judge::new(rules);
        (0..count)
            .map(|_| {
                judge.observe(block);
                judge.summary().decision
            })
            .collect()
    }

    #[test]
    fn an_equal_candidate_is_not_worse_and_a_slow_one_is() {
        let equal = decisions(RULES, &block(0.0, 0), 40);
        assert_eq!(equal[0], Decision::Open);
        assert_eq!(equal[39], Decision::NotWorse);
        let slow = decisions(RULES, &block(0.4, 0), 20);
        let subject = Subject::Ttft;
        assert_eq!(slow[19], Decision::Worse { subject });
    }

    #[test]
    fn nothing_is_said_about_latency_below_thirty_candidate_samples() {
        let fast = decisions(RULES, &block(3.0, 0), 3);
        assert_eq!(fast[..2], [Decision::Open; 2]);
        assert_ne!(fast[2], Decision::Open);
    }

    #[test]
    fn a_failing_candidate_is_worse_at_once() {
        let subject = Subject::Errors;
        assert_eq!(
            decisions(RULES, &block(0.0, 10), 1),
            [Decision::Worse { subject }]
        );
    }

    #[test]
    fn a_candidate_that_failed_more_often_so_far_is_not_called_equal() {
        let mut judge = Judge::new(RULES);
        for _ in 0..40 {
            judge.observe(&block(0.0, 0));
        }
        judge.observe(&block(0.0, 6));
        assert_eq!(judge.summary().decision, Decision::Open);
    }

    #[test]
    fn a_metric_that_the_requests_do_not_have_is_not_waited_for() {
        let mut without = block(0.0, 0);
        without.tpot = MetricBlock::default();
        assert_eq!(decisions(RULES, &without, 40)[39], Decision::NotWorse);
        without.ttft = MetricBlock::default();
        assert_eq!(decisions(RULES, &without, 40)[39], Decision::Open);
    }

    #[test]
    fn more_steps_ask_for_more_evidence_in_each() {
        let four = Rules { steps: 4, ..RULES };
        assert!((four.ln_threshold() - 1200f64.ln()).abs() < 1e-9);
        assert!((RULES.ln_threshold() - 300f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn a_new_step_starts_from_nothing() {
        let mut judge = Judge::new(RULES);
        for _ in 0..40 {
            judge.observe(&block(0.0, 0));
        }
        judge.begin_step();
        assert_eq!(judge.summary().decision, Decision::Open);
        assert!(judge.summary().ttft.ln_e_not_worse.abs() < 1e-9);
    }
}
