//! A release on a cluster, as the lifecycle acts on it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    bring_up::BringUp,
    difference,
    drain::{Drain, Pace},
    gateway_check::GatewayCheck,
    gpu_fit,
    store::{self, RevisionSpec},
};
use crate::{
    cluster::{
        self, Cluster,
        apply::{Apply, apply, create},
        diff::{Act, ObjectDiff},
        inventory,
        lease::Lock,
        scale, workload,
    },
    header_match::HeaderMatch,
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    object::{Object, label::VERSION},
    release::{
        Error,
        event::{Event, Phase, PhaseSeconds},
        lifecycle::{Changes, Doing, Observed, Room, Site, Standing, Wanted, outlast},
        record::Record,
    },
    render::{Rendered, Role},
    traffic::{
        self, Change, ClusterRouter, Router, Split, VersionHeader,
        route::{self, Acceptance},
    },
    weight::Weight,
};

/// Drain limit of a version whose record is gone: as `rollout.drain` without a value.
const DRAIN_S: u64 = 60;

/// What a kubelet takes for a pod beyond the time that the pod has to end.
const KUBELET: Duration = Duration::from_mins(1);

/// The objects of the version that is wanted, as `render` made them.
pub struct WantedObjects {
    pub version: VersionId,
    pub spec: RevisionSpec,
    /// Of the release: applied at every deploy.
    shared: Vec<Object>,
    /// Hold the traffic: created once, from then on moved by `traffic` alone.
    routes: Vec<Object>,
}

impl WantedObjects {
    /// Tells the objects apart by their role; `spec` needs no objects yet.
    pub fn new(version: VersionId, rendered: &[Rendered], mut spec: RevisionSpec) -> Self {
        let of = |role: Role| -> Vec<Object> {
            let rendered = rendered.iter().filter(|one| one.role == role);
            rendered.map(|one| one.object.clone()).collect()
        };
        spec.objects = of(Role::Version);
        Self {
            version,
            spec,
            shared: of(Role::Shared),
            routes: of(Role::Route),
        }
    }

    /// The route that can split: what alone is not a Service, where there is such an object.
    fn route(&self, release: &ReleaseName) -> Option<&'static dyn route::Route> {
        let rows = self.routes.iter();
        let rows: Vec<_> = rows
            .filter_map(|object| route::of_object(object, release))
            .collect();
        let splits = rows.iter().find(|row| row.can().weights);
        splits.or(rows.first()).copied()
    }
}

/// One release of a cluster.
pub struct ClusterSite<'a> {
    pub cluster: &'a Cluster,
    pub release: &'a ReleaseName,
    /// `None` for a verb that only reads.
    pub lock: Option<&'a Lock>,
    pub wanted: Option<&'a WantedObjects>,
    /// `traffic.endpoint`, in place of the Gateway's own address.
    pub endpoint: Option<&'a str>,
    pub run: &'a str,
    /// The requests that reached a candidate by their header until its verdict.
    pub matched: Option<&'a HeaderMatch>,
    pub pace: Pace,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    memory: Mutex<Memory>,
}

/// What the site has read, so that it writes over that and reads it once.
#[derive(Default)]
struct Memory {
    /// The state of the record's ConfigMap.
    stored: Option<String>,
    record: Record,
    specs: HashMap<VersionId, Option<Arc<RevisionSpec>>>,
    workloads: Vec<Object>,
    without_version_header: bool,
    spec_is_kept: bool,
}

