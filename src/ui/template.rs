//! What `infer template` answers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Paint};
use crate::render::eject::{Origin, Row};

/// Every template, one a line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listing {
    pub templates: Vec<Row>,
}

impl Answer for Listing {
    fn human(&self, paint: &Paint) -> String {
        let rows = &self.templates;
        let width = rows.iter().map(|row| row.file.len()).max().unwrap_or(0);
        let head = format!("{:width$}  {:9} BLOCKS", "TEMPLATE", "ORIGIN");
        let mut lines = vec![paint.bold(head)];
        for row in rows {
            let origin = match row.origin {
                Origin::BuiltIn => "built-in",
                Origin::Extended => "extended",
                Origin::Replaced => "replaced",
                Origin::Stale => "stale",
                Origin::Added => "added",
            };
            let start = format!("{:width$}  {origin:9}", row.file);
            let room = COLUMNS.saturating_sub(start.len() + 1);
            let blocks = folded(&row.blocks, room).join(&format!("\n{:1$} ", "", start.len()));
            lines.push(format!("{start} {blocks}").trim_end().to_owned());
        }
        lines.join("\n")
    }
}

/// The narrowest terminal that people use.
const COLUMNS: usize = 80;

/// Words in lines of at most `room` columns.
fn folded(words: &[&str], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push((*word).to_owned()),
        }
    }
    lines
}

/// The copies, one a line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Ejected {
    files: Vec<String>,
}

impl Ejected {
    pub fn new(files: &[PathBuf]) -> Self {
        let files = files.iter().map(|file| file.display().to_string());
        Self {
            files: files.collect(),
        }
    }
}

impl Answer for Ejected {
    fn human(&self, _: &Paint) -> String {
        self.files.join("\n")
    }
}

/// What was changed of each template.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Differences {
    pub differences: Vec<Difference>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Difference {
    pub file: String,
    /// Unified, from the built-in one.
    pub diff: String,
}

impl Answer for Differences {
    fn human(&self, paint: &Paint) -> String {
        let colour = |line: &str| match line.chars().next() {
            Some('+') => paint.green(line),
            Some('-') => paint.red(line),
            Some('@') => paint.cyan(line),
            _ => line.to_owned(),
        };
        let lines = self.differences.iter().flat_map(|one| one.diff.lines());
        lines.map(colour).collect::<Vec<_>>().join("\n")
    }
}
