//! What `infer template` answers.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Answer, Paint};
use crate::render::eject::{Origin, Row};

/// Every template, one a line.
pub struct Listing(pub Vec<Row>);

impl Answer for Listing {
    fn json(&self) -> Value {
        json!({"event": "result", "verb": "template", "templates": self.0})
    }

    fn human(&self, paint: &Paint) -> String {
        let width = self.0.iter().map(|row| row.file.len()).max().unwrap_or(0);
        let head = format!("{:width$}  {:9} BLOCKS", "TEMPLATE", "ORIGIN");
        let mut lines = vec![paint.bold(head)];
        for row in &self.0 {
            let origin = match row.origin {
                Origin::BuiltIn => "built-in",
                Origin::Extended => "extended",
                Origin::Replaced => "replaced",
                Origin::Stale => "stale",
                Origin::Added => "added",
            };
            let line = format!("{:width$}  {origin:9} {}", row.file, row.blocks.join(" "));
            lines.push(line.trim_end().to_owned());
        }
        lines.join("\n")
    }
}

/// The copies, one a line.
pub struct Ejected(pub Vec<PathBuf>);

impl Answer for Ejected {
    fn json(&self) -> Value {
        json!({"event": "result", "verb": "template", "files": self.0})
    }

    fn human(&self, _: &Paint) -> String {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        lines.join("\n")
    }
}

/// Template and unified diff.
pub struct Differences(pub Vec<(String, String)>);

impl Answer for Differences {
    fn json(&self) -> Value {
        let entries: Vec<Value> = self
            .0
            .iter()
            .map(|(file, diff)| json!({"file": file, "diff": diff}))
            .collect();
        json!({"event": "result", "verb": "template", "differences": entries})
    }

    fn human(&self, paint: &Paint) -> String {
        let colour = |line: &str| match line.chars().next() {
            Some('+') => paint.green(line),
            Some('-') => paint.red(line),
            Some('@') => paint.cyan(line),
            _ => line.to_owned(),
        };
        let lines = self.0.iter().flat_map(|(_, diff)| diff.lines());
        lines.map(colour).collect::<Vec<_>>().join("\n")
    }
}
