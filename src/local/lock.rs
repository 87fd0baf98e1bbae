//! The operator lock: one verb at a time changes a release.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::{Error, ReleasePaths};
use crate::{clock, file::write_atomically, home::Home, name::ReleaseName};

/// The verb that holds a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// `deploy`, `canary`, `rollback`, `delete`.
    pub verb: String,
    /// `user@host`.
    pub who: String,
    pub run_id: String,
    pub pid: u32,
    /// Unix time.
    pub since_ms: u64,
}

impl Holder {
    /// This process, from now on.
    pub fn here(verb: &str, run_id: &str) -> Self {
        let user = ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
            .unwrap_or_else(|| rustix::process::getuid().as_raw().to_string());
        let system = rustix::system::uname();
        Self {
            verb: verb.to_owned(),
            who: format!("{user}@{}", system.nodename().to_string_lossy()),
            run_id: run_id.to_owned(),
            pid: std::process::id(),
            since_ms: clock::now_ms(),
        }
    }
}

impl std::fmt::Display for Holder {
    /// `user@host/run-id`, as the holder of a Lease too.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.who, self.run_id)
    }
}

/// The lock on a release; it ends when it is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    /// Where what the holder means to do is written, until a run ends well.
    intent: PathBuf,
    unfinished: Option<String>,
}

impl Lock {
    /// What an earlier run meant to do and was cut off in.
    pub fn unfinished(&self) -> Option<&str> {
        self.unfinished.as_deref()
    }

    /// Writes down what this run means to do, before it does anything of it.
    pub fn intend(&self, intent: &str) -> Result<(), Error> {
        let written = write_atomically(&self.intent, intent.as_bytes());
        written.map_err(|source| Error::File {
            path: self.intent.clone(),
            source,
        })
    }

    /// Gives the lock back; what the run meant to do is forgotten where it is `done`.
    pub fn release(self, done: bool) {
        if done {
            drop(std::fs::remove_file(&self.intent));
        }
    }
}

impl Drop for Lock {
    /// An empty file tells readers that it is free without their trying the lock.
    fn drop(&mut self) {
        drop(self.file.set_len(0));
    }
}

/// Tries for a lock whose holder is dead and which another process is probing right now.
const STALE_TRIES_MAX: u32 = 1000;

/// Largest lock file that is read; one holder is a few hundred bytes.
const LOCK_FILE_BYTES_MAX: u64 = 4096;

/// Takes the release for `holder`; [`Error::Held`] names the verb that has it.
pub fn lock(home: &Home, release: &ReleaseName, holder: &Holder) -> Result<Lock, Error> {
    let paths = ReleasePaths::new(home, release);
    paths.make().map_err(|source| Error::File {
        path: paths.folder().to_owned(),
        source,
    })?;
    hold(&paths.operator_lock(), holder)?
        .map_err(|held| Error::Held {
            release: release.clone(),
            holder: held.map(Box::new),
        })
        .map(|file| {
            let intent = paths.folder().join("intent");
            let unfinished = std::fs::read_to_string(&intent).ok();
            Lock {
                file,
                intent,
                unfinished,
            }
        })
}

/// The verb that holds the release now; does not take the lock.
pub fn holder(home: &Home, release: &ReleaseName) -> Result<Option<Holder>, Error> {
    peek(&ReleasePaths::new(home, release).operator_lock())
}

/// Locks `path` and writes `holder` into it; `Ok(Err(…))` where another process has it.
pub(super) fn hold(path: &Path, holder: &Holder) -> Result<Result<File, Option<Holder>>, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let mut tries = 0;
    loop {
        let mut file = open(path).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = read(&file).map_err(failed)?;
                if tries < STALE_TRIES_MAX && holder.as_ref().is_none_or(|held| !is_alive(held)) {
                    tries += 1;
                    std::thread::yield_now();
                    continue;
                }
                return Ok(Err(holder));
            }
            Err(error) => return Err(failed(error.into())),
        }
        // Its folder may have been deleted between the opening and the locking.
        if is_still_at(&file, path) {
            write(&mut file, holder).map_err(failed)?;
            return Ok(Ok(file));
        }
    }
}

/// The holder of the lock at `path`, if there is one.
pub(super) fn peek(path: &Path) -> Result<Option<Holder>, Error> {
    let failed = |source| Error::File {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // Probing takes the lock for a moment and could refuse an operator, so only a lock whose file
    // still names a holder is probed.
    if file.metadata().map_err(failed)?.len() == 0 {
        return Ok(None);
    }
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => read(&file).map_err(failed),
        Err(error) => Err(failed(error.into())),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn is_alive(holder: &Holder) -> bool {
    i32::try_from(holder.pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(held), Ok(named)) => held.ino() == named.ino() && held.dev() == named.dev(),
        _ => false,
    }
}

/// `None` where the holder has the lock but has not yet written its name.
fn read(file: &File) -> io::Result<Option<Holder>> {
    let mut text = Vec::new();
    file.take(LOCK_FILE_BYTES_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).ok())
}

fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder).map_err(io::Error::other)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_operator_is_told_who_and_since_when() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(dir.path());
        let release = "chat".parse().unwrap();
        let first = Holder::here("canary", "run-1");
        let held = lock(&home, &release, &first).unwrap();
        let refused = lock(&home, &release, &Holder::here("deploy", "run-2")).unwrap_err();
        let Error::Held { holder: who, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(who.as_deref(), Some(&first));
        assert_eq!(holder(&home, &release).unwrap(), Some(first));
        drop(held);
        assert_eq!(holder(&home, &release).unwrap(), None);
        lock(&home, &release, &Holder::here("deploy", "run-2")).unwrap();
    }

    #[test]
    fn what_a_run_meant_to_do_is_known_until_one_has_done_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(dir.path());
        let release = "chat".parse().unwrap();
        let take = || lock(&home, &release, &Holder::here("rollback", "run-1")).unwrap();
        let cut_off = take();
        cut_off.intend("rollback v1").unwrap();
        drop(cut_off);
        let failed = take();
        assert_eq!(failed.unfinished(), Some("rollback v1"));
        failed.release(false);
        take().release(true);
        assert_eq!(take().unfinished(), None);
    }

    #[test]
    fn a_lock_whose_folder_was_deleted_is_taken_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::below(dir.path());
        let release = "chat".parse().unwrap();
        let old = lock(&home, &release, &Holder::here("delete", "run-1")).unwrap();
        std::fs::remove_dir_all(home.state.join("chat")).unwrap();
        lock(&home, &release, &Holder::here("deploy", "run-2")).unwrap();
        drop(old);
    }
}
