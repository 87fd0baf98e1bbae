//! The end of a release on a cluster: what serves is drained, then all of ours goes.

use std::time::Duration;

use super::{
    drain::Drain,
    site::{ClusterSite, standing},
};
use crate::{
    cluster::{
        inventory::{self, to_prune},
        lease,
    },
    interrupt::Interrupt,
    name::ReleaseName,
    object::{Object, kinds::Stage},
    release::{Error, event::Event},
    traffic::route,
};

/// Deletes every object of the release but its lock, routes first. A run that was cut off is
/// finished by the next; `Error::NoRelease` where nothing was there.
pub async fn delete(
    site: &ClusterSite<'_>,
    drain_limit: Duration,
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let (cluster, release) = (site.cluster, site.release);
    let all = inventory::find(cluster, release).await?;
    let lock = lease::lease_name(release);
    let is_lock = |object: &Object| is_lease(object) && object.name() == lock;
    if all.iter().all(is_lock) && !site.lock.is_some_and(lease::Lock::was_there) {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    site.read_record().await?;
    let gone = to_prune(release, &all, &[], is_lock);
    let (routes, rest): (Vec<_>, Vec<_>) = gone
        .into_iter()
        .partition(|object| leads_users(object, release));
    for object in &routes {
        inventory::delete(cluster, object).await?;
    }
    // It ends for good, so it is not told as kept for a rollback.
    let on_event = |event: Event| {
        if !matches!(event, Event::Drained { .. }) {
            (site.on_event)(event);
        }
    };
    for object in &rest {
        let Some(known) = standing(object).filter(|known| known.replicas > 0) else {
            continue;
        };
        if drain_limit.is_zero() {
            continue;
        }
        let spec = site.spec(&known.version).await?;
        let drain = Drain {
            cluster,
            release,
            version: &known.version,
            spec: spec.as_deref(),
            object,
            pace: site.pace,
            on_event: &on_event,
            interrupt,
        };
        drain.all(drain_limit).await?;
    }
    for object in &rest {
        if interrupt.signals().any() {
            return Err(Error::Interrupted);
        }
        inventory::delete(cluster, object).await?;
    }
    Ok(())
}

/// Whether users reach the release by it: a route, or the address inside the cluster.
fn leads_users(object: &Object, release: &ReleaseName) -> bool {
    let is_route = object.row().is_some_and(|row| row.stage == Stage::Route);
    is_route || route::of_object(object, release).is_some()
}

fn is_lease(object: &Object) -> bool {
    object
        .row()
        .is_some_and(|row| row.kind == crate::object::kind::LEASE)
}
