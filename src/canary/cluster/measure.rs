//! What a canary on a cluster sees: the engines' counters, probes and looks, in one reading.

use std::{collections::VecDeque, time::Duration};

use super::{
    looks::{Looked, Looks},
    scrape::{self, Scraped, Scrapes},
};
use crate::{
    canary::{
        Chosen, Error, Measure, Observed, Reading,
        probe::{Probes, now_ms},
        sample::{Arm, Felt, Pair},
    },
    cluster::Cluster,
    load::ServerFigures,
    name::{ReleaseName, VersionId},
};

/// How often what was read is handed over: as often as the view is redrawn.
const READ_EVERY: Duration = Duration::from_millis(200);

/// How long live is watched before anything moves.
const WATCH: Duration = Duration::from_secs(10);

/// How long after a probe its engine may still be about to count it.
const DEBT_MS: u64 = 6_000;

/// Times per token kept until their requests are counted; beyond it the oldest go.
const TPOT_MAX: usize = 2_000;

/// Readings in a row without a single pod's answer, after which it is said.
const SILENT_MAX: u32 = 10;

pub(super) struct ClusterMeasure {
    scrapes: Scrapes,
    probes: Option<Probes>,
    looks: Option<Looks>,
    figures: [ServerFigures; 2],
    sides: [Side; 2],
    silent: u32,
    /// Whether it was said that an engine exports no latencies.
    told: bool,
    /// What people should know from before the run.
    notes: Vec<String>,
}

/// One version's counted requests on their way to becoming samples.
#[derive(Debug, Default)]
struct Side {
    tpot_ms: VecDeque<f64>,
    tokens: f64,
    debts: Vec<Debt>,
}

/// A probe that the engine has counted too, or is about to. Its pair is judged; counted a
/// second time it would make one observation look like two.
#[derive(Debug, Clone, Copy)]
struct Debt {
    /// Unix time after which it is forgiven.
    due_ms: u64,
    ttft: Option<f64>,
    tpot: Option<f64>,
}

impl ClusterMeasure {
    pub(super) fn new(
        cluster: &Cluster,
        release: &ReleaseName,
        versions: &[VersionId; 2],
        probes: Option<Probes>,
        looks: Option<Looks>,
    ) -> Self {
        Self {
            scrapes: scrape::start(cluster, release, versions),
            probes,
            looks,
            figures: [ServerFigures::default(); 2],
            sides: [Side::default(), Side::default()],
            silent: 0,
            told: false,
            notes: Vec::new(),
        }
    }

    fn read(&mut self) -> Reading {
        let mut reading = Reading {
            now_ms: now_ms(),
            notes: std::mem::take(&mut self.notes),
            ..Reading::default()
        };
        if let Some(probes) = &mut self.probes {
            probes.take(&mut reading);
        }
        for pair in &reading.pairs {
            self.sides[0].owe(pair, &pair.live);
            self.sides[1].owe(pair, &pair.candidate);
        }
        self.take_looks(&mut reading);
        while let Ok(scraped) = self.scrapes.results.try_recv() {
            self.take(scraped, &mut reading);
        }
        reading.figures = self.figures;
        reading
    }

    fn take_looks(&mut self, reading: &mut Reading) {
        let Some(looks) = &mut self.looks else { return };
        while let Ok(looked) = looks.results.try_recv() {
            match looked {
                Looked::At(look) => reading.looks.push(look),
                Looked::Unsaid => reading.notes.push(
                    "answers through the gateway do not say which version they come from: \
                     the split cannot be proven"
                        .to_owned(),
                ),
            }
        }
    }

    fn take(&mut self, scraped: Scraped, reading: &mut Reading) {
        let at = match scraped.arm {
            Arm::Live => 0,
            Arm::Candidate => 1,
        };
        self.figures[at] = scraped.figures;
        if scraped.answered == 0 {
            self.silent += 1;
            if self.silent == SILENT_MAX {
                let text = "no pod's metrics can be read through the API server; probes go on";
                reading.notes.push(text.to_owned());
            }
            return;
        }
        self.silent = 0;
        if !scraped.says_latencies && !self.told && self.probes.is_some() {
            self.told = true;
            let text = "the engine exports no latencies: only probes are compared";
            reading.notes.push(text.to_owned());
        }
        let now_ms = reading.now_ms;
        reading
            .requests
            .extend(self.sides[at].samples(scraped, now_ms));
    }
}

impl Side {
    fn owe(&mut self, pair: &Pair, felt: &Felt) {
        if !felt.failed {
            self.debts.push(Debt {
                due_ms: pair.ended_ms + DEBT_MS,
                ttft: felt.ttft_ms,
                tpot: felt.tpot_ms,
            });
        }
    }

