//! SLO gates: one grammar for `--slo` and for `gates.slo` in `infer.yaml`.
//!
//! `METRIC.STAT OP VALUE UNIT` (`ttft.p99<500ms`), `error_rate<1%`,
//! `requests_per_s>20`, `output_tokens_per_s>1000`. Blanks are ignored.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A latency that `infer` measures for each request; see `load` for the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    Ttft,
    Ttfo,
    Tpot,
    ChunkGap,
    E2e,
}

impl Metric {
    /// The length follows from the last variant, so that none can be left out before it.
    pub const ALL: [Self; Self::E2e as usize + 1] = [
        Self::Ttft,
        Self::Ttfo,
        Self::Tpot,
        Self::ChunkGap,
        Self::E2e,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Ttft => "ttft",
            Self::Ttfo => "ttfo",
            Self::Tpot => "tpot",
            Self::ChunkGap => "chunk_gap",
            Self::E2e => "e2e",
        }
    }
}

/// A statistic of one latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stat {
    Mean,
    Max,
    /// A quantile, `0.0 < q < 1.0`: `p99.9` is `0.999`.
    Quantile(f64),
}

/// What a gate looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subject {
    /// In milliseconds.
    Latency(Metric, Stat),
    /// As a fraction of all requests sent.
    ErrorRate,
    RequestsPerSecond,
    OutputTokensPerSecond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// One promise about the service, such as `ttft.p99<500ms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gate {
    pub subject: Subject,
    pub comparison: Comparison,
    /// Milliseconds for a latency, a fraction for `error_rate`, else per second.
    pub limit: f64,
    written: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{gate:?} is not a valid SLO: {reason}")]
pub struct GateError {
    gate: String,
    reason: String,
}

impl Gate {
    /// Whether `value`, in the unit of [`Gate::limit`], keeps the promise.
    pub fn holds(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl From<Gate> for String {
    fn from(gate: Gate) -> Self {
        gate.written
    }
}

impl TryFrom<String> for Gate {
    type Error = GateError;

    fn try_from(text: String) -> Result<Self, GateError> {
        text.parse()
    }
}

impl FromStr for Gate {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let refuse = |reason: String| GateError {
            gate: text.to_owned(),
            reason,
        };
        let written: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let at = written.find(['<', '>']).ok_or_else(|| {
            refuse("it needs a comparison: < <= > or >=, as in ttft.p99<500ms".to_owned())
        })?;
        let (name, rest) = written.split_at(at);
        let (comparison, value) = comparison(rest);
        let subject = subject(name).map_err(refuse)?;
        let limit = limit(subject, value).map_err(refuse)?;
        Ok(Self {
            subject,
            comparison,
            limit,
            written,
        })
    }
}

fn comparison(rest: &str) -> (Comparison, &str) {
    if let Some(value) = rest.strip_prefix("<=") {
        (Comparison::AtMost, value)
    } else if let Some(value) = rest.strip_prefix(">=") {
        (Comparison::AtLeast, value)
    } else if let Some(value) = rest.strip_prefix('<') {
        (Comparison::Below, value)
    } else {
        (Comparison::Above, rest.strip_prefix('>').unwrap_or(rest))
    }
}

fn subject(name: &str) -> Result<Subject, String> {
    match name {
        "error_rate" => return Ok(Subject::ErrorRate),
        "requests_per_s" => return Ok(Subject::RequestsPerSecond),
        "output_tokens_per_s" => return Ok(Subject::OutputTokensPerSecond),
        _ => {}
    }
    let (metric, stat) = name.split_once('.').ok_or_else(|| {
        format!(
            "{name:?} is neither METRIC.STAT (ttft.p99) nor error_rate, requests_per_s or output_tokens_per_s"
        )
    })?;
    let metric = Metric::ALL
        .into_iter()
        .find(|known| known.name() == metric)
        .ok_or_else(|| {
            let known = Metric::ALL.map(Metric::name).join(", ");
            format!("{metric:?} is not a metric: use one of {known}")
        })?;
    Ok(Subject::Latency(metric, stat_of(stat)?))
}

fn stat_of(stat: &str) -> Result<Stat, String> {
    let wrong = || format!("{stat:?} is not a statistic: use mean, max or p50 … p99.9");
    match stat {
        "mean" => Ok(Stat::Mean),
        "max" => Ok(Stat::Max),
        _ => {
            let percent = stat.strip_prefix('p').ok_or_else(wrong)?;
            let plain = percent.chars().all(|c| c.is_ascii_digit() || c == '.');
            let percent: f64 = percent.parse().map_err(|_| wrong())?;
            if plain && percent > 0.0 && percent < 100.0 {
                Ok(Stat::Quantile(percent / 100.0))
            } else {
                Err(wrong())
            }
        }
    }
}

fn limit(subject: Subject, value: &str) -> Result<f64, String> {
    let unit_at = value
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(unit_at);
    let number: f64 = number
        .parse()
        .map_err(|_| format!("{value:?} does not start with a number"))?;
    let scale = match (subject, unit) {
        (Subject::Latency(..), "us") => 0.001,
        (Subject::Latency(..), "ms")
        | (Subject::RequestsPerSecond | Subject::OutputTokensPerSecond, "" | "/s")
        | (Subject::ErrorRate, "") => 1.0,
        (Subject::Latency(..), "s") => 1000.0,
        (Subject::ErrorRate, "%") => 0.01,
        (Subject::Latency(..), _) => {
            return Err(format!("a latency is in us, ms or s, not {unit:?}"));
        }
        (Subject::ErrorRate, _) => return Err(format!("an error rate is in %, not {unit:?}")),
        (Subject::RequestsPerSecond | Subject::OutputTokensPerSecond, _) => {
            return Err(format!("a rate has no unit, not {unit:?}"));
        }
    };
    Ok(number * scale)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gate(text: &str) -> Gate {
        text.parse().unwrap()
    }

    #[test]
    fn a_latency_gate_is_in_milliseconds() {
        let parsed = gate("ttft.p99 < 0.5s");
        assert_eq!(
            parsed.subject,
            Subject::Latency(Metric::Ttft, Stat::Quantile(0.99))
        );
        assert!((parsed.limit - 500.0).abs() < 1e-9);
        assert!(parsed.holds(499.9) && !parsed.holds(500.0));
        assert_eq!(parsed.to_string(), "ttft.p99<0.5s");
    }

    #[test]
    fn an_error_rate_is_a_fraction() {
        let parsed = gate("error_rate<=1%");
        assert!((parsed.limit - 0.01).abs() < 1e-12);
        assert!(parsed.holds(0.01));
    }

    #[test]
    fn rates_compare_upwards() {
        assert!(gate("requests_per_s>20").holds(20.1));
        assert!(!gate("output_tokens_per_s>=1000").holds(999.0));
    }

    #[test]
    fn every_refusal_says_what_would_do() {
        for (text, hint) in [
            ("ttft.p99", "comparison"),
            ("ttfx.p99<1ms", "use one of ttft"),
            ("ttft.q99<1ms", "use mean"),
            ("ttft.p100<1ms", "use mean"),
            ("ttft.pinf<1ms", "use mean"),
            ("ttft.p99<1", "us, ms or s"),
            ("ttft.p99<ms", "number"),
            ("error_rate<1ms", "in %"),
            ("requests_per_s>20ms", "no unit"),
            ("speed<3", "METRIC.STAT"),
        ] {
            let error = text.parse::<Gate>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,40}") {
            drop(text.parse::<Gate>());
        }
    }
}
