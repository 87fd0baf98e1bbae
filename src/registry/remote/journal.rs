//! Uploads that are under way, remembered so that a killed push goes on where it was.
//!
//! One small file a blob and repository. It is locked while its upload runs, so two
//! pushes never write into one session.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::session::Session;
use crate::registry::{digest::Digest, reference::Reference};

/// Registries forget sessions after a week at most (distribution's purge).
const AGE_MAX: Duration = Duration::from_hours(7 * 24);
/// Largest entry that is read: a URL and two numbers.
const ENTRY_BYTES_MAX: u64 = 64 * 1024;

/// One upload's entry, held until it is dropped.
pub(super) struct Entry {
    file: File,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Written {
    location: String,
    offset: u64,
    chunk_bytes_min: u64,
    at_s: i64,
}

impl Entry {
    /// Opens the entry of a blob; `None` where another push holds it.
    ///
    /// The folder is for its owner alone: session URLs can carry signed rights.
    pub(super) fn open(
        folder: &Path,
        repository: &Reference,
        digest: &Digest,
    ) -> io::Result<Option<Self>> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let key = Digest::of(format!("{repository}@{digest}").as_bytes());
        let path = folder.join(key.hex());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { file, path })),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the sessions that no push has resumed; failures are left for the next time.
    pub(super) fn sweep(folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let modified = entry.metadata().and_then(|found| found.modified());
            let age = modified.ok().and_then(|time| time.elapsed().ok());
            let held = || File::open(entry.path()).is_ok_and(|file| file.try_lock().is_err());
            if age.is_some_and(|age| age > AGE_MAX) && !held() {
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// The session an earlier run left; anything torn, old or foreign is none.
    pub(super) fn left(&mut self, now: jiff::Timestamp) -> Option<Session> {
        let mut text = Vec::new();
        (&self.file)
            .take(ENTRY_BYTES_MAX)
            .read_to_end(&mut text)
            .ok()?;
        let written: Written = serde_json::from_slice(&text).ok()?;
        let age_s = now.as_second().checked_sub(written.at_s)?;
        let young = u64::try_from(age_s).is_ok_and(|age_s| age_s <= AGE_MAX.as_secs());
        young.then_some(())?;
        Some(Session {
            location: written.location.parse().ok()?,
            offset: written.offset,
            chunk_bytes_min: written.chunk_bytes_min,
        })
    }

    /// Notes how far a session has come. Written in place: torn by a kill, it is not read.
    pub(super) fn note(&mut self, session: &Session, now: jiff::Timestamp) -> io::Result<()> {
        let written = Written {
            location: session.location.to_string(),
            offset: session.offset,
            chunk_bytes_min: session.chunk_bytes_min,
            at_s: now.as_second(),
        };
        let text = serde_json::to_vec(&written)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&text)?;
        self.file.set_len(text.len() as u64)
    }

    /// The upload is over, whichever way.
    pub(super) fn forget(self) {
        // What stays is young enough to be tried once more, and then refused.
        drop(fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(folder: &Path) -> Option<Entry> {
        let repository = "r.example/a".parse().unwrap();
        Entry::open(folder, &repository, &Digest::of(b"")).unwrap()
    }

    fn session(offset: u64) -> Session {
        Session {
            location: "https://r.example/v2/a/blobs/uploads/7?_state=x"
                .parse()
                .unwrap(),
            offset,
            chunk_bytes_min: 0,
        }
    }

    #[test]
    fn a_session_outlives_its_process_and_is_forgotten_when_done() {
        let dir = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now();
        let mut entry = open(dir.path()).unwrap();
        assert_eq!(entry.left(now), None);
        entry.note(&session(1_000_000), now).unwrap();
        entry.note(&session(64), now).unwrap();
        assert!(open(dir.path()).is_none(), "held by the running push");
        drop(entry);
        let mut entry = open(dir.path()).unwrap();
        assert_eq!(entry.left(now), Some(session(64)));
        entry.forget();
        assert_eq!(open(dir.path()).unwrap().left(now), None);
    }

    #[test]
    fn old_and_torn_entries_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let now = jiff::Timestamp::now();
        let mut entry = open(dir.path()).unwrap();
        let week = jiff::SignedDuration::from_hours(24 * 8);
        entry.note(&session(64), now - week).unwrap();
        drop(entry);
        assert_eq!(open(dir.path()).unwrap().left(now), None);
        let path = fs::read_dir(dir.path())
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        Entry::sweep(dir.path());
        assert!(path.exists(), "young by its file");
        fs::write(&path, br#"{"location":"https://r.exa"#).unwrap();
        assert_eq!(open(dir.path()).unwrap().left(now), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - 2 * AGE_MAX)
            .unwrap();
        Entry::sweep(dir.path());
        assert!(!path.exists());
    }
}
