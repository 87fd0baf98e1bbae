//! Pieces of a request path and query, escaped.

use std::fmt::Write as _;

/// Escapes one path segment, so that a name never adds a segment or a query.
pub fn segment(text: &str) -> String {
    escape(text, |byte| matches!(byte, b'=' | b':' | b'@' | b','))
}

/// `?a=1&b=2` of the pairs; empty without any.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&escape(value, |_| false));
    }
    text
}

fn escape(text: &str, also_plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        if unreserved || also_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a string grows");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_escaped_in_a_query() {
        assert_eq!(
            query(&[("labelSelector", "a/b=c,d!=e"), ("limit", "500")]),
            "?labelSelector=a%2Fb%3Dc%2Cd%21%3De&limit=500"
        );
        assert_eq!(query(&[]), "");
    }
}
