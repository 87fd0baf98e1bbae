//! The history of a release as `history` shows it, the same for both targets.

use schemars::JsonSchema;
use serde::Serialize;

use super::history::History;

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryRows {
    pub release: String,
    /// Oldest first.
    pub revisions: Vec<HistoryRow>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryRow {
    pub revision: u32,
    pub version: String,
    /// `live`, `candidate`, `superseded` or `refused`.
    pub state: String,
    pub deployed_at: String,
    pub image: String,
    pub simulated: bool,
}

impl HistoryRows {
    pub fn new<E>(release: &str, history: &History<E>) -> Self {
        let revisions = history.revisions.iter().map(|known| HistoryRow {
            revision: known.revision,
            version: known.version.to_string(),
            state: known.state.name().to_owned(),
            deployed_at: format!("{:.0}", known.deployed_at),
            image: known.image.clone(),
            simulated: known.simulated,
        });
        Self {
            release: release.to_owned(),
            revisions: revisions.collect(),
        }
    }
}
