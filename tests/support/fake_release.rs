//! A release on the fake API server: its objects, controllers that play pods, faults at any
//! write, and runs of the lifecycle over it.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Method;
use infer::for_tests::{
    cluster::{
        Cluster,
        inventory::{MANAGED_BY, RELEASE, VERSION},
        lease::{self, Lock},
    },
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    object::Object,
    release::{
        Error,
        event::{Deployed, Event},
        kubernetes::{self, ClusterSite, Pace, RevisionSpec, WantedObjects},
        lifecycle::{self, Aim, Goal, Options, Run, Site, Wanted},
        record::Entry,
    },
    render::{Rendered, Role},
    spec::{OnFailure, Surge},
    traffic,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::fake_apiserver::{Call, FakeApiserver, Reply, Store};

pub const ONE: &str = "v111111111";
pub const TWO: &str = "v222222222";
pub const THREE: &str = "v333333333";
pub const NAMESPACE: &str = "/namespaces/team-a";

pub fn chat() -> ReleaseName {
    "chat".parse().unwrap()
}

pub fn version(text: &str) -> VersionId {
    text.parse().unwrap()
}

pub fn route_path() -> String {
    format!("/apis/gateway.networking.k8s.io/v1{NAMESPACE}/httproutes/chat")
}

pub fn service_path() -> String {
    format!("/api/v1{NAMESPACE}/services/chat")
}

pub fn lease_path() -> String {
    format!("/apis/coordination.k8s.io/v1{NAMESPACE}/leases/infer-chat")
}

pub fn workload_path(version: &str) -> String {
    format!("/apis/apps/v1{NAMESPACE}/deployments/chat-{version}")
}

/// The objects of a version, as `render` makes them.
pub fn rendered(version: &str, gateway: bool, replicas: u32) -> Vec<Rendered> {
    let shared = json!({MANAGED_BY: "infer", RELEASE: "chat"});
    let mut own = shared.clone();
    own[VERSION] = json!(version);
    let selector = json!({RELEASE: "chat", VERSION: version});
    let name = format!("chat-{version}");
    let mut all = vec![
        (
            Role::Shared,
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "chat", "labels": shared}}),
        ),
        (
            Role::Version,
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": own},
               "spec": {"selector": selector, "ports": [{"port": 80}]}}),
        ),
        (
            Role::Version,
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": own},
               "spec": {"replicas": replicas, "selector": {"matchLabels": selector}, "template": {}}}),
        ),
        (
            Role::Route,
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat", "labels": shared},
               "spec": {"selector": selector, "ports": [{"port": 80}]}}),
        ),
    ];
    if gateway {
        all.push((
            Role::Route,
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": "chat", "labels": shared},
                "spec": {"parentRefs": [], "rules": [{"backendRefs": [{"name": name, "port": 80}]}]}}),
        ));
    }
    let object = |(role, value): (Role, Value)| Rendered {
        role,
        object: Object::from(value),
    };
    all.into_iter().map(object).collect()
}

/// What happens to one write of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It takes effect, and the process is killed.
    Kill,
    /// It is refused, and so is every later one of that method and path.
    Refuse,
    /// It takes effect, and the answer is a gateway timeout.
    Timeout,
    /// It is answered by a conflict, once.
    Conflict,
    /// It is answered by a server error, once.
    Unavailable,
}

pub const FAULTS: [Fault; 5] = [
    Fault::Kill,
    Fault::Refuse,
    Fault::Timeout,
    Fault::Conflict,
    Fault::Unavailable,
];

/// Where in a run the fault strikes, and what was seen of it.
#[derive(Default)]
pub struct Faults {
    /// Counts writes from 1.
    pub writes: usize,
    pub at: Option<(usize, Fault)>,
    /// What each write was, `PATCH …/httproutes/chat`.
    pub seen: Vec<String>,
    refused: Option<(Method, String)>,
    dead: bool,
    /// Shares of users that pointed at nothing Ready.
    pub astray: Vec<String>,
    /// Nothing serves for a while, and that is meant.
    pub downtime: bool,
    /// Paths that contain this are answered 403.
    pub forbidden: Option<&'static str>,
}

