//! Share of traffic, in whole percent.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Share of traffic sent to the candidate, in whole percent, `0..=100`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(try_from = "u8", into = "u8")]
pub struct Weight(u8);

impl Weight {
    pub const ZERO: Self = Self(0);
    pub const ALL: Self = Self(100);

    pub fn percent(self) -> u8 {
        self.0
    }

    /// The same share as a fraction, `0.0..=1.0`.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// A number outside `0..=100`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a weight is a whole percent from 0 to 100, not {0}")]
pub struct WeightError(String);

impl TryFrom<u8> for Weight {
    type Error = WeightError;

    fn try_from(percent: u8) -> Result<Self, WeightError> {
        if percent <= 100 {
            Ok(Self(percent))
        } else {
            Err(WeightError(percent.to_string()))
        }
    }
}

impl From<Weight> for u8 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl FromStr for Weight {
    type Err = WeightError;

    /// Accepts `10` and `10%`.
    fn from_str(text: &str) -> Result<Self, WeightError> {
        text.strip_suffix('%')
            .unwrap_or(text)
            .parse::<u8>()
            .map_err(|_| WeightError(text.to_owned()))
            .and_then(|percent| Self::try_from(percent).map_err(|_| WeightError(text.to_owned())))
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_percents_parse_with_and_without_the_sign() {
        assert_eq!("10".parse(), Ok(Weight(10)));
        assert_eq!("100%".parse(), Ok(Weight::ALL));
    }

    #[test]
    fn anything_else_is_refused_with_the_text_as_written() {
        for text in ["101", "-1", "1.5", "", "%", "256", "ten"] {
            let error = text.parse::<Weight>().unwrap_err();
            assert!(error.to_string().ends_with(&format!("not {text}")));
        }
    }
}
