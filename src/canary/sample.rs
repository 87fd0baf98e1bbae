//! From single requests to the blocks that are judged.

use serde::{Deserialize, Serialize};

use super::{
    evidence::{MetricBlock, Moments},
    failures::Requests,
    filter::BLOCK_S,
    judge::Block,
    pair::{Arm, Pair},
};

/// What was felt of one request; a failed one has no latency.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub failed: bool,
    pub ttft_ms: Option<f64>,
    pub tpot_ms: Option<f64>,
}

/// One request that ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RequestSample {
    /// When it ended, Unix time. Slow requests are thus seen late on both sides alike.
    pub ended_ms: u64,
    pub arm: Arm,
    pub outcome: Outcome,
}

/// The same prompt sent to both versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbePair {
    pub ended_ms: u64,
    pub outcomes: Pair<Outcome>,
    /// Whether the answer was a server error, which the engine counts too.
    pub server_errors: Pair<bool>,
}

pub const BLOCK_MS: u64 = 5_000;
const _: () = assert!(BLOCK_S == 5.0, "one length in both units");

/// Aggregates samples into blocks of five seconds from the start of the run.
#[derive(Debug)]
pub struct BlockAggregator {
    start_ms: u64,
    /// Index of the first block that is not handed out yet.
    next: u64,
    open: Vec<(u64, OpenBlock)>,
    ttft: LatencyRange,
    tpot: LatencyRange,
}

#[derive(Debug, Default)]
struct OpenBlock {
    samples: Vec<RequestSample>,
    pairs: Vec<ProbePair>,
}

/// Blocks that may be open at once: a minute and a half of samples that came early.
const OPEN_MAX: usize = 18;

impl BlockAggregator {
    /// `ln_margin` is the judge's: no change of that size may be clipped.
    pub fn new(start_ms: u64, ln_margin: f64) -> Self {
        Self {
            start_ms,
            next: 0,
            open: Vec::new(),
            ttft: LatencyRange::new(ln_margin),
            tpot: LatencyRange::new(ln_margin),
        }
    }

    /// Begins again at `start_ms`; what is known of live's range stays.
    pub fn restart(&mut self, start_ms: u64) {
        self.start_ms = start_ms;
        self.next = 0;
        self.open.clear();
    }

    pub fn add(&mut self, sample: RequestSample) {
        if let Some(pending) = self.pending(sample.ended_ms) {
            pending.samples.push(sample);
        }
    }

    pub fn add_pair(&mut self, pair: ProbePair) {
        if let Some(pending) = self.pending(pair.ended_ms) {
            pending.pairs.push(pair);
        }
    }

    /// The block of a moment; what comes after its block was judged goes into the next one.
    fn pending(&mut self, ended_ms: u64) -> Option<&mut OpenBlock> {
        let since = ended_ms.checked_sub(self.start_ms)?;
        let index = (since / BLOCK_MS).max(self.next);
        if let Some(at) = self.open.iter().position(|(open, _)| *open == index) {
            return self.open.get_mut(at).map(|(_, pending)| pending);
        }
        if self.open.len() >= OPEN_MAX {
            return None;
        }
        self.open.push((index, OpenBlock::default()));
        self.open.last_mut().map(|(_, pending)| pending)
    }

    /// Blocks that have ended by `now_ms`, in order, with the time each ended.
    pub fn ended_blocks(&mut self, now_ms: u64) -> Vec<(u64, Block)> {
        let mut blocks = Vec::new();
        while self.start_ms + (self.next + 1) * BLOCK_MS <= now_ms {
            let at = self.open.iter().position(|(open, _)| *open == self.next);
            let pending = at.map(|at| self.open.swap_remove(at).1).unwrap_or_default();
            self.next += 1;
            let ended = self.start_ms + self.next * BLOCK_MS;
            blocks.push((ended, self.block(&pending)));
        }
        blocks
    }

