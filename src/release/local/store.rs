//! The history of a local release, beside the state of its `infer serve`.

use std::{collections::BTreeMap, env, fs, io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    file::write_atomically,
    home::Home,
    local::{Engine, ReleasePaths},
    name::{ReleaseName, VersionId},
    release::{
        Error,
        record::{Record, Revision},
    },
};

/// All it takes to bring a version of a local release up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionSpec {
    /// Without the values of its secrets.
    pub engine: Engine,
    /// Secret of the engine → the caller's environment variable its value is in.
    pub secrets: BTreeMap<String, String>,
}

impl RevisionSpec {
    /// The engine with its secrets, which the caller's environment must hold again.
    pub fn engine(&self) -> Result<Engine, Error> {
        let mut engine = self.engine.clone();
        for (name, variable) in &self.secrets {
            let value = env::var(variable).map_err(|_| Error::NoSecret {
                name: name.clone(),
                variable: variable.clone(),
            })?;
            engine.secret_env.insert(name.clone(), value);
        }
        Ok(engine)
    }
}

/// Largest record that is read: some hundred revisions of a few kB.
const RECORD_BYTES_MAX: u64 = 16 << 20;

fn path(home: &Home, release: &ReleaseName) -> PathBuf {
    ReleasePaths::new(home, release)
        .folder()
        .join("record.json")
}

/// The record of a release on this machine, and how each of its versions is started.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    #[serde(flatten)]
    pub record: Record,
    /// By version.
    pub specs: BTreeMap<VersionId, RevisionSpec>,
}

/// Reads the record; an empty one where the release is new.
pub fn read(home: &Home, release: &ReleaseName) -> Result<Stored, Error> {
    let path = path(home, release);
    let failed = |source| Error::File {
        act: "read",
        path: path.clone(),
        source,
    };
    let size = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stored::default()),
        Err(error) => return Err(failed(error)),
    };
    if size > RECORD_BYTES_MAX {
        return Err(failed(io::Error::other("it is too large to be a record")));
    }
    let text = fs::read(&path).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| failed(error.into()))
}

/// Replaces the record in one step; specs of versions that it does not know go.
pub fn write(home: &Home, release: &ReleaseName, stored: &Stored) -> Result<(), Error> {
    let path = path(home, release);
    let failed = |source| Error::File {
        act: "write",
        path: path.clone(),
        source,
    };
    let mut stored = stored.clone();
    let known: Vec<_> = stored
        .record
        .revisions
        .iter()
        .map(|known: &Revision| known.version.clone())
        .collect();
    stored.specs.retain(|version, _| known.contains(version));
    let text = serde_json::to_vec_pretty(&stored).map_err(|error| failed(error.into()))?;
    write_atomically(&path, &text).map_err(failed)
}