/// A cluster with one release, and who plays its controllers.
pub struct FakeRelease {
    pub server: FakeApiserver,
    pub faults: Arc<Mutex<Faults>>,
    killed: Arc<Notify>,
    pub cluster: Cluster,
    pub events: Arc<Mutex<Vec<String>>>,
}

impl FakeRelease {
    /// Pods of a `broken` version crash with an engine's last words.
    pub fn start(broken: Option<&'static str>) -> Self {
        let faults = Arc::<Mutex<Faults>>::default();
        let killed = Arc::new(Notify::new());
        let (noted, tell) = (Arc::clone(&faults), Arc::clone(&killed));
        let server = FakeApiserver::start(move |call, store| {
            let mut faults = noted.lock().unwrap();
            if faults
                .forbidden
                .is_some_and(|part| call.path.contains(part))
            {
                return Some(Reply::failure(403, "Forbidden", "not for this user"));
            }
            let fault = strike(call, &mut faults);
            match fault {
                Some(Fault::Refuse) => {
                    return Some(Reply::failure(422, "Invalid", "refused on purpose"));
                }
                Some(Fault::Conflict) => {
                    return Some(Reply::failure(409, "Conflict", "conflict on purpose"));
                }
                Some(Fault::Unavailable) => {
                    return Some(Reply::failure(500, "InternalError", "broken on purpose"));
                }
                Some(Fault::Kill | Fault::Timeout) | None => {}
            }
            let played = play(call, store, broken);
            let reply = played.unwrap_or_else(|| store.keep(call));
            if is_write(call) {
                watch_over_users(call, store, &mut faults);
            }
            match fault {
                Some(Fault::Kill) => {
                    faults.dead = true;
                    tell.notify_one();
                    Some(Reply::failure(
                        503,
                        "ServiceUnavailable",
                        "nobody is left to hear it",
                    ))
                }
                Some(Fault::Timeout) => Some(Reply::failure(504, "Timeout", "late on purpose")),
                _ => Some(reply),
            }
        });
        let cluster = Cluster::with(server.config(), "fake".to_owned(), None).unwrap();
        Self {
            server,
            faults,
            killed,
            cluster,
            events: Arc::default(),
        }
    }

    /// Lets the fault strike at the write that is the `at`th from now on.
    pub fn arm(&self, at: usize, fault: Fault) {
        let mut faults = self.faults.lock().unwrap();
        let downtime = faults.downtime;
        *faults = Faults {
            at: Some((at, fault)),
            downtime,
            ..Faults::default()
        };
    }

    /// Whatever is asked of paths that contain `part` is forbidden from now on.
    pub fn forbid(&self, part: &'static str) {
        self.faults.lock().unwrap().forbidden = Some(part);
    }

    /// No more faults; a lock whose holder was killed has expired.
    pub fn heal(&self) {
        let mut faults = self.faults.lock().unwrap();
        let (downtime, astray) = (faults.downtime, std::mem::take(&mut faults.astray));
        *faults = Faults {
            astray,
            downtime,
            ..Faults::default()
        };
        drop(faults);
        if let Some(mut lease) = self.server.object(&lease_path()) {
            lease["spec"]["holderIdentity"] = json!("");
            self.server.put(&lease_path(), lease);
        }
    }

