//! What `infer serve` shows: one line for each change, and a table that moves.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, Paint, Screen, Show, seconds};
use crate::local::{Event, Phase, Split, Traffic, VersionState, View};

impl Show for Event {
    fn human(&self, screen: &Screen) {
        let paint = screen.paint();
        match self {
            Self::Serving { release, endpoint } => {
                screen.line(&format!(
                    "{} on {}",
                    paint.bold(release),
                    paint.cyan(endpoint)
                ));
            }
            Self::Started { version, pid, port } => {
                screen.line(&format!("{version} started: process {pid}, port {port}"));
            }
            Self::Adopted { version, pid } => {
                screen.line(&format!("{version} found running: process {pid}"));
            }
            Self::Entered {
                version,
                phase,
                after,
            } => {
                if let Some(text) = entered(phase, paint) {
                    let after = match (phase, after) {
                        (Phase::Ready, Some(after)) => format!(" after {}", seconds(*after)),
                        _ => String::new(),
                    };
                    screen.line(&format!("{version} {text}{after}"));
                }
            }
            Self::Draining { version, in_flight } => {
                screen.line(&format!("{version} drains: {}", requests(*in_flight)));
            }
            Self::Split(split) => screen.line(&shares(split)),
            Self::Trouble(message) => screen.warn(message),
            Self::Seen(view) => screen.live(&table(view, paint)),
            Self::Stopping { in_flight } => {
                screen.line(&format!("stopping: {}", requests(*in_flight)));
            }
            Self::Left { engines: 0 } => screen.line("the gateway has stopped"),
            Self::Left { engines } => screen.line(&format!(
                "the gateway has stopped; {engines} engine(s) keep running for the next infer serve"
            )),
        }
    }
}

/// What `serve` answers when it ends.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Served<'a> {
    pub release: &'a str,
    /// Whether a signal ended it, rather than `infer delete`.
    pub interrupted: bool,
}

impl Answer for Served<'_> {
    fn human(&self, _: &Paint) -> String {
        String::new()
    }
}

fn requests(count: u64) -> String {
    match count {
        0 => "no request in flight".to_owned(),
        1 => "1 request in flight".to_owned(),
        many => format!("{many} requests in flight"),
    }
}

/// The line for a new phase; starting and draining have events of their own.
fn entered(phase: &Phase, paint: Paint) -> Option<String> {
    Some(match phase {
        Phase::Starting | Phase::Draining => return None,
        Phase::Ready => paint.green("is ready"),
        Phase::Unready => paint.yellow("does not answer its health path"),
        Phase::Stopped => "has stopped".to_owned(),
        Phase::BackOff { until_ms, reason } => {
            let again = i64::try_from(*until_ms)
                .ok()
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
                .map(|at| at.strftime("%H:%M:%S").to_string())
                .unwrap_or_default();
            format!(
                "{}: {reason}; starts again at {again}",
                paint.red("has ended")
            )
        }
        Phase::Failed { reason } => format!("{}: {reason}", paint.red("cannot run")),
    })
}

/// `v… gets 90%, v… 10%`.
fn shares(split: &Split) -> String {
    let percent = split.weight.percent();
    match (&split.live, &split.candidate) {
        (None, None) => "nothing is live".to_owned(),
        (Some(live), None) => format!("{live} gets 100%"),
        (None, Some(candidate)) => format!("{candidate} gets {percent}%, nothing is live"),
        (Some(live), Some(candidate)) => {
            let matched = split.matches.as_ref();
            let matched = matched.map_or_else(String::new, |header| format!(" and {header}"));
            format!(
                "{live} gets {}%, {candidate} {percent}%{matched}",
                100 - percent
            )
        }
    }
}

fn table(view: &View, paint: Paint) -> Vec<String> {
    let mut lines = vec![paint.dim(format!(
        "{:10}  {:>5}  {:9}  {:>7}  {:>7}  {:>9}  {:>9}  {:>9}  {:>6}",
        "version", "share", "phase", "req/s", "tok/s", "TTFT p50", "TTFT p95", "gap p50", "failed"
    ))];
    let rows = view.state.versions.iter().zip(&view.traffic);
    lines.extend(
        rows.filter(|(known, _)| known.phase != Phase::Stopped)
            .map(|(known, traffic)| row(&view.state.split, known, traffic)),
    );
    lines
}

fn row(split: &Split, known: &VersionState, traffic: &Traffic) -> String {
    let percent = split
        .candidate
        .as_ref()
        .map_or(0, |_| split.weight.percent());
    let share = if split.candidate.as_ref() == Some(&known.version) {
        format!("{percent}%")
    } else if split.live.as_ref() == Some(&known.version) {
        format!("{}%", 100 - percent)
    } else {
        "-".to_owned()
    };
    let simulated = if known.simulated { "  simulated" } else { "" };
    format!(
        "{:10}  {share:>5}  {:9}  {:>7.1}  {:>7.0}  {:>9}  {:>9}  {:>9}  {:>6}{simulated}",
        known.version.as_str(),
        word(&known.phase),
        traffic.requests_per_s,
        traffic.output_tokens_per_s,
        milliseconds(traffic.ttft_p50_ms),
        milliseconds(traffic.ttft_p95_ms),
        milliseconds(traffic.tpot_p50_ms),
        traffic.failed,
    )
}

fn word(phase: &Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Unready => "unready",
        Phase::Draining => "draining",
        Phase::Stopped => "stopped",
        Phase::BackOff { .. } => "back-off",
        Phase::Failed { .. } => "failed",
    }
}

fn milliseconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.1} ms"),
        Some(value) => format!("{value:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_as_they_are() {
        let version = |text: &str| Some(text.parse().unwrap());
        let mut split = Split::empty();
        assert_eq!(shares(&split), "nothing is live");
        split.live = version("v00000000a");
        assert_eq!(shares(&split), "v00000000a gets 100%");
        split.candidate = version("v00000000b");
        split.weight = 10.try_into().unwrap();
        assert_eq!(shares(&split), "v00000000a gets 90%, v00000000b 10%");
    }

    #[test]
    fn a_crash_says_why_and_when_it_is_tried_again() {
        let phase = Phase::BackOff {
            until_ms: 1_000,
            reason: "exit status: 1 after 0.2 s: out of memory".to_owned(),
        };
        assert_eq!(
            entered(&phase, Paint::plain()).unwrap(),
            "has ended: exit status: 1 after 0.2 s: out of memory; starts again at 00:00:01"
        );
    }
}
