//! A reference to something in a registry: `REGISTRY/REPOSITORY[:TAG][@DIGEST]`.
//!
//! Own parser rather than the client crate's: that one adds `:latest` where no tag
//! was written, takes any Unicode letter in a tag and compiles a large regular
//! expression first. A property test holds the two together where both are right.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// Docker Hub as people write it; see [`Reference::api_host`].
pub(super) const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_ALIASES: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Longest tag the distribution spec allows.
const TAG_LENGTH_MAX: usize = 128;
/// Longest `REGISTRY/REPOSITORY` that common registries take.
const NAME_LENGTH_MAX: usize = 255;

/// Canonical: Docker Hub is `docker.io` and its official images are in `library/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid image reference: {reason}")]
pub struct ReferenceError {
    text: String,
    reason: &'static str,
}

impl Reference {
    /// Host and port as written, Docker Hub as `docker.io`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    pub fn repository(&self) -> &str {
        &self.repository
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Host and port that serve the API: Docker Hub's differ from its name.
    pub fn api_host(&self) -> &str {
        if self.registry == DOCKER_HUB {
            "registry-1.docker.io"
        } else {
            &self.registry
        }
    }

    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// The same repository under another tag; fails where `tag` is not one.
    pub fn with_tag(mut self, tag: &str) -> Result<Self, ReferenceError> {
        if !is_tag(tag) {
            return Err(refuse(tag, BAD_TAG));
        }
        self.tag = Some(tag.to_owned());
        self.digest = None;
        Ok(self)
    }

    /// `REGISTRY/REPOSITORY` alone.
    #[must_use]
    pub fn without_tag(mut self) -> Self {
        self.tag = None;
        self.digest = None;
        self
    }

    /// Whether `text` starts with a registry's host, as `Location` demands.
    pub fn names_registry(text: &str) -> bool {
        split_registry(text).is_some()
    }
}

const BAD_TAG: &str = "a tag is 1 to 128 of a-z, A-Z, 0-9, _, - and ., not starting with - or .";

/// Whether `text` can be a tag.
pub(super) fn is_tag(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_LENGTH_MAX
        && text.starts_with(word)
        && text.chars().all(|c| word(c) || c == '-' || c == '.')
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let fail = |reason| refuse(text, reason);
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest.parse();
                (
                    rest,
                    Some(digest.map_err(|_| fail("after @ comes sha256: and 64 hex digits"))?),
                )
            }
            None => (text, None),
        };
        let (registry, rest) = match split_registry(rest) {
            Some((registry, rest)) => (registry, rest),
            None => (DOCKER_HUB, rest),
        };
        if !is_host(registry) {
            return Err(fail("the part before the first / is not a valid host name"));
        }
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) if is_tag(tag) => (path, Some(tag.to_owned())),
            Some(_) => return Err(fail(BAD_TAG)),
            None => (rest, None),
        };
        let registry = if DOCKER_HUB_ALIASES.contains(&registry) {
            DOCKER_HUB
        } else {
            registry
        };
        let official = registry == DOCKER_HUB && !path.contains('/');
        let repository = if official {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if !path.split('/').all(is_component) {
            return Err(fail(
                "a repository is lower-case words of a-z and 0-9, joined by /, -, . or _",
            ));
        }
        if registry.len() + 1 + repository.len() > NAME_LENGTH_MAX {
            return Err(fail(
                "registry and repository are over 255 characters together",
            ));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag,
            digest,
        })
    }
}

fn refuse(text: &str, reason: &'static str) -> ReferenceError {
    ReferenceError {
        text: text.to_owned(),
        reason,
    }
}

/// Docker's rule: the first part is a host if it could not be a name on Docker Hub.
fn split_registry(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = text.split_once('/')?;
    let host = first.contains(['.', ':']) || first == "localhost" || first != first.to_lowercase();
    host.then_some((first, rest))
}

/// A DNS name or an address (IPv6 in brackets), with an optional port.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_fine = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()
    });
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_fine = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        }),
    };
    port_fine && host_fine
}

