//! What a canary's end makes of the release's history and processes on this machine.

use std::time::Duration;

use super::{moves, record};
use crate::{
    home::Home,
    local::Client,
    name::VersionId,
    release::{error::Error, event::Event},
};

/// Old versions kept where no `infer.yaml` says how many.
pub const HISTORY_DEFAULT: usize = 10;

/// `version` has all traffic: it is live from now on, and whatever else runs is drained.
pub async fn promoted(
    home: &Home,
    client: &Client,
    version: &VersionId,
    keep: usize,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let mut history = record::read(home, client.release())?;
    history.promote(version, keep);
    record::write(home, client.release(), &history)?;
    moves::end_others(client, version, on_event).await
}

/// `version` has no traffic any more and will get none: it is drained and marked refused.
pub async fn refused(
    home: &Home,
    client: &Client,
    version: &VersionId,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let mut history = record::read(home, client.release())?;
    history.refuse(version);
    record::write(home, client.release(), &history)?;
    let state = client.state().await?;
    let limit = state
        .version(version)
        .map_or(0, |known| known.engine.drain_s);
    moves::drain(client, version, Duration::from_secs(limit), on_event).await
}
