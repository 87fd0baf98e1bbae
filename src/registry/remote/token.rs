//! A bearer token and how long it can be trusted to last.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// The default of the specification, where a server gives no lifetime.
const LIFETIME_DEFAULT: Duration = Duration::from_mins(1);
/// No token is kept longer than this, whatever its stated lifetime.
const LIFETIME_MAX: Duration = Duration::from_hours(1);
/// Longest token taken; real ones are under 8 KiB, and headers over 16 KiB are refused.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Printed nowhere, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: String,
    /// When to ask for the next one: a quarter of its life before it ends.
    refresh_at: Instant,
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Token {
    /// Reads a token server's answer; both names of the token are in use.
    pub(super) fn parse(body: &[u8], asked_at: Instant) -> Result<Self, String> {
        // The error of a JSON parser can quote its input, which is a secret here.
        let answer: Answer =
            serde_json::from_slice(body).map_err(|_| "the token is not JSON".to_owned())?;
        let value = [answer.token, answer.access_token]
            .into_iter()
            .flatten()
            .find(|token| !token.is_empty())
            .ok_or("the answer holds no token")?;
        if value.len() > TOKEN_BYTES_MAX {
            return Err("the token is over 16 KiB".to_owned());
        }
        let lifetime = answer
            .expires_in
            .map_or(LIFETIME_DEFAULT, Duration::from_secs)
            .min(LIFETIME_MAX);
        Ok(Self {
            value,
            refresh_at: asked_at + lifetime * 3 / 4,
        })
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now < self.refresh_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_well_before_it_ends() {
        let now = Instant::now();
        let parse = |body: &str| Token::parse(body.as_bytes(), now);
        let token = parse(r#"{"token":"t","expires_in":300}"#).ok().unwrap();
        assert_eq!(token.value, "t");
        assert!(token.is_fresh(now + Duration::from_secs(200)));
        assert!(!token.is_fresh(now + Duration::from_secs(230)));
        let token = parse(r#"{"token":"","access_token":"a"}"#).ok().unwrap();
        assert_eq!(token.value, "a");
        assert!(!token.is_fresh(now + Duration::from_secs(50)));
    }

    #[test]
    fn an_answer_without_a_token_says_so_without_quoting_it() {
        let parse = |body: &str| Token::parse(body.as_bytes(), Instant::now()).err().unwrap();
        for body in ["secret", r#"{"token":7}"#, "{}", r#"{"token":""}"#] {
            assert!(!parse(body).contains("secret"));
        }
    }
}