    /// The requests of one scrape as samples, without those that were probes.
    fn samples(&mut self, scraped: Scraped, now_ms: u64) -> Vec<Observed> {
        let mut change = scraped.change;
        self.debts.retain(|debt| debt.due_ms > now_ms);
        for debt in &mut self.debts {
            pay(&mut debt.ttft, &mut change.ttft_ms);
            pay(&mut debt.tpot, &mut change.tpot_ms);
        }
        self.debts
            .retain(|debt| debt.ttft.is_some() || debt.tpot.is_some());
        self.tpot_ms.extend(change.tpot_ms);
        while self.tpot_ms.len() > TPOT_MAX {
            self.tpot_ms.pop_front();
        }
        self.tokens += change.output_tokens;
        let tokens = self.tokens_each(change.ttft_ms.len());
        let good = change.ttft_ms.into_iter().map(|ttft_ms| Felt {
            failed: false,
            ttft_ms: Some(ttft_ms),
            tpot_ms: self.tpot_ms.pop_front(),
        });
        let failed = Felt {
            failed: true,
            ..Felt::default()
        };
        let failed = std::iter::repeat_n(failed, change.failed as usize);
        let felt: Vec<_> = good.chain(failed).collect();
        felt.into_iter()
            .map(|felt| Observed {
                started_ms: now_ms,
                ended_ms: now_ms,
                arm: scraped.arm,
                felt,
                output_tokens: if felt.failed { 0 } else { tokens },
                chosen: Chosen::Unknown,
            })
            .collect()
    }

    /// Tokens of each of `requests`; what does not divide is kept for the next.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "token counts of one second"
    )]
    fn tokens_each(&mut self, requests: usize) -> u32 {
        if requests == 0 {
            return 0;
        }
        let each = (self.tokens / requests as f64).floor();
        self.tokens -= each * requests as f64;
        each as u32
    }
}

/// Takes the value nearest to the owed one away, where there is any.
fn pay(owed: &mut Option<f64>, counted: &mut Vec<f64>) {
    let Some(value) = *owed else { return };
    let distance = |other: f64| (other.max(1e-3) / value.max(1e-3)).ln().abs();
    let nearest = counted
        .iter()
        .enumerate()
        .min_by(|(_, a), (_, b)| distance(**a).total_cmp(&distance(**b)));
    if let Some((at, _)) = nearest {
        counted.swap_remove(at);
        *owed = None;
    }
}

impl Measure for ClusterMeasure {
    async fn history(&mut self) -> Result<Reading, Error> {
        tokio::time::sleep(WATCH).await;
        let mut reading = self.read();
        // Pairs of before the run would be judged at a weight they did not meet.
        reading.pairs.clear();
        reading.looks.clear();
        self.notes = std::mem::take(&mut reading.notes);
        reading.watched_ms = u64::try_from(WATCH.as_millis()).ok();
        Ok(reading)
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    async fn next(&mut self) -> Result<Reading, Error> {
        tokio::time::sleep(READ_EVERY).await;
        Ok(self.read())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::counters::Change, *};

    fn scraped(ttft_ms: &[f64], tpot_ms: &[f64], failed: u32) -> Scraped {
        Scraped {
            arm: Arm::Candidate,
            change: Change {
                ttft_ms: ttft_ms.to_vec(),
                tpot_ms: tpot_ms.to_vec(),
                output_tokens: 41.0,
                failed,
            },
            figures: ServerFigures::default(),
            answered: 1,
            says_latencies: true,
        }
    }

    fn pair(ended_ms: u64, ttft_ms: f64) -> Pair {
        let felt = Felt {
            failed: false,
            ttft_ms: Some(ttft_ms),
            tpot_ms: Some(10.0),
        };
        Pair {
            ended_ms,
            live: felt,
            candidate: felt,
        }
    }

    fn ttfts(samples: &[Observed]) -> Vec<f64> {
        samples
            .iter()
            .filter_map(|seen| seen.felt.ttft_ms)
            .collect()
    }

    #[test]
    fn a_probe_is_not_counted_a_second_time() {
        let mut side = Side::default();
        let probe = pair(1_000, 103.0);
        side.owe(&probe, &probe.candidate);
        let samples = side.samples(scraped(&[50.0, 101.0, 400.0], &[9.0, 30.0], 0), 1_500);
        let mut seen = ttfts(&samples);
        seen.sort_by(f64::total_cmp);
        assert_eq!(seen, [50.0, 400.0]);
        assert_eq!(samples[0].felt.tpot_ms, Some(30.0));
        assert_eq!(
            ttfts(&side.samples(scraped(&[101.0], &[], 0), 1_600)),
            [101.0]
        );
    }

    #[test]
    fn a_probe_that_no_engine_counts_is_forgotten() {
        let mut side = Side::default();
        let probe = pair(1_000, 103.0);
        side.owe(&probe, &probe.candidate);
        assert!(side.samples(scraped(&[], &[], 0), 2_000).is_empty());
        assert_eq!(
            ttfts(&side.samples(scraped(&[101.0], &[], 0), 8_000)),
            [101.0]
        );
    }

    #[test]
    fn tokens_and_failures_are_handed_on_whole() {
        let mut side = Side::default();
        let samples = side.samples(scraped(&[1.0, 2.0], &[], 1), 1_000);
        let tokens: Vec<_> = samples.iter().map(|seen| seen.output_tokens).collect();
        assert_eq!(tokens, [20, 20, 0]);
        assert!(samples[2].felt.failed && samples[2].felt.ttft_ms.is_none());
        assert!((side.tokens - 1.0).abs() < 1e-9);
    }
}
