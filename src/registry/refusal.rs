//! A registry's "no": status, the error codes of the distribution spec, and hints.

use std::fmt;

use oci_distribution::errors::OciErrorCode;
use serde::Deserialize;

/// The most of one message that is shown.
const MESSAGE_CHARS_MAX: usize = 400;

/// Why a registry refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Known to the registry, not allowed to do this.
    Denied,
    /// No or wrong credentials.
    Unauthorized,
    NameUnknown,
    ManifestUnknown,
    BlobUnknown,
    UploadUnknown,
    DigestInvalid,
    /// A body or a layer over the registry's or a proxy's limit.
    TooLarge,
    TooManyRequests,
    /// The registry's own trouble (5xx).
    Server,
    Other,
}

/// One refused request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub reason: Reason,
    /// `CODE: message` of the spec's error body, or the start of any other text.
    message: String,
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.message.is_empty() {
            let phrase = http::StatusCode::from_u16(self.status)
                .ok()
                .and_then(|status| status.canonical_reason());
            phrase.map_or(Ok(()), |phrase| write!(f, " {phrase}"))
        } else {
            write!(f, " {}", self.message)
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    errors: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// Reads status and body; the body may be anything and is cut to what can be shown.
    pub fn new(status: u16, body: &[u8]) -> Self {
        let entries = serde_json::from_slice::<Envelope>(body).map(|envelope| envelope.errors);
        let entries = entries.unwrap_or_default();
        let reason = entries
            .iter()
            .find_map(|entry| reason_of_code(&entry.code))
            .unwrap_or_else(|| reason_of_status(status));
        let message = match entries.first() {
            Some(Entry { code, message }) if message.is_empty() => code.clone(),
            Some(Entry { code, message }) => format!("{code}: {message}"),
            // An HTML page of a proxy adds nothing to its status.
            None if body.trim_ascii_start().starts_with(b"<") => String::new(),
            None => String::from_utf8_lossy(body).into_owned(),
        };
        Self {
            status,
            reason,
            message: printable(&message),
        }
    }

    pub fn hints(&self, registry: &str) -> Vec<String> {
        match self.reason {
            Reason::Unauthorized => vec![login_hint(registry)],
            Reason::Denied => vec![
                login_hint(registry),
                "check that the account may push to this repository".to_owned(),
            ],
            Reason::NameUnknown => vec![
                "check the repository's name; some registries (ECR) want it created first"
                    .to_owned(),
            ],
            Reason::ManifestUnknown => vec!["check the tag or digest".to_owned()],
            Reason::TooLarge => vec![
                "a proxy or the registry limits request bodies: raise it (nginx: client_max_body_size)"
                    .to_owned(),
            ],
            Reason::TooManyRequests => vec!["wait, or log in for a higher limit".to_owned()],
            Reason::BlobUnknown
            | Reason::UploadUnknown
            | Reason::DigestInvalid
            | Reason::Server
            | Reason::Other => Vec::new(),
        }
    }
}

/// One line, bounded, without control characters: a registry must not draw on our terminal.
fn printable(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let clean = words.chars().filter(|c| !c.is_control());
    clean.take(MESSAGE_CHARS_MAX).collect()
}

fn reason_of_code(code: &str) -> Option<Reason> {
    let code = serde_json::Value::String(code.to_owned());
    match serde_json::from_value(code).ok()? {
        OciErrorCode::Denied => Some(Reason::Denied),
        OciErrorCode::Unauthorized => Some(Reason::Unauthorized),
        OciErrorCode::NameUnknown => Some(Reason::NameUnknown),
        OciErrorCode::ManifestUnknown | OciErrorCode::NotFound => Some(Reason::ManifestUnknown),
        OciErrorCode::BlobUnknown | OciErrorCode::ManifestBlobUnknown => Some(Reason::BlobUnknown),
        OciErrorCode::BlobUploadUnknown => Some(Reason::UploadUnknown),
        OciErrorCode::DigestInvalid => Some(Reason::DigestInvalid),
        OciErrorCode::Toomanyrequests => Some(Reason::TooManyRequests),
        _ => None,
    }
}

