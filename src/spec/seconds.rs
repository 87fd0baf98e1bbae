//! Durations as people write them: `90s`, `20m`, `1h`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest duration taken: a day. More is a slip of the finger, and stays far
/// from what Kubernetes counts in 32 bits.
const SECONDS_MAX: u64 = 24 * 60 * 60;

/// A whole number of seconds, written with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seconds(u64);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration: use a whole number with s, m or h, up to 24h, as in 90s")]
pub struct SecondsError(String);

impl Seconds {
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    pub fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Self, SecondsError> {
        let wrong = || SecondsError(text.to_owned());
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at(unit_at);
        let scale = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(scale))
            .filter(|seconds| *seconds <= SECONDS_MAX)
            .map(Self)
            .ok_or_else(wrong)
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
            "pattern": "^[0-9]+[smh]$",
            "description": "A whole number of seconds, minutes or hours, such as 90s or 20m.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_with_a_unit_parse() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("20m", 1200), ("24h", 86_400)] {
            assert_eq!(text.parse::<Seconds>().unwrap().get(), seconds);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "90",
            "s",
            "1.5m",
            "-1s",
            "25h",
            "1d",
            "99999999999999999999s",
            "1 s",
        ] {
            assert!(text.parse::<Seconds>().is_err(), "{text}");
        }
    }
}
