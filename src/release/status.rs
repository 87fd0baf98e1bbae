//! The state of a release as `status` shows it, the same for both targets.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::header_match::HeaderMatch;

/// One release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Status {
    pub release: String,
    /// `local` or `kubernetes`.
    pub target: String,
    /// Whether anything answers for it; a local release whose `infer serve` is gone does not.
    pub running: bool,
    pub endpoint: Option<String>,
    pub live: Option<String>,
    pub candidate: Option<String>,
    /// The candidate's share, in percent.
    pub weight: u8,
    pub canary: Option<CanaryStatus>,
    /// Who is changing it now.
    pub held_by: Option<String>,
    pub versions: Vec<VersionStatus>,
    /// True where no model is run.
    pub simulated: bool,
}

/// A canary that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CanaryStatus {
    pub run: String,
    pub state: CanaryState,
    /// The requests that meet the candidate whatever its share, `header:x-beta=1`.
    #[serde(rename = "match")]
    pub matches: Option<String>,
    /// When it last wrote, RFC 3339.
    pub updated: Option<String>,
}

impl CanaryStatus {
    /// Reads a canary's journal; one that nobody drives was left behind, unless somebody
    /// meant it to stay.
    pub fn of(run: &str, journal: &Value, matches: Option<&HeaderMatch>, driven: bool) -> Self {
        let says = |key: &str| journal.get(key).and_then(Value::as_bool).unwrap_or(false);
        let state = if driven {
            CanaryState::Running
        } else if says("held") {
            CanaryState::Held
        } else if says("frozen") {
            CanaryState::Frozen
        } else {
            CanaryState::Abandoned
        };
        let updated = journal.get("updated_ms").and_then(Value::as_i64);
        Self {
            run: run.to_owned(),
            state,
            matches: matches.map(ToString::to_string),
            updated: updated
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .map(|at| format!("{at:.0}")),
        }
    }
}

/// Who has a canary in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryState {
    /// A process is driving it.
    Running,
    /// Judged not worse; the weight stays until somebody promotes or aborts.
    Held,
    /// Its operator stopped it where it was.
    Frozen,
    /// Its process is gone and nobody has taken over.
    Abandoned,
}

/// One version of a release.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VersionStatus {
    pub version: String,
    /// `live`, `candidate` or `old`.
    pub role: String,
    /// `starting`, `ready`, `unready`, `draining`, `stopped`, `back-off`, `failed`.
    pub phase: String,
    /// Why, where the phase needs a reason.
    pub reason: Option<String>,
    pub engine: String,
    pub replicas: u32,
    pub ready: u32,
    pub restarts: u32,
    pub in_flight: Option<u64>,
    pub simulated: bool,
}

impl Status {
    /// Whether a canary was left behind, which `status` answers with exit code 4.
    pub fn abandoned(&self) -> bool {
        self.canary
            .as_ref()
            .is_some_and(|canary| canary.state == CanaryState::Abandoned)
    }
}

/// All releases of a place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct StatusList {
    pub releases: Vec<Status>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_open_journal_that_nobody_drives_is_abandoned_unless_somebody_meant_that() {
        let written = json!({"run_id": "r1", "updated_ms": 1_700_000_000_000_i64});
        let left = CanaryStatus::of("r1", &written, None, false);
        assert_eq!(left.state, CanaryState::Abandoned);
        assert_eq!(left.updated.as_deref(), Some("2023-11-14T22:13:20Z"));
        assert_eq!(
            CanaryStatus::of("r1", &written, None, true).state,
            CanaryState::Running
        );
        for (key, state) in [("held", CanaryState::Held), ("frozen", CanaryState::Frozen)] {
            let mut journal = written.clone();
            journal[key] = json!(true);
            assert_eq!(CanaryStatus::of("r1", &journal, None, false).state, state);
        }
    }
}
