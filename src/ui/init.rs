//! What `infer init` answers.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Paint, bytes};
use crate::model::Facts;

/// The file that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Written {
    pub file: String,
    pub release: String,
    pub engine: &'static str,
    pub target: &'static str,
    /// What the weights say, where there are some.
    pub model: Option<Facts>,
}

impl Answer for Written {
    fn human(&self, _: &Paint) -> String {
        self.file.clone()
    }
}

/// What the weights are, in one line.
pub fn about(facts: &Facts) -> String {
    let mut parts = vec![facts.name.clone()];
    parts.extend(facts.architecture.clone());
    parts.extend(facts.parameters.map(super::pack::parameters));
    if !facts.precisions.is_empty() {
        parts.push(facts.precisions.join(" and "));
    }
    parts.push(format!("{} of weights", bytes(facts.weight_bytes)));
    parts.join(", ")
}
