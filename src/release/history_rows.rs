//! The history of a release as `history` shows it, the same for both targets.

use schemars::JsonSchema;
use serde::Serialize;

use super::record::{Happening, Record};

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryRows {
    pub release: String,
    /// By number, oldest first.
    pub revisions: Vec<HistoryRow>,
    /// What became of them, in the order in which it happened; the last hundred.
    pub happenings: Vec<Happening>,
}

#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HistoryRow {
    pub revision: u32,
    pub version: String,
    /// `live`, `candidate`, `superseded`, `refused` or `withdrawn`.
    pub state: String,
    pub deployed_at: String,
    pub image: String,
    pub replicas: u32,
    pub simulated: bool,
}

impl HistoryRows {
    pub fn new(release: &str, record: &Record) -> Self {
        let revisions = record.revisions.iter().map(|known| HistoryRow {
            revision: known.revision,
            version: known.version.to_string(),
            state: known.state.name().to_owned(),
            deployed_at: format!("{:.0}", known.deployed_at),
            image: known.image.clone(),
            replicas: known.replicas,
            simulated: known.simulated,
        });
        Self {
            release: release.to_owned(),
            revisions: revisions.collect(),
            happenings: record.happenings.clone(),
        }
    }
}
