//! The workloads that a release has on the cluster.

use super::WORKLOADS;
use crate::{
    cluster::{
        Cluster, Error,
        inventory::{list_served, of_release},
    },
    name::ReleaseName,
    object::Object,
};

/// The workloads of a release, of every kind that the cluster has.
pub async fn list(cluster: &Cluster, release: &ReleaseName) -> Result<Vec<Object>, Error> {
    let mut found = Vec::new();
    let selector = of_release(release);
    for workload in WORKLOADS {
        found.extend(list_served(cluster, workload.kind(), &selector).await?);
    }
    Ok(found)
}