    /// Runs `work` until it ends or is killed by a fault; `None` where it was killed.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            ended = work => Some(ended),
            () = self.killed.notified() => None,
        }
    }

    pub async fn lock(&self, run: &str) -> Result<Lock, Error> {
        Ok(lease::lock(&self.cluster, &chat(), &format!("ann@build/{run}")).await?)
    }

    fn note(&self, event: &Event) {
        self.events.lock().unwrap().push(format!("{event:?}"));
    }

    pub fn site<'a>(
        &'a self,
        release: &'a ReleaseName,
        lock: &'a Lock,
        wanted: Option<&'a WantedObjects>,
        on_event: &'a (dyn Fn(Event) + Send + Sync),
    ) -> ClusterSite<'a> {
        let mut site = ClusterSite::new(&self.cluster, release, Some(lock), "r-1", on_event);
        site.wanted = wanted;
        site.pace = Pace {
            settle: Duration::ZERO,
            quiet: Duration::ZERO,
            gone: Duration::from_millis(1),
            traffic: traffic::Pace {
                follow: Duration::ZERO,
                settle: Duration::ZERO,
            },
        };
        site
    }

    pub async fn deploy(&self, deploy: &Deploy) -> Result<Deployed, Error> {
        let lock = self.lock("r-1").await?;
        let deployed = self.deploy_under(&lock, deploy).await;
        // That the lock could not be given back is a warning, as in the command.
        let released = lock.release(&self.cluster, deployed.is_ok()).await;
        if let Err(error) = released {
            self.events.lock().unwrap().push(error.to_string());
        }
        deployed
    }

    pub async fn deploy_under(&self, lock: &Lock, deploy: &Deploy) -> Result<Deployed, Error> {
        let (release, interrupt) = (chat(), Interrupt::pair().1);
        let id = version(deploy.version);
        let spec = RevisionSpec {
            objects: Vec::new(),
            served_model: "chat".to_owned(),
            startup_s: 60,
            drain_s: 10,
            surge: deploy.surge,
        };
        let objects = rendered(deploy.version, deploy.gateway, deploy.replicas);
        let wanted = WantedObjects::new(id.clone(), &objects, spec);
        let on_event = |event: Event| self.note(&event);
        {
            let site = self.site(&release, lock, Some(&wanted), &on_event);
            let entry = Entry {
                version: id.clone(),
                image: format!("r/m@sha256:{}", deploy.version),
                simulated: false,
                replicas: deploy.replicas,
            };
            let run = run(&site, &on_event, &interrupt);
            let aim = Aim {
                entry: &entry,
                wanted: &Wanted {
                    version: id,
                    replicas: deploy.replicas,
                    replicas_max: None,
                    goal: deploy.goal,
                },
                options: Options {
                    surge: deploy.surge,
                    allow_downtime: deploy.allow_downtime,
                },
            };
            lifecycle::reach(&run, &aim).await
        }
    }

    /// As `infer rollback` goes, without `--to`.
    pub async fn rollback(&self) -> Result<Deployed, Error> {
        let (release, interrupt) = (chat(), Interrupt::pair().1);
        let lock = self.lock("r-2").await?;
        let on_event = |event: Event| self.note(&event);
        let back = async {
            let site = self.site(&release, &lock, None, &on_event);
            let observed = site.observe(None).await?;
            let record = &observed.record;
            let intent = |version: &VersionId| format!("rollback {version}");
            let mut revisions = record.revisions.iter();
            let cut_off =
                revisions.find(|known| lock.unfinished() == Some(intent(&known.version).as_str()));
            let to = cut_off.or_else(|| record.previous(observed.before()));
            let to = to.cloned().ok_or(Error::NoPrevious {
                release: release.clone(),
            })?;
            lock.intend(&self.cluster, &intent(&to.version)).await?;
            let entry = Entry {
                version: to.version.clone(),
                image: to.image.clone(),
                simulated: to.simulated,
                replicas: to.replicas,
            };
            let aim = Aim {
                entry: &entry,
                wanted: &Wanted {
                    version: to.version.clone(),
                    replicas: to.replicas,
                    replicas_max: None,
                    goal: Goal::Serve,
                },
                options: Options::default(),
            };
            lifecycle::reach(&run(&site, &on_event, &interrupt), &aim).await
        }
        .await;
        let released = lock.release(&self.cluster, back.is_ok()).await;
        drop(released);
        back
    }

    pub async fn delete(&self) -> Result<(), Error> {
        let (release, interrupt) = (chat(), Interrupt::pair().1);
        let lock = self.lock("r-3").await?;
        let on_event = |event: Event| self.note(&event);
        let deleted = {
            let site = self.site(&release, &lock, None, &on_event);
            kubernetes::delete(&site, Duration::from_secs(1), &interrupt).await
        };
        match &deleted {
            Ok(()) | Err(Error::NoRelease { .. }) => {
                // As in the command, a lock that stays is a warning.
                let removed = lock.remove(&self.cluster).await;
                drop(removed);
            }
            Err(_) => drop(lock.release(&self.cluster, false).await),
        }
        deleted
    }

    /// What a user or an operator can tell of the release: split, record, replicas, Services
    /// and lock, without what only tells one run from another.
    pub fn state(&self) -> Value {
        let mut state = json!({});
        for (path, object) in self.server.objects() {
            if path.contains("/pods/") {
                continue;
            }
            state[path.as_str()] = essence(&object);
        }
        state
    }

    pub fn selected(&self) -> Value {
        let service = self.server.object(&service_path()).unwrap();
        service["spec"]["selector"][VERSION].clone()
    }

    pub fn replicas(&self, version: &str) -> Option<u64> {
        let object = self.server.object(&workload_path(version))?;
        object["spec"]["replicas"].as_u64()
    }
}

