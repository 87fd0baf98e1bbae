//! The state of a served release: the one place that changes, saves and shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    Error, Event, ReleasePaths,
    adopt::Wanted,
    control::{Engine, Phase, SessionKey, Split, SplitChange, State, VersionState},
    lifecycle::{self, Transition},
    record::{Record, Run, VersionRecord},
    route::{Routes, Table},
    split::{SplitError, changed},
    supervisor::Command,
    upstream::Upstream,
};
use crate::{clock, name::VersionId};

/// Called with every event.
pub(super) type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// Stopped versions remembered beside those that run; the oldest go first.
const STOPPED_MAX: usize = 20;

pub(super) struct StateStore {
    paths: ReleasePaths,
    detached: bool,
    since_ms: u64,
    inner: Mutex<Inner>,
    /// Held while a record is on its way to disk, so that none overtakes another.
    saving: tokio::sync::Mutex<()>,
    pub(super) routes: Arc<Routes>,
    on_event: OnEvent,
}

impl fmt::Debug for StateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateStore").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    record: Record,
    entries: BTreeMap<VersionId, Entry>,
}

/// One version in memory; what must survive is in `record`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: VersionRecord,
    pub(super) phase: Phase,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

impl StateStore {
    pub(super) fn new(
        paths: ReleasePaths,
        record: Record,
        detached: bool,
        on_event: OnEvent,
    ) -> Arc<Self> {
        let table = Table::new(
            &record.release,
            &Split::empty(),
            &record.session,
            BTreeMap::new(),
        );
        Arc::new(Self {
            paths,
            detached,
            since_ms: clock::now_ms(),
            inner: Mutex::new(Inner {
                record,
                entries: BTreeMap::new(),
            }),
            saving: tokio::sync::Mutex::new(()),
            routes: Arc::new(Routes::new(table)),
            on_event,
        })
    }

    pub(super) fn paths(&self) -> &ReleasePaths {
        &self.paths
    }

    pub(super) fn tell(&self, event: Event) {
        (self.on_event)(event);
    }

    /// Adds a version, or replaces it; its supervisor must read `commands`.
    pub(super) fn insert(
        &self,
        record: VersionRecord,
        phase: Phase,
        commands: mpsc::UnboundedSender<Command>,
    ) -> Arc<Upstream> {
        let version = record.version().clone();
        let upstream = Upstream::new(version.clone());
        let entry = Entry {
            record,
            phase,
            secrets: BTreeMap::new(),
            upstream: Arc::clone(&upstream),
            commands,
        };
        let mut inner = self.inner();
        inner.entries.insert(version, entry);
        self.reroute(&inner);
        upstream
    }

    /// Reads or changes one version.
    pub(super) fn with<T>(
        &self,
        version: &VersionId,
        act: impl FnOnce(&mut Entry) -> T,
    ) -> Option<T> {
        self.inner().entries.get_mut(version).map(act)
    }

    pub(super) fn versions(&self) -> Vec<VersionId> {
        self.inner().entries.keys().cloned().collect()
    }

    /// Applies a transition to a version, and reports a change of phase.
    pub(super) fn transition(&self, version: &VersionId, transition: Transition) {
        let changed = self.with(version, |entry| {
            let phase = lifecycle::next(&entry.phase, transition);
            if phase == entry.phase {
                return None;
            }
            entry.phase = phase.clone();
            let run = &mut entry.record.run;
            let is_first = phase == Phase::Ready && run.ready_ms.is_none();
            if is_first {
                run.ready_ms = Some(clock::now_ms());
            }
            let took_ms = |started_ms| clock::now_ms().saturating_sub(started_ms);
            let after = run.started_ms.filter(|_| is_first).map(took_ms);
            Some((phase, after.map(Duration::from_millis)))
        });
        if let Some((phase, after)) = changed.flatten() {
            self.tell(Event::Entered {
                version: version.clone(),
                phase,
                after,
            });
        }
    }

    /// The engine to start, with its secrets, or the names of those that are missing.
    pub(super) fn engine(&self, version: &VersionId) -> Option<Result<Engine, Vec<String>>> {
        self.with(version, |entry| {
            let missing: Vec<String> = entry
                .record
                .secret_names
                .iter()
                .filter(|name| !entry.secrets.contains_key(*name))
                .cloned()
                .collect();
            if missing.is_empty() {
                Ok(Engine {
                    secret_env: entry.secrets.clone(),
                    ..entry.record.engine.clone()
                })
            } else {
                Err(missing)
            }
        })
    }

    /// Takes an engine as it is wanted now; returns whether its version was known before.
    pub(super) fn want(&self, engine: &Engine) -> bool {
        let fresh = VersionRecord::new(engine, Wanted::Up);
        self.with(&engine.version, |entry| {
            entry.record.engine = fresh.engine;
            entry.record.secret_names = fresh.secret_names;
            entry.record.wanted = Wanted::Up;
            entry.secrets = engine.secret_env.clone();
        })
        .is_some()
    }

    /// Sends a command to a version's supervisor.
    pub(super) fn command(&self, version: &VersionId, command: Command) {
        // A supervisor that has ended has nothing left to do for it.
        self.with(version, |entry| drop(entry.commands.send(command)));
    }

    /// Saves everything that must survive; on disk once this returns.
    pub(super) async fn save(&self) -> Result<(), Error> {
        let _turn = self.saving.lock().await;
        let record = self.inner().snapshot();
        self.write(record).await
    }

