//! A blob on its way into a layout, hashed while it is written.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{digest::Digest, error::Error, layout::Layout};

const PREFIX: &str = ".infer-blob-";

/// Write, then [`finish`](Self::finish); dropped before that, nothing stays behind.
///
/// The temporary file lies in the layout, so that the last step is a rename, and is
/// locked while it is written, so that the files of killed writers are recognised.
pub struct BlobWriter {
    file: NamedTempFile,
    hasher: Sha256,
    size: u64,
    layout: Layout,
}

impl BlobWriter {
    pub(super) fn new(layout: &Layout) -> Result<Self, Error> {
        Ok(Self {
            file: locked_file(layout.dir()).map_err(Error::file("write to", layout.dir()))?,
            hasher: Sha256::new(),
            size: 0,
            layout: layout.clone(),
        })
    }

    /// The same for a blob whose digest is known; another one is not kept.
    pub fn finish_as(self, expected: &Digest) -> Result<(), Error> {
        let found = Digest::finish(self.hasher.clone());
        if found != *expected {
            return Err(Error::WrongDigest {
                what: "what was written".to_owned(),
                expected: *expected,
                found,
            });
        }
        self.finish().map(drop)
    }

    /// The digest of what was written so far.
    pub fn digest(&self) -> Digest {
        Digest::finish(self.hasher.clone())
    }

    /// Puts the blob in place, on disk before its name is; the same blob twice is not an error.
    pub fn finish(self) -> Result<(Digest, u64), Error> {
        let digest = Digest::finish(self.hasher);
        let path = self.layout.blob_path(&digest);
        if self.layout.has_blob(&digest, self.size) {
            return Ok((digest, self.size));
        }
        let failed = Error::file("write", &path);
        (|| {
            readable(self.file.as_file())?;
            self.file.as_file().sync_data()?;
            self.file.persist(&path)?;
            Ok(())
        })()
        .map_err(failed)?;
        Ok((digest, self.size))
    }

    /// Removes temporary files that no living process holds; failures are left for the next time.
    pub(super) fn remove_abandoned(dir: &Path) {
        let Ok(entries) = fs::read_dir(dir) else {
            return;
        };
        for entry in entries.flatten() {
            let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
                && entry.file_type().is_ok_and(|kind| kind.is_file());
            if ours && File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok()) {
                drop(fs::remove_file(entry.path()));
            }
        }
    }
}

fn locked_file(dir: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(dir)?;
        file.as_file().lock()?;
        // Between its making and its lock it looked abandoned; then it is gone.
        if file.path().exists() {
            return Ok(file);
        }
    }
}

/// Blobs are read by other users: a kubelet, a web server in front of the folder.
fn readable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
