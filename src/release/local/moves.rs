//! Moving a local release's traffic, and what happens to the version that lost it.

use std::time::{Duration, Instant};

use crate::{
    local::{Client, SplitChange, State},
    name::VersionId,
    release::{error::Error, event::Event, plan::Current},
    weight::Weight,
};

/// How long an engine gets to end once its requests have.
pub const STOP_GRACE: Duration = Duration::from_secs(45);

/// What the release's record says.
pub fn current(state: &State) -> Current {
    Current {
        live: state.split.live.clone(),
        candidate: state.split.candidate.clone(),
        canary: state.split.run().map(str::to_owned),
    }
}

/// Gives `version` all traffic in one write, on the condition that nobody wrote since `state`.
pub async fn move_all(
    client: &Client,
    state: &State,
    version: &VersionId,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    let change = SplitChange {
        expect_generation: state.split.generation,
        expect_run: None,
        live: Some(version.clone()),
        candidate: None,
        weight: Weight::ZERO,
        journal: None,
    };
    client.set_split(&change).await?;
    on_event(Event::Moved {
        version: version.clone(),
        from: state.split.live.clone().filter(|live| live != version),
    });
    Ok(())
}

/// Keeps `version` up beside live without traffic, as the release's candidate.
pub async fn hold_beside(client: &Client, state: &State, version: &VersionId) -> Result<(), Error> {
    let change = SplitChange {
        expect_generation: state.split.generation,
        expect_run: None,
        live: state.split.live.clone(),
        candidate: Some(version.clone()),
        weight: Weight::ZERO,
        journal: None,
    };
    client.set_split(&change).await?;
    Ok(())
}

/// Lets `version` finish what it is doing, then stops it; it stays known for `rollback`.
pub async fn drain(
    client: &Client,
    version: &VersionId,
    limit: Duration,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<(), Error> {
    let started = Instant::now();
    let state = client.stop(version, limit).await?;
    on_event(Event::Draining {
        version: version.clone(),
        in_flight: state.in_flight,
    });
    client.stopped(version, limit + STOP_GRACE).await?;
    on_event(Event::Drained {
        version: version.clone(),
        took: started.elapsed(),
    });
    Ok(())
}
