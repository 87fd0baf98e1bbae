//! What a release on a cluster is doing, has been, and says.

use super::{
    drain::in_flight,
    site::{ClusterSite, standing},
};
use crate::{
    cluster::{
        Cluster,
        inventory::{self, of_release, of_version},
        lease,
        logs::{LogLine, LogOptions},
        pods, workload,
    },
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    object::Object,
    release::{
        Error,
        history_rows::HistoryRows,
        logs::Wanted,
        record::{Record, RevisionState},
        status::{CanaryStatus, Status, VersionStatus},
    },
    traffic::Split,
};

/// The state of every release in the namespace.
pub async fn statuses(cluster: &Cluster) -> Result<Vec<Status>, Error> {
    let mut found = Vec::new();
    for release in inventory::releases(cluster).await? {
        match status(cluster, &release).await {
            // Deleted since it was listed.
            Err(Error::NoRelease { .. }) => {}
            status => found.push(status?),
        }
    }
    Ok(found)
}

/// The state of one release.
pub async fn status(cluster: &Cluster, release: &ReleaseName) -> Result<Status, Error> {
    let site = ClusterSite::new(cluster, release, None, "", &|_| {});
    let record = site.read_record().await?;
    let router = site.router().await?;
    let split = match &router {
        Some(router) => router.read_live().await?,
        None => None,
    };
    let workloads = site.read_workloads().await?;
    if split.is_none() && workloads.is_empty() && record.revisions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    let held = lease::holder(cluster, release).await?;
    let mut versions = Vec::new();
    for object in &workloads {
        let shown = version(cluster, release, object, (split.as_ref(), &record)).await?;
        versions.extend(shown);
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
        live: split.as_ref().map(|split| split.serving().to_string()),
        candidate: split
            .as_ref()
            .and_then(|split| split.candidate.as_ref())
            .map(ToString::to_string),
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
    object: &Object,
    (split, record): (Option<&Split>, &Record),
) -> Result<Option<VersionStatus>, Error> {
    let Some(known) = standing(object) else {
        return Ok(None);
    };
    let id = &known.version;
    let row = workload::find(object);
    let pods = pods::find(cluster, &of_version(release, id)).await?;
    let engine = pods.first().map(|pod| pod.container.clone());
    let phase = match (known.replicas, known.ready) {
        (0, _) => "stopped",
        (wanted, ready) if ready >= wanted => "ready",
        (_, 0) => "starting",
        _ => "unready",
    };
    // A pod that does not answer says nothing about how much it has to do.
    let in_flight = if known.ready > 0 {
        in_flight(cluster, release, id, row).await.unwrap_or(None)
    } else {
        None
    };
    let reason = row.and_then(|row| row.standing(object).gave_up);
    Ok(Some(VersionStatus {
        version: id.to_string(),
        role: role(id, split, record).to_owned(),
        phase: phase.to_owned(),
        reason: reason.map(|gave_up| gave_up.reason),
        engine: engine.unwrap_or_else(|| "engine".to_owned()),
        replicas: known.replicas,
        ready: known.ready,
        restarts: pods.iter().map(|pod| pod.restarts).sum(),
        in_flight,
        simulated: record.find(id).is_some_and(|known| known.simulated),
    }))
}

/// `live`, `candidate`, or what the record says became of it.
fn role(version: &VersionId, split: Option<&Split>, record: &Record) -> &'static str {
    if let Some(split) = split {
        if split.serving() == version {
            return "live";
        }
        if split.candidate.as_ref() == Some(version) {
            return "candidate";
        }
    }
    match record.state(version) {
        None | Some(RevisionState::Live | RevisionState::Superseded) => "old",
        Some(state) => state.name(),
    }
}

/// What the release has been.
pub async fn history(cluster: &Cluster, release: &ReleaseName) -> Result<HistoryRows, Error> {
    let site = ClusterSite::new(cluster, release, None, "", &|_| {});
    let record = site.read_record().await?;
    if record.revisions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    Ok(HistoryRows::new(release.as_str(), &record))
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
