//! What a canary on a cluster sees: the engines' counters, paired probes and split probes, in
//! one reading.

use std::{collections::VecDeque, time::Duration};

use super::{
    scrape::{self, Scraped, Scrapes},
    split_probes::{SplitProbed, SplitProbes},
};
use crate::{
    canary::{
        Chosen, Error, Measure, Observed, Reading,
        pair::{Arm, Pair},
        probe::{Probes, now_ms},
        sample::{Outcome, ProbePair},
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
const PENDING_MS: u64 = 6_000;

/// Times per token kept until their requests are counted; beyond it the oldest go.
const TPOT_MAX: usize = 2_000;

/// Readings in a row without a single pod's answer, after which it is reported.
const SILENT_MAX: u32 = 10;

pub(super) struct ClusterMeasure {
    scrapes: Scrapes,
    probes: Option<Probes>,
    split_probes: Option<SplitProbes>,
    figures: Pair<ServerFigures>,
    counted: Pair<CountedRequests>,
    silent: u32,
    /// Whether it was reported that an engine exports no latencies.
    told: bool,
    /// What the operator should know from before the run.
    notes: Vec<String>,
}

/// One version's counted requests on their way to becoming samples.
#[derive(Debug, Default)]
struct CountedRequests {
    tpot_ms: VecDeque<f64>,
    tokens: f64,
    pending: Vec<PendingProbe>,
}

/// A probe that the engine has counted too, or is about to. Its pair is judged; counted a
/// second time it would make one observation look like two.
#[derive(Debug, Clone, Copy)]
struct PendingProbe {
    /// Unix time after which it is no longer expected in the counters.
    until_ms: u64,
    ttft: Option<f64>,
    tpot: Option<f64>,
    /// Whether a server error is expected.
    failed: bool,
}

impl ClusterMeasure {
    pub(super) fn new(
        cluster: &Cluster,
        release: &ReleaseName,
        versions: Pair<&VersionId>,
        probes: Option<Probes>,
        split_probes: Option<SplitProbes>,
    ) -> Self {
        Self {
            scrapes: scrape::start(cluster, release, versions),
            probes,
            split_probes,
            figures: Pair::default(),
            counted: Pair::default(),
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
            for arm in Arm::BOTH.into_array() {
                self.counted[arm].expect(pair, arm);
            }
        }
        self.take_split_probes(&mut reading);
        while let Ok(scraped) = self.scrapes.results.try_recv() {
            self.take(scraped, &mut reading);
        }
        reading.figures = self.figures;
        reading
    }

    fn take_split_probes(&mut self, reading: &mut Reading) {
        let Some(probes) = &mut self.split_probes else {
            return;
        };
        while let Ok(probed) = probes.results.try_recv() {
            match probed {
                SplitProbed::Answered(probe) => reading.split_probes.push(probe),
                SplitProbed::Unnamed => reading.notes.push(
                    "answers through the gateway carry no x-infer-version header: \
                     the split cannot be proven"
                        .to_owned(),
                ),
            }
        }
    }

    fn take(&mut self, scraped: Scraped, reading: &mut Reading) {
        let arm = scraped.arm;
        self.figures[arm] = scraped.figures;
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
            .extend(self.counted[arm].samples(scraped, now_ms));
    }
}

impl CountedRequests {
    /// A failed probe is expected only where the engine answered it, with a server error.
    fn expect(&mut self, pair: &ProbePair, arm: Arm) {
        let outcome = &pair.outcomes[arm];
        let failed = outcome.failed && pair.server_errors[arm];
        if failed || !outcome.failed {
            self.pending.push(PendingProbe {
                until_ms: pair.ended_ms + PENDING_MS,
                ttft: outcome.ttft_ms,
                tpot: outcome.tpot_ms,
                failed,
            });
        }
    }

    /// The requests of one scrape as samples, without those that were probes.
    fn samples(&mut self, scraped: Scraped, now_ms: u64) -> Vec<Observed> {
        let mut change = scraped.change;
        self.pending.retain(|probe| probe.until_ms > now_ms);
        for probe in &mut self.pending {
            settle(&mut probe.ttft, &mut change.ttft_ms);
            settle(&mut probe.tpot, &mut change.tpot_ms);
            if probe.failed && change.failed > 0 {
                (probe.failed, change.failed) = (false, change.failed - 1);
            }
        }
        self.pending
            .retain(|probe| probe.ttft.is_some() || probe.tpot.is_some() || probe.failed);
        self.tpot_ms.extend(change.tpot_ms);
        while self.tpot_ms.len() > TPOT_MAX {
            self.tpot_ms.pop_front();
        }
        self.tokens += change.output_tokens;
        let tokens = self.tokens_each(change.ttft_ms.len());
        let good = change.ttft_ms.into_iter().map(|ttft_ms| Outcome {
            failed: false,
            ttft_ms: Some(ttft_ms),
            tpot_ms: self.tpot_ms.pop_front(),
        });
        let failed = Outcome {
            failed: true,
            ..Outcome::default()
        };
        let failed = std::iter::repeat_n(failed, change.failed as usize);
        let outcome: Vec<_> = good.chain(failed).collect();
        outcome
            .into_iter()
            .map(|outcome| Observed {
                started_ms: now_ms,
                ended_ms: now_ms,
                arm: scraped.arm,
                outcome,
                output_tokens: if outcome.failed { 0 } else { tokens },
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

/// Takes the value nearest to the expected one away, where there is any.
fn settle(expected: &mut Option<f64>, counted: &mut Vec<f64>) {
    let Some(value) = *expected else { return };
    let distance = |other: f64| (other.max(1e-3) / value.max(1e-3)).ln().abs();
    let nearest = counted
        .iter()
        .enumerate()
        .min_by(|(_, a), (_, b)| distance(**a).total_cmp(&distance(**b)));
    if let Some((at, _)) = nearest {
        counted.swap_remove(at);
        *expected = None;
    }
}

impl Measure for ClusterMeasure {
    async fn history(&mut self) -> Result<Reading, Error> {
        tokio::time::sleep(WATCH).await;
        let mut reading = self.read();
        // Pairs of before the run would be judged at a weight they did not meet.
        reading.pairs.clear();
        reading.split_probes.clear();
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

    fn pair(ended_ms: u64, ttft_ms: f64) -> ProbePair {
        let outcome = Outcome {
            failed: false,
            ttft_ms: Some(ttft_ms),
            tpot_ms: Some(10.0),
        };
        ProbePair {
            ended_ms,
            outcomes: Pair::new(outcome, outcome),
            server_errors: Pair::default(),
        }
    }

    /// A pair whose candidate did not answer well.
    fn failed(ended_ms: u64, with_server_error: bool) -> ProbePair {
        let mut pair = pair(ended_ms, 100.0);
        pair.outcomes.candidate = Outcome {
            failed: true,
            ..Outcome::default()
        };
        pair.server_errors.candidate = with_server_error;
        pair
    }

    fn failures(samples: &[Observed]) -> usize {
        samples.iter().filter(|seen| seen.outcome.failed).count()
    }

    #[test]
    fn a_failed_probe_is_not_counted_a_second_time() {
        let mut counted = CountedRequests::default();
        counted.expect(&failed(1_000, true), Arm::Candidate);
        assert_eq!(failures(&counted.samples(scraped(&[], &[], 2), 1_500)), 1);
        assert_eq!(failures(&counted.samples(scraped(&[], &[], 1), 1_600)), 1);
    }

    #[test]
    fn a_probe_that_never_met_the_engine_takes_no_user_failure_away() {
        let mut counted = CountedRequests::default();
        counted.expect(&failed(1_000, false), Arm::Candidate);
        assert_eq!(failures(&counted.samples(scraped(&[], &[], 1), 1_500)), 1);
    }

    fn ttfts(samples: &[Observed]) -> Vec<f64> {
        samples
            .iter()
            .filter_map(|seen| seen.outcome.ttft_ms)
            .collect()
    }

    #[test]
    fn a_probe_is_not_counted_a_second_time() {
        let mut counted = CountedRequests::default();
        let probe = pair(1_000, 103.0);
        counted.expect(&probe, Arm::Candidate);
        let samples = counted.samples(scraped(&[50.0, 101.0, 400.0], &[9.0, 30.0], 0), 1_500);
        let mut seen = ttfts(&samples);
        seen.sort_by(f64::total_cmp);
        assert_eq!(seen, [50.0, 400.0]);
        assert_eq!(samples[0].outcome.tpot_ms, Some(30.0));
        assert_eq!(
            ttfts(&counted.samples(scraped(&[101.0], &[], 0), 1_600)),
            [101.0]
        );
    }

    #[test]
    fn a_probe_that_no_engine_counts_is_forgotten() {
        let mut counted = CountedRequests::default();
        let probe = pair(1_000, 103.0);
        counted.expect(&probe, Arm::Candidate);
        assert!(counted.samples(scraped(&[], &[], 0), 2_000).is_empty());
        assert_eq!(
            ttfts(&counted.samples(scraped(&[101.0], &[], 0), 8_000)),
            [101.0]
        );
    }

    #[test]
    fn tokens_and_failures_are_handed_on_whole() {
        let mut counted = CountedRequests::default();
        let samples = counted.samples(scraped(&[1.0, 2.0], &[], 1), 1_000);
        let tokens: Vec<_> = samples.iter().map(|seen| seen.output_tokens).collect();
        assert_eq!(tokens, [20, 20, 0]);
        assert!(samples[2].outcome.failed && samples[2].outcome.ttft_ms.is_none());
        assert!((counted.tokens - 1.0).abs() < 1e-9);
    }
}
