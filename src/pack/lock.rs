//! `infer.lock`: what was packed, so that exactly this runs. No time, no path of a machine.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::{
    file::write_atomically,
    model,
    registry::{Digest, LayoutPath, Location},
};

/// The file's name beside `infer.yaml`.
pub const FILE_NAME: &str = "infer.lock";

const VERSION: u64 = 1;

/// Larger is no lock file.
const LOCK_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u64,
    /// By image without tag and digest; see [`key`].
    #[serde(default)]
    models: BTreeMap<String, Entry>,
}

/// What one image was packed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modelpack: Option<Digest>,
    pub layers: Vec<LockedLayer>,
    pub source: LockedSource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedLayer {
    pub digest: Digest,
    pub bytes: u64,
}

/// Where the weights came from; a folder has neither repository nor revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedSource {
    pub kind: SourceKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    Directory,
    HuggingFace,
    Gguf,
}

impl From<&model::Kind> for LockedSource {
    fn from(kind: &model::Kind) -> Self {
        let (kind, repo, revision) = match kind {
            model::Kind::Directory => (SourceKind::Directory, None, None),
            model::Kind::Gguf => (SourceKind::Gguf, None, None),
            model::Kind::HuggingFace { repo, revision } => (
                SourceKind::HuggingFace,
                Some(repo.clone()),
                Some(revision.clone()),
            ),
        };
        Self {
            kind,
            repo,
            revision,
        }
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            version: VERSION,
            models: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// A file that cannot be read, is no lock file, or is of a later version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Ok(found) if found.len() > LOCK_BYTES_MAX => {
                let odd = io::Error::other("it is too long for a lock file");
                return Err(Error::file("read", path)(odd));
            }
            Ok(_) | Err(_) => {}
        }
        let text = fs::read(path).map_err(Error::file("read", path))?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u64,
        }
        let malformed = |source| Error::Lock {
            path: path.to_owned(),
            source,
        };
        let versioned: Versioned = serde_json::from_slice(text).map_err(malformed)?;
        if versioned.version != VERSION {
            return Err(Error::LockVersion {
                path: path.to_owned(),
                found: versioned.version,
                known: VERSION,
            });
        }
        serde_json::from_slice(text).map_err(malformed)
    }

    /// What `image` was packed to, whatever its tag.
    pub fn get(&self, image: &Location) -> Option<&Entry> {
        self.models.get(&key(image))
    }

    /// Replaces the entry of `image`, keeps all others.
    pub fn set(&mut self, image: &Location, entry: Entry) {
        self.models.insert(key(image), entry);
    }

    /// Writes the file in one step, unless it says the same already.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let malformed = |source| Error::Lock {
            path: path.to_owned(),
            source,
        };
        let mut text = serde_json::to_vec_pretty(self).map_err(malformed)?;
        text.push(b'\n');
        if fs::read(path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        write_atomically(path, &text).map_err(Error::file("write", path))
    }
}

/// The image without tag and digest; a layout's folder without `./`, so that
/// `oci:image` and `oci:./image/` are the same.
pub fn key(image: &Location) -> String {
    match image.clone().without_tag() {
        Location::Layout(layout) => {
            let clean: std::path::PathBuf = layout
                .dir()
                .components()
                .skip_while(|part| matches!(part, std::path::Component::CurDir))
                .collect();
            Location::Layout(LayoutPath::new(clean)).to_string()
        }
        registry @ Location::Registry(_) => registry.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &[u8]) -> Entry {
        Entry {
            digest: Digest::of(text),
            modelpack: None,
            layers: vec![LockedLayer {
                digest: Digest::of(b"layer"),
                bytes: 10240,
            }],
            source: LockedSource::from(&model::Kind::Directory),
        }
    }

    fn place(text: &str) -> Location {
        text.parse().unwrap()
    }

    #[test]
    fn entries_of_other_images_stay_and_a_tag_does_not_matter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE_NAME);
        let mut lock = Lock::read(&path).unwrap();
        lock.set(&place("example.com/acme/chat:v1"), entry(b"1"));
        lock.write(&path).unwrap();
        let mut lock = Lock::read(&path).unwrap();
        lock.set(&place("oci:./image"), entry(b"2"));
        lock.write(&path).unwrap();
        let lock = Lock::read(&path).unwrap();
        assert_eq!(
            lock.get(&place("example.com/acme/chat:v2")),
            Some(&entry(b"1"))
        );
        assert_eq!(lock.get(&place("oci:image:tag")), Some(&entry(b"2")));
        assert_eq!(lock.get(&place("oci:other")), None);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""kind": "directory""#), "{text}");
    }

    #[test]
    fn a_later_version_and_wrong_text_are_told_apart() {
        let read = |text: &[u8]| Lock::parse(Path::new(FILE_NAME), text).unwrap_err();
        assert!(matches!(
            read(br#"{"version":2,"new":{}}"#),
            Error::LockVersion { found: 2, .. }
        ));
        assert!(matches!(read(b"models: {}"), Error::Lock { .. }));
        assert!(matches!(
            read(br#"{"version":1,"modles":{}}"#),
            Error::Lock { .. }
        ));
    }
}
