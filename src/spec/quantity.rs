//! Amounts of memory and CPU as Kubernetes writes them: `16Gi`, `500m`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A Kubernetes quantity, kept as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quantity {
    written: String,
    /// In thousandths, so that `500m` is whole.
    thousandths: u128,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a valid quantity: use a number with Ki, Mi, Gi, Ti, k, M, G, T, m or nothing, as in 16Gi"
)]
pub struct QuantityError(String);

/// Suffix → factor, in thousandths of one unit.
const SUFFIXES: [(&str, u128); 10] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("m", 1),
    ("", 1000),
];

/// Digits taken before and after the point: enough for exabytes, far from overflow.
const DIGITS_MAX: usize = 15;

impl Quantity {
    /// The amount in thousandths of one unit (byte, core).
    pub fn thousandths(&self) -> u128 {
        self.thousandths
    }

    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError(text.to_owned());
        let suffix_at = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(suffix_at);
        let (_, scale) = SUFFIXES
            .iter()
            .find(|(known, _)| *known == suffix)
            .ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits =
            |part: &str| part.len() <= DIGITS_MAX && part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
            return Err(wrong());
        }
        let mut thousandths = whole.parse::<u128>().map_err(|_| wrong())? * scale;
        let mut place = *scale;
        for digit in fraction.bytes() {
            place /= 10;
            thousandths += u128::from(digit - b'0') * place;
        }
        Ok(Self {
            written: text.to_owned(),
            thousandths,
        })
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for Quantity {
    type Error = QuantityError;

    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.written
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T|m)?$",
            "description": "A Kubernetes quantity, such as 16Gi or 500m.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_compare_whatever_their_suffix() {
        let amount = |text: &str| text.parse::<Quantity>().unwrap().thousandths();
        assert_eq!(amount("1Gi"), amount("1024Mi"));
        assert_eq!(amount("0.5"), amount("500m"));
        assert_eq!(amount("1.5Gi"), amount("1536Mi"));
        assert!(amount("1G") < amount("1Gi"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Gi",
            "1.",
            ".5",
            "1 Gi",
            "-1",
            "1e3",
            "1GB",
            "1.2.3",
            "9999999999999999",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
