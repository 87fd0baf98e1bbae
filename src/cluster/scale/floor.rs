//! Floors of a version's scalers on the cluster, raised and set again.

use super::{FLOOR, SCALERS, Scaler, raised, restored};
use crate::{
    cluster::{
        Cluster, Error,
        apply::merge_patch,
        inventory::{list_served, of_release, of_version},
    },
    name::{ReleaseName, VersionId},
    object::{Object, label::VERSION},
};

/// The scalers of a version, of every kind that the cluster has.
pub async fn list(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
) -> Result<Vec<(&'static dyn Scaler, Object)>, Error> {
    let mut found = Vec::new();
    let selector = of_version(release, version);
    for scaler in SCALERS {
        let objects = list_served(cluster, scaler.kind(), &selector).await?;
        found.extend(objects.into_iter().map(|object| (*scaler, object)));
    }
    Ok(found)
}

/// The versions whose scalers are floored.
pub async fn floored(cluster: &Cluster, release: &ReleaseName) -> Result<Vec<VersionId>, Error> {
    let mut found = Vec::new();
    for scaler in SCALERS {
        for object in list_served(cluster, scaler.kind(), &of_release(release)).await? {
            let version = object.label(VERSION).and_then(|name| name.parse().ok());
            found.extend(version.filter(|_| object.annotation(FLOOR).is_some()));
        }
    }
    Ok(found)
}

/// Lets no scaler of the version go below `replicas`. Called again with another number, the
/// floor follows it; [`unfloor`] sets the floor that was there before the first call.
pub async fn floor_at(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    replicas: u32,
) -> Result<(), Error> {
    for (scaler, object) in list(cluster, release, version).await? {
        if let Some(patch) = raised(scaler, &object, replicas) {
            merge_patch(cluster, scaler.kind(), object.name(), &patch).await?;
        }
    }
    Ok(())
}

/// Takes [`floor_at`] back; nothing to do where no floor was raised.
pub async fn unfloor(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
) -> Result<(), Error> {
    for (scaler, object) in list(cluster, release, version).await? {
        if let Some(patch) = restored(scaler, &object) {
            merge_patch(cluster, scaler.kind(), object.name(), &patch).await?;
        }
    }
    Ok(())
}
