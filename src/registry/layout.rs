//! An OCI image layout on disk: `oci-layout`, `index.json`, `blobs/sha256/…`.
//!
//! Everything here blocks. Blobs are found only by their digest, so nothing outside
//! the folder can be named; every read is checked against digest and size.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::{
    blob_writer::BlobWriter,
    digest::Digest,
    error::Error,
    manifest::{Descriptor, Index, REF_NAME},
    media_type,
    verified::Verified,
};
use crate::file::write_atomically;

/// Largest manifest, config or `index.json` that is read (distribution's own bound).
pub(super) const DOCUMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long another process may hold `index.json`: it replaces one small file meanwhile.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(20);
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(10);

const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// A layout that exists.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Opens a layout to read it.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let not_a_layout = |source| Error::NotALayout {
            dir: dir.to_owned(),
            source,
        };
        let marker = read_small(&dir.join(MARKER)).map_err(not_a_layout)?;
        let marker: Marker =
            serde_json::from_slice(&marker).map_err(|error| not_a_layout(error.into()))?;
        if !marker.image_layout_version.starts_with("1.") {
            return Err(not_a_layout(io::Error::other(format!(
                "imageLayoutVersion is {:?}, not 1.0.0",
                marker.image_layout_version
            ))));
        }
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Opens a layout to write to it; makes it where there is none.
    ///
    /// A folder with other things in it is refused, so that a mistyped path does not
    /// fill a home directory. What killed writers left behind is removed.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        if !dir.join(MARKER).exists() {
            refuse_other_folders(dir)?;
            let was_there = dir.exists();
            Self::make(dir).inspect_err(|_| remove_empty(dir, was_there))?;
        }
        let layout = Self::open(dir)?;
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(Error::file("make", &blobs))?;
        BlobWriter::remove_abandoned(dir);
        Ok(layout)
    }

    fn make(dir: &Path) -> Result<(), Error> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(Error::file("make", &blobs))?;
        let layout = Self {
            dir: dir.to_owned(),
        };
        // Two processes may be making it at once: under the lock, the second one finds it made.
        let _lock = layout.lock()?;
        remove_half_written(dir);
        if !dir.join(INDEX).exists() {
            layout.write_index(&Index::new(Vec::new()))?;
        }
        let marker = dir.join(MARKER);
        write_atomically(&marker, br#"{"imageLayoutVersion":"1.0.0"}"#)
            .map_err(Error::file("write", &marker))
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the blob is or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// Whether a blob of this digest and size is there; its bytes are not read.
    pub fn has_blob(&self, digest: &Digest, size: u64) -> bool {
        fs::metadata(self.blob_path(digest))
            .is_ok_and(|found| found.is_file() && found.len() == size)
    }

    /// Starts a blob whose digest is not known yet.
    pub fn blob_writer(&self) -> Result<BlobWriter, Error> {
        BlobWriter::new(self)
    }

    /// Reads a blob; the reader's end is an error where digest or size are wrong.
    pub fn read_blob(&self, descriptor: &Descriptor) -> Result<Verified<File>, Error> {
        let file = self.open_blob(descriptor)?;
        Ok(Verified::new(file, descriptor.digest, descriptor.size))
    }

    /// The blob's file, its size checked and its bytes not.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File, Error> {
        let path = self.blob_path(&descriptor.digest);
        let what = || descriptor.digest.to_string();
        let found = match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Missing {
                    what: what(),
                    place: self.dir.display().to_string(),
                });
            }
            found => found.map_err(Error::file("read", &path))?,
        };
        // Opening a pipe or a device could block for ever.
        if !found.is_file() {
            let odd = io::Error::other("not a regular file");
            return Err(Error::file("read", &path)(odd));
        }
        if found.len() != descriptor.size {
            return Err(Error::WrongSize {
                what: what(),
                expected: descriptor.size,
                found: found.len(),
            });
        }
        File::open(&path).map_err(Error::file("read", &path))
    }

    /// Reads a manifest or config whole, checked.
    pub fn read_document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        if descriptor.size > DOCUMENT_BYTES_MAX {
            return Err(Error::TooLong {
                what: descriptor.digest.to_string(),
                limit: DOCUMENT_BYTES_MAX,
            });
        }
        let path = self.blob_path(&descriptor.digest);
        let file = self.open_blob(descriptor)?;
        let mut bytes = Vec::new();
        file.take(descriptor.size)
            .read_to_end(&mut bytes)
            .map_err(Error::file("read", &path))?;
        let found = Digest::of(&bytes);
        if found != descriptor.digest {
            return Err(Error::WrongDigest {
                what: path.display().to_string(),
                expected: descriptor.digest,
                found,
            });
        }
        Ok(bytes)
    }

    pub fn index(&self) -> Result<Index, Error> {
        let path = self.dir.join(INDEX);
        let bytes = read_small(&path).map_err(Error::file("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|source| Error::Malformed {
            what: path.display().to_string(),
            source,
        })
    }

    /// The manifest of a tag, of a digest, or with neither the only one there is.
    pub fn resolve(&self, what: Option<&str>) -> Result<Descriptor, Error> {
        let index = self.index()?;
        let Some(what) = what else {
            return match index.manifests.as_slice() {
                [only] => Ok(only.clone()),
                _ => Err(self.no_such_tag("single image; name one", &index)),
            };
        };
        let entry = match what.parse::<Digest>() {
            Ok(digest) => {
                let listed = index.manifests.iter().find(|entry| entry.digest == digest);
                match listed {
                    Some(entry) => return Ok(entry.clone()),
                    None => return self.describe(digest),
                }
            }
            Err(_) => index
                .manifests
                .iter()
                .find(|entry| entry.ref_name() == Some(what)),
        };
        entry
            .cloned()
            .ok_or_else(|| self.no_such_tag(&format!("tag {what}"), &index))
    }

    /// Stores a manifest and, with a tag, lists it: only now can others find it.
    pub fn put_manifest(
        &self,
        media_type: &str,
        bytes: &[u8],
        tag: Option<&str>,
    ) -> Result<Descriptor, Error> {
        let descriptor = Descriptor::of(media_type, bytes);
        if !self.has_blob(&descriptor.digest, descriptor.size) {
            let path = self.blob_path(&descriptor.digest);
            write_atomically(&path, bytes).map_err(Error::file("write", &path))?;
        }
        if let Some(tag) = tag {
            self.tag(tag, descriptor.clone())?;
        }
        Ok(descriptor)
    }

    /// Points `tag` at a manifest; another manifest loses the tag and its entry.
    fn tag(&self, tag: &str, mut descriptor: Descriptor) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut index = self.index()?;
        index
            .manifests
            .retain(|entry| entry.ref_name() != Some(tag));
        descriptor
            .annotations
            .insert(REF_NAME.to_owned(), tag.to_owned());
        index.manifests.push(descriptor);
        index
            .manifests
            .sort_by(|a, b| (a.ref_name(), a.digest).cmp(&(b.ref_name(), b.digest)));
        self.write_index(&index)
    }

    fn write_index(&self, index: &Index) -> Result<(), Error> {
        let path = self.dir.join(INDEX);
        let bytes = serde_json::to_vec(index).expect("an index has string keys only");
        write_atomically(&path, &bytes).map_err(Error::file("write", &path))
    }

    /// The folder itself carries the lock, so no lock file lies in what people copy.
    fn lock(&self) -> Result<File, Error> {
        let file = File::open(&self.dir).map_err(Error::file("open", &self.dir))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => {
                    return Err(Error::file("lock", &self.dir)(source));
                }
                Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_WAIT_MAX => {
                    return Err(Error::LayoutBusy {
                        dir: self.dir.clone(),
                        waited_s: LOCK_WAIT_MAX.as_secs(),
                    });
                }
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a blocking function on a blocking thread"
                )]
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_RETRY_INTERVAL),
            }
        }
    }

    /// A manifest that `index.json` does not list: a platform's, or an untagged one.
    fn describe(&self, digest: Digest) -> Result<Descriptor, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let path = self.blob_path(&digest);
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(_) => {
                return Err(Error::Missing {
                    what: digest.to_string(),
                    place: self.dir.display().to_string(),
                });
            }
        };
        let mut descriptor = Descriptor::new(media_type::IMAGE_MANIFEST, digest, size);
        let bytes = self.read_document(&descriptor)?;
        let typed: Typed = serde_json::from_slice(&bytes).map_err(|source| Error::Malformed {
            what: path.display().to_string(),
            source,
        })?;
        descriptor.media_type = match (typed.media_type, typed.manifests) {
            (Some(media_type), _) => media_type,
            (None, Some(_)) => media_type::IMAGE_INDEX.to_owned(),
            (None, None) => descriptor.media_type,
        };
        Ok(descriptor)
    }

    fn no_such_tag(&self, tag: &str, index: &Index) -> Error {
        let tags = index.manifests.iter().filter_map(Descriptor::ref_name);
        Error::NoSuchTag {
            dir: self.dir.clone(),
            tag: tag.to_owned(),
            tags: tags.map(str::to_owned).collect(),
        }
    }
}

