//! `deploy` and `rollback` on a cluster: the wanted version, and the move to it.

use serde_json::Value;

use super::{
    difference::difference,
    moves::Move,
    objects::sort,
    record::{self, Recipe},
    up::refuse_foreign,
};
use crate::{
    cluster::{
        Cluster,
        apply::{Apply, apply},
        lease::Lock,
    },
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    release::{
        Error,
        event::{Deployed, Event},
        history::Entry,
    },
    spec::{OnFailure, Surge},
};

/// What a deploy on a cluster needs to know; the objects are rendered already.
pub struct Deploy<'a> {
    pub cluster: &'a Cluster,
    pub lock: &'a Lock,
    pub release: &'a ReleaseName,
    pub version: &'a VersionId,
    /// In the order to apply them.
    pub objects: &'a [Value],
    /// The model, by digest; for people.
    pub image: String,
    pub simulated: bool,
    pub served_model: String,
    pub startup_s: u64,
    pub drain_s: u64,
    pub surge: Surge,
    /// Whether nothing may serve for a while, where there is no room for both versions.
    pub allow_downtime: bool,
    /// `traffic.endpoint`, where the file has one.
    pub endpoint: Option<String>,
    /// Old versions kept for `rollback`.
    pub history: usize,
    pub on_failure: OnFailure,
    /// Leave the new version up beside live, without traffic.
    pub no_traffic: bool,
    /// Replicas to bring it up with, for a version that is to carry a part of the traffic.
    pub replicas: Option<u32>,
    /// Names this run in the journal.
    pub run: String,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

/// Makes the wanted version what serves the release; any failure leaves live untouched.
pub async fn deploy(this: &Deploy<'_>) -> Result<Deployed, Error> {
    let sorted = sort(this.objects, this.release);
    let recipe = Recipe {
        objects: sorted.versioned.clone(),
        served_model: this.served_model.clone(),
        startup_s: this.startup_s,
        drain_s: this.drain_s,
        surge: this.surge,
    };
    let entry = Entry {
        version: this.version.clone(),
        image: this.image.clone(),
        simulated: this.simulated,
        engine: (),
    };
    let action = Move {
        cluster: this.cluster,
        lock: this.lock,
        release: this.release,
        recipe: &recipe,
        history: this.history,
        on_failure: this.on_failure,
        no_traffic: this.no_traffic,
        allow_downtime: this.allow_downtime,
        replicas: this.replicas,
        endpoint: this.endpoint.as_deref(),
        run: &this.run,
        on_event: this.on_event,
        interrupt: this.interrupt,
    };
    let planned = action.plan(this.version).await?;
    for object in this.objects {
        refuse_foreign(this.cluster, object, this.release).await?;
    }
    let live = planned.split.as_ref().map(|split| &split.live);
    let objects = difference(
        this.cluster,
        this.release,
        &sorted,
        &planned.record,
        live,
        this.version,
    );
    (this.on_event)(Event::Changes {
        objects: objects.await?,
    });
    for object in &sorted.shared {
        apply(this.cluster, object, Apply::Keep).await?;
    }
    let mut deployed = action.serve(planned, entry, &sorted.holders).await?;
    if let Some(endpoint) = &this.endpoint {
        deployed.endpoint.clone_from(endpoint);
    }
    Ok(deployed)
}

/// Which release goes back, and to what.
pub struct Rollback<'a> {
    pub cluster: &'a Cluster,
    pub lock: &'a Lock,
    pub release: &'a ReleaseName,
    /// `None` is the version before live.
    pub to: Option<&'a VersionId>,
    /// Whether nothing may serve for a while, where there is no room for both versions.
    pub allow_downtime: bool,
    pub run: String,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

/// Brings the earlier version up again, gives it all traffic, drains live.
pub async fn rollback(this: &Rollback<'_>) -> Result<Deployed, Error> {
    let release = this.release;
    let known = record::read(this.cluster, release).await?.history;
    let revision = match this.to {
        Some(version) => known.find(version).ok_or_else(|| Error::UnknownVersion {
            release: release.clone(),
            version: version.clone(),
        })?,
        None => known.previous().ok_or_else(|| Error::NoPrevious {
            release: release.clone(),
        })?,
    };
    let recipe = record::recipe(this.cluster, release, revision.revision).await?;
    let recipe = recipe.ok_or_else(|| Error::UnknownVersion {
        release: release.clone(),
        version: revision.version.clone(),
    })?;
    let entry = Entry {
        version: revision.version.clone(),
        image: revision.image.clone(),
        simulated: revision.simulated,
        engine: (),
    };
    let action = Move {
        cluster: this.cluster,
        lock: this.lock,
        release,
        recipe: &recipe,
        history: known.revisions.len(),
        on_failure: OnFailure::Rollback,
        no_traffic: false,
        allow_downtime: this.allow_downtime,
        replicas: None,
        endpoint: None,
        run: &this.run,
        on_event: this.on_event,
        interrupt: this.interrupt,
    };
    let planned = action.plan(&entry.version).await?;
    action.serve(planned, entry, &[]).await
}
