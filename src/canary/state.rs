//! What a run knows: samples in, blocks judged, figures out. No clock, no network.

use super::{
    ending::{Ending, SplitResult, Verdict, VersionResult, Versions},
    event::{Event, Judged},
    evidence::Weighed,
    journal::Journal,
    judge::{Block, Judge, Ruling, Standing, Subject},
    matched::Matched,
    plan::RATE_MIN,
    power::{Reach, Sight, reach},
    reading::{Look, Reading, history_rate},
    sample::{Arm, Cutter},
    share::Share,
    tally::{Evidence, Tally, seconds},
    view::{MetricView, VerdictView, VersionView, View},
};
use crate::{header_match::HeaderMatch, load::ServerFigures, weight::Weight};

/// How long after its end a block is judged: by then its last requests have been read.
const LAG_MS: u64 = 500;

/// Blocks over which the candidate's rate is watched: a minute.
const RATE_BLOCKS: usize = 12;

/// Requests that prove a split once it is not wrong.
const PROOF_REQUESTS: u32 = 100;

/// Looks in a row sent by another weight, after which the gateway has not taken the write
/// over: ten seconds, where one second is usual.
const BEHIND_MIN: u32 = 50;

/// What was said about the split in this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Split {
    Unproven,
    Proven,
    Wrong,
}

pub struct State {
    journal: Journal,
    simulated: bool,
    judge: Judge,
    cutter: Cutter,
    pub tally: Tally,
    begun_ms: u64,
    step_ms: u64,
    now_ms: u64,
    figures: [ServerFigures; 2],
    split: Split,
    /// Looks since the last one that was sent by this step's weight.
    behind: Share,
    /// Where the plan sends by a header.
    matched: Option<Matched>,
    /// Candidate requests and pairs of the last blocks.
    recent: Vec<u32>,
    history_per_s: f64,
    standing: Option<Standing>,
}

