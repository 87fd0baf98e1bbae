//! What the measuring hands over.

use super::{
    pair::{Arm, Pair},
    proof::Share,
    sample::{Outcome, ProbePair, RequestSample},
    tally::seconds,
};
use crate::load::ServerFigures;

/// How far back live's rate before the run is taken.
const HISTORY_RATE_MS: u64 = 30_000;

/// One request as the gateway saw it end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    pub started_ms: u64,
    pub ended_ms: u64,
    pub arm: Arm,
    pub outcome: Outcome,
    pub output_tokens: u32,
    pub chosen: Chosen,
}

/// How the version of a request was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// The split did.
    BySplit,
    /// The split did, and the other version answered because that one was not Ready.
    Diverted,
    /// The request named its version: it may be a probe, and is judged as one.
    Pinned,
    /// Counted by the engine, which does not know; it proves nothing about the split.
    Unknown,
}

/// A request that infer sent to see where the split sends it; its latency is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitProbe {
    pub started_ms: u64,
    /// The version that answered. `None` where there was no answer or it named no version; such
    /// a probe is kept only where the plan sends by a header.
    pub arm: Option<Arm>,
    /// The weight it was sent by, in percent; `None` by a write from before the canary.
    pub weight: Option<u8>,
    /// Whether it carried the header of the plan's match.
    pub matched: bool,
}

/// What happened since the last reading.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Now, Unix time.
    pub now_ms: u64,
    /// How long live was watched before the run, where that is known to be short.
    pub watched_ms: Option<u64>,
    pub requests: Vec<Observed>,
    pub split_probes: Vec<SplitProbe>,
    pub pairs: Vec<ProbePair>,
    /// The engines' own figures.
    pub figures: Pair<ServerFigures>,
    /// Requests that were overwritten before they were read.
    pub lost: u64,
    /// What the operator should know of the measuring.
    pub notes: Vec<String>,
}

impl Observed {
    pub(super) fn sample(&self) -> RequestSample {
        RequestSample {
            ended_ms: self.ended_ms,
            arm: self.arm,
            outcome: self.outcome,
        }
    }

    /// What it proves about the split.
    pub(super) fn share(&self) -> Share {
        match self.chosen {
            Chosen::BySplit => Share::of(self.arm),
            Chosen::Diverted => Share {
                diverted: 1,
                ..Share::of(self.arm)
            },
            Chosen::Pinned | Chosen::Unknown => Share::default(),
        }
    }

    /// Whether a user sent it, as far as can be known.
    pub(super) fn is_users(&self) -> bool {
        self.chosen != Chosen::Pinned
    }
}

/// Live's requests a second over the last half minute before the run.
pub(super) fn history_rate(history: &Reading) -> f64 {
    let watched_ms = history.watched_ms.unwrap_or(HISTORY_RATE_MS);
    let from = history.now_ms.saturating_sub(watched_ms);
    let recent = history
        .requests
        .iter()
        .filter(|seen| seen.is_users() && seen.ended_ms >= from);
    f64::from(u32::try_from(recent.count()).unwrap_or(u32::MAX)) / seconds(watched_ms.max(1_000))
}
