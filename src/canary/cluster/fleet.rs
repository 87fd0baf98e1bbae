//! The pods of both versions, as a canary needs them.

use super::outage::outlast;
use crate::{
    canary::{Error, Event, Fleet},
    name::VersionId,
    release::kubernetes::Pools,
    weight::Weight,
};

/// The versions' Deployments.
pub struct ClusterFleet<'a> {
    pub pools: Pools<'a>,
    pub live: &'a VersionId,
    /// Old versions kept for `rollback`.
    pub history: usize,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
}

impl Fleet for ClusterFleet<'_> {
    async fn ready(&self, candidate: &VersionId, weight: Weight) -> Result<(), Error> {
        let pools = &self.pools;
        outlast(self.on_event, |_| async {
            Ok(pools.make_room(self.live, candidate, weight).await?)
        })
        .await
    }

    async fn promoted(&self, candidate: &VersionId) -> Result<(), Error> {
        let pools = &self.pools;
        outlast(self.on_event, |_| async {
            Ok(pools.promoted(candidate, self.history).await?)
        })
        .await
    }

    async fn refused(&self, candidate: &VersionId) -> Result<(), Error> {
        let pools = &self.pools;
        outlast(self.on_event, |_| async {
            Ok(pools.refused(self.live, candidate).await?)
        })
        .await
    }
}