/// One deploy of the fake release.
#[derive(Debug, Clone, Copy)]
pub struct Deploy {
    pub version: &'static str,
    pub gateway: bool,
    pub replicas: u32,
    pub surge: Surge,
    pub allow_downtime: bool,
    pub goal: Goal,
}

impl Deploy {
    pub const fn of(version: &'static str) -> Self {
        Self {
            version,
            gateway: true,
            replicas: 1,
            surge: Surge::Auto,
            allow_downtime: false,
            goal: Goal::Serve,
        }
    }
}

pub fn run<'a>(
    site: &'a dyn Site,
    on_event: &'a (dyn Fn(Event) + Send + Sync),
    interrupt: &'a Interrupt,
) -> Run<'a> {
    Run {
        site,
        run: "r-1",
        on_failure: OnFailure::Rollback,
        history: 10,
        on_event,
        interrupt,
    }
}

fn is_write(call: &Call) -> bool {
    call.method != Method::GET
        && !call.query.contains("dryRun")
        && !call.path.contains("/proxy/")
        && !call.path.contains("accessreviews")
}

/// The fault that strikes this request, if one does.
fn strike(call: &Call, faults: &mut Faults) -> Option<Fault> {
    if faults.dead {
        return Some(Fault::Unavailable);
    }
    if !is_write(call) {
        return None;
    }
    let own = (call.method.clone(), call.path.clone());
    if faults.refused.as_ref() == Some(&own) {
        return Some(Fault::Refuse);
    }
    faults.writes += 1;
    faults.seen.push(format!("{} {}", call.method, call.path));
    let (_, fault) = faults.at.filter(|(at, _)| *at == faults.writes)?;
    if fault == Fault::Refuse {
        faults.refused = Some(own);
    }
    Some(fault)
}

/// Plays the controllers and the kubelet: a Deployment that is applied has its pods at once.
fn play(call: &Call, store: &mut Store, broken: Option<&'static str>) -> Option<Reply> {
    if call.path.ends_with("/proxy/v1/chat/completions") {
        return Some(Reply::text(
            "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n",
        ));
    }
    if call.path.ends_with("/proxy/metrics") {
        return Some(Reply::text(
            "vllm:num_requests_running{model_name=\"m\"} 0\n",
        ));
    }
    if call.path.ends_with("/log") {
        return Some(Reply::text(
            "INFO loading\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\n",
        ));
    }
    let path = call.path.trim_end_matches("/scale").to_owned();
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let is_workload = call.path.contains("/deployments/") && name.starts_with("chat-");
    if !is_workload || !is_write(call) {
        return None;
    }
    let pods = |store: &mut Store| {
        let prefix = format!("/api/v1{NAMESPACE}/pods/{name}-");
        store.objects.retain(|path, _| !path.starts_with(&prefix));
    };
    if call.method == Method::DELETE {
        pods(store);
        return None;
    }
    let version = name.trim_start_matches("chat-").to_owned();
    let mut object = store.objects.get(&path).cloned().unwrap_or(json!({}));
    json_patch::merge(&mut object, &call.body);
    let replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
    let is_broken = broken == Some(version.as_str());
    let ready = if is_broken { 0 } else { replicas };
    object["status"] = json!({"observedGeneration": 1_000, "replicas": replicas, "updatedReplicas": replicas,
        "availableReplicas": ready, "readyReplicas": ready});
    pods(store);
    for number in 0..replicas {
        let pod = format!("/api/v1{NAMESPACE}/pods/{name}-{number}");
        store.put(&pod, pod_of(&name, number, &version, !is_broken));
    }
    Some(Reply::json(200, &store.put(&path, object)))
}

