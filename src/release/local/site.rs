//! A release on this machine, as the lifecycle acts on it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    bring_up, engine, first_token, models,
    store::{self, RevisionSpec, Stored},
};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Launch, Phase, SessionKey, SplitChange, State, VersionState},
    name::{ReleaseName, VersionId},
    registry::{Location, Options},
    release::{
        Error,
        event::{Event, PhaseSeconds},
        lifecycle::{Doing, Observed, Site, Standing, Wanted},
        record::Record,
        wanted::Image,
    },
    spec::{Session, Spec},
    traffic::{self, Change, Split},
    weight::Weight,
};

/// How long an engine gets to end once its requests have.
const STOP_GRACE: Duration = Duration::from_secs(45);

/// How often it is looked whether a version is Ready again.
/// How long that may take before its share is raised.
const READY_MAX: Duration = Duration::from_mins(2);
const READY_POLL: Duration = Duration::from_millis(100);

/// The version that `infer.yaml` asks for.
pub struct WantedEngine<'a> {
    pub version: VersionId,
    pub spec: &'a Spec,
    pub image: &'a Image,
}

/// One release of this machine, behind its `infer serve`.
pub struct LocalSite<'a> {
    pub home: &'a Home,
    pub client: &'a Client,
    /// How registries are spoken to where a model has to be pulled.
    pub options: Options,
    pub wanted: Option<WantedEngine<'a>>,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    /// What brings versions up, and the wanted one once its model is at hand.
    stored: Mutex<Stored>,
}

/// How the release is served: its port, and what keeps a user on one version.
pub fn launch(spec: &Spec) -> Launch {
    let session = spec.traffic.session.as_ref().map(|session| match session {
        Session::Header(name) => SessionKey::Header(name.clone()),
        Session::Cookie(name) => SessionKey::Cookie(name.clone()),
    });
    Launch {
        port: spec.traffic.port,
        session,
        executable: None,
    }
}

/// Says that a port which infer.yaml asks for is not the one that clients know already.
pub fn port_kept(spec: &Spec, endpoint: &str) -> Option<String> {
    let asked = spec.traffic.port?;
    let kept = endpoint.rsplit(':').next()?.trim_end_matches('/');
    (kept != asked.to_string()).then(|| {
        format!(
            "{} keeps {endpoint}, which its clients know; to move it to port {asked}, delete it first",
            spec.name
        )
    })
}

impl<'a> LocalSite<'a> {
    pub fn new(
        home: &'a Home,
        client: &'a Client,
        options: Options,
        on_event: &'a (dyn Fn(Event) + Send + Sync),
    ) -> Self {
        Self {
            home,
            client,
            options,
            wanted: None,
            on_event,
            stored: Mutex::default(),
        }
    }

    fn stored(&self) -> std::sync::MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn state(&self) -> Result<State, Error> {
        Ok(self.client.state().await?)
    }

    fn unknown(&self, version: &VersionId) -> Error {
        Error::UnknownVersion {
            release: self.client.release().clone(),
            version: version.clone(),
        }
    }

    async fn read(&self) -> Result<Observed, Error> {
        let read = store::read(self.home, self.client.release())?;
        let state = self.state().await?;
        {
            let mut stored = self.stored();
            let specs = std::mem::take(&mut stored.specs);
            *stored = read.clone();
            stored.specs.extend(specs);
        }
        Ok(Observed {
            split: split(&state),
            record: read.record,
            versions: state.versions.iter().map(standing).collect(),
            weighted: true,
            ..Observed::default()
        })
    }