/// Takes away the folders of a layout that could not be made; what is in one keeps it.
fn remove_empty(dir: &Path, was_there: bool) {
    drop(fs::remove_dir(dir.join("blobs/sha256")));
    drop(fs::remove_dir(dir.join("blobs")));
    if !was_there {
        drop(fs::remove_dir(dir));
    }
}

/// What `write_atomically` had not renamed yet when its process was killed.
fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(".tmp")
}

/// Called under the lock, before there is a marker: no living process is writing here.
fn remove_half_written(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if is_temporary(&entry.file_name()) {
            // One that stays is harmless: nothing reads it.
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn refuse_other_folders(dir: &Path) -> Result<(), Error> {
    let mut entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file("read", dir)(error)),
    };
    // An interrupted start leaves these; `Layout::create` goes on from there.
    let ours = |name: &std::ffi::OsStr| name == "blobs" || name == INDEX || is_temporary(name);
    let other = entries.find_map(|entry| {
        let name = entry.ok()?.file_name();
        (!ours(&name)).then_some(name)
    });
    match other {
        None => Ok(()),
        Some(name) => Err(Error::NotALayout {
            dir: dir.to_owned(),
            source: io::Error::other(format!("it holds {}", name.display())),
        }),
    }
}

/// Reads a file that must be a regular one of at most [`DOCUMENT_BYTES_MAX`].
fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let found = fs::metadata(path)?;
    if !found.is_file() || found.len() > DOCUMENT_BYTES_MAX {
        return Err(io::Error::other(format!(
            "{} is not a file of at most {DOCUMENT_BYTES_MAX} bytes",
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(DOCUMENT_BYTES_MAX)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