    async fn write(&self, record: Record) -> Result<(), Error> {
        let paths = self.paths.clone();
        let written = tokio::task::spawn_blocking(move || record.save(&paths)).await;
        written.unwrap_or_else(|error| {
            Err(Error::File {
                path: self.paths.record(),
                source: std::io::Error::other(error),
            })
        })
    }

    /// Changes the split if it is still what the change expects.
    pub(super) async fn change_split(&self, change: SplitChange) -> Result<Split, SplitError> {
        let _turn = self.saving.lock().await;
        let record = {
            let inner = self.inner();
            let split = changed(&inner.record.split, change, |version| {
                inner.entries.contains_key(version)
            })?;
            let mut record = inner.snapshot();
            record.split = split;
            record
        };
        let split = record.split.clone();
        self.write(record).await.map_err(SplitError::NotSaved)?;
        let mut inner = self.inner();
        inner.record.split = split.clone();
        self.reroute(&inner);
        drop(inner);
        self.tell(Event::Split(split.clone()));
        Ok(split)
    }

    pub(super) async fn set_session(&self, key: &SessionKey) -> Result<(), Error> {
        {
            let mut inner = self.inner();
            inner.record.session = key.clone();
            self.reroute(&inner);
        }
        self.save().await
    }

    pub(super) fn split(&self) -> Split {
        self.inner().record.split.clone()
    }

    /// Puts the split into force; done once its versions are known again.
    pub(super) fn apply_split(&self) {
        self.reroute(&self.inner());
    }

    /// Forgets the oldest stopped versions above [`STOPPED_MAX`]; returns them.
    pub(super) fn prune(&self) -> Vec<VersionId> {
        let mut inner = self.inner();
        let split = inner.record.split.clone();
        let mut stopped: Vec<(u64, VersionId)> = inner
            .entries
            .values()
            .filter(|entry| entry.phase == Phase::Stopped)
            .map(|entry| {
                let started_ms = entry.record.run.started_ms.unwrap_or_default();
                (started_ms, entry.record.version().clone())
            })
            .filter(|(_, version)| {
                split.live.as_ref() != Some(version) && split.candidate.as_ref() != Some(version)
            })
            .collect();
        stopped.sort();
        let surplus = stopped.len().saturating_sub(STOPPED_MAX);
        let gone: Vec<_> = stopped
            .drain(..surplus)
            .map(|(_, version)| version)
            .collect();
        for version in &gone {
            inner.entries.remove(version);
        }
        self.reroute(&inner);
        gone
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.inner().record.port)
    }

    pub(super) fn version_state(&self, version: &VersionId) -> Option<VersionState> {
        let paths = &self.paths;
        self.with(version, |entry| entry.state(paths))
    }

    pub(super) fn state(&self) -> State {
        let endpoint = self.endpoint();
        let inner = self.inner();
        let versions: Vec<_> = inner
            .entries
            .values()
            .map(|entry| entry.state(&self.paths))
            .collect();
        State {
            release: inner.record.release.clone(),
            pid: std::process::id(),
            endpoint,
            split: inner.record.split.clone(),
            simulated: versions
                .iter()
                .any(|known| known.simulated && lifecycle::has_process(&known.phase)),
            versions,
            session: inner.record.session.clone(),
            detached: self.detached,
            since_ms: self.since_ms,
        }
    }

    /// Requests in flight at all versions.
    pub(super) fn in_flight(&self) -> u64 {
        let inner = self.inner();
        inner
            .entries
            .values()
            .map(|entry| entry.upstream.in_flight())
            .sum()
    }

    /// Versions that have a process.
    pub(super) fn running(&self) -> BTreeSet<VersionId> {
        let inner = self.inner();
        let running = inner
            .entries
            .iter()
            .filter(|(_, entry)| lifecycle::has_process(&entry.phase));
        running.map(|(version, _)| version.clone()).collect()
    }

    fn reroute(&self, inner: &Inner) {
        let upstreams = inner
            .entries
            .iter()
            .map(|(version, entry)| (version.clone(), Arc::clone(&entry.upstream)))
            .collect();
        let record = &inner.record;
        let table = Table::new(&record.release, &record.split, &record.session, upstreams);
        self.routes.replace(table);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn snapshot(&self) -> Record {
        Record {
            versions: self
                .entries
                .values()
                .map(|entry| entry.record.clone())
                .collect(),
            ..self.record.clone()
        }
    }
}

impl Entry {
    fn state(&self, paths: &ReleasePaths) -> VersionState {
        let Run {
            identity,
            port,
            started_ms,
            ready_ms,
            mark: _,
        } = &self.record.run;
        let running = lifecycle::has_process(&self.phase);
        VersionState {
            version: self.record.version().clone(),
            phase: self.phase.clone(),
            pid: identity
                .as_ref()
                .filter(|_| running)
                .map(|identity| identity.pid),
            port: port.filter(|_| running),
            restarts: self.record.restarts,
            in_flight: self.upstream.in_flight(),
            last_exit: self.record.last_exit.clone(),
            simulated: self.record.engine.simulated,
            engine: self.record.engine.clone(),
            secret_names: self.record.secret_names.iter().cloned().collect(),
            log: paths.engine_log(self.record.version()),
            started_ms: *started_ms,
            ready_ms: *ready_ms,
        }
    }
}
