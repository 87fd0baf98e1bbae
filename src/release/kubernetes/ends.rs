//! What ends once the traffic has moved: whatever runs beside live is drained, and what
//! the history no longer has is deleted.

use std::time::Duration;

use serde_json::Value;

use super::{
    drain::drain,
    record::{self, Record},
    up::deployments,
};
use crate::{
    cluster::{
        Cluster,
        inventory::{self, VERSION, label},
    },
    name::{ReleaseName, VersionId},
    release::{Error, event::Event},
    traffic::{Change, Router, point_service},
};

/// Of one release, after one write of its traffic.
pub(super) struct Ends<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) release: &'a ReleaseName,
    /// For a version whose own record is gone.
    pub(super) drain_s: u64,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
}

impl Ends<'_> {
    /// Behind a route the stable Service follows, for clients inside the cluster.
    pub(super) async fn stable_service(
        &self,
        router: &Router,
        change: &Change,
    ) -> Result<(), Error> {
        if !router.capabilities().gateway {
            return Ok(());
        }
        point_service(self.cluster, self.release, &change.live, &change.run).await?;
        Ok(())
    }

    /// Drains whatever runs beside `version`.
    pub(super) async fn others(&self, record: &Record, version: &VersionId) -> Result<(), Error> {
        for deployment in deployments(self.cluster, self.release).await? {
            match version_of(&deployment) {
                Some(other) if other != *version && replicas(&deployment) > 0 => {
                    self.one(record, &other).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Drains one version and takes it to 0 replicas.
    pub(super) async fn one(&self, record: &Record, old: &VersionId) -> Result<(), Error> {
        let recipe = record::recipe_of(self.cluster, self.release, record, old).await?;
        let limit = recipe
            .as_ref()
            .map_or(self.drain_s, |recipe| recipe.drain_s);
        drain(
            self.cluster,
            self.release,
            old,
            recipe.as_ref(),
            Duration::from_secs(limit),
            self.on_event,
        )
        .await
    }

    /// Deletes versions that the history no longer has, and nothing else.
    pub(super) async fn prune(&self, record: &Record) -> Result<(), Error> {
        record::prune(self.cluster, self.release, &record.history).await?;
        let there = deployments(self.cluster, self.release).await?;
        let unknown = |version: &VersionId| record.history.find(version).is_none();
        if !there
            .iter()
            .filter_map(|object| version_of(object))
            .any(|version| unknown(&version))
        {
            return Ok(());
        }
        let all = inventory::find(self.cluster, self.release).await?;
        // Shared objects have no version and stay.
        let kept = |object: &crate::object::Object| {
            version_of(object).is_none_or(|version| !unknown(&version))
        };
        for object in inventory::to_prune(self.release, &all, &[], kept) {
            inventory::delete(self.cluster, &object).await?;
        }
        Ok(())
    }
}

pub(super) fn version_of(object: &Value) -> Option<VersionId> {
    label(object, VERSION)?.parse().ok()
}

/// Replicas that a Deployment asks for; 1 where it does not say.
pub(super) fn replicas(deployment: &Value) -> u32 {
    let asked = deployment.pointer("/spec/replicas").and_then(Value::as_u64);
    asked.map_or(1, |asked| u32::try_from(asked).unwrap_or(u32::MAX))
}
