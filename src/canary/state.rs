//! What a run knows: samples in, blocks judged, figures out. No clock, no network.

use super::{
    event::{Event, Judged},
    evidence::MetricEvidence,
    journal::Journal,
    judge::{Block, Decision, EvidenceSummary, Judge, Subject},
    pair::{Arm, Pair},
    plan::RATE_MIN,
    power::{DetectableEffect, TrafficForecast, detectable},
    proof::{Proof, Share},
    reading::{Reading, history_rate},
    result::{CanaryResult, SplitResult, Verdict, VersionResult, Versions},
    sample::BlockAggregator,
    tally::{SubjectEvidence, Tally, seconds},
    view::{MetricView, VerdictView, VersionView, View},
};
use crate::{load::ServerFigures, weight::Weight};

/// How long after its end a block is judged: by then its last requests have been read.
const LAG_MS: u64 = 500;

/// Blocks over which the candidate's rate is watched: a minute.
const RATE_BLOCKS: usize = 12;

pub struct RunState {
    journal: Journal,
    simulated: bool,
    judge: Judge,
    aggregator: BlockAggregator,
    pub tally: Tally,
    begun_ms: u64,
    step_ms: u64,
    now_ms: u64,
    figures: Pair<ServerFigures>,
    proof: Proof,
    /// Candidate requests and pairs of the last blocks.
    recent: Vec<u32>,
    history_per_s: f64,
    summary: Option<EvidenceSummary>,
}

impl RunState {
    /// `history` is what is known of live from before the run.
    pub fn new(journal: &Journal, history: &Reading, simulated: bool) -> Self {
        let rules = journal.plan.rules();
        let now_ms = history.now_ms;
        Self {
            judge: Judge::new(rules),
            aggregator: BlockAggregator::new(now_ms, rules.ln_margin()),
            tally: Tally::new(now_ms),
            journal: journal.clone(),
            simulated,
            begun_ms: now_ms,
            step_ms: now_ms,
            now_ms,
            figures: history.figures,
            proof: Proof::new(journal.weight(), journal.plan.matches.as_ref()),
            recent: Vec::new(),
            history_per_s: history_rate(history),
            summary: None,
        }
    }

