//! Back to a version that has served before, on this machine.

use super::{
    deploy::{Move, serve},
    models, record,
};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Launch},
    name::{ReleaseName, VersionId},
    release::{
        error::Error,
        event::{Deployed, Event, PhaseSeconds},
        history::Entry,
    },
    spec::OnFailure,
};

/// Which release goes back, and to what.
pub struct Rollback<'a> {
    pub home: &'a Home,
    pub release: &'a ReleaseName,
    /// `None` is the version before live.
    pub to: Option<&'a VersionId>,
    pub on_event: &'a (dyn Fn(Event) + Sync),
    pub interrupt: &'a Interrupt,
}

/// Brings the earlier version up again, gives it all traffic, drains live.
pub async fn rollback(this: &Rollback<'_>) -> Result<Deployed, Error> {
    let history = record::read(this.home, this.release)?;
    let revision = match this.to {
        Some(version) => history.find(version).ok_or_else(|| Error::UnknownVersion {
            release: this.release.clone(),
            version: version.clone(),
        })?,
        None => history
            .previous()
            .ok_or_else(|| Error::NoPrevious { release: this.release.clone() })?,
    };
    let entry = Entry {
        version: revision.version.clone(),
        image: revision.image.clone(),
        simulated: revision.simulated,
        engine: revision.engine.clone(),
    };
    let mut seconds = PhaseSeconds::default();
    models::pull(this.home, &entry.engine.source, &mut seconds, this.on_event, this.interrupt).await?;
    let client = Client::ensure_running(this.home, this.release, &Launch::default()).await?;
    let keep = history.revisions.len();
    let this = Move {
        home: this.home,
        client: &client,
        history: keep,
        on_failure: OnFailure::Rollback,
        no_traffic: false,
        on_event: this.on_event,
        interrupt: this.interrupt,
    };
    serve(&this, entry, seconds).await
}