    /// The model is unpacked, and the wanted version's process is known.
    async fn pull(
        &self,
        version: &VersionId,
        interrupt: &Interrupt,
    ) -> Result<PhaseSeconds, Error> {
        let wanted = self.wanted.as_ref();
        let wanted = wanted.filter(|wanted| wanted.version == *version);
        let place = if let Some(wanted) = wanted {
            wanted.image.place.clone()
        } else {
            let stored = self.stored();
            let known = stored.record.find(version);
            let known = known.ok_or_else(|| self.unknown(version))?;
            known
                .image
                .parse::<Location>()
                .map_err(|_| Error::NoImage)?
        };
        let pulled = models::pull(self.home, &place, &self.options, self.on_event, interrupt);
        let (folder, seconds) = pulled.await?;
        if let Some(wanted) = wanted {
            let digest = wanted.image.digest.to_string();
            let spec = RevisionSpec {
                engine: engine::engine(wanted.spec, version, &folder, &digest)?,
                secrets: engine::secret_variables(wanted.spec),
            };
            self.stored().specs.insert(version.clone(), spec);
        }
        Ok(seconds)
    }

    fn spec(&self, version: &VersionId) -> Result<RevisionSpec, Error> {
        let spec = self.stored().specs.get(version).cloned();
        spec.ok_or_else(|| self.unknown(version))
    }

    async fn start(
        &self,
        version: &VersionId,
        interrupt: &Interrupt,
    ) -> Result<PhaseSeconds, Error> {
        let engine = self.spec(version)?.engine()?;
        let state = self.state().await?;
        let live = state.split.live.as_ref();
        bring_up::bring_up(self.client, &engine, live, self.on_event, interrupt).await
    }

    /// One write of the split, where nothing of it has been written since it was read.
    async fn set_split(&self, live: Option<&VersionId>) -> Result<(), Error> {
        let state = self.state().await?;
        let change = SplitChange {
            expect_generation: state.split.generation,
            expect_run: None,
            live: live.cloned(),
            candidate: None,
            weight: Weight::ZERO,
            matches: None,
            journal: None,
        };
        self.client.set_split(&change).await?;
        Ok(())
    }

    /// Lets the version finish what it is doing, then stops it; it stays known for `rollback`.
    async fn stop(
        &self,
        version: &VersionId,
        drain: bool,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let state = self.state().await?;
        let Some(known) = state.version(version).filter(|known| known.pid.is_some()) else {
            return Ok(());
        };
        let limit = if drain {
            Duration::from_secs(known.engine.drain_s)
        } else {
            Duration::ZERO
        };
        let started = Instant::now();
        let stopping = self.client.stop(version, limit).await?;
        if drain {
            (self.on_event)(Event::Draining {
                version: version.clone(),
                in_flight: stopping.in_flight,
            });
        }
        tokio::select! {
            stopped = self.client.stopped(version, limit + STOP_GRACE) => stopped?,
            _ = interrupt.any() => return Err(Error::Interrupted),
        }
        if drain {
            (self.on_event)(Event::Drained {
                version: version.clone(),
                took: started.elapsed(),
            });
        }
        Ok(())
    }

    /// Waits until the candidate is Ready again; one process carries any share.
    async fn ready(&self, candidate: &VersionId, interrupt: &Interrupt) -> Result<(), Error> {
        let started = Instant::now();
        loop {
            let state = self.state().await?;
            let known = state.version(candidate).map(|known| &known.phase);
            match known {
                Some(Phase::Ready) => return Ok(()),
                Some(Phase::Starting | Phase::Unready | Phase::BackOff { .. })
                    if started.elapsed() < READY_MAX => {}
                _ => return Err(self.unknown(candidate)),
            }
            tokio::select! {
                () = tokio::time::sleep(READY_POLL) => {}
                _ = interrupt.any() => return Err(Error::Interrupted),
            }
        }
    }
}

