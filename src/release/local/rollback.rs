//! Back to a version that has served before, on this machine.

use super::{models, moves::Move, record};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Launch},
    name::{ReleaseName, VersionId},
    registry::{Location, Options},
    release::{
        error::Error,
        event::{Deployed, Event, PhaseSeconds},
        history::Entry,
    },
    spec::{OnFailure, Surge},
};

/// Which release goes back, and to what.
pub struct Rollback<'a> {
    pub home: &'a Home,
    pub release: &'a ReleaseName,
    /// `None` is the version before live.
    pub to: Option<&'a VersionId>,
    /// Stop live first: there is no room for both.
    pub allow_downtime: bool,
    /// How the image's registry is spoken to, should the model have to be pulled again.
    pub options: &'a Options,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
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
        None => history.previous().ok_or_else(|| Error::NoPrevious {
            release: this.release.clone(),
        })?,
    };
    let entry = Entry {
        version: revision.version.clone(),
        image: revision.image.clone(),
        simulated: revision.simulated,
        engine: revision.engine.clone(),
    };
    let place: Location = entry.image.parse().map_err(|_| Error::NoImage)?;
    let client = Client::ensure_running(this.home, this.release, &Launch::default()).await?;
    let action = Move {
        home: this.home,
        client: &client,
        history: history.revisions.len(),
        on_failure: OnFailure::Rollback,
        no_traffic: false,
        surge: if this.allow_downtime {
            Surge::None
        } else {
            Surge::Auto
        },
        allow_downtime: this.allow_downtime,
        on_event: this.on_event,
        interrupt: this.interrupt,
    };
    let planned = action.plan(&entry.version).await?;
    let mut seconds = PhaseSeconds::default();
    models::pull(
        this.home,
        &place,
        this.options,
        &mut seconds,
        this.on_event,
        this.interrupt,
    )
    .await?;
    action.serve(planned, entry, seconds).await
}
