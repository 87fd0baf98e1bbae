//! The story of a run, stored with the weight it has set.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::Plan;
use crate::{header_match::HeaderMatch, json, name::VersionId, weight::Weight};

/// What `status`, `resume`, `promote` and `abort` need to know of a run that another
/// process began. `run_id` and `updated_ms` are read by others too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Journal {
    pub run_id: String,
    pub live: VersionId,
    pub candidate: VersionId,
    /// Index into the plan's steps.
    pub step: usize,
    /// The candidate's share before the run.
    pub original_weight: Weight,
    /// The match of before the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_match: Option<HeaderMatch>,
    pub started_ms: u64,
    /// When the weight or the state below was last written.
    pub updated_ms: u64,
    /// When the step ends undecided.
    pub deadline_ms: u64,
    /// Frozen by its operator rather than left behind.
    #[serde(default)]
    pub frozen: bool,
    /// Held: the weight was judged not worse and stays until `promote` or `abort`.
    #[serde(default)]
    pub held: bool,
    pub plan: Plan,
}

/// A journal that this version of `infer` does not understand.
#[derive(Debug, thiserror::Error)]
#[error("the canary's journal was not written by this version of infer")]
pub struct Unreadable {
    source: json::Error,
}

impl Journal {
    pub fn read(value: &Value) -> Result<Self, Unreadable> {
        json::read(value).map_err(|source| Unreadable { source })
    }

    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// The weight of the step it is in.
    pub fn weight(&self) -> Weight {
        self.plan.weight(self.step)
    }
}

/// A run's name: when it began and by which process, so that no two are alike.
pub fn run_id(now_ms: u64, pid: u32) -> String {
    format!("c{now_ms:x}-{pid:x}")
}

#[cfg(test)]
mod tests {
    use super::{
        super::plan::{Plan, tests::asked},
        *,
    };

    #[test]
    fn a_journal_survives_being_written_and_names_its_run() {
        let journal = Journal {
            run_id: run_id(1_700_000_000_000, 77),
            live: "v000000001".parse().unwrap(),
            candidate: "v000000002".parse().unwrap(),
            step: 1,
            original_weight: Weight::ZERO,
            original_match: None,
            started_ms: 1,
            updated_ms: 2,
            deadline_ms: 3,
            frozen: false,
            held: false,
            plan: Plan::new(&asked(&[5, 20])).unwrap(),
        };
        let value = journal.to_value();
        assert_eq!(value["run_id"], "c18bcfe56800-4d");
        assert_eq!(Journal::read(&value).unwrap(), journal);
        // As they were before there were matches.
        assert_eq!(
            (value.get("original_match"), value["plan"].get("match")),
            (None, None)
        );
        assert_eq!(journal.weight().percent(), 20);
        assert!(Journal::read(&serde_json::json!({"run_id": "x"})).is_err());
    }
}
