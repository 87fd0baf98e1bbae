//! What is known of a canary that is open, from its journal and its lock (pure).

use schemars::JsonSchema;
use serde::Serialize;

use super::journal::Journal;
use crate::{
    release::status::{CanaryState, CanaryStatus},
    traffic::Split,
};

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OpenCanary {
    pub release: String,
    pub run: String,
    pub state: CanaryState,
    pub live: String,
    pub candidate: String,
    /// The candidate's share in force, in percent.
    pub weight: u8,
    /// The requests that meet the candidate whatever its share, `header:x-beta=1`.
    #[serde(rename = "match")]
    pub matches: Option<String>,
    /// From 1.
    pub step: usize,
    pub steps: usize,
    /// When its journal was last written.
    pub since: String,
    /// Who drives it.
    pub holder: Option<String>,
}

impl OpenCanary {
    pub fn new(release: &str, journal: &Journal, split: &Split, holder: Option<String>) -> Self {
        let driven = holder.is_some();
        let seen = CanaryStatus::of(
            &journal.run_id,
            &journal.to_value(),
            split.matches.as_ref(),
            driven,
        );
        let unknown = || "an unknown time".to_owned();
        Self {
            release: release.to_owned(),
            run: seen.run,
            state: seen.state,
            live: journal.live.to_string(),
            candidate: journal.candidate.to_string(),
            weight: split.weight.percent(),
            matches: seen.matches,
            step: journal.step + 1,
            steps: journal.plan.steps().len(),
            since: seen.updated.unwrap_or_else(unknown),
            holder,
        }
    }
}
