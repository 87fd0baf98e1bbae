//! The headers by which a request is routed: the match and the session key. Pure.

use http::{HeaderMap, header};

use super::control::SessionKey;
use crate::header_match::HeaderMatch;

/// Whether the header is there, once, as an `HTTPRoute` reads it.
pub(super) fn carries(headers: &HeaderMap, wanted: &HeaderMatch) -> bool {
    let mut values = headers.get_all(wanted.name()).iter();
    let is_it = values.next().is_some_and(|value| value == wanted.value());
    is_it && values.next().is_none()
}

/// The session id of a request; an empty one counts as none.
pub(super) fn session_id<'a>(headers: &'a HeaderMap, key: &SessionKey) -> Option<&'a [u8]> {
    let id = match key {
        SessionKey::Header(name) => headers.get(name)?.as_bytes(),
        SessionKey::Cookie(name) => headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
            .find_map(|pair| {
                let pair = pair.trim_ascii();
                pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
            })?,
    };
    (!id.is_empty()).then_some(id)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_session_is_found_in_the_header_or_in_one_of_many_cookies() {
        let key = SessionKey::Cookie("sid".to_owned());
        let cookies = headers("cookie", "a=1; xsid=2; sid=abc; b=3");
        assert_eq!(session_id(&cookies, &key), Some(&b"abc"[..]));
        assert_eq!(session_id(&headers("cookie", "sid="), &key), None);
        let named = headers("x-session-id", "u1");
        assert_eq!(session_id(&named, &SessionKey::default()), Some(&b"u1"[..]));
        assert_eq!(session_id(&named, &key), None);
    }

    #[test]
    fn a_header_of_a_match_is_there_once_and_exactly() {
        let wanted = "header:x-beta=1".parse().unwrap();
        let mut sent = headers("x-beta", "1");
        assert!(carries(&sent, &wanted));
        assert!(!carries(&headers("x-beta", "1 "), &wanted));
        assert!(!carries(&HeaderMap::new(), &wanted));
        sent.append("x-beta", "1".parse().unwrap());
        assert!(!carries(&sent, &wanted));
    }
}
