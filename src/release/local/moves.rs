//! A version's way to all of the traffic on this machine, and out of it again.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{
    first_token,
    record::{self, Recipe},
    up,
};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Engine, SplitChange, State},
    name::VersionId,
    release::{
        error::Error,
        event::{self, Deployed, Event, PhaseSeconds},
        history::Entry,
        plan::{Action, Current, plan},
    },
    spec::{OnFailure, Surge},
    weight::Weight,
};

/// How long an engine gets to end once its requests have.
const STOP_GRACE: Duration = Duration::from_secs(45);

/// What every move of a local release needs to know.
pub struct Move<'a> {
    pub home: &'a Home,
    pub client: &'a Client,
    /// Old versions kept for `rollback`.
    pub history: usize,
    pub on_failure: OnFailure,
    /// Leave the new version up beside live, without traffic.
    pub no_traffic: bool,
    /// Whether the version starts beside live or in its place.
    pub surge: Surge,
    /// Whether nothing may serve for a while, as a start in live's place means here.
    pub allow_downtime: bool,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

/// What was decided, on the state it was decided on.
pub struct Planned {
    pub(super) state: State,
    action: Action,
    /// The version that ends before the wanted one starts.
    pub(super) ends_first: Option<Engine>,
}

impl Planned {
    /// What served before.
    fn before(&self) -> Option<&VersionId> {
        let displaced = self.ends_first.as_ref().map(|engine| &engine.version);
        displaced.or(self.state.split.live.as_ref())
    }
}

impl Move<'_> {
    /// Decides what it takes to have `version` serve; refuses while a canary is open.
    pub async fn plan(&self, version: &VersionId) -> Result<Planned, Error> {
        let release = self.client.release();
        let state = self.client.state().await?;
        let action = plan(version, &current(&state)).map_err(|source| Error::CanaryOpen {
            release: release.clone(),
            source,
        })?;
        let ends_first = match &action {
            Action::Replace { live } if self.surge == Surge::None && !self.no_traffic => {
                running(&state, live)
            }
            _ => None,
        };
        if ends_first.is_some() && !self.allow_downtime {
            return Err(Error::NoRoom {
                release: release.clone(),
                version: version.clone(),
                lack: "rollout.surge is none, and one replica is all there is here".to_owned(),
                alone: true,
            });
        }
        let what = match &ends_first {
            Some(_) => {
                "stop live, start it in live's place, see its first token; nothing serves meanwhile"
            }
            None => sentence(&action, self.no_traffic),
        };
        (self.on_event)(Event::Planned {
            release: release.clone(),
            target: "local".to_owned(),
            live: state.split.live.clone(),
            version: version.clone(),
            what: what.to_owned(),
        });
        Ok(Planned {
            state,
            action,
            ends_first,
        })
    }

    /// Makes `entry` what serves the release; any failure leaves live untouched.
    pub async fn serve(
        &self,
        mut planned: Planned,
        entry: Entry<Recipe>,
        mut seconds: PhaseSeconds,
    ) -> Result<Deployed, Error> {
        let engine = entry.engine.engine()?;
        let down = self.displace(&mut planned).await?;
        if let Err(error) = self.start(&planned, &engine, &mut seconds).await {
            self.withdraw(&planned, entry).await?;
            self.put_back(&mut planned).await?;
            return Err(error);
        }
        let changed = planned.action != Action::Unchanged;
        if changed {
            self.settle(&planned, entry).await?;
        }
        let downtime_s = down.map(|down| event::downtime(down.elapsed(), self.on_event));
        Ok(Deployed {
            release: self.client.release().to_string(),
            version: engine.version.to_string(),
            target: "local".to_owned(),
            changed,
            simulated: engine.simulated,
            phases_s: seconds,
            downtime_s,
            endpoint: planned.state.endpoint.clone(),
        })
    }

    async fn start(
        &self,
        planned: &Planned,
        engine: &Engine,
        seconds: &mut PhaseSeconds,
    ) -> Result<(), Error> {
        let (client, on_event) = (self.client, self.on_event);
        let live = planned.state.split.live.as_ref();
        up::bring_up(client, engine, live, seconds, on_event, self.interrupt).await?;
        first_token::see(client, &engine.version, seconds, on_event, self.interrupt).await
    }

    /// Moves the traffic, then ends what else runs; the split comes first because it counts.
    async fn settle(&self, planned: &Planned, entry: Entry<Recipe>) -> Result<(), Error> {
        let release = self.client.release();
        let version = entry.version.clone();
        let mut history = record::read(self.home, release)?;
        history.candidate(entry, Timestamp::now());
        record::write(self.home, release, &history)?;
        let live = if self.no_traffic {
            planned.state.split.live.clone()
        } else {
            None
        };
        self.set_split(planned, live, &version).await?;
        if self.no_traffic {
            return Ok(());
        }
        history.promote(&version, self.history);
        record::write(self.home, release, &history)?;
        end_others(self.client, &version, self.on_event).await
    }

    /// One write, on the condition that nobody wrote since the plan; without `live`,
    /// `version` takes over, with it, `version` waits beside it.
    async fn set_split(
        &self,
        planned: &Planned,
        live: Option<VersionId>,
        version: &VersionId,
    ) -> Result<(), Error> {
        let split = &planned.state.split;
        let beside = live.is_some();
        let change = SplitChange {
            expect_generation: split.generation,
            expect_run: None,
            live: live.or_else(|| Some(version.clone())),
            candidate: beside.then(|| version.clone()),
            weight: Weight::ZERO,
            matches: None,
            journal: None,
        };
        self.client.set_split(&change).await?;
        if beside {
            let message = format!("{version} waits as candidate without traffic");
            (self.on_event)(Event::Noticed { message });
        } else {
            (self.on_event)(Event::Moved {
                version: version.clone(),
                from: planned.before().cloned(),
            });
        }
        Ok(())
    }

    /// Takes a version that did not make it away again, unless it is what serves.
    async fn withdraw(&self, planned: &Planned, entry: Entry<Recipe>) -> Result<(), Error> {
        let live = planned.state.split.live.clone();
        let version = entry.version.clone();
        if self.on_failure == OnFailure::Keep || live.as_ref() == Some(&version) {
            return Ok(());
        }
        self.client.stop(&version, Duration::ZERO).await?;
        self.client.stopped(&version, STOP_GRACE).await?;
        let mut history = record::read(self.home, self.client.release())?;
        history.candidate(entry, Timestamp::now());
        history.refuse(&version);
        record::write(self.home, self.client.release(), &history)?;
        (self.on_event)(Event::Withdrawn { version, live });
        self.end_if_idle(planned).await
    }

    /// An `infer serve` that has nothing to serve is not left behind.
    pub async fn end_if_idle(&self, planned: &Planned) -> Result<(), Error> {
        let split = &planned.state.split;
        if planned.before().is_none() && split.candidate.is_none() {
            self.client.shutdown(Duration::ZERO).await?;
        }
        Ok(())
    }
}