impl<'a> ClusterSite<'a> {
    pub fn new(
        cluster: &'a Cluster,
        release: &'a ReleaseName,
        lock: Option<&'a Lock>,
        run: &'a str,
        on_event: &'a (dyn Fn(Event) + Send + Sync),
    ) -> Self {
        Self {
            cluster,
            release,
            lock,
            wanted: None,
            endpoint: None,
            run,
            matched: None,
            pace: Pace::default(),
            on_event,
            memory: Mutex::default(),
        }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What holds the traffic; `None` before anything was exposed.
    pub async fn router(&self) -> Result<Option<Router>, Error> {
        let known = self.memory().record.router.clone();
        let named = known.as_deref().and_then(route::find);
        let wanted = self.wanted.and_then(|wanted| wanted.route(self.release));
        let Some(row) = named.or(wanted) else {
            return Ok(None);
        };
        let header = if self.memory().without_version_header {
            VersionHeader::Omit
        } else {
            VersionHeader::Set
        };
        let router = ClusterRouter::new(
            self.cluster.clone(),
            self.release.clone(),
            row,
            header,
            self.endpoint.map(ToOwned::to_owned),
        );
        let router = router.await?.map(|router| router.paced(self.pace.traffic));
        Ok(router.map(Router::Cluster))
    }

    async fn required_router(&self) -> Result<Router, Error> {
        self.router().await?.ok_or_else(|| Error::NoRelease {
            release: self.release.clone(),
        })
    }

    /// The record, read once and remembered; [`Site::observe`] reads it anew.
    pub(super) async fn read_record(&self) -> Result<Record, Error> {
        let stored = store::read(self.cluster, self.release).await?;
        let mut memory = self.memory();
        memory.stored = stored.resource_version;
        memory.without_version_header = stored.record.without_version_header;
        memory.record = stored.record.clone();
        memory.specs.clear();
        Ok(stored.record)
    }

    pub(super) async fn read_workloads(&self) -> Result<Vec<Object>, Error> {
        let workloads = workload::list(self.cluster, self.release).await?;
        self.memory().workloads.clone_from(&workloads);
        Ok(workloads)
    }

    /// What brings the version up; `None` where it is gone.
    pub async fn spec(&self, version: &VersionId) -> Result<Option<Arc<RevisionSpec>>, Error> {
        if let Some(wanted) = self.wanted.filter(|wanted| wanted.version == *version) {
            return Ok(Some(Arc::new(wanted.spec.clone())));
        }
        if let Some(known) = self.memory().specs.get(version) {
            return Ok(known.clone());
        }
        let record = self.memory().record.clone();
        let spec = store::spec(self.cluster, self.release, &record, version).await?;
        let spec = spec.map(Arc::new);
        self.memory().specs.insert(version.clone(), spec.clone());
        Ok(spec)
    }

    /// How the version was deployed.
    pub async fn spec_of(&self, version: &VersionId) -> Result<Arc<RevisionSpec>, Error> {
        self.read_record().await?;
        self.required_spec(version).await
    }

    async fn required_spec(&self, version: &VersionId) -> Result<Arc<RevisionSpec>, Error> {
        let spec = self.spec(version).await?;
        spec.ok_or_else(|| Error::UnknownVersion {
            release: self.release.clone(),
            version: version.clone(),
        })
    }

    fn bring<'b>(
        &'b self,
        version: &'b VersionId,
        spec: &'b RevisionSpec,
        interrupt: &'b Interrupt,
    ) -> BringUp<'b> {
        BringUp {
            cluster: self.cluster,
            release: self.release,
            version,
            spec,
            on_event: self.on_event,
            interrupt,
        }
    }

    /// The version's workload as the cluster has it now.
    async fn workload(&self, version: &VersionId) -> Result<Option<Object>, Error> {
        let workloads = self.read_workloads().await?;
        Ok(workloads
            .into_iter()
            .find(|object| version_of(object).as_ref() == Some(version)))
    }

    /// What the wanted objects would change, by role; refuses those that are not ours.
    async fn differences(
        &self,
        observed: &mut Observed,
        wanted: &WantedObjects,
    ) -> Result<Vec<ObjectDiff>, Error> {
        let all = wanted.shared.iter().chain(&wanted.spec.objects);
        for object in all.chain(&wanted.routes) {
            refuse_foreign(self.cluster, object, self.release).await?;
        }
        let without_split: Vec<_> = wanted
            .routes
            .iter()
            .map(|object| self.without_split(object))
            .collect();
        let shared = difference::changes(self.cluster, &wanted.shared).await?;
        let mut version = self.version_differences(observed, wanted).await?;
        let routes = difference::changes(self.cluster, &without_split).await?;
        observed.changes = Changes {
            shared: !shared.is_empty(),
            version: !version.is_empty(),
            route: !routes.is_empty(),
        };
        let live = observed.before().filter(|live| **live != wanted.version);
        if let Some(live) = live
            && let Some(spec) = self.spec(live).await?
        {
            let against = (live, spec.as_ref());
            difference::against_live(&mut version, &wanted.spec.objects, against, &wanted.version);
        }
        Ok([version, shared, routes].concat())
    }

    async fn version_differences(
        &self,
        observed: &Observed,
        wanted: &WantedObjects,
    ) -> Result<Vec<ObjectDiff>, Error> {
        let objects = &wanted.spec.objects;
        let scalers = match scale::limits(objects) {
            Some(_) => Vec::new(),
            None => scale::list(self.cluster, self.release, &wanted.version).await?,
        };
        if scalers.is_empty() {
            return difference::changes(self.cluster, objects).await;
        }
        // The replicas are an autoscaler's until it is gone: a dry run with others is refused.
        let now = observed.standing(&wanted.version).replicas;
        let objects: Vec<_> = objects
            .iter()
            .map(|object| workload::scaled(object, now))
            .collect();
        let mut found = difference::changes(self.cluster, &objects).await?;
        found.extend(scalers.iter().map(|(_, scaler)| ObjectDiff {
            object: scaler.title(),
            act: Act::Delete,
            changes: Vec::new(),
        }));
        Ok(found)
    }

    /// Where the wanted version's missing replicas find GPUs.
    async fn room(&self, observed: &Observed, wanted: &Wanted) -> Result<Option<Room>, Error> {
        let Some(spec) = self.spec(&wanted.version).await? else {
            return Ok(None);
        };
        let Some((row, object)) = workload::of(&spec.objects) else {
            return Ok(None);
        };
        let up = observed.standing(&wanted.version).ready;
        let missing = wanted.replicas.saturating_sub(up);
        let Some(fit) = gpu_fit::look(self.cluster, row, object, missing).await else {
            return Ok(None);
        };
        let live = observed.before().cloned();
        let given = self.memory().workloads.iter().find_map(|object| {
            let is_live = version_of(object) == live;
            let row = workload::find(object).filter(|_| is_live)?;
            Some(fit.given_by(row, object))
        });
        Ok(Some(Room {
            fits: fit.fits(),
            free: fit.free(),
            gpus_each: fit.each,
            given_each: given.unwrap_or(0),
            sentence: fit.sentence(),
        }))
    }

    async fn read(&self, wanted: Option<&Wanted>) -> Result<Observed, Error> {
        let record = self.read_record().await?;
        let router = self.router().await?;
        let split = match &router {
            Some(router) => router.read_live().await?,
            None => None,
        };
        let wanted_row = self.wanted.and_then(|wanted| wanted.route(self.release));
        let weighted = match &router {
            Some(router) => router.capabilities().weights,
            None => wanted_row.is_some_and(|row| row.can().weights),
        };
        let follows = router.is_none() || weighted;
        let service = if follows {
            traffic::service_target(self.cluster, self.release).await?
        } else {
            None
        };
        let workloads = self.read_workloads().await?;
        let versions: Vec<_> = workloads.iter().filter_map(standing).collect();
        let unknown = versions
            .iter()
            .any(|known| record.find(&known.version).is_none());
        let orphans = unknown
            || !store::orphans(self.cluster, self.release, &record)
                .await?
                .is_empty();
        let mut observed = Observed {
            split,
            service,
            record,
            versions,
            weighted,
            orphans,
            floored: scale::floored(self.cluster, self.release).await?,
            ..Observed::default()
        };
        if let Some(wanted) = wanted {
            if let Some(objects) = self.wanted {
                observed.differences = self.differences(&mut observed, objects).await?;
            }
            if observed.serving() != Some(&wanted.version) || observed.changes.version {
                observed.room = self.room(&observed, wanted).await?;
            }
        }
        Ok(observed)
    }

    async fn keep(&self, record: &Record) -> Result<(), Error> {
        let mut record = record.clone();
        let (stored, is_kept) = {
            let memory = self.memory();
            record.without_version_header = memory.without_version_header;
            (memory.stored.clone(), memory.spec_is_kept)
        };
        if let Some(wanted) = self.wanted {
            if record.router.is_none() {
                record.router = wanted.route(self.release).map(|row| row.name().to_owned());
            }
            // What brings it up again is there before the record names it.
            if let (Some(known), false) = (record.find(&wanted.version), is_kept) {
                let number = known.revision;
                store::keep(self.cluster, self.release, number, &wanted.spec).await?;
                self.memory().spec_is_kept = true;
            }
        }
        let over = store::write(self.cluster, self.release, &record, stored.as_deref()).await?;
        let mut memory = self.memory();
        memory.stored = over;
        memory.record = record;
        Ok(())
    }

    async fn create_routes(&self, interrupt: &Interrupt) -> Result<(), Error> {
        let wanted = self.wanted.ok_or_else(|| Error::NoRelease {
            release: self.release.clone(),
        })?;
        for object in &wanted.routes {
            if refuse_foreign(self.cluster, object, self.release).await? {
                continue;
            }
            let kind = self
                .cluster
                .kind(object.api_version(), object.kind())
                .await?;
            match create(self.cluster, &kind, object.name(), object).await {
                // The answer to an earlier request was lost on its way.
                Err(error) if error.is_transient() => {
                    if self.cluster.get(&kind, object.name()).await?.is_none() {
                        return Err(error.into());
                    }
                }
                created => drop(created?),
            }
        }
        self.accept(interrupt).await
    }

    /// A gateway that rejects the header by which backends name their version gets the route
    /// without it; one that rejects the route is told at once.
    async fn accept(&self, interrupt: &Interrupt) -> Result<(), Error> {
        let Some(Router::Cluster(mut router)) = self.router().await? else {
            return Ok(());
        };
        let rejected = match router.wait_accepted(interrupt).await {
            Err(error @ traffic::Error::Rejected { .. }) => error,
            accepted => return Ok(accepted?),
        };
        if router.version_header() == VersionHeader::Omit {
            return Err(rejected.into());
        }
        let tried = router.try_version_header(VersionHeader::Omit, interrupt);
        if let Acceptance::Rejected { .. } = tried.await? {
            return Err(rejected.into());
        }
        self.memory().without_version_header = true;
        let message = "the gateway rejects response headers on a backend, so answers will not \
                       name their version";
        (self.on_event)(Event::Noticed {
            message: message.to_owned(),
        });
        Ok(())
    }

    /// What may be applied at any time: the object without the fields that say where it leads.
    fn without_split(&self, object: &Object) -> Object {
        let row = route::of_object(object, self.release);
        row.map_or_else(|| object.clone(), |row| row.without_split(object))
    }

    async fn check_gateway(
        &self,
        version: &VersionId,
        interrupt: &Interrupt,
    ) -> Result<PhaseSeconds, Error> {
        let router = self.router().await?;
        let check = GatewayCheck::new(self.release, router.as_ref(), self.endpoint, interrupt);
        check.moved(version, self.matched, self.on_event).await?;
        let mut seconds = PhaseSeconds::default();
        let Some(wanted) = self.wanted.filter(|wanted| wanted.version == *version) else {
            return Ok(seconds);
        };
        let model = &wanted.spec.served_model;
        if let Some(took) = check.first_token(version, model).await? {
            seconds.set(Phase::FirstToken, took);
            (self.on_event)(Event::PhaseDone {
                phase: Phase::FirstToken,
                took,
                detail: "through the gateway".to_owned(),
            });
        }
        Ok(seconds)
    }

    async fn stop(
        &self,
        version: &VersionId,
        (replicas, drain, gone): (u32, bool, bool),
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        let Some(object) = self.workload(version).await? else {
            return Ok(());
        };
        let spec = self.spec(version).await?;
        let limit = spec.as_ref().map_or(DRAIN_S, |spec| spec.drain_s);
        let limit = Duration::from_secs(limit);
        let ending = Drain {
            cluster: self.cluster,
            release: self.release,
            version,
            spec: spec.as_deref(),
            object: &object,
            pace: self.pace,
            on_event: self.on_event,
            interrupt,
        };
        let runs = workload::find(&object).is_some_and(|row| row.replicas(&object) > 0);
        if drain && runs {
            return ending.all(limit).await;
        }
        if workload::find(&object).is_some_and(|row| row.replicas(&object) != replicas) {
            ending.resize(replicas).await?;
        }
        if gone {
            ending.gone(replicas, limit + KUBELET).await?;
        }
        Ok(())
    }

    /// Replicas that `weight` of live's load needs: max(1, ceil(live × weight / 100)).
    pub async fn replicas_for(&self, live: &VersionId, weight: Weight) -> Result<u32, Error> {
        let live = self.workload(live).await?;
        let live = live.and_then(|object| standing(&object));
        Ok(share_of(live.map_or(1, |live| live.replicas), weight))
    }

    async fn raise(
        &self,
        live: &VersionId,
        candidate: &VersionId,
        weight: Weight,
        interrupt: &Interrupt,
    ) -> Result<(), Error> {
        self.read_record().await?;
        let serving = self.workload(live).await?.as_ref().and_then(standing);
        let serving = serving.map_or(1, |live| live.replicas);
        let needs = share_of(serving, weight);
        // What is measured must not shrink because half of its traffic has moved.
        scale::floor_at(self.cluster, self.release, live, serving).await?;
        let up = self.workload(candidate).await?;
        let up = up.as_ref().and_then(standing);
        let up = up.ok_or_else(|| Error::UnknownVersion {
            release: self.release.clone(),
            version: candidate.clone(),
        })?;
        if needs <= up.replicas && up.ready >= up.replicas {
            let floored = scale::floor_at(self.cluster, self.release, candidate, up.replicas);
            return Ok(floored.await?);
        }
        let spec = self.required_spec(candidate).await?;
        if needs > up.replicas
            && let Some((row, object)) = workload::of(&spec.objects)
        {
            let fit = gpu_fit::look(self.cluster, row, object, needs - up.replicas).await;
            let room = fit.map_or_else(String::new, |fit| format!("; {}", fit.sentence()));
            (self.on_event)(Event::Noticed {
                message: format!(
                    "{candidate} goes from {} to {needs} replicas{room}",
                    up.replicas
                ),
            });
        }
        let replicas = needs.max(up.replicas);
        let bring = self.bring(candidate, &spec, interrupt);
        bring.put(replicas).await?;
        scale::floor_at(self.cluster, self.release, candidate, replicas).await?;
        bring.follow().await.map(drop)
    }
}

