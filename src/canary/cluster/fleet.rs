//! The pods of both versions, as a canary needs them.

use crate::{
    canary::{Error, Fleet},
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
}

impl Fleet for ClusterFleet<'_> {
    async fn ready(&self, candidate: &VersionId, weight: Weight) -> Result<(), Error> {
        Ok(self.pools.make_room(self.live, candidate, weight).await?)
    }

    async fn promoted(&self, candidate: &VersionId) -> Result<(), Error> {
        let ended = self.pools.promoted(candidate, self.history);
        Ok(ended.await?)
    }

    async fn refused(&self, candidate: &VersionId) -> Result<(), Error> {
        Ok(self.pools.refused(self.live, candidate).await?)
    }
}
