//! What must survive the end of `infer serve`, as it lies on disk.

use std::{collections::BTreeSet, fs, io};

use serde::{Deserialize, Serialize};

use super::{
    Error, ReleasePaths,
    adopt::{Identity, Wanted},
    control::{Engine, SessionKey, Split},
};
use crate::{
    file,
    home::Home,
    name::{ReleaseName, VersionId},
};

/// Of the file; a later one that this code cannot read is refused, not guessed at.
pub(super) const FORMAT: u32 = 1;

/// Largest record that is read: hundreds of versions with long commands.
const RECORD_BYTES_MAX: u64 = 16 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format: u32,
    pub(super) release: ReleaseName,
    /// The gateway's, for good.
    pub(super) port: u16,
    pub(super) session: SessionKey,
    pub(super) split: Split,
    pub(super) versions: Vec<VersionRecord>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct VersionRecord {
    /// Without the values of its secrets.
    pub(super) engine: Engine,
    pub(super) secret_names: BTreeSet<String>,
    pub(super) wanted: Wanted,
    pub(super) run: Run,
    pub(super) restarts: u32,
    pub(super) last_exit: Option<String>,
}

/// One run of an engine's process.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Run {
    /// In the environment of the process; written down before it is started.
    pub(super) mark: Option<String>,
    /// Written down after it has started.
    pub(super) identity: Option<Identity>,
    pub(super) port: Option<u16>,
    pub(super) started_ms: Option<u64>,
    pub(super) ready_ms: Option<u64>,
}

impl Record {
    pub(super) fn new(release: &ReleaseName, port: u16) -> Self {
        Self {
            format: FORMAT,
            release: release.clone(),
            port,
            session: SessionKey::default(),
            split: Split::empty(),
            versions: Vec::new(),
        }
    }

    /// The record of a release; `None` where it has never been served.
    pub(super) fn load(paths: &ReleasePaths) -> Result<Option<Self>, Error> {
        let path = paths.record();
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(metadata) if metadata.len() > RECORD_BYTES_MAX => {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            Ok(_) => {}
        }
        let text = fs::read(&path).map_err(failed)?;
        let unreadable = |source| Error::Record {
            path: path.clone(),
            source,
        };
        let record: Self = serde_json::from_slice(&text).map_err(unreadable)?;
        if record.format == FORMAT {
            Ok(Some(record))
        } else {
            use serde::de::Error as _;
            let message = format!("format {} is not {FORMAT}", record.format);
            Err(unreadable(serde_json::Error::custom(message)))
        }
    }

    /// Replaces the record on disk; blocks until it is there.
    pub(super) fn save(&self, paths: &ReleasePaths) -> Result<(), Error> {
        let path = paths.record();
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        file::write_atomically(&path, &text).map_err(failed)
    }
}

/// The gateway ports that other releases have for good.
pub(super) fn ports_of_others(home: &Home, release: &ReleaseName) -> BTreeSet<u16> {
    let names = super::releases(home).unwrap_or_default();
    names
        .iter()
        .filter(|name| *name != release)
        // A record that cannot be read is its own release's trouble.
        .filter_map(|name| Record::load(&ReleasePaths::new(home, name)).ok()?)
        .map(|record| record.port)
        .collect()
}

impl VersionRecord {
    /// The record of a version that has not been started.
    pub(super) fn new(engine: &Engine, wanted: Wanted) -> Self {
        Self {
            engine: engine.without_secrets(),
            secret_names: engine.secret_env.keys().cloned().collect(),
            wanted,
            run: Run::default(),
            restarts: 0,
            last_exit: None,
        }
    }

    pub(super) fn version(&self) -> &VersionId {
        &self.engine.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(dir: &tempfile::TempDir) -> (Home, ReleasePaths) {
        let home = Home::below(dir.path());
        let paths = ReleasePaths::new(&home, &"chat".parse().unwrap());
        (home, paths)
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_none_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let (home, paths) = paths(&dir);
        assert_eq!(Record::load(&paths).unwrap(), None);
        let record = Record::new(&"chat".parse().unwrap(), 8083);
        record.save(&paths).unwrap();
        assert_eq!(Record::load(&paths).unwrap(), Some(record));
        let others = |name: &str| ports_of_others(&home, &name.parse().unwrap());
        assert_eq!(others("other"), BTreeSet::from([8083]));
        assert!(others("chat").is_empty());
    }

    #[test]
    fn a_record_of_a_later_format_or_half_a_record_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (_, paths) = paths(&dir);
        let mut record = Record::new(&"chat".parse().unwrap(), 8083);
        record.format = 2;
        record.save(&paths).unwrap();
        assert!(matches!(Record::load(&paths), Err(Error::Record { .. })));
        fs::write(paths.record(), "{\"format\": 1,").unwrap();
        assert!(matches!(Record::load(&paths), Err(Error::Record { .. })));
    }
}