impl Site for ClusterSite<'_> {
    fn release(&self) -> &ReleaseName {
        self.release
    }

    fn place(&self) -> String {
        format!("{}/{}", self.cluster.context, self.cluster.namespace)
    }

    fn target(&self) -> &'static str {
        "kubernetes"
    }

    fn observe<'a>(&'a self, wanted: Option<&'a Wanted>) -> Doing<'a, Observed> {
        Box::pin(self.read(wanted))
    }

    fn check_lock(&self) -> Result<(), Error> {
        match self.lock {
            Some(lock) => Ok(lock.check()?),
            None => Ok(()),
        }
    }

    fn lost(&self) -> futures_util::future::BoxFuture<'_, Error> {
        Box::pin(async {
            match self.lock {
                Some(lock) => lock.lost().await.into(),
                None => std::future::pending().await,
            }
        })
    }

    fn save<'a>(&'a self, record: &'a Record) -> Doing<'a, ()> {
        Box::pin(self.keep(record))
    }

    fn apply_shared(&self) -> Doing<'_, ()> {
        Box::pin(async {
            for object in self.wanted.iter().flat_map(|wanted| &wanted.shared) {
                apply(self.cluster, object, Apply::Keep).await?;
            }
            Ok(())
        })
    }

    fn prepare<'a>(&'a self, _: &'a VersionId, _: &'a Interrupt) -> Doing<'a, PhaseSeconds> {
        // Nodes pull the model themselves.
        Box::pin(async { Ok(PhaseSeconds::default()) })
    }

    fn bring_up<'a>(
        &'a self,
        version: &'a VersionId,
        replicas: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(async move {
            let spec = self.required_spec(version).await?;
            self.bring(version, &spec, interrupt).apply(replicas).await
        })
    }

    fn first_token<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(async move {
            let spec = self.required_spec(version).await?;
            self.bring(version, &spec, interrupt).first_token().await
        })
    }

    fn shrink<'a>(
        &'a self,
        version: &'a VersionId,
        replicas: u32,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(self.stop(version, (replicas, false, true), interrupt))
    }

    fn expose<'a>(&'a self, _: &'a VersionId, interrupt: &'a Interrupt) -> Doing<'a, ()> {
        Box::pin(self.create_routes(interrupt))
    }

    fn unexpose(&self) -> Doing<'_, ()> {
        Box::pin(async {
            for object in self.wanted.iter().flat_map(|wanted| &wanted.routes) {
                if !refuse_foreign(self.cluster, object, self.release).await? {
                    continue;
                }
                let (api_version, kind) = (object.api_version(), object.kind());
                let kind = self.cluster.kind(api_version, kind).await?;
                if let Some(standing) = self.cluster.get(&kind, object.name()).await? {
                    inventory::delete(self.cluster, &standing).await?;
                }
            }
            Ok(())
        })
    }

    fn apply_route(&self) -> Doing<'_, ()> {
        Box::pin(async {
            for object in self.wanted.iter().flat_map(|wanted| &wanted.routes) {
                let object = self.without_split(object);
                apply(self.cluster, &object, Apply::Keep).await?;
            }
            Ok(())
        })
    }

    fn write_split<'a>(
        &'a self,
        read: &'a Split,
        change: &'a Change,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, Split> {
        Box::pin(async move {
            let router = self.required_router().await?;
            let router = &router;
            outlast(interrupt, || {
                Box::pin(async move { Ok(router.write(read, change, interrupt).await?) })
            })
            .await
        })
    }

    fn point_service<'a>(&'a self, version: &'a VersionId) -> Doing<'a, ()> {
        Box::pin(async move {
            let router = self.router().await?;
            if router.is_none_or(|router| router.capabilities().weights) {
                traffic::point_service(self.cluster, self.release, version, self.run).await?;
            }
            Ok(())
        })
    }

    fn confirm<'a>(
        &'a self,
        version: &'a VersionId,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, PhaseSeconds> {
        Box::pin(self.check_gateway(version, interrupt))
    }

    fn end<'a>(
        &'a self,
        version: &'a VersionId,
        drain: bool,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(self.stop(version, (0, drain, false), interrupt))
    }

    fn unfloor<'a>(&'a self, version: &'a VersionId) -> Doing<'a, ()> {
        Box::pin(async { Ok(scale::unfloor(self.cluster, self.release, version).await?) })
    }

    fn prune<'a>(&'a self, record: &'a Record) -> Doing<'a, ()> {
        Box::pin(async move {
            let all = inventory::find(self.cluster, self.release).await?;
            // Objects of all versions have no version and stay.
            let kept = |object: &Object| {
                version_of(object).is_none_or(|version| record.find(&version).is_some())
            };
            for object in inventory::to_prune(self.release, &all, &[], kept) {
                inventory::delete(self.cluster, &object).await?;
            }
            store::prune(self.cluster, self.release, record).await
        })
    }

    fn leave(&self) -> Doing<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn make_room<'a>(
        &'a self,
        live: &'a VersionId,
        candidate: &'a VersionId,
        weight: Weight,
        interrupt: &'a Interrupt,
    ) -> Doing<'a, ()> {
        Box::pin(self.raise(live, candidate, weight, interrupt))
    }

    fn endpoint(&self) -> Doing<'_, String> {
        Box::pin(async {
            if let Some(endpoint) = self.endpoint {
                return Ok(endpoint.to_owned());
            }
            let router = self.router().await?;
            Ok(router.map_or_else(String::new, |router| router.endpoint().to_owned()))
        })
    }
}

