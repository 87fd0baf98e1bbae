//! What can go wrong between us and a store, and the way out.

use std::{io, path::PathBuf};

use super::{digest::Digest, refusal::Refusal};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is not an OCI image layout", dir.display())]
    NotALayout { dir: PathBuf, source: io::Error },
    #[error("{} has no {tag}", dir.display())]
    NoSuchTag {
        dir: PathBuf,
        tag: String,
        /// Tags that are there.
        tags: Vec<String>,
    },
    #[error("{image} names no tag and no digest")]
    NoTag { image: String, tags: Vec<String> },
    #[error("{what} is not in {place}")]
    Missing { what: String, place: String },
    #[error("cannot {act} {}", path.display())]
    File {
        act: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{} is locked by another process for over {waited_s} s", dir.display())]
    LayoutBusy { dir: PathBuf, waited_s: u64 },
    #[error("{what} has digest {found}, not {expected}")]
    WrongDigest {
        what: String,
        expected: Digest,
        found: Digest,
    },
    #[error("{what} has {found} bytes, not {expected}")]
    WrongSize {
        what: String,
        expected: u64,
        found: u64,
    },
    #[error("{what} is over {limit} bytes, the most that is read of it")]
    TooLong { what: String, limit: u64 },
    #[error("cannot read {what}")]
    Broken { what: String, source: io::Error },
    #[error("cannot read the source of {digest}")]
    Source { digest: Digest, source: io::Error },
    #[error("{what} is not understood")]
    Malformed {
        what: String,
        source: serde_json::Error,
    },
    #[error("{registry} refused to {act}")]
    Refused {
        registry: String,
        act: String,
        source: Refusal,
    },
    #[error("cannot reach {registry} to {act}")]
    Unreachable {
        registry: String,
        act: String,
        source: reqwest::Error,
    },
    #[error("{registry} was silent for {waited_s} s when asked to {act}")]
    Silent {
        registry: String,
        act: String,
        waited_s: u64,
    },
    #[error("{registry} broke the registry protocol: {why}")]
    Protocol { registry: String, why: String },
    #[error("cannot log in to {registry}: {why}")]
    Login { registry: String, why: String },
    #[error("{option} cannot be used: {why}")]
    Option { option: &'static str, why: String },
    #[error("{registry} takes no such image: {why}")]
    Limit {
        registry: String,
        why: String,
        way_out: String,
    },
}

/// The most tags a hint lists.
const TAGS_LISTED_MAX: usize = 8;

impl Error {
    /// What the user can do about it; empty where nothing better than the message is known.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NotALayout { dir, .. } => vec![format!(
                "`infer pack MODEL --to oci:{}` makes one",
                dir.display()
            )],
            Self::NoSuchTag { tags, .. } | Self::NoTag { tags, .. } if tags.is_empty() => {
                Vec::new()
            }
            Self::NoSuchTag { tags, .. } | Self::NoTag { tags, .. } => {
                let mut listed = tags.clone();
                listed.truncate(TAGS_LISTED_MAX);
                vec![format!("it has {}", listed.join(", "))]
            }
            Self::WrongDigest { .. } | Self::WrongSize { .. } => vec![
                "the copy is damaged: pack or pull it again, or restore it from the original"
                    .to_owned(),
            ],
            Self::Refused {
                registry, source, ..
            } => source.hints(registry),
            Self::Unreachable {
                registry, source, ..
            } => super::refusal::connection_hints(registry, source),
            Self::Silent { registry, .. } => {
                vec![format!(
                    "check that {registry} is a registry, and that it is well"
                )]
            }
            Self::Login { registry, .. } => vec![super::refusal::login_hint(registry)],
            Self::Limit { way_out, .. } => vec![way_out.clone()],
            Self::Missing { .. }
            | Self::File { .. }
            | Self::LayoutBusy { .. }
            | Self::TooLong { .. }
            | Self::Broken { .. }
            | Self::Source { .. }
            | Self::Malformed { .. }
            | Self::Protocol { .. }
            | Self::Option { .. } => Vec::new(),
        }
    }

    /// Makes an `Error::File` of an `io::Error`.
    pub(super) fn file(
        act: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { act, path, source }
    }
}