fn pod_of(workload: &str, number: u64, version: &str, ready: bool) -> Value {
    let state = if ready {
        json!({"running": {}})
    } else {
        json!({"waiting": {"reason": "CrashLoopBackOff"}})
    };
    let last = if ready {
        json!({})
    } else {
        json!({"terminated": {"exitCode": 1, "reason": "Error"}})
    };
    json!({
        "metadata": {"name": format!("{workload}-{number}"), "namespace": "team-a", "labels": {
            MANAGED_BY: "infer", RELEASE: "chat", VERSION: version}},
        "spec": {"nodeName": "gpu-1", "containers": [{"name": "engine", "ports": [{"name": "http", "containerPort": 8000}]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "engine", "image": "i", "imageID": "", "ready": ready,
                "restartCount": u32::from(!ready) * 2, "state": state, "lastState": last}],
        },
    })
}

/// Whether every version that users are sent to has a replica that is Ready.
fn watch_over_users(call: &Call, store: &Store, faults: &mut Faults) {
    if faults.downtime {
        return;
    }
    let mut reached = Vec::new();
    if let Some(route) = store.objects.get(&route_path()) {
        for rule in route["spec"]["rules"].as_array().into_iter().flatten() {
            // Rules that ask for a header are for probes.
            if rule["matches"][0].get("headers").is_some() {
                continue;
            }
            for backend in rule["backendRefs"].as_array().into_iter().flatten() {
                if backend["weight"] != 0 {
                    let name = backend["name"].as_str().unwrap_or_default();
                    reached.push(name.trim_start_matches("chat-").to_owned());
                }
            }
        }
    }
    if let Some(service) = store.objects.get(&service_path()) {
        let selected = service["spec"]["selector"][VERSION].as_str();
        reached.extend(selected.map(ToOwned::to_owned));
    }
    for version in reached {
        let workload = store.objects.get(&workload_path(&version));
        let ready = workload.and_then(|object| object["status"]["readyReplicas"].as_u64());
        if ready.unwrap_or(0) == 0 && call.method != Method::DELETE {
            faults.astray.push(format!(
                "after {} {} users reach {version}, which is not Ready",
                call.method, call.path
            ));
        }
    }
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // What a held canary that is run again began with is the share that it holds.
            fields.retain(|name, _| !name.ends_with("_ms") && name != "original_weight");
            fields.values_mut().for_each(without_times);
        }
        Value::Array(values) => values.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// An object without what differs from run to run.
fn essence(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["resourceVersion", "generation", "uid", "managedFields"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            // An empty run and no run say the same.
            annotations.retain(|_, value| *value != "");
        }
        if metadata.get("annotations") == Some(&json!({})) {
            metadata.remove("annotations");
        }
    }
    if object["kind"] == "Lease" {
        return json!({"held": object["spec"]["holderIdentity"] != "", "meant": object["metadata"]["annotations"]});
    }
    if let Some(text) = object["data"]["record.json"].as_str() {
        let record: Value = serde_json::from_str(text).unwrap();
        let revisions: Vec<_> = record["revisions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|known| {
                json!([
                    known["revision"],
                    known["version"],
                    known["state"],
                    known["replicas"],
                    known["served"]
                ])
            })
            .collect();
        return json!({"revisions": revisions, "router": record["router"], "next": record["next"]});
    }
    for name in ["infer.dev/split", "infer.dev/canary"] {
        let Some(text) = object["metadata"]["annotations"][name].as_str() else {
            continue;
        };
        // Key order does not matter.
        let mut value: Value = serde_json::from_str(text).unwrap_or_default();
        without_times(&mut value);
        object["metadata"]["annotations"][name] = value;
    }
    object
}
