//! What a release on a cluster is doing, has been, and says; and its end.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

use super::{
    drain::{drain, in_flight},
    record, router, up,
};
use crate::{
    cluster::{
        Cluster, inventory,
        inventory::{VERSION, label, of_release, of_version, to_prune},
        lease,
        logs::{LogLine, LogOptions},
        pods,
    },
    interrupt::Interrupt,
    json,
    name::{ReleaseName, VersionId},
    release::{
        Error,
        event::Event,
        history_rows::HistoryRows,
        logs::Wanted,
        status::{CanaryStatus, Status, VersionStatus},
    },
    traffic::Split,
};

/// The state of one release.
pub async fn status(cluster: &Cluster, release: &ReleaseName) -> Result<Status, Error> {
    let record = record::read(cluster, release).await?;
    let router = router(cluster, release).await?;
    let split = match &router {
        Some(router) => Some(router.read().await?),
        None => None,
    };
    let deployments = up::deployments(cluster, release).await?;
    if split.is_none() && deployments.is_empty() && record.history.revisions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    let held = lease::holder(cluster, release).await?;
    let mut versions = Vec::new();
    for deployment in &deployments {
        if let Some(version) = version(cluster, release, deployment, split.as_ref()).await? {
            versions.push(version);
        }
    }
    for version in &mut versions {
        let known = record
            .history
            .revisions
            .iter()
            .find(|known| known.version.as_str() == version.version);
        version.simulated = known.is_some_and(|known| known.simulated);
    }
    let canary = split
        .as_ref()
        .and_then(|split| canary(split, held.is_some()));
    Ok(Status {
        release: release.to_string(),
        target: "kubernetes".to_owned(),
        running: split.is_some(),
        endpoint: router
            .map(|router| router.endpoint().to_owned())
            .filter(|text| !text.is_empty()),
        live: split.as_ref().map(|split| split.live.to_string()),
        candidate: split
            .as_ref()
            .and_then(|split| split.candidate.as_ref().map(ToString::to_string)),
        weight: split.as_ref().map_or(0, |split| split.weight.percent()),
        canary,
        held_by: held.map(|(holder, since)| format!("{holder} since {since}")),
        simulated: versions.iter().any(|version| version.simulated),
        versions,
    })
}

fn canary(split: &Split, driven: bool) -> Option<CanaryStatus> {
    Some(CanaryStatus::of(
        split.run()?,
        split.journal.as_ref()?,
        split.matches.as_ref(),
        driven,
    ))
}

async fn version(
    cluster: &Cluster,
    release: &ReleaseName,
    deployment: &Value,
    split: Option<&Split>,
) -> Result<Option<VersionStatus>, Error> {
    let Some(id) = label(deployment, VERSION).and_then(|text| text.parse::<VersionId>().ok())
    else {
        return Ok(None);
    };
    let Ok(typed) = json::read::<Deployment>(deployment) else {
        return Ok(None);
    };
    let status = typed.status.unwrap_or_default();
    let count = |number: Option<i32>| u32::try_from(number.unwrap_or(0)).unwrap_or(0);
    let replicas = count(typed.spec.and_then(|spec| spec.replicas));
    let ready = count(status.ready_replicas);
    let pods = pods::find(cluster, &of_version(release, &id)).await?;
    let engine = pods.first().map(|pod| pod.container.clone());
    let role = match split {
        Some(split) if split.live == id => "live",
        Some(split) if split.candidate.as_ref() == Some(&id) => "candidate",
        _ => "old",
    };
    let phase = match (replicas, ready) {
        (0, _) => "stopped",
        (wanted, ready) if ready >= wanted => "ready",
        (_, 0) => "starting",
        _ => "unready",
    };
    // A pod that does not answer says nothing about how much it has to do.
    let in_flight = if ready > 0 {
        in_flight(cluster, release, &id).await.unwrap_or(None)
    } else {
        None
    };
    Ok(Some(VersionStatus {
        version: id.to_string(),
        role: role.to_owned(),
        phase: phase.to_owned(),
        reason: None,
        engine: engine.unwrap_or_else(|| "engine".to_owned()),
        replicas,
        ready,
        restarts: pods.iter().map(|pod| pod.restarts).sum(),
        in_flight,
        simulated: false,
    }))
}

/// What the release has been.
pub async fn history(cluster: &Cluster, release: &ReleaseName) -> Result<HistoryRows, Error> {
    let record = record::read(cluster, release).await?;
    if record.history.revisions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    Ok(HistoryRows::new(release.as_str(), &record.history))
}

/// Writes the engines' logs, line by line: (version, pod and line).
pub async fn logs(
    cluster: &Cluster,
    release: &ReleaseName,
    wanted: &Wanted,
    on_line: &(dyn Fn(&str, &str) + Sync),
    interrupt: &Interrupt,
) -> Result<(), Error> {
    let selector = match &wanted.version {
        Some(version) => of_version(release, version),
        None => of_release(release),
    };
    let options = LogOptions {
        follow: wanted.follow,
        tail: Some(wanted.tail as u64),
        ..LogOptions::default()
    };
    let tell = |line: LogLine| {
        let source = line.version.as_deref().unwrap_or(&line.pod);
        on_line(source, &line.text);
    };
    Ok(crate::cluster::logs::logs(cluster, &selector, &options, interrupt, &tell).await?)
}

/// Ends the release: what serves is drained, then all of ours goes, routes first.
pub async fn delete(
    cluster: &Cluster,
    release: &ReleaseName,
    drain_limit: Duration,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    let all = inventory::find(cluster, release).await?;
    if all.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    let lock = lease::lease_name(release);
    let kept = |object: &crate::object::Object| {
        // The lock is ours until the end and says so to others.
        super::objects::kind(object) == "Lease" && super::objects::name(object) == lock
    };
    let gone = to_prune(release, &all, &[], kept);
    let (holders, rest): (Vec<_>, Vec<_>) = gone
        .into_iter()
        .partition(|object| super::objects::kind(object) == "HTTPRoute");
    for object in &holders {
        inventory::delete(cluster, object).await?;
    }
    for deployment in rest
        .iter()
        .filter(|object| super::objects::kind(object) == "Deployment")
    {
        let replicas = deployment
            .pointer("/spec/replicas")
            .and_then(Value::as_u64)
            .unwrap_or(0);
        let version = label(deployment, VERSION).and_then(|text| text.parse::<VersionId>().ok());
        if let Some(version) = version.filter(|_| replicas > 0 && !drain_limit.is_zero()) {
            drain(cluster, release, &version, None, drain_limit, on_event).await?;
        }
    }
    for object in &rest {
        inventory::delete(cluster, object).await?;
    }
    Ok(())
}
