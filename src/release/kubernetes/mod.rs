//! The life of a release on a cluster: what the verbs call.
//!
//! [`objects`] is pure. `up` brings a version up, `moves` gives it the traffic,
//! `drain` and `ends` end the old one, `record` remembers; `views` reads; `verdict` is what
//! a canary asks for.

mod deploy;
mod difference;
mod drain;
mod ends;
mod front;
mod handover;
mod moves;
mod objects;
mod record;
mod room;
mod up;
mod verdict;
mod views;

use crate::{
    cluster::{Cluster, lease, lease::Lock},
    name::ReleaseName,
    release::Error,
    traffic::{ClusterRouter, ROUTES, Router, VersionHeader},
};

pub use self::{
    deploy::{Deploy, Rollback, deploy, rollback},
    verdict::{Pools, Served},
    views::{delete, history, logs, status},
};

/// What holds a release's traffic: its route where there is one, else its stable
/// Service; `None` where nothing was ever deployed.
pub async fn router(cluster: &Cluster, release: &ReleaseName) -> Result<Option<Router>, Error> {
    for route in ROUTES {
        let (cluster, release) = (cluster.clone(), release.clone());
        let found = ClusterRouter::new(cluster, release, *route, VersionHeader::Set, None);
        if let Some(router) = found.await? {
            return Ok(Some(Router::Cluster(router)));
        }
    }
    Ok(None)
}

/// Takes the release's lock, or says who holds it.
pub async fn lock(cluster: &Cluster, release: &ReleaseName, holder: &str) -> Result<Lock, Error> {
    Ok(lease::lock(cluster, release, holder).await?)
}

/// Who holds the release's lock, and since when.
pub async fn holder(
    cluster: &Cluster,
    release: &ReleaseName,
) -> Result<Option<(String, String)>, Error> {
    Ok(lease::holder(cluster, release).await?)
}
