//! One request to the API server, as data, and when it may be tried again.

use std::time::Duration;

use http::Method;

/// Attempts of one request: a blip of the API server passes, an outage does not hang a verb.
pub const ATTEMPTS_MAX: u32 = 4;

/// Longest wait the server may ask for (`Retry-After`); beyond it the caller is told.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// First pause between attempts; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(250);

/// Whether a request that may have reached the server can be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It reads, or sets what is wanted: twice has the effect of once.
    Safe,
    /// It changes something relative to what was read: only the server's own
    /// "not now" (429, 503) is retried.
    WhenRefused,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it does, for messages: `read Deployment team-a/chat`.
    pub act: String,
    pub method: Method,
    /// Path and query.
    pub uri: String,
    pub content_type: Option<&'static str>,
    pub body: Vec<u8>,
    pub repeat: Repeat,
}

pub const APPLY: &str = "application/apply-patch+yaml";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const MERGE_PATCH: &str = "application/merge-patch+json";
pub const JSON: &str = "application/json";

impl Request {
    pub fn get(act: impl Into<String>, uri: impl Into<String>) -> Self {
        Self {
            act: act.into(),
            method: Method::GET,
            uri: uri.into(),
            content_type: None,
            body: Vec::new(),
            repeat: Repeat::Safe,
        }
    }

    pub fn send(
        act: impl Into<String>,
        method: Method,
        uri: impl Into<String>,
        content_type: &'static str,
        body: &serde_json::Value,
    ) -> Self {
        let repeat = if content_type == APPLY {
            Repeat::Safe
        } else {
            Repeat::WhenRefused
        };
        Self {
            act: act.into(),
            method,
            uri: uri.into(),
            content_type: Some(content_type),
            body: body.to_string().into_bytes(),
            repeat,
        }
    }
}

/// How one attempt ended without an answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// No answer: refused, reset or timed out.
    NoAnswer,
    Status {
        code: u16,
        retry_after: Option<Duration>,
    },
}

/// The pause before the next attempt; `None` when the caller is to be told.
/// `attempt` counts from 1.
pub fn pause(repeat: Repeat, ended: Ended, attempt: u32) -> Option<Duration> {
    if attempt >= ATTEMPTS_MAX {
        return None;
    }
    let doubled = PAUSE_FIRST * 2_u32.pow(attempt - 1);
    match (ended, repeat) {
        (
            Ended::Status {
                code: 429 | 503,
                retry_after,
            },
            _,
        ) => {
            let wait = retry_after.unwrap_or(doubled);
            (wait <= RETRY_AFTER_MAX).then_some(wait)
        }
        (
            Ended::Status {
                code: 500 | 502 | 504,
                ..
            }
            | Ended::NoAnswer,
            Repeat::Safe,
        ) => Some(doubled),
        (Ended::Status { .. } | Ended::NoAnswer, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> Ended {
        Ended::Status {
            code,
            retry_after: None,
        }
    }

    #[test]
    fn reads_are_repeated_and_relative_writes_only_when_refused() {
        for ended in [Ended::NoAnswer, status(500), status(504)] {
            assert!(pause(Repeat::Safe, ended, 1).is_some(), "{ended:?}");
            assert_eq!(pause(Repeat::WhenRefused, ended, 1), None, "{ended:?}");
        }
        for repeat in [Repeat::Safe, Repeat::WhenRefused] {
            assert!(pause(repeat, status(429), 1).is_some());
            assert!(pause(repeat, status(503), 1).is_some());
            for code in [400, 401, 403, 404, 409, 410, 422] {
                assert_eq!(pause(repeat, status(code), 1), None, "{code}");
            }
        }
    }

    #[test]
    fn all_pauses_together_stay_within_two_seconds() {
        let all: Duration = (1..=ATTEMPTS_MAX)
            .filter_map(|attempt| pause(Repeat::Safe, Ended::NoAnswer, attempt))
            .sum();
        assert_eq!(all, Duration::from_millis(1750));
    }

    #[test]
    fn the_servers_wait_is_honoured_up_to_five_seconds() {
        let asked = |seconds| Ended::Status {
            code: 429,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        assert_eq!(
            pause(Repeat::Safe, asked(3), 1),
            Some(Duration::from_secs(3))
        );
        assert_eq!(pause(Repeat::Safe, asked(60), 1), None);
    }
}
