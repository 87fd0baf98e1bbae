//! What `infer init` answers.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Answer, Paint, bytes};
use crate::{model::Facts, name::ReleaseName, spec::engine::Kind};

/// The file that was written.
pub struct Written {
    pub file: PathBuf,
    pub release: ReleaseName,
    pub engine: Kind,
    pub target: &'static str,
    pub facts: Option<Facts>,
}

impl Answer for Written {
    fn json(&self) -> Value {
        json!({
            "event": "result", "verb": "init", "file": self.file, "release": self.release,
            "engine": self.engine, "target": self.target, "model": self.facts,
        })
    }

    fn human(&self, _: &Paint) -> String {
        self.file.display().to_string()
    }
}

/// What the weights are, in one line.
pub fn about(facts: &Facts) -> String {
    let mut parts = vec![facts.name.clone()];
    parts.extend(facts.architecture.clone());
    if let Some(parameters) = facts.parameters {
        parts.push(format!(
            "{} parameters",
            crate::pack::parameter_size(parameters)
        ));
    }
    if !facts.precisions.is_empty() {
        parts.push(facts.precisions.join(" and "));
    }
    parts.push(format!("{} of weights", bytes(facts.weight_bytes)));
    parts.join(", ")
}