    /// Learns the pool noise from live's requests before the run; answers its blocks.
    pub fn learn(&mut self, history: &Reading) -> Vec<Block> {
        let live = history.requests.iter();
        let live: Vec<_> = live
            .filter(|seen| seen.arm == Arm::Live && seen.is_users())
            .collect();
        let Some(first) = live.iter().map(|seen| seen.ended_ms).min() else {
            return Vec::new();
        };
        self.aggregator.restart(first);
        let mut blocks = Vec::new();
        for seen in live {
            blocks.extend(self.aggregator.ended_blocks(seen.ended_ms));
            self.aggregator.add(seen.sample());
        }
        blocks.extend(self.aggregator.ended_blocks(history.now_ms));
        let blocks: Vec<_> = blocks.into_iter().map(|(_, block)| block).collect();
        for block in &blocks {
            self.judge.observe(block);
        }
        self.judge.begin_step();
        blocks
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    pub(super) fn summary(&self) -> Option<&EvidenceSummary> {
        self.summary.as_ref()
    }

    pub(super) fn proof(&self) -> &Proof {
        &self.proof
    }

    pub fn live_per_s(&self) -> f64 {
        self.history_per_s
    }

    /// What can be seen at `weight`, and when.
    pub fn detectable(&self, weight: Weight) -> Option<DetectableEffect> {
        let forecast = TrafficForecast {
            live_per_s: self.history_per_s * (1.0 - weight.fraction()),
            candidate_per_s: self.history_per_s * weight.fraction(),
            pairs_per_s: self.journal.plan.probe_rate,
            noise: self.judge.noise().0,
        };
        #[expect(clippy::cast_precision_loss, reason = "a time limit in seconds")]
        detectable(
            &forecast,
            self.judge.rules(),
            self.journal.plan.step_limit_s as f64,
        )
    }

    /// Why too few requests are expected to decide anything, if so; known before anything moves.
    pub fn too_quiet(&self, weight: Weight) -> Option<String> {
        let rate = self.history_per_s * weight.fraction() + self.journal.plan.probe_rate;
        // How many carry a header is not known before.
        (rate < RATE_MIN && !self.proof.is_by_header()).then(|| {
            format!(
                "{rate:.2} canary requests/s are expected, {RATE_MIN} are needed: live gets {:.2} requests/s and probes are off",
                self.history_per_s
            )
        })
    }

    /// A new weight is in force from now on.
    pub fn begin_step(&mut self, step: usize) {
        self.journal.step = step;
        self.step_ms = self.now_ms;
        self.aggregator.restart(self.now_ms);
        self.judge.begin_step();
        self.proof.begin_step(self.journal.weight());
        self.recent.clear();
        self.summary = None;
    }

    /// Takes a reading; answers what it led to.
    pub fn take(&mut self, reading: &Reading) -> Vec<Event> {
        let mut events = Vec::new();
        self.now_ms = reading.now_ms;
        self.figures = reading.figures;
        let notes = reading.notes.iter().cloned();
        events.extend(notes.map(|text| Event::Warning { text }));
        if reading.lost > 0 {
            events.push(Event::Lost {
                requests: reading.lost,
            });
        }
        for seen in reading.requests.iter().filter(|seen| seen.is_users()) {
            self.tally
                .add(seen.ended_ms, seen.arm, &seen.outcome, seen.output_tokens);
            self.aggregator.add(seen.sample());
            // What began before the weight was set was split by another one.
            if seen.started_ms >= self.step_ms {
                // A match asks for no share, so there is one to report but none to prove.
                self.proof.add(if self.proof.is_by_header() {
                    Share::of(seen.arm)
                } else {
                    seen.share()
                });
            }
        }
        for probe in &reading.split_probes {
            if probe.started_ms >= self.step_ms {
                self.proof.probe(probe);
            }
        }
        for pair in &reading.pairs {
            for (arm, outcome) in Arm::BOTH.zip(pair.outcomes).into_array() {
                self.tally.add_probe(pair.ended_ms, arm, &outcome);
            }
            self.aggregator.add_pair(*pair);
        }
        for (ended_ms, block) in self
            .aggregator
            .ended_blocks(self.now_ms.saturating_sub(LAG_MS))
        {
            events.push(self.judged(ended_ms, block));
        }
        events.extend(self.proof.news());
        events.push(Event::View(Box::new(self.view())));
        events
    }

    fn judged(&mut self, ended_ms: u64, block: Block) -> Event {
        self.judge.observe(&block);
        let summary = self.judge.summary();
        self.recent.push(block.candidate.sent);
        self.summary = Some(summary);
        let point = self.tally.close_block(
            ended_ms,
            self.journal.weight(),
            self.proof.share(),
            evidence(&summary),
        );
        Event::Judged(Box::new(Judged {
            point,
            block,
            ln_threshold: summary.ln_threshold,
            decision: summary.decision,
        }))
    }

    /// The decision on the step, with its reason. While the split is not what was asked, "not
    /// worse" is withheld; "worse" stands.
    pub fn decision(&self) -> Option<(Decision, String)> {
        let summary = self.summary.as_ref()?;
        match summary.decision {
            Decision::Open => None,
            Decision::NotWorse if self.proof.is_wrong() => None,
            Decision::NotWorse => Some((Decision::NotWorse, self.not_worse())),
            Decision::Worse { subject } => Some((summary.decision, self.worse(subject, summary))),
        }
    }

    /// Why the step cannot go on, if so: time is up, or next to nothing comes.
    pub fn undecided(&self, deadline_ms: u64) -> Option<String> {
        if self.now_ms >= deadline_ms {
            return Some(self.out_of_time());
        }
        let minute = self.recent.len().checked_sub(RATE_BLOCKS)?;
        let seen: u32 = self.recent[minute..].iter().sum();
        (f64::from(seen) < RATE_MIN * 60.0).then(|| {
            format!("only {seen} requests and probes reached the candidate in the last minute")
        })
    }

    /// The result, as it stands.
    pub fn ending(&self, verdict: Verdict, weight: Weight, reason: String) -> CanaryResult {
        let shown = self.tally.shown();
        CanaryResult {
            verdict,
            release: String::new(),
            weight: weight.percent(),
            split: SplitResult::new(
                self.journal.weight(),
                self.journal.plan.matches.as_ref(),
                &self.proof.share(),
            ),
            reason,
            simulated: self.simulated,
            versions: Versions {
                live: VersionResult::new(&self.journal.live, &shown.live),
                candidate: VersionResult::new(&self.journal.candidate, &shown.candidate),
            },
            seconds: seconds(self.now_ms.saturating_sub(self.begun_ms)),
            interrupted: false,
        }
    }

    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    fn view(&mut self) -> View {
        let quantiles = self.tally.quantiles(self.now_ms);
        let rates = self.tally.rates(self.now_ms);
        let summary = self.summary.unwrap_or_else(|| self.judge.summary());
        let step_s = seconds(self.now_ms.saturating_sub(self.step_ms));
        let metric = |subject, metric_evidence| {
            MetricView::new(subject, &self.tally, quantiles, metric_evidence)
        };
        let shown = self.tally.shown();
        let version = |arm: Arm| VersionView {
            version: match arm {
                Arm::Live => self.journal.live.clone(),
                Arm::Candidate => self.journal.candidate.clone(),
            },
            requests: shown[arm].requests,
            errors: shown[arm].errors,
            requests_per_s: rates[arm].0,
            tokens_per_s: rates[arm].1,
            figures: self.figures[arm],
        };
        View {
            live: version(Arm::Live),
            candidate: version(Arm::Candidate),
            asked: self.journal.weight(),
            matches: self.journal.plan.matches.clone(),
            share: self.proof.share(),
            elapsed_s: seconds(self.now_ms.saturating_sub(self.begun_ms)),
            ttft: metric(Subject::Ttft, Some(&summary.ttft)),
            tpot: metric(Subject::Tpot, Some(&summary.tpot)),
            verdict: VerdictView::new(&summary, self.judge.rules(), step_s),
            margin: self.judge.rules().margin,
            of_probes: self.tally.shows_probes(),
        }
    }
}

fn evidence(summary: &EvidenceSummary) -> [SubjectEvidence; 3] {
    let latency = |subject, metric: &MetricEvidence| SubjectEvidence {
        subject,
        worse: metric.ln_e_worse,
        not_worse: Some(metric.ln_e_not_worse),
    };
    [
        latency(Subject::Ttft, &summary.ttft),
        latency(Subject::Tpot, &summary.tpot),
        SubjectEvidence {
            subject: Subject::Errors,
            worse: summary.ln_e_errors,
            not_worse: None,
        },
    ]
}
