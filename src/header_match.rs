//! Which requests are meant, by one of their headers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Longest name and value, as an `HTTPRoute` takes them (Gateway API, `HTTPHeaderMatch`).
const NAME_BYTES_MAX: usize = 256;
const VALUE_BYTES_MAX: usize = 4_096;

/// What infer's own headers start with; they choose a version already.
const OWN: &str = "x-infer-";

/// Who one is; a match is written where many may read it.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Of one connection or of the message's frame (RFC 9110 §7.6.1, §6.4, §7.2): no two requests
/// can be told apart by them.
const FRAME: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Requests that carry this header once, with exactly this value: `header:x-beta=1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderMatch {
    name: String,
    value: String,
}

impl HeaderMatch {
    /// In lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Why a text is no [`HeaderMatch`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderMatchError {
    #[error("use header:NAME=VALUE, such as header:x-beta=1")]
    Form,
    #[error("{0:?} is not a valid header name")]
    Name(String),
    #[error("{0} is infer's own header: it names a version already")]
    Own(String),
    #[error(
        "{0} holds a secret, and a match is written where others read it; use a header of its own"
    )]
    Secret(String),
    #[error("{0} belongs to the connection, not to who asks; use a header of its own")]
    Frame(String),
    #[error(
        "a header's value is 1 to {VALUE_BYTES_MAX} printable ASCII characters, no space around"
    )]
    Value,
}

impl FromStr for HeaderMatch {
    type Err = HeaderMatchError;

    fn from_str(text: &str) -> Result<Self, HeaderMatchError> {
        let written = text.strip_prefix("header:");
        let (name, value) = written
            .and_then(|pair| pair.split_once('='))
            .ok_or(HeaderMatchError::Form)?;
        let name = name.to_ascii_lowercase();
        // A token (RFC 9110 §5.6.2).
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(token) {
            return Err(HeaderMatchError::Name(name));
        }
        if name.starts_with(OWN) {
            return Err(HeaderMatchError::Own(name));
        }
        if SECRET.contains(&name.as_str()) {
            return Err(HeaderMatchError::Secret(name));
        }
        if FRAME.contains(&name.as_str()) {
            return Err(HeaderMatchError::Frame(name));
        }
        let printable = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !(1..=VALUE_BYTES_MAX).contains(&value.len()) || !printable || value.trim() != value {
            return Err(HeaderMatchError::Value);
        }
        Ok(Self {
            name,
            value: value.to_owned(),
        })
    }
}

impl TryFrom<String> for HeaderMatch {
    type Error = HeaderMatchError;

    fn try_from(text: String) -> Result<Self, HeaderMatchError> {
        text.parse()
    }
}

impl From<HeaderMatch> for String {
    fn from(header: HeaderMatch) -> Self {
        header.to_string()
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "header:{}={}", self.name, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_and_names_have_no_case() {
        let beta: HeaderMatch = "header:X-Beta=a=b c".parse().unwrap();
        assert_eq!((beta.name(), beta.value()), ("x-beta", "a=b c"));
        assert_eq!(beta.to_string().parse(), Ok(beta));
    }

    #[test]
    fn what_no_gateway_could_match_is_refused_with_the_reason() {
        let read = |text: &str| text.parse::<HeaderMatch>().unwrap_err();
        for text in ["x-beta=1", "header:x-beta", "cookie:a=b", ""] {
            assert_eq!(read(text), HeaderMatchError::Form, "{text}");
        }
        for text in ["header:=1", "header:x beta=1", "header:ü=1"] {
            assert!(matches!(read(text), HeaderMatchError::Name(_)), "{text}");
        }
        for text in ["header:a=", "header:a= 1", "header:a=ü", "header:a=b\nc"] {
            assert_eq!(read(text), HeaderMatchError::Value, "{text}");
        }
        assert!(matches!(
            read("header:X-Infer-Version=v1"),
            HeaderMatchError::Own(_)
        ));
        assert!(matches!(
            read("header:Cookie=a"),
            HeaderMatchError::Secret(_)
        ));
        assert!(matches!(read("header:Host=a"), HeaderMatchError::Frame(_)));
    }
}
