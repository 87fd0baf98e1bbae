//! What `infer doctor` found: a line each, what is missing with its fix.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Paint};
use crate::cluster::checks::{Check, State};

/// Everything that was looked at.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Examination {
    /// The target of infer.yaml, where there is one.
    target: Option<&'static str>,
    /// Whether nothing that is needed is missing.
    ready: bool,
    machine: Vec<Check>,
    cluster: Vec<Check>,
}

impl Examination {
    pub fn new(target: Option<&'static str>, machine: Vec<Check>, cluster: Vec<Check>) -> Self {
        let mut examination = Self {
            target,
            ready: false,
            machine,
            cluster,
        };
        examination.ready = examination.in_the_way() == 0;
        examination
    }

    fn all(&self) -> impl Iterator<Item = &Check> {
        self.machine.iter().chain(&self.cluster)
    }

    /// How many things the release cannot run for.
    pub fn in_the_way(&self) -> usize {
        self.all().filter(|check| check.is_in_the_way()).count()
    }
}

impl Answer for Examination {
    fn human(&self, paint: &Paint) -> String {
        let width = self.all().map(|check| check.name.len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for (title, checks) in [("This machine", &self.machine), ("Cluster", &self.cluster)] {
            if !checks.is_empty() {
                lines.push(paint.bold(title));
                lines.extend(checks.iter().flat_map(|check| shown(check, width, *paint)));
            }
        }
        let verdict = match (self.in_the_way(), self.target) {
            (0, Some(target)) => format!("ready for target {target}"),
            (0, None) => {
                "nothing in the way; there is no infer.yaml to say what is needed".to_owned()
            }
            (1, _) => "1 thing is missing".to_owned(),
            (count, _) => format!("{count} things are missing"),
        };
        lines.push(verdict);
        lines.join("\n")
    }
}

fn shown(check: &Check, width: usize, paint: Paint) -> Vec<String> {
    let mark = match check.state {
        State::Ok => paint.green("✓"),
        State::Note => paint.yellow("!"),
        State::Missing if check.needed => paint.red("✗"),
        State::Missing => paint.yellow("✗"),
        State::Unknown => paint.dim("?"),
    };
    let mut lines = vec![format!("  {mark} {:width$}  {}", check.name, check.found)];
    if let Some(fix) = &check.fix {
        lines.push(format!("    {:width$}  {} {fix}", "", paint.cyan("fix:")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_stands_with_its_fix() {
        let examination = Examination::new(
            Some("local"),
            vec![
                Check::new("Port", State::Ok, "127.0.0.1:8080 is free").needed(true),
                Check::new("Engine", State::Missing, "vllm is not on PATH")
                    .needed(true)
                    .fix("pip install vllm"),
            ],
            Vec::new(),
        );
        assert_eq!(
            examination.human(&Paint::plain()),
            "This machine\n  ✓ Port    127.0.0.1:8080 is free\n  ✗ Engine  vllm is not on PATH\n            fix: pip install vllm\n1 thing is missing"
        );
        assert_eq!(serde_json::json!(examination)["ready"], false);
    }
}