/// A version's engine, if it runs.
fn running(state: &State, version: &VersionId) -> Option<Engine> {
    let running = state.version(version)?;
    running.pid.map(|_| running.engine.clone())
}

fn current(state: &State) -> Current {
    Current {
        live: state.split.live.clone(),
        candidate: state.split.candidate.clone(),
        canary: state.split.run().map(str::to_owned),
    }
}

fn sentence(action: &Action, no_traffic: bool) -> &'static str {
    match (action, no_traffic) {
        (Action::Unchanged, _) => "unchanged",
        (Action::First, true) => "start it, see its first token, no traffic yet",
        (Action::First, false) => "start it, see its first token, give it all traffic",
        (Action::Replace { .. }, true) => {
            "start it beside live, see its first token, no traffic yet"
        }
        (Action::Replace { .. }, false) => {
            "start it beside live, see its first token, move all traffic, drain live"
        }
    }
}

/// Drains whatever runs beside `version`.
pub async fn end_others(
    client: &Client,
    version: &VersionId,
    on_event: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), Error> {
    for old in client.state().await?.versions {
        if old.version != *version && old.pid.is_some() {
            let limit = Duration::from_secs(old.engine.drain_s);
            drain(client, &old.version, limit, on_event).await?;
        }
    }
    Ok(())
}

/// Lets `version` finish what it is doing, then stops it; it stays known for `rollback`.
pub async fn drain(
    client: &Client,
    version: &VersionId,
    limit: Duration,
    on_event: &(dyn Fn(Event) + Send + Sync),
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
