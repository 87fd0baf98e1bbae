//! How a release's life looks: its phases, its status, its history.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Paint, Screen, Show, count, difference, part, seconds};
use crate::{
    name::VersionId,
    release::{
        event::{Deployed, Event},
        history_rows::HistoryRows,
        status::{CanaryState, CanaryStatus, Status, StatusList, VersionStatus},
    },
};

impl Show for Event {
    fn human(&self, screen: &Screen) {
        let paint = screen.paint();
        match self {
            Self::Planned {
                release,
                target,
                live,
                version,
                what,
            } => screen.line(&format!(
                "{} on {target}   {}: {what}",
                paint.bold(release),
                arrow(live.as_ref(), version)
            )),
            Self::Changes { objects } => {
                for line in difference::lines(objects, paint) {
                    screen.line(&line);
                }
            }
            Self::PhaseStarted { phase, detail } => {
                screen.live(&[format!("  {:<12} {detail}", phase.name())]);
            }
            Self::PhaseDone {
                phase,
                took,
                detail,
            } => {
                let name = format!("{:<12}", phase.name());
                screen.line(&format!(
                    "{} {name} {:>8}   {detail}",
                    paint.green("✓"),
                    seconds(*took)
                ));
            }
            Self::Moved { version, from } => {
                let from = from
                    .as_ref()
                    .map_or_else(String::new, |from| format!(", before {from}"));
                screen.line(&format!(
                    "{} {:<12} {version} serves 100%{from}",
                    paint.green("✓"),
                    "moved"
                ));
            }
            Self::HandingOver {
                version,
                new,
                live,
                old,
            } => screen.line(&format!(
                "{} {:<12} {version} has {}, {live} has {old}",
                paint.green("✓"),
                "handed over",
                count(u64::from(*new), "replica")
            )),
            Self::Draining { version, in_flight } => {
                screen.live(&[format!(
                    "  {:<12} {version}, {} in flight",
                    "drain",
                    count(*in_flight, "request")
                )]);
            }
            Self::Drained { version, took } => screen.line(&format!(
                "{} {:<12} {:>8}   {version} is down, kept for rollback",
                paint.green("✓"),
                "drained",
                seconds(*took),
            )),
            Self::Withdrawn { version, live } => {
                let live = live.as_ref().map_or_else(String::new, |live: &VersionId| {
                    format!("; live {live} was not touched")
                });
                screen.line(&format!(
                    "{} {version} is withdrawn{live}",
                    paint.yellow("!")
                ));
            }
            Self::Unpack(event) => event.human(screen),
            Self::Noticed { message } => screen.line(message),
        }
    }
}

/// From what to what.
fn arrow(live: Option<&VersionId>, version: &VersionId) -> String {
    match live {
        Some(live) if live == version => format!("live {version}"),
        Some(live) => format!("live {live} → {version}"),
        None => format!("→ {version}"),
    }
}

/// What `deploy` and `rollback` answer.
impl Answer for Deployed {
    fn human(&self, _: &Paint) -> String {
        self.endpoint.clone()
    }
}

impl Answer for Status {
    fn human(&self, paint: &Paint) -> String {
        let mut lines = vec![heading(self, *paint)];
        if !self.running {
            lines.push("  not running; `infer deploy` brings it up again".to_owned());
        }
        lines.extend(
            self.versions
                .iter()
                .map(|version| version_line(version, *paint)),
        );
        if let Some(canary) = &self.canary {
            lines.extend(canary_lines(self, canary, *paint));
        }
        if let Some(holder) = &self.held_by {
            lines.push(format!("  held: {holder}"));
        }
        lines.join("\n")
    }
}

fn heading(status: &Status, paint: Paint) -> String {
    let endpoint = status.endpoint.as_deref().unwrap_or("no endpoint");
    let simulated = if status.simulated {
        "   simulated: no model is run"
    } else {
        ""
    };
    format!(
        "{}   {}   {endpoint}{}",
        paint.bold(&status.release),
        status.target,
        paint.yellow(simulated)
    )
}

fn canary_lines(status: &Status, canary: &CanaryStatus, paint: Paint) -> [String; 2] {
    let since = canary.updated.as_deref().unwrap_or("an unknown time");
    let state = match canary.state {
        CanaryState::Running => "running".to_owned(),
        CanaryState::Held => format!("held since {since}"),
        CanaryState::Frozen => paint.yellow(format!("frozen since {since}")),
        CanaryState::Abandoned => paint.red(format!("abandoned since {since}")),
    };
    let part = part(status.weight, canary.matches.as_ref());
    [
        format!("  canary {} at {part}: {state}", canary.run),
        format!(
            "  next: infer canary status|resume|promote|abort {}",
            status.release
        ),
    ]
}

fn version_line(version: &VersionStatus, paint: Paint) -> String {
    let phase = match version.phase.as_str() {
        "ready" => paint.green(&version.phase),
        "failed" | "back-off" | "unready" => paint.red(&version.phase),
        _ => paint.dim(&version.phase),
    };
    let mut line = format!(
        "  {:<9} {}  {phase}  {}  {}/{} ready",
        version.role, version.version, version.engine, version.ready, version.replicas
    );
    if version.restarts > 0 {
        line = format!("{line}  {} restarts", version.restarts);
    }
    if let Some(in_flight) = version.in_flight.filter(|count| *count > 0) {
        line = format!("{line}  {in_flight} in flight");
    }
    if let Some(reason) = &version.reason {
        line = format!("{line}  ({reason})");
    }
    line
}

impl Answer for StatusList {
    fn human(&self, paint: &Paint) -> String {
        if self.releases.is_empty() {
            return "no release on this machine".to_owned();
        }
        let lines = self.releases.iter().map(|status| status.human(paint));
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Answer for HistoryRows {
    fn human(&self, paint: &Paint) -> String {
        let mut lines = vec![paint.dim(format!(
            "{:>4}  {:<11} {:<11} {:<21} {}",
            "rev", "version", "state", "deployed", "image"
        ))];
        lines.extend(self.revisions.iter().map(|row| {
            format!(
                "{:>4}  {:<11} {:<11} {:<21} {}",
                row.revision, row.version, row.state, row.deployed_at, row.image
            )
        }));
        lines.join("\n")
    }
}

/// What `delete` answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Deleted<'a> {
    pub release: &'a str,
}

impl Answer for Deleted<'_> {
    fn human(&self, _: &Paint) -> String {
        String::new()
    }
}

/// One line that an engine wrote.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "event", rename = "log")]
pub struct LogLine<'a> {
    pub version: &'a str,
    pub line: &'a str,
}

impl Show for LogLine<'_> {
    /// Log lines are an answer: they go to stdout, by [`super::Ui::raw`].
    fn human(&self, _: &Screen) {}
}

/// What `logs` answers after the lines themselves.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Logged<'a> {
    pub release: &'a str,
    pub lines: u64,
}

impl Answer for Logged<'_> {
    fn human(&self, _: &Paint) -> String {
        String::new()
    }
}