/// One path component: words joined by `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_in_words =
        bytes.first().copied().is_some_and(word) && bytes.last().copied().is_some_and(word);
    let joints_fine = bytes.split(|byte| word(*byte)).all(|joint| {
        matches!(joint, b"" | b"." | b"_" | b"__") || joint.iter().all(|b| *b == b'-')
    });
    ends_in_words && joints_fine
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Reference {
    type Error = ReferenceError;

    fn try_from(text: String) -> Result<Self, ReferenceError> {
        text.parse()
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn parts(text: &str) -> (String, String, Option<String>) {
        let reference: Reference = text.parse().unwrap();
        (reference.registry, reference.repository, reference.tag)
    }

    #[test]
    fn registry_repository_and_tag_are_told_apart() {
        for (text, registry, repository, tag) in [
            ("ghcr.io/acme/chat:7", "ghcr.io", "acme/chat", Some("7")),
            ("localhost:5000/chat", "localhost:5000", "chat", None),
            ("localhost/chat", "localhost", "chat", None),
            ("[::1]:5000/chat:x", "[::1]:5000", "chat", Some("x")),
            ("[::1]/chat", "[::1]", "chat", None),
            ("10.0.0.1/a/b/c__d", "10.0.0.1", "a/b/c__d", None),
            ("Registry/chat", "Registry", "chat", None),
            ("chat", "docker.io", "library/chat", None),
            ("acme/chat:7", "docker.io", "acme/chat", Some("7")),
            ("index.docker.io/chat", "docker.io", "library/chat", None),
            ("registry-1.docker.io/a/b", "docker.io", "a/b", None),
        ] {
            let expected = (
                registry.to_owned(),
                repository.to_owned(),
                tag.map(str::to_owned),
            );
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn a_digest_stands_beside_the_tag() {
        let text = format!("ghcr.io/acme/chat:7@sha256:{HEX}");
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.digest().unwrap().hex(), HEX);
        assert_eq!(reference.tag(), Some("7"));
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.without_tag().to_string(), "ghcr.io/acme/chat");
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        let long = format!("ghcr.io/{}", "a".repeat(250));
        let long_tag = format!("ghcr.io/a:{}", "a".repeat(129));
        for text in [
            "",
            "/",
            "ghcr.io/",
            "ghcr.io/Acme",
            "ghcr.io/a//b",
            "ghcr.io/../etc",
            "ghcr.io/a:",
            "ghcr.io/a:b:c",
            "ghcr.io/a:-x",
            "ghcr.io/a:é",
            "ghcr.io/a@sha256:12",
            "ghcr.io/a@",
            "ghcr.io:99999/a",
            "ghcr.io:x/a",
            "-a.io/a",
            "a..io/a",
            "[::1/a",
            "[x]/a",
            "http://ghcr.io/a",
            "user@ghcr.io/a",
            "./image",
            "ghcr.io/a b",
            "ghcr.io/a-",
            "ghcr.io/a.-b",
            "ghcr.io/a___b",
            long.as_str(),
            long_tag.as_str(),
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    #[test]
    fn docker_hub_serves_its_api_elsewhere() {
        let hub: Reference = "acme/chat".parse().unwrap();
        assert_eq!(hub.api_host(), "registry-1.docker.io");
        assert!(!Reference::names_registry("acme/chat"));
        assert!(Reference::names_registry("ghcr.io/acme/chat"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(
            text in "[a-z0-9]{1,8}\\.io(:[1-9][0-9]{0,3})?/[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?(/[a-z0-9]{1,5}){0,3}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,8})?"
        ) {
            let reference: Reference = text.parse().unwrap();
            prop_assert_eq!(reference.to_string().parse::<Reference>().unwrap(), reference);
        }

        #[test]
        fn we_agree_with_the_client_crate(
            text in "[a-z0-9:@./_-]{1,24}"
        ) {
            let theirs: Result<oci_distribution::Reference, _> = text.parse();
            // An upper-case first part is a host to Docker and to us, not to it.
            if let Ok(ours) = text.parse::<Reference>() {
                let theirs = theirs.unwrap();
                prop_assert_eq!(ours.repository(), theirs.repository());
            }
        }
    }
}
