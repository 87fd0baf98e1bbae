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
    traffic::{
        Error as TrafficError, Router,
        http_route::{HttpRoute, Identify},
        service::StableService,
    },
};

pub use self::{
    deploy::{Deploy, Rollback, deploy, rollback},
    verdict::{Pools, Served},
    views::{delete, history, logs, status},
};

/// What holds a release's traffic: its route where there is one, else its stable
/// Service; `None` where nothing was ever deployed.
pub async fn router(cluster: &Cluster, release: &ReleaseName) -> Result<Option<Router>, Error> {
    match HttpRoute::new(cluster.clone(), release.clone(), Identify::ByHeader).await {
        Ok(route) => return Ok(Some(Router::HttpRoute(route))),
        Err(TrafficError::NothingLive { .. }) => {}
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(error.into()),
    }
    match StableService::new(cluster.clone(), release.clone()).await {
        Ok(service) => Ok(Some(Router::Service(service))),
        Err(TrafficError::NothingLive { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A cluster without Gateway API answers 404 for its paths.
fn is_absent(error: &TrafficError) -> bool {
    let TrafficError::Transport { source, .. } = error else {
        return false;
    };
    let cluster = source.downcast_ref::<crate::cluster::Error>();
    cluster.is_some_and(|error| error.is_not_found() || error.is_forbidden())
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
