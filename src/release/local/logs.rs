//! The logs of a local release's engines.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use super::store;
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{self, Client, ReleasePaths},
    name::{ReleaseName, VersionId},
    release::{error::Error, logs::Wanted},
};

/// How often a followed log is looked at.
const FOLLOW_POLL: Duration = Duration::from_millis(200);

/// Longest part of a line that is shown; an engine may write binary.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Calls `on_line(version, line)` for what was written, and for what still comes if followed.
pub async fn logs(
    home: &Home,
    release: &ReleaseName,
    wanted: &Wanted,
    on_line: &(dyn Fn(&str, &str) + Sync),
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let mut followed = Vec::new();
    for version in versions(home, release, wanted).await? {
        let mut log = Log::open(
            ReleasePaths::new(home, release).engine_log(&version),
            &version,
        )?;
        log.last(wanted.tail, on_line)?;
        followed.push(log);
    }
    while wanted.follow && !interrupt.signals().any() {
        for log in &mut followed {
            log.more(on_line)?;
        }
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_POLL) => {}
            _ = interrupt.any() => {}
        }
    }
    Ok(())
}

async fn versions(
    home: &Home,
    release: &ReleaseName,
    wanted: &Wanted,
) -> Result<Vec<VersionId>, Error> {
    let record = store::read(home, release)?.record;
    if let Some(version) = &wanted.version {
        return match record.find(version) {
            Some(known) => Ok(vec![known.version.clone()]),
            None => Err(Error::UnknownVersion {
                release: release.clone(),
                version: version.clone(),
            }),
        };
    }
    let split = match Client::connect(home, release).await {
        Ok(client) => Some(client.state().await?.split),
        Err(local::Error::NotRunning { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let versions: Vec<_> = match split {
        Some(split) => split.live.into_iter().chain(split.candidate).collect(),
        None => record
            .live()
            .map(|live| live.version.clone())
            .into_iter()
            .collect(),
    };
    if versions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    Ok(versions)
}

/// One engine's log, read up to some point.
struct Log {
    path: PathBuf,
    version: String,
    file: BufReader<File>,
    /// A line whose end has not been written yet.
    part: Vec<u8>,
}

impl Log {
    fn open(path: PathBuf, version: &VersionId) -> Result<Self, Error> {
        let file = File::open(&path).map_err(|source| Error::File {
            act: "read",
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            version: version.to_string(),
            file: BufReader::new(file),
            part: Vec::new(),
        })
    }

    fn last(&mut self, count: usize, on_line: &(dyn Fn(&str, &str) + Sync)) -> Result<(), Error> {
        let mut last = VecDeque::new();
        while let Some(line) = self.line()? {
            last.push_back(line);
            if last.len() > count {
                last.pop_front();
            }
        }
        for line in &last {
            on_line(&self.version, line);
        }
        Ok(())
    }

    fn more(&mut self, on_line: &(dyn Fn(&str, &str) + Sync)) -> Result<(), Error> {
        while let Some(line) = self.line()? {
            on_line(&self.version, &line);
        }
        self.reopen_if_replaced()
            .map_err(|source| self.failed(source))
    }

    /// The next whole line, or `None` until more is written.
    fn line(&mut self) -> Result<Option<String>, Error> {
        let room = LINE_BYTES_MAX.saturating_sub(self.part.len() as u64).max(1);
        let read = (&mut self.file)
            .take(room)
            .read_until(b'\n', &mut self.part);
        read.map_err(|source| self.failed(source))?;
        let whole = self.part.last() == Some(&b'\n') || self.part.len() as u64 >= LINE_BYTES_MAX;
        if !whole {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&self.part)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        self.part.clear();
        Ok(Some(line))
    }

    /// A log that was trimmed starts anew; one that was rotated is another file.
    fn reopen_if_replaced(&mut self) -> io::Result<()> {
        let Ok(named) = std::fs::metadata(&self.path) else {
            return Ok(());
        };
        let open = self.file.get_ref().metadata()?;
        if named.ino() != open.ino() {
            self.file = BufReader::new(File::open(&self.path)?);
        } else if self.file.stream_position()? > open.len() {
            self.file.seek(SeekFrom::Start(0))?;
        }
        Ok(())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::File {
            act: "read",
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::Mutex};

    use super::*;

    #[test]
    fn a_log_is_followed_over_part_lines_and_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut file = File::create(&path).unwrap();
        writeln!(file, "one\ntwo\nthree").unwrap();
        let version: VersionId = "v000000001".parse().unwrap();
        let mut log = Log::open(path.clone(), &version).unwrap();
        let seen = Mutex::new(Vec::new());
        let on_line = |_: &str, line: &str| seen.lock().unwrap().push(line.to_owned());
        log.last(2, &on_line).unwrap();
        write!(file, "fo").unwrap();
        log.more(&on_line).unwrap();
        writeln!(file, "ur").unwrap();
        log.more(&on_line).unwrap();
        std::fs::rename(&path, dir.path().join("log.1")).unwrap();
        std::fs::write(&path, "five\n").unwrap();
        log.more(&on_line).unwrap();
        log.more(&on_line).unwrap();
        assert_eq!(*seen.lock().unwrap(), ["two", "three", "four", "five"]);
    }
}
