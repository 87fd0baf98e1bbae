//! Manifests in a folder, one file an object, for a repository that is synced to a cluster.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{Error, Manifests};
use crate::{file::write_all_atomically, yaml};

/// First line of files that `infer render` wrote and may take away again.
const MARK: &str = "# Rendered by infer; change infer.yaml instead.\n";

/// What a folder looks like now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    pub files: Vec<PathBuf>,
    /// Files of ours that belong to nothing any more.
    pub removed: Vec<PathBuf>,
}

/// Writes each object into its own file and removes stale ones of ours; other
/// people's files stay, and are never replaced.
pub fn write(manifests: &Manifests, folder: &Path) -> Result<Written, Error> {
    let mut files = Vec::new();
    let mut kept = BTreeSet::new();
    for object in &manifests.objects {
        let name = format!(
            "{}-{}.yaml",
            object.object.kind().to_lowercase(),
            object.object.name()
        );
        let path = folder.join(&name);
        let failed = |source| Error::Write {
            path: path.clone(),
            source,
        };
        if path.exists() && !is_ours(&path).map_err(failed)? {
            return Err(failed(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it is there and was not rendered by infer",
            )));
        }
        let text = format!("{MARK}{}", yaml::write(&object.object)?);
        kept.insert(name);
        files.push((path, text));
    }
    write_all_atomically(&files).map_err(|(path, source)| Error::Write { path, source })?;
    Ok(Written {
        files: files.into_iter().map(|(path, _)| path).collect(),
        removed: remove_stale(folder, &kept)?,
    })
}

fn remove_stale(folder: &Path, kept: &BTreeSet<String>) -> Result<Vec<PathBuf>, Error> {
    let mut removed = Vec::new();
    let failed = |path: &Path, source| Error::Write {
        path: path.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path = entry.map_err(|error| failed(folder, error))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        if !is_yaml || name.is_none_or(|name| kept.contains(&name)) {
            continue;
        }
        if is_ours(&path).map_err(|error| failed(&path, error))? {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
            removed.push(path);
        }
    }
    removed.sort();
    Ok(removed)
}

fn is_ours(path: &Path) -> io::Result<bool> {
    use io::Read;
    let mut start = vec![0; MARK.len()];
    let mut file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(false);
    }
    match file.read_exact(&mut start) {
        Ok(()) => Ok(start == MARK.as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
