//! The one state of a served release: who changes it, writes it down and shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    Error, Event, Place,
    adopt::Wanted,
    clock,
    control::{Engine, Phase, SessionKey, Split, SplitChange, State, VersionState},
    keeper::Order,
    life::{self, Happened},
    record::{self, Kept, Record, Run},
    route::{Routes, Table},
    slot::Slot,
    split::{SplitError, changed},
};
use crate::name::VersionId;

/// Told of every change.
pub type OnEvent = Arc<dyn Fn(Event) + Send + Sync>;

/// Stopped versions remembered beside those that run; the oldest go first.
const STOPPED_MAX: usize = 20;

pub(super) struct Book {
    place: Place,
    detached: bool,
    since_ms: u64,
    inner: Mutex<Inner>,
    /// Held while a record is on its way to disk, so that none overtakes another.
    saving: tokio::sync::Mutex<()>,
    pub(super) routes: Arc<Routes>,
    on_event: OnEvent,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Inner {
    record: Record,
    entries: BTreeMap<VersionId, Entry>,
}

/// One version in memory; what must survive is in `kept`.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kept: Kept,
    pub(super) phase: Phase,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) slot: Arc<Slot>,
    pub(super) orders: mpsc::UnboundedSender<Order>,
}

impl Book {
    pub(super) fn new(
        place: Place,
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
            place,
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

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn tell(&self, event: Event) {
        (self.on_event)(event);
    }

    /// Adds a version, or takes it again; its keeper must read `orders`.
    pub(super) fn insert(
        &self,
        kept: Kept,
        phase: Phase,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Arc<Slot> {
        let version = kept.version().clone();
        let slot = Slot::new(version.clone());
        let entry = Entry {
            kept,
            phase,
            secrets: BTreeMap::new(),
            slot: Arc::clone(&slot),
            orders,
        };
        let mut inner = self.inner();
        inner.entries.insert(version, entry);
        self.reroute(&inner);
        slot
    }

    /// Looks at or changes one version.
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

    /// Moves a version to its next phase, and tells where that is another one.
    pub(super) fn happened(&self, version: &VersionId, happened: Happened) {
        let changed = self.with(version, |entry| {
            let phase = life::next(&entry.phase, happened);
            if phase == entry.phase {
                return None;
            }
            entry.phase = phase.clone();
            let run = &mut entry.kept.run;
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
                .kept
                .secret_names
                .iter()
                .filter(|name| !entry.secrets.contains_key(*name))
                .cloned()
                .collect();
            if missing.is_empty() {
                Ok(Engine {
                    secret_env: entry.secrets.clone(),
                    ..entry.kept.engine.clone()
                })
            } else {
                Err(missing)
            }
        })
    }

    /// Takes an engine as it is wanted now; whether its version was known before.
    pub(super) fn want(&self, engine: &Engine) -> bool {
        let fresh = record::kept(engine, Wanted::Up);
        self.with(&engine.version, |entry| {
            entry.kept.engine = fresh.engine;
            entry.kept.secret_names = fresh.secret_names;
            entry.kept.wanted = Wanted::Up;
            entry.secrets = engine.secret_env.clone();
        })
        .is_some()
    }

    /// Gives an order to a version's keeper.
    pub(super) fn order(&self, version: &VersionId, order: Order) {
        // A keeper that is gone has nothing left to do for it.
        self.with(version, |entry| drop(entry.orders.send(order)));
    }

    /// Writes everything that must survive; done, it is on disk.
    pub(super) async fn save(&self) -> Result<(), Error> {
        let _turn = self.saving.lock().await;
        let record = self.inner().snapshot();
        self.write(record).await
    }

    async fn write(&self, record: Record) -> Result<(), Error> {
        let place = self.place.clone();
        let written = tokio::task::spawn_blocking(move || record.save(&place)).await;
        written.unwrap_or_else(|error| {
            Err(Error::File {
                path: self.place.record(),
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

    /// Forgets the stopped versions that are most.
    pub(super) fn prune(&self) -> Vec<VersionId> {
        let mut inner = self.inner();
        let split = inner.record.split.clone();
        let mut stopped: Vec<(u64, VersionId)> = inner
            .entries
            .values()
            .filter(|entry| entry.phase == Phase::Stopped)
            .map(|entry| {
                let started_ms = entry.kept.run.started_ms.unwrap_or_default();
                (started_ms, entry.kept.version().clone())
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
        let place = &self.place;
        self.with(version, |entry| entry.state(place))
    }

    pub(super) fn state(&self) -> State {
        let endpoint = self.endpoint();
        let inner = self.inner();
        let versions: Vec<_> = inner
            .entries
            .values()
            .map(|entry| entry.state(&self.place))
            .collect();
        State {
            release: inner.record.release.clone(),
            pid: std::process::id(),
            endpoint,
            split: inner.record.split.clone(),
            simulated: versions
                .iter()
                .any(|known| known.simulated && life::has_process(&known.phase)),
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
            .map(|entry| entry.slot.in_flight())
            .sum()
    }

    /// Versions that have a process.
    pub(super) fn running(&self) -> BTreeSet<VersionId> {
        let inner = self.inner();
        let running = inner
            .entries
            .iter()
            .filter(|(_, entry)| life::has_process(&entry.phase));
        running.map(|(version, _)| version.clone()).collect()
    }

    fn reroute(&self, inner: &Inner) {
        let slots = inner
            .entries
            .iter()
            .map(|(version, entry)| (version.clone(), Arc::clone(&entry.slot)))
            .collect();
        let record = &inner.record;
        let table = Table::new(&record.release, &record.split, &record.session, slots);
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
                .map(|entry| entry.kept.clone())
                .collect(),
            ..self.record.clone()
        }
    }
}

impl Entry {
    fn state(&self, place: &Place) -> VersionState {
        let Run {
            identity,
            port,
            started_ms,
            ready_ms,
            mark: _,
        } = &self.kept.run;
        let running = life::has_process(&self.phase);
        VersionState {
            version: self.kept.version().clone(),
            phase: self.phase.clone(),
            pid: identity
                .as_ref()
                .filter(|_| running)
                .map(|identity| identity.pid),
            port: port.filter(|_| running),
            restarts: self.kept.restarts,
            in_flight: self.slot.in_flight(),
            last_exit: self.kept.last_exit.clone(),
            simulated: self.kept.engine.simulated,
            engine: self.kept.engine.clone(),
            secret_names: self.kept.secret_names.iter().cloned().collect(),
            log: place.engine_log(self.kept.version()),
            started_ms: *started_ms,
            ready_ms: *ready_ms,
        }
    }
}
