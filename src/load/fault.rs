//! Why a request failed, by the names that results use (pure).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kinds of failure that a load test and a canary tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// No connection: refused, unreachable, name not found.
    Connect,
    Tls,
    /// A redirect; none is followed, it would hide what is measured.
    #[serde(rename = "http_3xx")]
    Http3xx,
    #[serde(rename = "http_4xx")]
    Http4xx,
    #[serde(rename = "http_429")]
    Http429,
    #[serde(rename = "http_5xx")]
    Http5xx,
    TimeoutFirst,
    TimeoutIdle,
    TimeoutTotal,
    /// The connection broke before the answer was whole.
    Reset,
    /// The stream ended without a finish reason or a terminal event.
    Truncated,
    /// An error object inside the stream, status 200 notwithstanding.
    StreamError,
    Malformed,
    /// A well-formed end without one token.
    Empty,
    /// `finish_reason` is `abort` or `error`.
    Aborted,
    /// Fewer tokens than asked for, although the end was to be ignored.
    ShortOutput,
    Cancelled,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Http3xx => "http_3xx",
            Self::Http4xx => "http_4xx",
            Self::Http429 => "http_429",
            Self::Http5xx => "http_5xx",
            Self::TimeoutFirst => "timeout_first",
            Self::TimeoutIdle => "timeout_idle",
            Self::TimeoutTotal => "timeout_total",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::StreamError => "stream_error",
            Self::Malformed => "malformed",
            Self::Empty => "empty",
            Self::Aborted => "aborted",
            Self::ShortOutput => "short_output",
            Self::Cancelled => "cancelled",
        }
    }

    /// The fault that a status is, `None` for 200.
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            200 => None,
            429 => Some(Self::Http429),
            400..=499 => Some(Self::Http4xx),
            500.. => Some(Self::Http5xx),
            300..=399 => Some(Self::Http3xx),
            _ => Some(Self::Malformed),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One failed request: its kind, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: {detail}")]
pub struct Failed {
    pub fault: Fault,
    pub detail: String,
}

impl Failed {
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self {
            fault,
            detail: detail.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_results_and_in_text_are_the_same() {
        for fault in [
            Fault::Http4xx,
            Fault::Http429,
            Fault::TimeoutFirst,
            Fault::ShortOutput,
        ] {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
    }

    #[test]
    fn only_200_is_no_fault() {
        assert_eq!(Fault::of_status(200), None);
        assert_eq!(Fault::of_status(429), Some(Fault::Http429));
        assert_eq!(Fault::of_status(404), Some(Fault::Http4xx));
        assert_eq!(Fault::of_status(503), Some(Fault::Http5xx));
        assert_eq!(Fault::of_status(302), Some(Fault::Http3xx));
        assert_eq!(Fault::of_status(204), Some(Fault::Malformed));
    }
}
