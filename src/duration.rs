//! Durations as people write them, in `infer.yaml` and in flags: `500ms`, `90s`, `20m`, `1h30m`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// A day: longer waits are typing errors, and stay far from what Kubernetes counts in 32 bits.
pub const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid duration: use 500ms, 90s, 20m or 1h30m, up to 24h")]
pub struct DurationError(String);

/// Reads a duration of up to a day.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|signed| Duration::try_from(signed).ok())
        .filter(|duration| *duration <= DAY)
        .ok_or_else(|| DurationError(text.to_owned()))
}

/// For `#[serde(serialize_with)]` on a `Duration` or an `Option` of one.
pub fn as_seconds<D, S>(duration: &D, serializer: S) -> Result<S::Ok, S::Error>
where
    D: Copy + Into<Option<Duration>>,
    S: Serializer,
{
    let duration: Option<Duration> = (*duration).into();
    duration.map(seconds).serialize(serializer)
}

/// Whole milliseconds, in seconds.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// A whole number of seconds, written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seconds(u64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecondsError {
    #[error(transparent)]
    Duration(#[from] DurationError),
    #[error("{0:?} is not a whole number of seconds: use 90s, 20m or 1h30m")]
    Fraction(String),
}

impl Seconds {
    pub fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let duration = parse(text)?;
        if duration.subsec_nanos() > 0 {
            return Err(SecondsError::Fraction(text.to_owned()));
        }
        Ok(Self(duration.as_secs()))
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

impl TryFrom<String> for Seconds {
    type Error = SecondsError;

    fn try_from(text: String) -> Result<Self, SecondsError> {
        text.parse()
    }
}

impl From<Seconds> for String {
    fn from(seconds: Seconds) -> Self {
        seconds.to_string()
    }
}

impl JsonSchema for Seconds {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9][0-9hms ]*[hms]$",
            "description": "Whole seconds, minutes or hours, such as 90s, 20m or 1h30m.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_stay_below_a_day() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("24h"), Ok(DAY));
        for wrong in [
            "",
            "5",
            "s",
            "-1s",
            "25h",
            "1d",
            "soon",
            "99999999999999999999s",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_are_whole() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("20m", 1200), ("1h30m", 5400)] {
            assert_eq!(text.parse::<Seconds>().unwrap().get(), seconds);
        }
        for wrong in ["1500ms", "90", "1d"] {
            assert!(wrong.parse::<Seconds>().is_err(), "{wrong}");
        }
    }
}