impl Site for LocalSite<'_> {
    fn release(&self) -> &ReleaseName {
        self.client.release()
    }

    fn place(&self) -> String {
        "local".to_owned()
    }

    fn target(&self) -> &'static str {
        "local"
    }

    fn observe<'a>(&'a self, _: Option<&'a Wanted>) -> Doing<'a, Observed> {
        Box::pin(self.read())
    }

    // The lock is a file lock: it is this process's for as long as it lives.
    fn check_lock(&self) -> Result<(), Error> {
        Ok(())
    }

    fn lost(&self) -> futures_util::future::BoxFuture<'_, Error> {
        Box::pin(std::future::pending())
    }

    fn save<'a>(&'a self, record: &'a Record) -> Doing<'a, ()> {
        Box::pin(async move {
            let stored = {
                let mut stored = self.stored();
                stored.record = record.clone();
                stored.clone()
            };
            store::write(self.home, self.client.release(), &stored)
        })
    }

    fn apply_shared(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn prepare<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(self.pull(version, interrupt))
    }

    fn bring_up<'a>(
        &'a self,
        version: &'a VersionId,
        _: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(self.start(version, interrupt))
    }

    fn first_token<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(first_token::see(
            self.client,
            version,
            self.on_event,
            interrupt,
        ))
    }

    fn shrink<'a>(
        &'a self,
        version: &'a VersionId,
        _: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(async move {
            // Requests that arrive meanwhile are refused at once rather than held.
            if self.state().await?.split.live.as_ref() == Some(version) {
                self.set_split(None).await?;
            }
            self.stop(version, true, interrupt).await
        })
    }

    fn expose<'a>(&'a self, version: &'a VersionId, _: &'a Interrupt) -> Doing<'a, ()> {
        Box::pin(self.set_split(Some(version)))
    }

    fn apply_route(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn write_split<'a>(
        &'a self,
        read: &'a Split,
        change: &'a Change,
        _: &'a Interrupt,
    ) -> Doing<'a, Split> {
        Box::pin(async move {
            let router = traffic::Local::new(self.client.clone()).await?;
            // A hand-over that stopped live first left the gateway without one.
            if self.state().await?.split.live.is_none() && change.candidate.is_none() {
                self.set_split(Some(&change.live)).await?;
                return Ok(router.read().await?);
            }
            Ok(router.write(read, change).await?)
        })
    }

    fn unexpose(&self) -> Doing<'_, ()> {
        Box::pin(self.set_split(None))
    }

    fn point_service<'a>(&'a self, _: &'a VersionId) -> Doing<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn confirm<'a>(&'a self, _: &'a VersionId, _: &'a Interrupt) -> Doing<'a, PhaseSeconds> {
        // The gateway has answered that the write is in force.
        Box::pin(async { Ok(PhaseSeconds::default()) })
    }

    fn end<'a>(
        &'a self,
        version: &'a VersionId,
        drain: bool,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(self.stop(version, drain, interrupt))
    }

    fn unfloor<'a>(&'a self, _: &'a VersionId) -> Doing<'a, ()> {
        // Nothing scales a release on this machine.
        Box::pin(async { Ok(()) })
    }

    fn prune<'a>(&'a self, _: &'a Record) -> Doing<'a, ()> {
        // `infer serve` forgets stopped versions by itself.
        Box::pin(async { Ok(()) })
    }

    fn leave(&self) -> Doing<'_, ()> {
        Box::pin(async {
            let state = self.state().await?;
            let is_idle = state.split.live.is_none()
                && state.versions.iter().all(|known| known.pid.is_none());
            if is_idle {
                self.client.shutdown(Duration::ZERO).await?;
            }
            Ok(())
        })
    }

    fn make_room<'a>(
        &'a self,
        _: &'a VersionId,
        candidate: &'a VersionId,
        _: Weight,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(self.ready(candidate, interrupt))
    }

    fn endpoint(&self) -> Doing<'_, String> {
        Box::pin(async { Ok(self.state().await?.endpoint) })
    }
}

/// The split; `None` while nothing is live.
fn split(state: &State) -> Option<Split> {
    let split = &state.split;
    Some(Split {
        live: split.live.clone()?,
        candidate: split.candidate.clone(),
        weight: split.weight,
        matches: split.matches.clone(),
        token: split.generation.to_string(),
        journal: split.journal.clone(),
        writer: None,
    })
}

fn standing(known: &VersionState) -> Standing {
    Standing {
        version: known.version.clone(),
        replicas: u32::from(known.pid.is_some()),
        ready: u32::from(known.phase == Phase::Ready),
    }
}
