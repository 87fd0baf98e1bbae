//! Names: of a release, and of one of its versions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest release name: `<name>-<version>` must still be a DNS label of 63
/// characters after a Deployment has added its own two suffixes.
pub const RELEASE_NAME_LENGTH_MAX: usize = 40;

/// A release's name: a DNS label (RFC 1123) of at most 40 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no release name: use 1 to 40 of a-z, 0-9 and -, starting with a letter and not ending with -"
)]
pub struct ReleaseNameError(String);

impl FromStr for ReleaseName {
    type Err = ReleaseNameError;

    fn from_str(text: &str) -> Result<Self, ReleaseNameError> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let sound = (1..=RELEASE_NAME_LENGTH_MAX).contains(&text.len())
            && text.chars().all(letters)
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-');
        if sound {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReleaseNameError(text.to_owned()))
        }
    }
}

/// A version of a release: `v` and the first 9 hex digits of a SHA-256 over
/// everything that changes its pods (DESIGN §2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId(String);

const VERSION_HEX_DIGITS: usize = 9;

impl VersionId {
    /// The version whose canonical JSON has this SHA-256, given as lower-case hex.
    pub fn from_sha256_hex(hex: &str) -> Result<Self, VersionIdError> {
        match hex.get(..VERSION_HEX_DIGITS) {
            Some(start) => format!("v{start}").parse(),
            None => Err(VersionIdError(hex.to_owned())),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version: a version is v and 9 hex digits, like v3c1f2a90b")]
pub struct VersionIdError(String);

impl FromStr for VersionId {
    type Err = VersionIdError;

    fn from_str(text: &str) -> Result<Self, VersionIdError> {
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        match text.strip_prefix('v') {
            Some(rest) if rest.len() == VERSION_HEX_DIGITS && rest.chars().all(hex) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(VersionIdError(text.to_owned())),
        }
    }
}

macro_rules! as_text {
    ($($name:ty, $error:ty;)*) => {$(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

as_text! {
    ReleaseName, ReleaseNameError;
    VersionId, VersionIdError;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_names_are_dns_labels_of_at_most_forty() {
        let longest = "a".repeat(40);
        for name in ["chat", "a", "qwen3-8b", longest.as_str()] {
            assert_eq!(name.parse::<ReleaseName>().unwrap().as_str(), name);
        }
        let too_long = "a".repeat(41);
        for name in [
            "",
            "-a",
            "a-",
            "Chat",
            "a.b",
            "a_b",
            "8b",
            "é",
            too_long.as_str(),
        ] {
            assert!(name.parse::<ReleaseName>().is_err(), "{name}");
        }
    }

    #[test]
    fn versions_are_v_and_nine_lower_case_hex_digits() {
        assert!("v3c1f2a90b".parse::<VersionId>().is_ok());
        for text in [
            "3c1f2a90b",
            "v3c1f2a90",
            "v3c1f2a90bc",
            "v3C1f2a90b",
            "vxc1f2a90b",
        ] {
            assert!(text.parse::<VersionId>().is_err(), "{text}");
        }
        let id = VersionId::from_sha256_hex("0123456789abcdef").unwrap();
        assert_eq!(id.as_str(), "v012345678");
        assert!(VersionId::from_sha256_hex("0123").is_err());
    }
}
