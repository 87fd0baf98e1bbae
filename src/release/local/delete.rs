//! Ending a release on this machine.

use std::{fs, io, time::Duration};

use super::store;
use crate::{
    home::Home,
    local::{self, Client, Launch, ReleasePaths},
    name::ReleaseName,
    release::error::Error,
};

/// Ends every engine and `infer serve`, then removes the release's folder.
///
/// An `infer serve` that was killed is started again first: only it can prove which
/// processes are this release's engines, and nothing else may end them.
pub async fn delete(home: &Home, release: &ReleaseName, drain: Duration) -> Result<(), Error> {
    let paths = ReleasePaths::new(home, release);
    let known = paths.record().exists() || !store::read(home, release)?.record.revisions.is_empty();
    if !known {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    let client = match Client::connect(home, release).await {
        Err(local::Error::NotRunning { .. }) => {
            Client::ensure_running(home, release, &Launch::default()).await?
        }
        other => other?,
    };
    client.shutdown(drain).await?;
    match fs::remove_dir_all(paths.folder()) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::File {
            act: "remove",
            path: paths.folder().to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