fn reason_of_status(status: u16) -> Reason {
    match status {
        401 => Reason::Unauthorized,
        403 => Reason::Denied,
        413 => Reason::TooLarge,
        429 => Reason::TooManyRequests,
        500..=599 => Reason::Server,
        _ => Reason::Other,
    }
}

pub(super) fn login_hint(registry: &str) -> String {
    if registry == super::reference::DOCKER_HUB {
        "log in with `docker login`".to_owned()
    } else {
        format!("log in with `docker login {registry}`")
    }
}

/// What to try when there was no answer at all.
pub(super) fn connection_hints(registry: &str, error: &reqwest::Error) -> Vec<String> {
    let mut text = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    let hint = tls_hint(registry, &text).or_else(|| {
        let refused = text.contains("Connection refused");
        let unknown = text.contains("dns error") || text.contains("failed to lookup");
        (refused || unknown).then(|| format!("check the host and port of {registry}"))
    });
    hint.into_iter().collect()
}

/// The TLS library's own words decide: it has no type that reaches this far.
fn tls_hint(registry: &str, text: &str) -> Option<String> {
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if any(&["InvalidContentType", "corrupt message"]) {
        return Some(format!(
            "{registry} does not speak TLS: allow it with --plain-http"
        ));
    }
    if !any(&["invalid peer certificate"]) {
        return None;
    }
    Some(if any(&["Expired", "expired", "NotValidYet"]) {
        format!("the certificate of {registry} is out of date, or this machine's clock is wrong")
    } else if any(&["NotValidForName", "not valid for name"]) {
        format!("the certificate is for another name than {registry}: use one of its names")
    } else {
        format!("{registry} uses a certificate of its own: give its CA with --ca FILE")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specs_codes_win_over_the_status() {
        let body = br#"{"errors":[{"code":"DENIED","message":"requested access to the\n resource is denied","detail":[1]}]}"#;
        let refusal = Refusal::new(401, body);
        assert_eq!(refusal.reason, Reason::Denied);
        assert_eq!(
            refusal.to_string(),
            "401 DENIED: requested access to the resource is denied"
        );
        assert_eq!(
            refusal.hints("ghcr.io")[0],
            "log in with `docker login ghcr.io`"
        );
    }

    #[test]
    fn codes_outside_the_spec_and_other_bodies_are_kept_as_text() {
        let odd = Refusal::new(403, br#"{"errors":[{"code":"QUOTA_EXCEEDED"}]}"#);
        assert_eq!(
            (odd.reason, odd.to_string().as_str()),
            (Reason::Denied, "403 QUOTA_EXCEEDED")
        );
        assert_eq!(
            Refusal::new(502, b"<html>x</html>").to_string(),
            "502 Bad Gateway"
        );
        assert_eq!(Refusal::new(413, b"").reason, Reason::TooLarge);
        assert_eq!(
            Refusal::new(500, b"disk \x1b[31mfull").to_string(),
            "500 disk [31mfull"
        );
    }

    #[test]
    fn trouble_with_tls_names_the_flag_that_helps() {
        let hint = |text| tls_hint("r.example", text);
        for (text, word) in [
            ("invalid peer certificate: UnknownIssuer", "--ca FILE"),
            ("invalid peer certificate: BadSignature", "--ca FILE"),
            ("invalid peer certificate: Expired", "clock"),
            ("invalid peer certificate: NotValidForName", "another name"),
            (
                "received corrupt message of type InvalidContentType",
                "--plain-http",
            ),
        ] {
            assert!(hint(text).unwrap().contains(word), "{text}");
        }
        assert_eq!(hint("connection refused"), None);
    }

    #[test]
    fn a_long_message_is_cut() {
        let refusal = Refusal::new(500, "é".repeat(100_000).as_bytes());
        assert!(refusal.to_string().chars().count() < 500);
    }
}
