//! What a registry asks for with a 401: the `WWW-Authenticate` header (RFC 9110 §11).

/// The first challenge that we can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// Longest header that is looked at; real ones are some 200 bytes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

impl Challenge {
    /// Reads one header value; Bearer wins over Basic where both are offered.
    ///
    /// The scope in a challenge is not used: it names only what the refused request
    /// needed, and we know what we are going to do.
    pub(super) fn parse(header: &str) -> Option<Self> {
        if header.len() > HEADER_BYTES_MAX {
            return None;
        }
        let mut basic = None;
        let mut rest = header;
        while let Some((scheme, parameters, next)) = challenge(rest) {
            let value = |name: &str| {
                let found = parameters
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = value("realm") {
                    let service = value("service");
                    return Some(Self::Bearer { realm, service });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
            rest = next;
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// `Scheme key=value, key="value"` and what follows it.
fn challenge(text: &str) -> Option<(&str, Parameters, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (scheme, mut rest) = token(text)?;
    let mut parameters = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let Some((key, after)) = token(start) else {
            return Some((scheme, parameters, start));
        };
        let Some(after) = after.trim_start().strip_prefix('=') else {
            // A word without a value is the next scheme.
            return Some((scheme, parameters, start));
        };
        let (value, after) = value(after.trim_start())?;
        parameters.push((key.to_owned(), value));
        rest = after;
    }
}

fn token(text: &str) -> Option<(&str, &str)> {
    let letter = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let end = text.find(|c| !letter(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// A token or a quoted string, its escapes undone.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        // Unquoted realms with slashes are wrong but seen.
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn the_challenges_of_real_registries_are_read() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push",error="insufficient_scope""#,
                bearer("https://auth.docker.io/token", Some("registry.docker.io")),
            ),
            (r#"Basic realm="basic-realm""#, Challenge::Basic),
            ("Basic", Challenge::Basic),
            (
                r#"Basic realm="x", Bearer realm="https://a/t""#,
                bearer("https://a/t", None),
            ),
            (
                r#"Bearer  realm = "https://a/t" , service=b"#,
                bearer("https://a/t", Some("b")),
            ),
            (r#"bearer REALM="a\"b""#, bearer("a\"b", None)),
        ] {
            assert_eq!(Challenge::parse(header), Some(expected), "{header}");
        }
    }

    #[test]
    fn what_we_cannot_answer_is_none() {
        let long = format!("Bearer realm=\"{}\"", "a".repeat(9000));
        for header in [
            "",
            "Negotiate",
            "Bearer",
            r#"Bearer service="x""#,
            r#"Bearer realm="x"#,
            &long,
        ] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_the_parser_panic_or_hang(header in "(Bearer |Basic |realm=|\"|\\\\|,|=|é|[a-z ]){0,20}") {
            drop(Challenge::parse(&header));
        }
    }
}
