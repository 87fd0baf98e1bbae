//! A release on a cluster: the [`ClusterSite`] that the lifecycle acts on, and what only reads.
//!
//! `store` keeps the record, `bring_up` applies and follows a version, `gateway_check` sees
//! what users reach, `drain` ends one, `teardown` ends all; `views` reads.

mod bring_up;
mod difference;
mod drain;
mod gateway_check;
mod gpu_fit;
mod site;
mod store;
mod teardown;
mod views;

use crate::{cluster::Cluster, name::ReleaseName, release::Error, traffic::Router};

pub use self::{
    drain::Pace,
    site::{ClusterSite, WantedObjects},
    store::RevisionSpec,
    teardown::delete,
    views::{history, logs, status, statuses},
};

/// How a version serves its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The name that requests ask for it by.
    pub model: String,
    /// Whether no model is run.
    pub simulated: bool,
}

impl Served {
    /// From the release's record.
    pub async fn read(
        site: &ClusterSite<'_>,
        version: &crate::name::VersionId,
    ) -> Result<Self, Error> {
        let unknown = || Error::UnknownVersion {
            release: site.release.clone(),
            version: version.clone(),
        };
        let record = site.read_record().await?;
        let known = record.find(version).ok_or_else(unknown)?;
        let spec = site.spec(version).await?.ok_or_else(unknown)?;
        Ok(Self {
            model: spec.served_model.clone(),
            simulated: known.simulated,
        })
    }
}

/// What holds a release's traffic; `None` where nothing was ever exposed.
pub async fn router(
    cluster: &Cluster,
    release: &ReleaseName,
    endpoint: Option<&str>,
) -> Result<Option<Router>, Error> {
    let mut site = ClusterSite::new(cluster, release, None, "", &|_| {});
    site.endpoint = endpoint;
    site.read_record().await?;
    site.router().await
}
