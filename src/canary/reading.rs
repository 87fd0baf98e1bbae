//! What the measuring hands over.

use super::{
    sample::{Arm, Felt, Pair, Sample},
    share::Share,
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
    pub felt: Felt,
    pub output_tokens: u32,
    /// It named its version, so it proves nothing about the split and may be a probe.
    pub pinned: bool,
    pub diverted: bool,
}

/// What happened since the last reading.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Now, Unix time.
    pub now_ms: u64,
    pub requests: Vec<Observed>,
    pub pairs: Vec<Pair>,
    /// The engines' own figures: live's and the candidate's.
    pub figures: [ServerFigures; 2],
    /// Requests that were overwritten before they were read.
    pub lost: u64,
    /// What people should know of the measuring.
    pub notes: Vec<String>,
}

impl Observed {
    pub(super) fn sample(&self) -> Sample {
        Sample {
            ended_ms: self.ended_ms,
            arm: self.arm,
            felt: self.felt,
        }
    }

    pub(super) fn share(&self) -> Share {
        Share {
            live: u32::from(self.arm == Arm::Live),
            candidate: u32::from(self.arm == Arm::Candidate),
            diverted: u32::from(self.diverted),
        }
    }
}

/// Live's requests a second over the last half minute before the run.
pub(super) fn history_rate(history: &Reading) -> f64 {
    let from = history.now_ms.saturating_sub(HISTORY_RATE_MS);
    let recent = history
        .requests
        .iter()
        .filter(|seen| !seen.pinned && seen.ended_ms >= from);
    f64::from(u32::try_from(recent.count()).unwrap_or(u32::MAX)) / seconds(HISTORY_RATE_MS)
}
