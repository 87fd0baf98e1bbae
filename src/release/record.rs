//! What a release has been and how its traffic is moved: its revisions, what happened to
//! them, and the router that was chosen at the first deploy. Pure; a site stores it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::VersionId;

/// What happened last is kept for `infer history`; older happenings are of no use to a rollback.
const HAPPENINGS_MAX: usize = 100;

/// One version of a release. It keeps its number for as long as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Counts up from 1 and is never given twice.
    pub revision: u32,
    pub version: VersionId,
    /// The model it serves, by digest.
    pub image: String,
    pub state: RevisionState,
    pub deployed_at: Timestamp,
    pub simulated: bool,
    /// Replicas it has when it serves everything: what a rollback brings back.
    pub replicas: u32,
    /// When it last went live, counted over all moves of the release; 0 for never.
    #[serde(default)]
    pub served: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionState {
    /// Serves the traffic.
    Live,
    /// Is up, or coming up, beside live.
    Candidate,
    /// Served once, and can be rolled back to.
    Superseded,
    /// Lost a canary or failed to start.
    Refused,
    /// Interrupted, aborted, undecided or replaced before it was judged.
    Withdrawn,
}

impl RevisionState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Candidate => "candidate",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }

    fn is_old(self) -> bool {
        match self {
            Self::Superseded | Self::Refused | Self::Withdrawn => true,
            Self::Live | Self::Candidate => false,
        }
    }
}

/// A change of one revision's state, in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Happening {
    /// RFC 3339.
    #[schemars(with = "String")]
    pub at: Timestamp,
    pub revision: u32,
    #[schemars(with = "String")]
    pub version: VersionId,
    pub became: RevisionState,
}

/// The record of one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub revisions: Vec<Revision>,
    #[serde(default)]
    pub happenings: Vec<Happening>,
    /// The number of the next revision.
    next: u32,
    /// Moves so far.
    #[serde(default)]
    moves: u32,
    /// What holds the split, by the name of its row; `None` before the first deploy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<String>,
    /// Whether backends name their version in a response header; not every gateway can.
    #[serde(default)]
    pub without_version_header: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            revisions: Vec::new(),
            happenings: Vec::new(),
            next: 1,
            moves: 0,
            router: None,
            without_version_header: false,
        }
    }
}

/// A version about to take its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub version: VersionId,
    pub image: String,
    pub simulated: bool,
    pub replicas: u32,
}

impl Record {
    /// Notes that `entry` comes up beside live. A version that is known keeps its number.
    pub fn candidate(&mut self, entry: &Entry, now: Timestamp) {
        if self.find(&entry.version).is_none() {
            self.revisions.push(Revision {
                revision: self.next,
                version: entry.version.clone(),
                image: entry.image.clone(),
                state: RevisionState::Withdrawn,
                deployed_at: now,
                simulated: entry.simulated,
                replicas: entry.replicas,
                served: 0,
            });
            self.next += 1;
        }
        if let Some(known) = self.find_mut(&entry.version) {
            known.image.clone_from(&entry.image);
            known.replicas = entry.replicas;
        }
        if self.state(&entry.version) != Some(RevisionState::Live) {
            self.set_state(&entry.version, RevisionState::Candidate, now);
        }
    }

    /// Makes `version` live and what was live superseded; keeps `keep` old revisions.
    pub fn promote(&mut self, version: &VersionId, keep: usize, now: Timestamp) {
        if self.state(version) == Some(RevisionState::Live) {
            return;
        }
        let before = self.live().map(|live| live.version.clone());
        if let Some(before) = before {
            self.set_state(&before, RevisionState::Superseded, now);
        }
        self.moves += 1;
        let moves = self.moves;
        if let Some(known) = self.find_mut(version) {
            known.served = moves;
        }
        self.set_state(version, RevisionState::Live, now);
        self.prune(keep);
    }

    /// Ends a candidate's turn as `state`; a version that is no candidate keeps its state.
    pub fn end(&mut self, version: &VersionId, state: RevisionState, now: Timestamp) {
        if self.state(version) == Some(RevisionState::Candidate) {
            self.set_state(version, state, now);
        }
    }

