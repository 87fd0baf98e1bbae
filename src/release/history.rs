//! What a release has been: its revisions, newest last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::VersionId;

/// One version's turn in a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision<E> {
    /// Counts up from 1 and is never given twice.
    pub revision: u32,
    pub version: VersionId,
    /// The model it serves, by digest.
    pub image: String,
    pub state: RevisionState,
    pub deployed_at: Timestamp,
    pub simulated: bool,
    /// What it takes to bring it up again on its target.
    pub engine: E,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevisionState {
    /// Serves the traffic.
    Live,
    /// Is up beside live.
    Candidate,
    /// Served once, and can be rolled back to.
    Superseded,
    /// Lost a canary or failed to start.
    Refused,
}

impl RevisionState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Candidate => "candidate",
            Self::Superseded => "superseded",
            Self::Refused => "refused",
        }
    }
}

/// The revisions of one release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History<E> {
    pub revisions: Vec<Revision<E>>,
    next: u32,
}

impl<E> Default for History<E> {
    fn default() -> Self {
        Self {
            revisions: Vec::new(),
            next: 1,
        }
    }
}

/// A version about to take its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<E> {
    pub version: VersionId,
    pub image: String,
    pub simulated: bool,
    pub engine: E,
}

impl<E> History<E> {
    /// Records that `entry` is up beside live; a version that is here already moves to the end.
    pub fn candidate(&mut self, entry: Entry<E>, now: Timestamp) {
        self.revisions
            .retain(|known| known.version != entry.version);
        self.revisions.push(Revision {
            revision: self.next,
            version: entry.version,
            image: entry.image,
            state: RevisionState::Candidate,
            deployed_at: now,
            simulated: entry.simulated,
            engine: entry.engine,
        });
        self.next += 1;
    }

    /// Makes `version` live and what was live superseded; keeps `keep` revisions.
    pub fn promote(&mut self, version: &VersionId, keep: usize) {
        for known in &mut self.revisions {
            if known.version == *version {
                known.state = RevisionState::Live;
            } else if known.state == RevisionState::Live {
                known.state = RevisionState::Superseded;
            }
        }
        self.prune(keep);
    }

    pub fn refuse(&mut self, version: &VersionId) {
        let known = self
            .revisions
            .iter_mut()
            .find(|known| known.version == *version);
        if let Some(known) = known.filter(|known| known.state == RevisionState::Candidate) {
            known.state = RevisionState::Refused;
        }
    }

    pub fn find(&self, version: &VersionId) -> Option<&Revision<E>> {
        self.revisions
            .iter()
            .find(|known| known.version == *version)
    }

    pub fn live(&self) -> Option<&Revision<E>> {
        self.revisions
            .iter()
            .find(|known| known.state == RevisionState::Live)
    }

    /// The newest revision that has served before the live one: where `rollback` goes.
    pub fn previous(&self) -> Option<&Revision<E>> {
        self.revisions
            .iter()
            .rev()
            .find(|known| known.state == RevisionState::Superseded)
    }

    /// Drops the oldest that neither serve nor are about to, beyond `keep`.
    fn prune(&mut self, keep: usize) {
        let mut spare = self.old().count().saturating_sub(keep);
        self.revisions.retain(|known| {
            let drop = spare > 0 && is_old(known.state);
            spare -= usize::from(drop);
            !drop
        });
    }

    fn old(&self) -> impl Iterator<Item = &Revision<E>> {
        self.revisions.iter().filter(|known| is_old(known.state))
    }
}

fn is_old(state: RevisionState) -> bool {
    match state {
        RevisionState::Superseded | RevisionState::Refused => true,
        RevisionState::Live | RevisionState::Candidate => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(digit: u8) -> VersionId {
        format!("v00000000{digit}").parse().unwrap()
    }

    fn entry(digit: u8) -> Entry<()> {
        let image = format!("oci:image@sha256:{digit}");
        Entry {
            version: version(digit),
            image,
            simulated: false,
            engine: (),
        }
    }

    fn deployed(digits: &[u8], keep: usize) -> History<()> {
        let mut history = History::default();
        for digit in digits {
            history.candidate(entry(*digit), Timestamp::UNIX_EPOCH);
            history.promote(&version(*digit), keep);
        }
        history
    }

    #[test]
    fn rollback_goes_to_the_newest_that_has_served() {
        let mut history = deployed(&[1, 2, 3], 10);
        assert_eq!(history.live().unwrap().version, version(3));
        assert_eq!(history.previous().unwrap().version, version(2));
        history.candidate(entry(4), Timestamp::UNIX_EPOCH);
        history.refuse(&version(4));
        assert_eq!(history.previous().unwrap().version, version(2));
    }

    #[test]
    fn a_version_that_returns_gets_a_new_revision_and_no_twin() {
        let history = deployed(&[1, 2, 1], 10);
        let numbers: Vec<_> = history
            .revisions
            .iter()
            .map(|known| known.revision)
            .collect();
        assert_eq!(numbers, [2, 3]);
        assert_eq!(history.live().unwrap().version, version(1));
    }

    #[test]
    fn only_old_revisions_are_pruned_and_numbers_are_never_reused() {
        let history = deployed(&[1, 2, 3, 4, 5], 2);
        let kept: Vec<_> = history
            .revisions
            .iter()
            .map(|known| known.revision)
            .collect();
        assert_eq!(kept, [3, 4, 5]);
        assert_eq!(history.next, 6);
    }

    #[test]
    fn a_live_version_cannot_be_refused() {
        let mut history = deployed(&[1], 10);
        history.refuse(&version(1));
        assert_eq!(history.live().unwrap().version, version(1));
    }
}
