//! `deploy` and `rollback` on this machine: up beside live, first token, all traffic, drain.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    first_token, moves,
    record::{self, Recipe},
    up,
};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Engine, State},
    release::{
        error::Error,
        event::{Deployed, Event, PhaseSeconds},
        history::Entry,
        plan::{Action, plan},
    },
    spec::OnFailure,
};

/// What every move of a local release needs to know.
pub struct Move<'a> {
    pub home: &'a Home,
    pub client: &'a Client,
    /// Old versions kept for `rollback`.
    pub history: usize,
    pub on_failure: OnFailure,
    /// Leave the new version up beside live, without traffic.
    pub no_traffic: bool,
    pub on_event: &'a (dyn Fn(Event) + Sync),
    pub interrupt: &'a Interrupt,
}

/// Makes `entry` what serves the release; any failure leaves live untouched.
pub async fn serve(
    this: &Move<'_>,
    entry: Entry<Recipe>,
    mut seconds: PhaseSeconds,
) -> Result<Deployed, Error> {
    let release = this.client.release();
    let state = this.client.state().await?;
    let action = plan(&entry.version, &moves::current(&state)).map_err(|source| {
        Error::CanaryOpen { release: release.clone(), source }
    })?;
    (this.on_event)(Event::Planned {
        release: release.clone(),
        target: "local".to_owned(),
        live: state.split.live.clone(),
        version: entry.version.clone(),
        what: sentence(&action),
    });
    let engine = entry.engine.engine()?;
    if let Err(error) = start(this, &state, &engine, &mut seconds).await {
        withdraw(this, &state, &engine).await?;
        return Err(error);
    }
    if action != Action::Unchanged {
        settle(this, &state, entry, &action).await?;
    }
    Ok(Deployed {
        release: release.to_string(),
        version: engine.version.to_string(),
        target: "local".to_owned(),
        changed: action != Action::Unchanged,
        simulated: engine.simulated,
        phases_s: seconds,
        endpoint: state.endpoint,
    })
}

fn sentence(action: &Action) -> String {
    match action {
        Action::First => "start it, see its first token, give it all traffic".to_owned(),
        Action::Unchanged => "unchanged".to_owned(),
        Action::Replace { .. } => {
            "start it beside live, see its first token, move all traffic, drain live".to_owned()
        }
    }
}

async fn start(
    this: &Move<'_>,
    state: &State,
    engine: &Engine,
    seconds: &mut PhaseSeconds,
) -> Result<(), Error> {
    let live = state.split.live.as_ref();
    let up = up::bring_up(this.client, engine, live, seconds, this.on_event, this.interrupt);
    let up = up.await?;
    first_token::see(this.client, &up, live, seconds, this.on_event, this.interrupt).await
}

/// Takes a version that did not make it away again, unless it is what serves.
async fn withdraw(this: &Move<'_>, state: &State, engine: &Engine) -> Result<(), Error> {
    let live = state.split.live.clone();
    if this.on_failure == OnFailure::Keep || live.as_ref() == Some(&engine.version) {
        return Ok(());
    }
    this.client.stop(&engine.version, Duration::ZERO).await?;
    this.client.stopped(&engine.version, moves::STOP_GRACE).await?;
    (this.on_event)(Event::Withdrawn { version: engine.version.clone(), live });
    Ok(())
}

/// Moves the traffic and writes the history; the split is moved first, because it is what counts.
async fn settle(
    this: &Move<'_>,
    state: &State,
    entry: Entry<Recipe>,
    action: &Action,
) -> Result<(), Error> {
    let release = this.client.release();
    let version = entry.version.clone();
    let mut history = record::read(this.home, release)?;
    history.candidate(entry, Timestamp::now());
    record::write(this.home, release, &history)?;
    if this.no_traffic {
        return moves::hold_beside(this.client, state, &version).await;
    }
    moves::move_all(this.client, state, &version, this.on_event).await?;
    history.promote(&version, this.history);
    record::write(this.home, release, &history)?;
    if let Action::Replace { live } = action {
        let drain = state.version(live).map_or(0, |known| known.engine.drain_s);
        moves::drain(this.client, live, Duration::from_secs(drain), this.on_event).await?;
    }
    Ok(())
}