    fn block(&mut self, pending: &OpenBlock) -> Block {
        let mut block = Block::default();
        for sample in &pending.samples {
            if sample.arm == Arm::Live {
                self.ttft.learn(sample.outcome.ttft_ms);
                self.tpot.learn(sample.outcome.tpot_ms);
            }
            let requests = match sample.arm {
                Arm::Live => &mut block.live,
                Arm::Candidate => &mut block.candidate,
            };
            requests.sent += 1;
            requests.failed += u32::from(sample.outcome.failed);
        }
        for pair in &pending.pairs {
            let requests = pair.outcomes.map(|outcome| Requests {
                sent: 1,
                failed: u32::from(outcome.failed),
            });
            block.live.add(requests.live);
            block.candidate.add(requests.candidate);
        }
        block.ttft = as_written(self.ttft.metric(pending, |outcome| outcome.ttft_ms));
        block.tpot = as_written(self.tpot.metric(pending, |outcome| outcome.tpot_ms));
        block
    }
}

/// Where live's latencies lie. What is far outside is pulled to the edge, so that one
/// stalled request does not outweigh a minute; a failed request ranks last: at the upper
/// edge, so that fast errors never pass for good latency.
#[derive(Debug)]
struct LatencyRange {
    /// Live's latencies, counted in classes of 5%.
    counts: Vec<u32>,
    total: u32,
    room: f64,
}

/// Classes from e⁻⁷ ms (1 µs) to e¹⁴ ms (20 min).
const CLASS: f64 = 0.05;
const CLASSES: u32 = 420;
const LOWEST: f64 = -7.0;

/// Live samples from which the range is used.
const RANGE_SAMPLES_MIN: u32 = 20;

/// Room beyond live's 1% and 99% quantiles, in margins: a change of one margin moves only
/// the far tail of a distribution beyond it.
const ROOM_MARGINS: f64 = 3.0;

impl LatencyRange {
    fn new(ln_margin: f64) -> Self {
        Self {
            counts: vec![0; CLASSES as usize],
            total: 0,
            room: ROOM_MARGINS * ln_margin.max(0.18),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the classes"
    )]
    fn learn(&mut self, value_ms: Option<f64>) {
        if let Some(log) = log(value_ms) {
            let class = ((log - LOWEST) / CLASS).clamp(0.0, f64::from(CLASSES - 1)) as usize;
            self.counts[class] = self.counts[class].saturating_add(1);
            self.total = self.total.saturating_add(1);
        }
    }

    fn edges(&self) -> Option<(f64, f64)> {
        (self.total >= RANGE_SAMPLES_MIN).then(|| {
            (
                self.quantile(0.01) - self.room,
                self.quantile(0.99) + CLASS + self.room,
            )
        })
    }

    /// Lower edge of the class that holds the quantile.
    fn quantile(&self, q: f64) -> f64 {
        let rank = q * f64::from(self.total);
        let mut below = 0.0;
        let class = (0..CLASSES).zip(&self.counts).find(|(_, count)| {
            below += f64::from(**count);
            below >= rank
        });
        LOWEST + CLASS * class.map_or(0.0, |(class, _)| f64::from(class))
    }

    fn metric(&self, pending: &OpenBlock, of: impl Fn(&Outcome) -> Option<f64>) -> MetricBlock {
        let edges = self.edges();
        let place = |outcome: &Outcome| match (outcome.failed, edges) {
            (true, edges) => edges.map(|(_, high)| high),
            (false, Some((low, high))) => log(of(outcome)).map(|log| log.clamp(low, high)),
            (false, None) => log(of(outcome)),
        };
        let mut metric = MetricBlock::default();
        for sample in &pending.samples {
            if let Some(log) = place(&sample.outcome) {
                match sample.arm {
                    Arm::Live => metric.live.add(log),
                    Arm::Candidate => metric.candidate.add(log),
                }
            }
        }
        add_pairs(&mut metric.pairs, &pending.pairs, place);
        metric
    }
}

/// Where both of a pair failed there is nothing to compare.
fn add_pairs(moments: &mut Moments, pairs: &[ProbePair], place: impl Fn(&Outcome) -> Option<f64>) {
    for pair in pairs {
        let Pair { live, candidate } = &pair.outcomes;
        if live.failed && candidate.failed {
            continue;
        }
        if let (Some(live), Some(candidate)) = (place(live), place(candidate)) {
            moments.add(candidate - live);
        }
    }
}

/// Nine decimals: so a number is read back from the event log to the last bit, by any
/// parser, and what is judged is exactly what is written.
fn as_written(metric: MetricBlock) -> MetricBlock {
    let digits = |value: f64| (value * 1e9).round() / 1e9;
    let moments = |moments: Moments| Moments {
        count: moments.count,
        mean: digits(moments.mean),
        squares: digits(moments.squares),
    };
    MetricBlock {
        live: moments(metric.live),
        candidate: moments(metric.candidate),
        pairs: moments(metric.pairs),
    }
}

