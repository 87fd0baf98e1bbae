//! A JSON Schema as the answer.

use serde_json::{Value, json};

use super::{Answer, Paint};

pub struct Shown(pub Value);

impl Answer for Shown {
    fn json(&self) -> Value {
        json!({"event": "result", "verb": "schema", "schema": self.0})
    }

    fn human(&self, _: &Paint) -> String {
        format!("{:#}", self.0)
    }
}
