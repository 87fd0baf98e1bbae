//! What a canary reports while it goes on.

use serde::{Deserialize, Serialize};

use super::{
    filter::PoolNoise,
    judge::{Block, Decision, Rules},
    power::DetectableEffect,
    proof::Share,
    tally::Point,
    view::View,
};
use crate::{header_match::HeaderMatch, name::VersionId, weight::Weight};

#[derive(Debug, Clone)]
pub enum Event {
    /// What will happen and what can be seen, before anything moves.
    Begun(Box<Begun>),
    /// Five seconds of live from before the run: what the noise was learned from.
    Learned {
        block: Block,
    },
    WeightSet {
        step: usize,
        steps: usize,
        weight: Weight,
        from: Weight,
    },
    /// Requests with this header go to the candidate from now on, the others to live.
    MatchSet {
        header: HeaderMatch,
    },
    /// `probes` requests with the header and without it arrived as asked.
    MatchProven {
        header: HeaderMatch,
        probes: u32,
    },
    /// Too many of those with the header, or without it, reached the other version or none.
    MatchWrong {
        header: HeaderMatch,
        with_it: bool,
        without_it: bool,
    },
    /// Requests that named no version arrive as asked.
    SplitProven {
        asked: Weight,
        share: Share,
    },
    SplitWrong {
        asked: Weight,
        share: Share,
    },
    /// Observations were overwritten before they were read.
    Lost {
        requests: u64,
    },
    /// Another five seconds were judged.
    Judged(Box<Judged>),
    View(Box<View>),
    /// The decision that ends a step.
    Decided {
        weight: Weight,
        decision: Decision,
        reason: String,
    },
    /// The candidate cannot carry its next weight, so it keeps the one it has.
    NoRoom {
        weight: Weight,
        reason: String,
        /// Pod, node and the engine's last words, where they are known.
        evidence: Vec<String>,
        /// What makes room.
        next: Vec<String>,
    },
    /// Frozen by Ctrl-C; a second one within `again_s` rolls back.
    Frozen {
        release: String,
        weight: Weight,
        matches: Option<HeaderMatch>,
        again_s: u64,
        next: Vec<String>,
    },
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
}

#[derive(Debug, Clone, Serialize)]
pub struct Begun {
    pub run: String,
    pub release: String,
    pub live: VersionId,
    pub candidate: VersionId,
    pub steps: Vec<Weight>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<HeaderMatch>,
    pub promote: bool,
    pub step_limit_s: u64,
    pub rules: Rules,
    pub noise: PoolNoise,
    /// Blocks of live the noise was learned from; 0 is the start values alone.
    pub noise_blocks: u32,
    /// Requests a second to live before the run.
    pub live_per_s: f64,
    pub probes_per_s: f64,
    /// Null where no request is expected at all.
    pub detectable: Option<DetectableEffect>,
    pub simulated: bool,
}

/// All that a decision rests on, so that it can be made again from the event log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judged {
    pub point: Point,
    pub block: Block,
    pub ln_threshold: f64,
    pub decision: Decision,
}