/// The natural log of a latency; a microsecond where it was too short to measure.
fn log(value_ms: Option<f64>) -> Option<f64> {
    value_ms
        .filter(|ms| ms.is_finite())
        .map(|ms| ms.max(1e-3).ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ended_ms: u64, arm: Arm, ttft_ms: f64) -> RequestSample {
        let outcome = Outcome {
            failed: false,
            ttft_ms: Some(ttft_ms),
            tpot_ms: None,
        };
        RequestSample {
            ended_ms,
            arm,
            outcome,
        }
    }

    fn failed(ended_ms: u64, arm: Arm) -> RequestSample {
        let outcome = Outcome {
            failed: true,
            ..Outcome::default()
        };
        RequestSample {
            ended_ms,
            arm,
            outcome,
        }
    }

    #[test]
    fn blocks_are_five_seconds_and_empty_ones_are_not_left_out() {
        let mut aggregator = BlockAggregator::new(1_000, 0.18);
        aggregator.add(sample(5_999, Arm::Live, 100.0));
        aggregator.add(sample(6_000, Arm::Candidate, 100.0));
        aggregator.add(sample(900, Arm::Live, 100.0));
        assert!(aggregator.ended_blocks(5_999).is_empty());
        let blocks = aggregator.ended_blocks(16_500);
        let ends: Vec<_> = blocks.iter().map(|(end, _)| *end).collect();
        assert_eq!(ends, [6_000, 11_000, 16_000]);
        assert_eq!(blocks[0].1.live.sent, 1);
        assert_eq!(blocks[1].1.candidate.sent, 1);
        assert_eq!(blocks[2].1, Block::default());
    }

    #[test]
    fn a_late_sample_goes_into_the_next_block_that_is_judged() {
        let mut aggregator = BlockAggregator::new(0, 0.18);
        aggregator.ended_blocks(5_000);
        aggregator.add(sample(4_000, Arm::Live, 100.0));
        assert_eq!(aggregator.ended_blocks(10_000)[0].1.live.sent, 1);
    }

    #[test]
    fn a_failed_request_ranks_last_and_a_stalled_one_not_beyond_it() {
        let mut aggregator = BlockAggregator::new(0, 0.18);
        for at in 0..100 {
            aggregator.add(sample(at, Arm::Live, 100.0));
        }
        aggregator.add(failed(1, Arm::Candidate));
        aggregator.add(sample(2, Arm::Candidate, 1e6));
        let ttft = aggregator.ended_blocks(5_000)[0].1.ttft;
        assert_eq!(ttft.candidate.count, 2);
        assert!(ttft.candidate.squares < 1e-12, "both lie at the edge");
        let edge = ttft.candidate.mean - 100f64.ln();
        assert!((0.5..0.7).contains(&edge), "{edge}");
    }

    #[test]
    fn a_change_of_one_margin_is_not_clipped() {
        let mut aggregator = BlockAggregator::new(0, 0.18);
        for at in 0..100 {
            aggregator.add(sample(at, Arm::Live, 100.0));
            aggregator.add(sample(at, Arm::Candidate, 120.0));
        }
        let ttft = aggregator.ended_blocks(5_000)[0].1.ttft;
        let change = ttft.candidate.mean - ttft.live.mean;
        assert!((change - 1.2f64.ln()).abs() < 1e-9, "{change}");
    }

    #[test]
    fn a_pair_is_compared_where_at_least_one_answered() {
        let mut aggregator = BlockAggregator::new(0, 0.18);
        for at in 0..30 {
            aggregator.add(sample(at, Arm::Live, 100.0));
        }
        let (fine, broken) = (
            sample(0, Arm::Live, 100.0).outcome,
            failed(0, Arm::Live).outcome,
        );
        for (live, candidate) in [(fine, fine), (broken, broken), (fine, broken)] {
            aggregator.add_pair(ProbePair {
                ended_ms: 40,
                outcomes: Pair::new(live, candidate),
                server_errors: Pair::default(),
            });
        }
        let block = aggregator.ended_blocks(5_000)[0].1;
        assert_eq!(block.ttft.pairs.count, 2);
        assert!(block.ttft.pairs.mean > 0.2);
        assert_eq!(block.candidate, Requests { sent: 3, failed: 2 });
    }
}
