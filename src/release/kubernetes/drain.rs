//! A version that gets no more requests: its last ones end, then its pods do.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{objects::scaled, record::Recipe};
use crate::{
    cluster::{
        Cluster,
        apply::{self, Apply, scale},
        inventory::of_version,
        kind::DEPLOYMENT,
        pods,
    },
    load::ServerFigures,
    name::{ReleaseName, VersionId},
    release::{Error, event::Event},
};

/// How often the engines are asked how much is left.
const LOOK: Duration = Duration::from_secs(1);

/// Looks in a row without a request: one may be between two of a connection's.
const QUIET_LOOKS: u32 = 2;

/// Gateways learn of a move a moment after the API server does.
const SETTLE: Duration = Duration::from_secs(2);

/// Waits until nothing runs on the version's engines, or for `limit`; then takes
/// it to 0 replicas. The kubelet's own drain (preStop, grace) comes after that.
pub(super) async fn drain(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    recipe: Option<&Recipe>,
    limit: Duration,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let started = Instant::now();
    sleep(SETTLE.min(limit)).await;
    let (mut quiet, mut told) = (0, None);
    while quiet < QUIET_LOOKS && started.elapsed() < limit {
        // What cannot be read cannot be waited for: the limit decides.
        let left = in_flight(cluster, release, version).await.unwrap_or(None);
        if left != told {
            let in_flight = left.unwrap_or(0);
            on_event(Event::Draining {
                version: version.clone(),
                in_flight,
            });
            told = left;
        }
        quiet = if left == Some(0) { quiet + 1 } else { 0 };
        if left.is_none() && recipe.is_none() {
            break;
        }
        sleep(LOOK).await;
    }
    stop(cluster, release, version, recipe).await?;
    on_event(Event::Drained {
        version: version.clone(),
        took: started.elapsed(),
    });
    Ok(())
}

/// Requests running and waiting on all pods of a version; `None` where no engine says.
pub(super) async fn in_flight(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
) -> Result<Option<u64>, Error> {
    let mut sum = None;
    for pod in pods::find(cluster, &of_version(release, version)).await? {
        let Some(port) = pod.port.filter(|_| pod.ready) else {
            continue;
        };
        let text = pods::get(cluster, &pod.pod, port, "/metrics").await?;
        let figures = ServerFigures::parse(&text);
        if let Some(running) = figures.running {
            let all = whole(running) + figures.waiting.map_or(0, whole);
            sum = Some(sum.unwrap_or(0) + all);
        }
    }
    Ok(sum)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests"
)]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

/// To 0 replicas; what is there stays for `rollback`.
pub(super) async fn stop(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    recipe: Option<&Recipe>,
) -> Result<(), Error> {
    resize(cluster, release, version, recipe, 0).await
}

/// To `replicas`, without waiting for them.
pub(super) async fn resize(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    recipe: Option<&Recipe>,
    replicas: u32,
) -> Result<(), Error> {
    // Applied, where we know how it was applied: then the field has one owner.
    if let Some(recipe) = recipe {
        for object in scaled(&recipe.objects, replicas) {
            apply::apply(cluster, &object, Apply::Keep).await?;
        }
        return Ok(());
    }
    let name = format!("{release}-{version}");
    match scale(cluster, &DEPLOYMENT, &name, replicas).await {
        Err(error) if error.is_not_found() => Ok(()),
        stopped => Ok(stopped?),
    }
}
