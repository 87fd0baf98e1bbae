//! Texts that are the whole answer: a JSON Schema, a completion script, a manual page.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{Answer, Paint};

#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    pub schema: Value,
}

impl Answer for Shown {
    fn human(&self, _: &Paint) -> String {
        format!("{:#}", self.schema)
    }
}

/// A completion script.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Script {
    pub shell: String,
    pub script: String,
}

impl Answer for Script {
    fn human(&self, _: &Paint) -> String {
        self.script.trim_end_matches('\n').to_owned()
    }
}

/// A manual page.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ManPage {
    /// In roff, for `man -l -`.
    pub page: String,
}

impl Answer for ManPage {
    fn human(&self, _: &Paint) -> String {
        self.page.trim_end_matches('\n').to_owned()
    }
}

/// Manual pages in a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ManFiles {
    pub files: Vec<String>,
}

impl Answer for ManFiles {
    fn human(&self, _: &Paint) -> String {
        String::new()
    }
}