/// Refuses to apply over an object that is not managed by infer; whether it exists.
pub(super) async fn refuse_foreign(
    cluster: &Cluster,
    object: &Object,
    release: &ReleaseName,
) -> Result<bool, Error> {
    let kind = cluster.kind(object.api_version(), object.kind()).await?;
    match cluster.get(&kind, object.name()).await? {
        None => Ok(false),
        Some(found) if inventory::is_ours(&found, release) => Ok(true),
        Some(_) => Err(cluster::Error::NotOurs {
            object: kind.name(&cluster.namespace, object.name()),
        }
        .into()),
    }
}

pub(super) fn version_of(object: &Object) -> Option<VersionId> {
    object.label(VERSION)?.parse().ok()
}

/// The replicas of a workload that belongs to a version.
pub(super) fn standing(object: &Object) -> Option<Standing> {
    let row = workload::find(object)?;
    let now = row.standing(object);
    Some(Standing {
        version: version_of(object)?,
        replicas: row.replicas(object),
        ready: now.ready,
    })
}

/// max(1, ceil(live × weight / 100)) (DESIGN §2, Room).
fn share_of(live: u32, weight: Weight) -> u32 {
    let share = u64::from(live) * u64::from(weight.percent());
    u32::try_from(share.div_ceil(100))
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_load_needs_its_share_of_the_replicas_and_at_least_one() {
        let of = |live, percent| share_of(live, Weight::try_from(percent).unwrap());
        assert_eq!(
            [of(8, 1), of(8, 5), of(8, 25), of(8, 26), of(8, 100)],
            [1, 1, 2, 3, 8]
        );
        assert_eq!([of(0, 50), of(1, 10)], [1, 1]);
    }
}