impl State {
    /// `history` is what is known of live from before the run.
    pub fn new(journal: &Journal, history: &Reading, simulated: bool) -> Self {
        let rules = journal.plan.rules();
        let now_ms = history.now_ms;
        Self {
            judge: Judge::new(rules),
            cutter: Cutter::new(now_ms, rules.ln_margin()),
            tally: Tally::new(now_ms),
            journal: journal.clone(),
            simulated,
            begun_ms: now_ms,
            step_ms: now_ms,
            now_ms,
            figures: history.figures,
            split: Split::Unproven,
            behind: Share::default(),
            matched: journal.plan.matches.as_ref().map(Matched::new),
            recent: Vec::new(),
            history_per_s: history_rate(history),
            standing: None,
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
        self.cutter.restart(first);
        let mut blocks = Vec::new();
        for seen in live {
            blocks.extend(self.cutter.cut(seen.ended_ms));
            self.cutter.add(seen.sample());
        }
        blocks.extend(self.cutter.cut(history.now_ms));
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

    pub(super) fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// Whether requests are not split as was asked.
    fn is_not_as_asked(&self) -> bool {
        self.split == Split::Wrong || self.matched.as_ref().is_some_and(Matched::is_wrong)
    }

    /// The header whose senders do not all meet the candidate, or others do.
    pub(super) fn wrong_match(&self) -> Option<&HeaderMatch> {
        let header = self.journal.plan.matches.as_ref();
        header.filter(|_| self.is_not_as_asked())
    }

    /// What is measured in place of the share that was asked, where that is so.
    pub(super) fn wrong_share(&self) -> Option<Share> {
        (self.split == Split::Wrong).then(|| self.shown_share().0)
    }

    /// The share that is seen, and whether it is that of a gateway that is behind.
    fn shown_share(&self) -> (Share, bool) {
        if self.behind.total() >= BEHIND_MIN {
            (self.behind, true)
        } else {
            (self.tally.share, false)
        }
    }

    pub fn live_per_s(&self) -> f64 {
        self.history_per_s
    }

    /// What can be seen at `weight`, and when.
    pub fn reach(&self, weight: Weight) -> Option<Reach> {
        let sight = Sight {
            live_per_s: self.history_per_s * (1.0 - weight.fraction()),
            candidate_per_s: self.history_per_s * weight.fraction(),
            pairs_per_s: self.journal.plan.probe_rate,
            noise: self.judge.noise().0,
        };
        #[expect(clippy::cast_precision_loss, reason = "a time limit in seconds")]
        reach(
            &sight,
            self.judge.rules(),
            self.journal.plan.step_limit_s as f64,
        )
    }

    /// Whether too little will come to decide anything, said before anything moves.
    pub fn too_quiet(&self, weight: Weight) -> Option<String> {
        let rate = self.history_per_s * weight.fraction() + self.journal.plan.probe_rate;
        // How many carry a header is not known before.
        (rate < RATE_MIN && self.matched.is_none()).then(|| {
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
        self.cutter.restart(self.now_ms);
        self.judge.begin_step();
        self.tally.begin_step();
        self.split = Split::Unproven;
        self.behind = Share::default();
        self.recent.clear();
        self.standing = None;
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
                .add(seen.ended_ms, seen.arm, &seen.felt, seen.output_tokens);
            self.cutter.add(seen.sample());
            // What began before the weight was set was split by another one.
            if seen.started_ms >= self.step_ms {
                // By a header there is no share to prove, only one to tell.
                self.tally.share.add(match &self.matched {
                    Some(_) => Share::of(seen.arm),
                    None => seen.share(),
                });
            }
        }
        self.look(reading);
        for pair in &reading.pairs {
            self.tally.add_probe(pair.ended_ms, Arm::Live, &pair.live);
            self.tally
                .add_probe(pair.ended_ms, Arm::Candidate, &pair.candidate);
            self.cutter.add_pair(*pair);
        }
        for (ended_ms, block) in self.cutter.cut(self.now_ms.saturating_sub(LAG_MS)) {
            events.push(self.judged(ended_ms, block));
        }
        events.extend(self.prove());
        events.push(Event::View(Box::new(self.view())));
        events
    }

    /// Looks sent by this step's weight prove it; the others show a gateway that is behind.
    fn look(&mut self, reading: &Reading) {
        let asked = self.journal.weight().percent();
        let ours = |look: &&Look| look.started_ms >= self.step_ms;
        for look in reading.looks.iter().filter(ours) {
            let Some(matched) = &mut self.matched else {
                let share = look.arm.map(Share::of).unwrap_or_default();
                if look.weight == Some(asked) {
                    self.tally.share.add(share);
                    self.behind = Share::default();
                } else {
                    self.behind.add(share);
                }
                continue;
            };
            matched.look(look);
        }
    }

    fn judged(&mut self, ended_ms: u64, block: Block) -> Event {
        self.judge.observe(&block);
        let standing = self.judge.standing();
        self.recent.push(block.candidate.sent);
        self.standing = Some(standing);
        let point = self
            .tally
            .close_block(ended_ms, self.journal.weight(), evidence(&standing));
        Event::Judged(Box::new(Judged {
            point,
            block,
            ln_threshold: standing.ln_threshold,
            ruling: standing.ruling,
        }))
    }

    /// The split, once it is proven or wrong.
    fn prove(&mut self) -> Option<Event> {
        if let Some(matched) = &mut self.matched {
            return matched.news();
        }
        let asked = self.journal.weight();
        let (share, is_behind) = self.shown_share();
        if asked == Weight::ZERO || share.total() == 0 {
            return None;
        }
        let now = if is_behind || share.is_wrong(asked) {
            Split::Wrong
        } else if share.total() >= PROOF_REQUESTS {
            Split::Proven
        } else {
            self.split
        };
        if now == self.split {
            return None;
        }
        self.split = now;
        Some(match now {
            Split::Wrong => Event::SplitWrong { asked, share },
            Split::Proven | Split::Unproven => Event::SplitProven { asked, share },
        })
    }

    /// The ruling on the step, with a reason; a split that is not what was asked is no base
    /// for a good ruling, but a bad one stands.
    pub fn ruling(&self) -> Option<(Ruling, String)> {
        let standing = self.standing.as_ref()?;
        match standing.ruling {
            Ruling::Open => None,
            Ruling::NotWorse if self.is_not_as_asked() => None,
            Ruling::NotWorse => Some((Ruling::NotWorse, self.not_worse())),
            Ruling::Worse { subject } => Some((standing.ruling, self.worse(subject, standing))),
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
    pub fn ending(&self, verdict: Verdict, weight: Weight, reason: String) -> Ending {
        let sides = self.tally.sides();
        Ending {
            verdict,
            release: String::new(),
            weight: weight.percent(),
            split: SplitResult::new(
                self.journal.weight(),
                self.journal.plan.matches.as_ref(),
                &self.tally.share,
            ),
            reason,
            simulated: self.simulated,
            versions: Versions {
                live: VersionResult::new(&self.journal.live, &sides.live),
                candidate: VersionResult::new(&self.journal.candidate, &sides.candidate),
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
        let standing = self.standing.unwrap_or_else(|| self.judge.standing());
        let step_s = seconds(self.now_ms.saturating_sub(self.step_ms));
        let metric = |subject, weighed| MetricView::new(subject, &self.tally, &quantiles, weighed);
        let sides = self.tally.sides();
        let version = |arm: Arm| {
            let (at, id, side) = match arm {
                Arm::Live => (0, &self.journal.live, &sides.live),
                Arm::Candidate => (1, &self.journal.candidate, &sides.candidate),
            };
            VersionView {
                version: id.clone(),
                requests: side.requests,
                errors: side.errors,
                requests_per_s: rates[at].0,
                tokens_per_s: rates[at].1,
                figures: self.figures[at],
            }
        };
        View {
            live: version(Arm::Live),
            candidate: version(Arm::Candidate),
            asked: self.journal.weight(),
            matches: self.journal.plan.matches.clone(),
            share: self.tally.share,
            elapsed_s: seconds(self.now_ms.saturating_sub(self.begun_ms)),
            ttft: metric(Subject::Ttft, Some(&standing.ttft)),
            tpot: metric(Subject::Tpot, Some(&standing.tpot)),
            verdict: VerdictView::new(&standing, self.judge.rules(), step_s),
            margin: self.judge.rules().margin,
            of_probes: self.tally.shows_probes(),
        }
    }
}

fn evidence(standing: &Standing) -> [Evidence; 3] {
    let latency = |subject, weighed: &Weighed| Evidence {
        subject,
        worse: weighed.ln_e_worse,
        not_worse: Some(weighed.ln_e_not_worse),
    };
    [
        latency(Subject::Ttft, &standing.ttft),
        latency(Subject::Tpot, &standing.tpot),
        Evidence {
            subject: Subject::Errors,
            worse: standing.ln_e_errors,
            not_worse: None,
        },
    ]
}
