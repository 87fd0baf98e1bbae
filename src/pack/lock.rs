//! `infer.lock`: what was packed, so that exactly this runs. No time, no path of a machine.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

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

/// A larger file is not a lock file.
const LOCK_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u64,
    /// The file's folder, from which relative layouts are seen.
    #[serde(skip)]
    folder: PathBuf,
    /// By image without tag and digest.
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
            folder: PathBuf::new(),
            models: BTreeMap::new(),
        }
    }
}

impl Lock {
    /// Reads the file; one that is not there is empty.
    ///
    /// # Errors
    /// A file that cannot be read, is not a lock file, or is of a later version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let absolute = std::path::absolute(path).map_err(Error::file("find", path))?;
        let folder = absolute.parent().map(Path::to_owned).unwrap_or_default();
        let lock = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Ok(found) if found.len() > LOCK_BYTES_MAX => {
                let odd = io::Error::other("it is too long for a lock file");
                return Err(Error::file("read", path)(odd));
            }
            Ok(_) | Err(_) => {
                let text = fs::read(path).map_err(Error::file("read", path))?;
                Self::parse(path, &text)?
            }
        };
        Ok(Self { folder, ..lock })
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
        self.models.get(&self.key(image))
    }

    /// Replaces the entry of `image`, keeps all others.
    pub fn set(&mut self, image: &Location, entry: Entry) {
        let key = self.key(image);
        self.models.insert(key, entry);
    }

    /// Writes the file in one step, unless it has the same content already.
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

    /// The image without tag and digest; a layout's folder as seen from the lock file,
    /// so that `oci:image`, `oci:./image/` and the same folder in full are one.
    fn key(&self, image: &Location) -> String {
        match image.clone().without_tag() {
            Location::Layout(layout) => {
                let dir = relative(&self.folder, layout.dir());
                Location::Layout(LayoutPath::new(dir)).to_string()
            }
            registry @ Location::Registry(_) => registry.to_string(),
        }
    }
}

/// `to` as seen from `folder`, by their names alone; in full where they share nothing.
fn relative(folder: &Path, to: &Path) -> PathBuf {
    let (from, to) = (clean(folder), clean(&folder.join(to)));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    // The root alone is shared by everything.
    if shared < 2 {
        return to.iter().collect();
    }
    let up = std::iter::repeat_n(OsString::from(".."), from.len() - shared);
    let path: PathBuf = up.chain(to[shared..].iter().cloned()).collect();
    if path.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        path
    }
}

fn clean(path: &Path) -> Vec<OsString> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.len() > 1 => {
                parts.pop();
            }
            other => parts.push(other.as_os_str().to_owned()),
        }
    }
    parts
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
        let full = format!("oci:{}/image/", dir.path().display());
        assert_eq!(lock.get(&place(&full)), Some(&entry(b"2")));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""kind": "directory""#), "{text}");
    }

    #[test]
    fn a_layout_is_named_as_seen_from_the_lock_file() {
        for (to, seen) in [
            ("/work/chat/image", "image"),
            ("./image/", "image"),
            ("../image", "../image"),
            ("/work/image", "../image"),
            ("/elsewhere/image", "/elsewhere/image"),
            ("/work/chat", "."),
        ] {
            let path = relative(Path::new("/work/chat"), Path::new(to));
            assert_eq!(path, Path::new(seen), "{to}");
        }
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
