//! Where a packed model lies: in a registry, or in an OCI image layout on disk.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    reference::{Reference, ReferenceError, is_tag},
};

/// `REGISTRY/REPOSITORY[:TAG][@DIGEST]` or `oci:DIR[:TAG][@DIGEST]`.
///
/// Unlike a bare [`Reference`] the registry must be named: `acme/chat` may be
/// meant as a folder as well as a repository on Docker Hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Location {
    Registry(Reference),
    Layout(LayoutPath),
}

/// A folder in OCI image layout, and what is meant inside it.
///
/// A word after the last `:` is the tag. Where a folder's own name ends in such
/// a word, a closing `:` says that there is no tag: `oci:./v1:2:`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayoutPath {
    dir: PathBuf,
    tag: Option<String>,
    digest: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("{0:?} names no registry: write docker.io/{0} for Docker Hub, or oci:{0} for a folder")]
    NoRegistry(String),
    #[error("{0:?} names no folder: write oci:DIR or oci:DIR:TAG")]
    NoFolder(String),
    #[error("{0:?} is not a tag: a tag is 1 to 128 of a-z, A-Z, 0-9, _, - and .")]
    Tag(String),
    #[error("{0:?} does not end in a digest: after @ comes sha256: and 64 hex digits")]
    Digest(String),
}

const LAYOUT_SCHEME: &str = "oci:";

impl Location {
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Registry(reference) => reference.tag(),
            Self::Layout(path) => path.tag(),
        }
    }

    pub fn digest(&self) -> Option<Digest> {
        match self {
            Self::Registry(reference) => reference.digest(),
            Self::Layout(path) => path.digest(),
        }
    }

    /// What `Store::get_manifest` is to be asked for: the digest if there is one, else the tag.
    pub fn wanted(&self) -> Option<String> {
        match self.digest() {
            Some(digest) => Some(digest.to_string()),
            None => self.tag().map(str::to_owned),
        }
    }

    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        match self {
            Self::Registry(reference) => Self::Registry(reference.with_digest(digest)),
            Self::Layout(path) => Self::Layout(LayoutPath {
                digest: Some(digest),
                ..path
            }),
        }
    }

    /// The same place under another tag, without a digest.
    pub fn with_tag(self, tag: &str) -> Result<Self, LocationError> {
        if !is_tag(tag) {
            return Err(LocationError::Tag(tag.to_owned()));
        }
        Ok(match self {
            Self::Registry(reference) => Self::Registry(reference.with_tag(tag)?),
            Self::Layout(path) => Self::Layout(LayoutPath {
                tag: Some(tag.to_owned()),
                digest: None,
                ..path
            }),
        })
    }

    /// The key of this image in `infer.lock`: no tag, no digest.
    #[must_use]
    pub fn without_tag(self) -> Self {
        match self {
            Self::Registry(reference) => Self::Registry(reference.without_tag()),
            Self::Layout(path) => Self::Layout(LayoutPath::new(path.dir)),
        }
    }
}

impl LayoutPath {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            tag: None,
            digest: None,
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        if let Some(path) = text.strip_prefix(LAYOUT_SCHEME) {
            return path.parse().map(Self::Layout);
        }
        if !Reference::names_registry(text) && !text.is_empty() {
            return Err(LocationError::NoRegistry(text.to_owned()));
        }
        Ok(Self::Registry(text.parse()?))
    }
}

impl FromStr for LayoutPath {
    type Err = LocationError;

    /// Reads what stands after `oci:`.
    fn from_str(text: &str) -> Result<Self, LocationError> {
        let (rest, digest) = match text.rsplit_once('@') {
            Some((rest, digest)) if digest.starts_with("sha256:") => {
                let digest = digest.parse();
                (
                    rest,
                    Some(digest.map_err(|_| LocationError::Digest(text.to_owned()))?),
                )
            }
            _ => (text, None),
        };
        let (dir, tag) = match rest.rsplit_once(':') {
            Some((dir, "")) => (dir, None),
            Some((dir, tag)) if is_tag(tag) => (dir, Some(tag.to_owned())),
            // A slash after the colon: the colon is part of the path.
            Some((_, path)) if path.contains('/') => (rest, None),
            Some((_, tag)) => return Err(LocationError::Tag(tag.to_owned())),
            None => (rest, None),
        };
        if dir.is_empty() {
            return Err(LocationError::NoFolder(format!("{LAYOUT_SCHEME}{text}")));
        }
        Ok(Self {
            dir: PathBuf::from(dir),
            tag,
            digest,
        })
    }
}

impl fmt::Display for LayoutPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display().to_string();
        write!(f, "{LAYOUT_SCHEME}{dir}")?;
        let last = dir.rsplit_once(':').map(|(_, last)| last);
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        } else if last.is_some_and(|last| !last.contains('/')) {
            write!(f, ":")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout(path) => path.fmt(f),
        }
    }
}

impl TryFrom<String> for Location {
    type Error = LocationError;

    fn try_from(text: String) -> Result<Self, LocationError> {
        text.parse()
    }
}

impl From<Location> for String {
    fn from(location: Location) -> Self {
        location.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layout(text: &str) -> (String, Option<String>) {
        match text.parse().unwrap() {
            Location::Layout(path) => (path.dir.display().to_string(), path.tag),
            Location::Registry(_) => panic!("{text} is a registry"),
        }
    }

    #[test]
    fn colons_in_paths_are_not_tags() {
        for (text, dir, tag) in [
            ("oci:image", "image", None),
            ("oci:./image:v1", "./image", Some("v1")),
            ("oci:/data/a:b/image", "/data/a:b/image", None),
            ("oci:/data/a:b/image:v1", "/data/a:b/image", Some("v1")),
            ("oci:./v1:2:", "./v1:2", None),
            ("oci:./v1:2:latest", "./v1:2", Some("latest")),
            ("oci:..", "..", None),
        ] {
            assert_eq!(
                layout(text),
                (dir.to_owned(), tag.map(str::to_owned)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_packed_image_as_printed_can_be_given_back() {
        let digest = Digest::of(b"");
        for text in ["oci:./image:v1", "oci:./v1:2:", "ghcr.io/acme/chat:7"] {
            let location: Location = text.parse().unwrap();
            let printed = location.clone().with_digest(digest).to_string();
            let back: Location = printed.parse().unwrap();
            assert_eq!(back.digest(), Some(digest));
            assert_eq!(back.wanted().unwrap(), digest.to_string());
            assert_eq!(back.tag(), location.tag());
            assert_eq!(back.without_tag(), location.without_tag());
        }
    }

    #[test]
    fn a_missing_registry_or_folder_is_said() {
        let error = "acme/chat".parse::<Location>().unwrap_err().to_string();
        assert!(error.contains("oci:acme/chat"), "{error}");
        for text in ["", "oci:", "oci::v1", "oci:a:é", "oci:a@sha256:1", "chat"] {
            assert!(text.parse::<Location>().is_err(), "{text}");
        }
        let path: Location = "oci:a".parse().unwrap();
        assert!(path.with_tag("-x").is_err());
    }

    proptest! {
        #[test]
        fn every_layout_reads_back_as_printed(
            dir in "[a-z./:@é ]{1,12}[a-z0-9]", tag in proptest::option::of("[a-z0-9][a-z.]{0,5}")
        ) {
            let path = LayoutPath { dir: dir.into(), tag, digest: None };
            let printed = Location::Layout(path.clone()).to_string();
            prop_assert_eq!(printed.parse::<Location>().unwrap(), Location::Layout(path));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}") {
            drop(text.parse::<Location>());
        }
    }
}
