//! What is known of a canary that is open, from its journal and its lock (pure).

use schemars::JsonSchema;
use serde::Serialize;

use super::journal::Journal;
use crate::traffic::Split;

/// Who is at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whereabouts {
    /// A process drives it.
    Running,
    /// Judged not worse; it waits for `promote`.
    Held,
    /// Its operator left it with Ctrl-C.
    Frozen,
    /// Its process is gone.
    Abandoned,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OpenCanary {
    pub release: String,
    pub run: String,
    pub whereabouts: Whereabouts,
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
        let whereabouts = if holder.is_some() {
            Whereabouts::Running
        } else if journal.held {
            Whereabouts::Held
        } else if journal.frozen {
            Whereabouts::Frozen
        } else {
            Whereabouts::Abandoned
        };
        let since = i64::try_from(journal.updated_ms)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .map_or_else(|| "an unknown time".to_owned(), |at| format!("{at:.0}"));
        Self {
            release: release.to_owned(),
            run: journal.run_id.clone(),
            whereabouts,
            live: journal.live.to_string(),
            candidate: journal.candidate.to_string(),
            weight: split.weight.percent(),
            matches: split.matches.as_ref().map(ToString::to_string),
            step: journal.step + 1,
            steps: journal.plan.steps().len(),
            since,
            holder,
        }
    }
}
