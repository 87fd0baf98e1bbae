//! The state of a release on this machine.

use super::store;
use crate::{
    home::Home,
    local::{self, Client, Phase, Split, State, VersionState},
    name::ReleaseName,
    release::{
        error::Error,
        status::{CanaryStatus, Status, VersionStatus},
    },
};

/// Reads the state without changing it, whether or not its `infer serve` runs.
pub async fn status(home: &Home, release: &ReleaseName) -> Result<Status, Error> {
    let held_by = local::holder(home, release)?;
    let state = match Client::connect(home, release).await {
        Ok(client) => Some(client.state().await?),
        Err(local::Error::NotRunning { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(state) = state else {
        return stopped(home, release);
    };
    let held = held_by.map(|holder| format!("{} by {}", holder.verb, holder.who));
    Ok(Status {
        release: release.to_string(),
        target: "local".to_owned(),
        running: true,
        endpoint: Some(state.endpoint.clone()),
        live: state.split.live.as_ref().map(ToString::to_string),
        candidate: state.split.candidate.as_ref().map(ToString::to_string),
        weight: state.split.weight.percent(),
        canary: canary(&state.split, held.is_some()),
        held_by: held,
        versions: versions(&state),
        simulated: state.simulated,
    })
}

/// What is known of a release whose `infer serve` is gone: its history alone.
fn stopped(home: &Home, release: &ReleaseName) -> Result<Status, Error> {
    let record = store::read(home, release)?.record;
    if record.revisions.is_empty() {
        return Err(Error::NoRelease {
            release: release.clone(),
        });
    }
    Ok(Status {
        release: release.to_string(),
        target: "local".to_owned(),
        running: false,
        endpoint: None,
        live: record.live().map(|live| live.version.to_string()),
        candidate: None,
        weight: 0,
        canary: None,
        held_by: None,
        versions: Vec::new(),
        simulated: record.live().is_some_and(|live| live.simulated),
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

fn versions(state: &State) -> Vec<VersionStatus> {
    let mut versions: Vec<_> = state
        .versions
        .iter()
        .map(|known| version(known, &state.split))
        .collect();
    versions.sort_by_key(|known| match known.role.as_str() {
        "live" => 0,
        "candidate" => 1,
        _ => 2,
    });
    versions
}

fn version(known: &VersionState, split: &Split) -> VersionStatus {
    let role = if split.live.as_ref() == Some(&known.version) {
        "live"
    } else if split.candidate.as_ref() == Some(&known.version) {
        "candidate"
    } else {
        "old"
    };
    let (phase, reason) = match &known.phase {
        Phase::Starting => ("starting", None),
        Phase::Ready => ("ready", None),
        Phase::Unready => ("unready", None),
        Phase::Draining => ("draining", None),
        Phase::Stopped => ("stopped", None),
        Phase::BackOff { reason, .. } => ("back-off", Some(reason.clone())),
        Phase::Failed { reason } => ("failed", Some(reason.clone())),
    };
    VersionStatus {
        version: known.version.to_string(),
        role: role.to_owned(),
        phase: phase.to_owned(),
        reason,
        engine: known.engine.kind.clone(),
        replicas: u32::from(known.pid.is_some()),
        ready: u32::from(known.phase == Phase::Ready),
        restarts: known.restarts,
        in_flight: Some(known.in_flight),
        simulated: known.simulated,
    }
}