    pub fn find(&self, version: &VersionId) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|known| known.version == *version)
    }

    pub fn state(&self, version: &VersionId) -> Option<RevisionState> {
        self.find(version).map(|known| known.state)
    }

    pub fn live(&self) -> Option<&Revision> {
        self.revisions
            .iter()
            .find(|known| known.state == RevisionState::Live)
    }

    /// The revision that served last before `serving`: where `rollback` goes. What serves is
    /// read from the traffic, since a run that was cut off may not have written it down.
    pub fn previous(&self, serving: Option<&VersionId>) -> Option<&Revision> {
        self.revisions
            .iter()
            .filter(|known| Some(&known.version) != serving)
            .filter(|known| {
                matches!(
                    known.state,
                    RevisionState::Live | RevisionState::Superseded | RevisionState::Candidate
                )
            })
            .filter(|known| known.served > 0)
            .max_by_key(|known| known.served)
    }

    /// Notes how many replicas a version has when it serves everything.
    pub fn set_replicas(&mut self, version: &VersionId, replicas: u32) {
        if let Some(known) = self.find_mut(version) {
            known.replicas = replicas;
        }
    }

    fn find_mut(&mut self, version: &VersionId) -> Option<&mut Revision> {
        self.revisions
            .iter_mut()
            .find(|known| known.version == *version)
    }

    fn set_state(&mut self, version: &VersionId, state: RevisionState, now: Timestamp) {
        let Some(known) = self.find_mut(version) else {
            return;
        };
        if known.state == state {
            return;
        }
        known.state = state;
        let happening = Happening {
            at: now,
            revision: known.revision,
            version: version.clone(),
            became: state,
        };
        self.happenings.push(happening);
        let spare = self.happenings.len().saturating_sub(HAPPENINGS_MAX);
        self.happenings.drain(..spare);
    }

    /// Drops the oldest that neither serve nor are about to, beyond `keep`: those that have
    /// not served for longest, and among those that never served the lowest numbers.
    fn prune(&mut self, keep: usize) {
        let mut old: Vec<_> = self
            .revisions
            .iter()
            .filter(|known| known.state.is_old())
            .map(|known| (known.served, known.revision))
            .collect();
        old.sort_unstable();
        let spare = old.len().saturating_sub(keep);
        let gone: Vec<_> = old[..spare].iter().map(|(_, number)| *number).collect();
        self.revisions
            .retain(|known| !gone.contains(&known.revision));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn version(digit: u8) -> VersionId {
        format!("v00000000{digit}").parse().unwrap()
    }

    fn entry(digit: u8) -> Entry {
        Entry {
            version: version(digit),
            image: format!("oci:image@sha256:{digit}"),
            simulated: false,
            replicas: 1,
        }
    }

    fn deployed(digits: &[u8], keep: usize) -> Record {
        let mut record = Record::default();
        for digit in digits {
            record.candidate(&entry(*digit), NOW);
            record.promote(&version(*digit), keep, NOW);
        }
        record
    }

    fn numbers(record: &Record) -> Vec<u32> {
        record
            .revisions
            .iter()
            .map(|known| known.revision)
            .collect()
    }

    #[test]
    fn rollback_goes_to_the_newest_that_served_before_what_serves() {
        let mut record = deployed(&[1, 2, 3], 10);
        let previous = |record: &Record, serving| {
            record
                .previous(Some(&version(serving)))
                .unwrap()
                .version
                .clone()
        };
        assert_eq!(previous(&record, 3), version(2));
        record.candidate(&entry(4), NOW);
        record.end(&version(4), RevisionState::Refused, NOW);
        assert_eq!(previous(&record, 3), version(2));
        // The traffic has moved to 5, and the run was cut off before it wrote that down.
        record.candidate(&entry(5), NOW);
        assert_eq!(previous(&record, 5), version(3));
    }

    #[test]
    fn a_version_that_returns_keeps_its_number_and_its_events_are_told() {
        let record = deployed(&[1, 2, 1], 10);
        assert_eq!(numbers(&record), [1, 2]);
        assert_eq!(record.live().unwrap().version, version(1));
        assert_eq!(
            record.previous(Some(&version(1))).unwrap().version,
            version(2)
        );
        let told: Vec<_> = record
            .happenings
            .iter()
            .map(|one| (one.revision, one.became.name()))
            .collect();
        assert_eq!(
            told,
            [
                (1, "candidate"),
                (1, "live"),
                (2, "candidate"),
                (1, "superseded"),
                (2, "live"),
                (1, "candidate"),
                (2, "superseded"),
                (1, "live"),
            ]
        );
    }

    #[test]
    fn only_old_revisions_are_pruned_and_numbers_are_never_reused() {
        let record = deployed(&[1, 2, 3, 4, 5], 2);
        assert_eq!(numbers(&record), [3, 4, 5]);
        assert_eq!(record.next, 6);
    }

    #[test]
    fn what_served_last_is_kept_longest() {
        let record = deployed(&[1, 2, 1, 3, 4], 2);
        assert_eq!(numbers(&record), [1, 3, 4]);
    }

    #[test]
    fn a_live_version_cannot_be_refused() {
        let mut record = deployed(&[1], 10);
        record.end(&version(1), RevisionState::Refused, NOW);
        assert_eq!(record.live().unwrap().version, version(1));
    }
}
