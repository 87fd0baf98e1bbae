//! A release's life on a fake cluster: what is created, moved, drained, kept and deleted.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::sync::Mutex;

use http::Method;
use infer::{
    cluster::{Cluster, inventory},
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    release::{
        Error,
        event::{Deployed, Event},
        kubernetes::{self, Deploy, Rollback},
    },
    spec::{OnFailure, Surge},
};
use serde_json::{Value, json};

use crate::support::fake_apiserver::{Call, FakeApiserver, Reply, Store};

const ONE: &str = "v111111111";
const TWO: &str = "v222222222";
const NAMESPACE: &str = "/namespaces/team-a";

fn chat() -> ReleaseName {
    "chat".parse().unwrap()
}

/// The objects of a version, as `render` makes them.
fn objects(version: &str, gateway: bool) -> Vec<Value> {
    let shared = json!({inventory::MANAGED_BY: "infer", inventory::RELEASE: "chat"});
    let mut own = shared.clone();
    own[inventory::VERSION] = json!(version);
    let selector = json!({inventory::RELEASE: "chat", inventory::VERSION: version});
    let name = format!("chat-{version}");
    let mut all = vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "chat", "labels": shared}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat", "labels": shared},
               "spec": {"selector": selector, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": own},
               "spec": {"selector": selector, "ports": [{"port": 80}]}}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": own},
               "spec": {"replicas": 1, "selector": {"matchLabels": selector}, "template": {}}}),
    ];
    if gateway {
        all.push(
            json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "chat", "labels": shared},
            "spec": {"parentRefs": [], "rules": [{"backendRefs": [{"name": name, "port": 80}]}]}}),
        );
    }
    all
}

/// Plays the controllers and the kubelet: a Deployment that is applied has its pods
/// at once; the pods of a `broken` version crash with an engine's last words.
fn controllers(
    broken: Option<&'static str>,
) -> impl Fn(&Call, &mut Store) -> Option<Reply> + Send + Sync {
    move |call, store| {
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
        let name = call.path.rsplit('/').next().unwrap_or_default();
        if call.method == Method::PATCH
            && call.path.contains("/deployments/")
            && name.starts_with("chat-")
        {
            let version = name.trim_start_matches("chat-").to_owned();
            let replicas = call.body["spec"]["replicas"].as_u64().unwrap_or(1);
            let ready = if broken == Some(version.as_str()) {
                0
            } else {
                replicas
            };
            let mut object = store.objects.get(&call.path).cloned().unwrap_or(json!({}));
            json_patch::merge(&mut object, &call.body);
            object["status"] = json!({"observedGeneration": 1_000, "replicas": replicas, "updatedReplicas": replicas,
                "availableReplicas": ready, "readyReplicas": ready});
            let pod = format!("/api/v1{NAMESPACE}/pods/{name}-0");
            if replicas == 0 {
                store.objects.remove(&pod);
            } else {
                store.put(&pod, made(name, &version, ready > 0));
            }
            return Some(Reply::json(200, &store.put(&call.path, object)));
        }
        None
    }
}

fn made(deployment: &str, version: &str, ready: bool) -> Value {
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
        "metadata": {"name": format!("{deployment}-0"), "namespace": "team-a", "labels": {
            inventory::MANAGED_BY: "infer", inventory::RELEASE: "chat", inventory::VERSION: version}},
        "spec": {"nodeName": "gpu-1", "containers": [{"name": "engine", "ports": [{"name": "http", "containerPort": 8000}]}]},
        "status": {
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "engine", "image": "i", "imageID": "", "ready": ready,
                "restartCount": u32::from(!ready) * 2, "state": state, "lastState": last}],
        },
    })
}

struct Operator {
    cluster: Cluster,
    events: Mutex<Vec<String>>,
    interrupt: Interrupt,
}

impl Operator {
    fn new(server: &FakeApiserver) -> Self {
        Self {
            cluster: Cluster::with(server.config(), "fake".to_owned(), None).unwrap(),
            events: Mutex::default(),
            interrupt: Interrupt::pair().1,
        }
    }

    async fn deploy(&self, version: &str, gateway: bool) -> Result<Deployed, Error> {
        let release = chat();
        let id: VersionId = version.parse().unwrap();
        let lock = kubernetes::lock(&self.cluster, &release, "ann@build/r-1").await?;
        let objects = objects(version, gateway);
        let deployed = kubernetes::deploy(&Deploy {
            cluster: &self.cluster,
            lock: &lock,
            release: &release,
            version: &id,
            objects: &objects,
            image: format!("r/m@sha256:{version}"),
            simulated: false,
            served_model: "chat".to_owned(),
            startup_s: 60,
            drain_s: 10,
            surge: Surge::Auto,
            allow_downtime: false,
            endpoint: None,
            history: 10,
            on_failure: OnFailure::Rollback,
            no_traffic: false,
            replicas: None,
            run: "r-1".to_owned(),
            on_event: &|event| self.note(&event),
            interrupt: &self.interrupt,
        })
        .await;
        lock.release(&self.cluster).await?;
        deployed
    }

    async fn rollback(&self) -> Deployed {
        let lock = kubernetes::lock(&self.cluster, &chat(), "ann@build/r-2")
            .await
            .unwrap();
        let back = kubernetes::rollback(&Rollback {
            cluster: &self.cluster,
            lock: &lock,
            release: &chat(),
            to: None,
            allow_downtime: false,
            run: "r-2".to_owned(),
            on_event: &|event| self.note(&event),
            interrupt: &self.interrupt,
        })
        .await
        .unwrap();
        lock.release(&self.cluster).await.unwrap();
        back
    }

    fn note(&self, event: &Event) {
        self.events.lock().unwrap().push(format!("{event:?}"));
    }
}

fn selected(server: &FakeApiserver) -> Value {
    let service = server
        .object(&format!("/api/v1{NAMESPACE}/services/chat"))
        .unwrap();
    service["spec"]["selector"][inventory::VERSION].clone()
}

fn replicas(server: &FakeApiserver, version: &str) -> Option<u64> {
    let path = format!("/apis/apps/v1{NAMESPACE}/deployments/chat-{version}");
    server.object(&path)?["spec"]["replicas"].as_u64()
}

#[tokio::test]
async fn a_release_is_deployed_replaced_rolled_back_and_deleted() {
    let server = FakeApiserver::start(controllers(None));
    let operator = Operator::new(&server);
    let first = operator.deploy(ONE, false).await.unwrap();
    assert!(
        first.changed && first.phases_s.first_token.is_some(),
        "{first:?}"
    );
    assert_eq!(selected(&server), ONE);
    assert!(!operator.deploy(ONE, false).await.unwrap().changed);

    operator.deploy(TWO, false).await.unwrap();
    assert_eq!(selected(&server), TWO);
    assert_eq!(
        (replicas(&server, ONE), replicas(&server, TWO)),
        (Some(0), Some(1))
    );

    let back = operator.rollback().await;
    assert_eq!(
        (back.version.as_str(), selected(&server)),
        (ONE, json!(ONE))
    );
    assert_eq!(
        (replicas(&server, ONE), replicas(&server, TWO)),
        (Some(1), Some(0))
    );

    let rows = kubernetes::history(&operator.cluster, &chat())
        .await
        .unwrap()
        .revisions;
    let turns: Vec<_> = rows
        .iter()
        .map(|row| (row.version.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(turns, [(TWO, "superseded"), (ONE, "live")]);
    let status = kubernetes::status(&operator.cluster, &chat())
        .await
        .unwrap();
    assert_eq!(
        (status.live.as_deref(), status.versions.len()),
        (Some(ONE), 2)
    );
    assert_eq!(status.held_by, None);

    server.put(
        &format!("/api/v1{NAMESPACE}/services/theirs"),
        json!({"metadata": {"name": "theirs"}}),
    );
    kubernetes::delete(
        &operator.cluster,
        &chat(),
        std::time::Duration::ZERO,
        &|_| {},
    )
    .await
    .unwrap();
    assert_eq!(
        (replicas(&server, ONE), replicas(&server, TWO)),
        (None, None)
    );
    assert!(
        server
            .object(&format!("/api/v1{NAMESPACE}/services/theirs"))
            .is_some()
    );
    assert!(
        server
            .object(&format!("/api/v1{NAMESPACE}/configmaps/infer-chat"))
            .is_none()
    );
}

#[tokio::test]
async fn behind_a_gateway_backends_come_and_go_without_traffic_and_rules_are_never_applied_over() {
    let server = FakeApiserver::start(controllers(None));
    let operator = Operator::new(&server);
    operator.deploy(ONE, true).await.unwrap();
    operator.deploy(TWO, true).await.unwrap();
    let route = format!("/apis/gateway.networking.k8s.io/v1{NAMESPACE}/httproutes/chat");
    let backends = server.object(&route).unwrap()["spec"]["rules"][0]["backendRefs"].clone();
    assert_eq!(
        (backends.as_array().unwrap().len(), &backends[0]["name"]),
        (1, &json!(format!("chat-{TWO}")))
    );
    let writes = server.of(&Method::PATCH, "httproutes");
    let (moves, applies): (Vec<_>, Vec<_>) = writes
        .iter()
        .partition(|call| call.content_type == "application/json-patch+json");
    // The new one at weight 0, then at 100, then the old one goes.
    assert_eq!(moves.len(), 3);
    assert!(
        applies
            .iter()
            .all(|call| call.body["spec"].get("rules").is_none()),
        "{applies:?}"
    );
    assert_eq!(selected(&server), TWO);
}

#[tokio::test]
async fn a_version_that_crashes_is_diagnosed_withdrawn_and_live_is_untouched() {
    let server = FakeApiserver::start(controllers(Some(TWO)));
    let operator = Operator::new(&server);
    operator.deploy(ONE, false).await.unwrap();
    let started = std::time::Instant::now();
    let error = operator.deploy(TWO, false).await.unwrap_err();
    assert!(
        started.elapsed().as_secs() < 10,
        "found long before any deadline"
    );
    assert_eq!(
        error.to_string(),
        format!("Deployment team-a/chat-{TWO} did not start: CUDA out of memory")
    );
    assert_eq!(
        (selected(&server), replicas(&server, ONE)),
        (json!(ONE), Some(1))
    );
    assert_eq!(replicas(&server, TWO), Some(0));
    let rows = kubernetes::history(&operator.cluster, &chat())
        .await
        .unwrap()
        .revisions;
    let turns: Vec<_> = rows
        .iter()
        .map(|row| (row.version.as_str(), row.state.as_str()))
        .collect();
    assert_eq!(turns, [(ONE, "live"), (TWO, "refused")]);
}

#[tokio::test]
async fn an_object_of_somebody_elses_is_never_applied_over() {
    let server = FakeApiserver::start(controllers(None));
    let theirs =
        json!({"metadata": {"name": "chat", "labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    server.put(&format!("/api/v1{NAMESPACE}/serviceaccounts/chat"), theirs);
    let error = Operator::new(&server).deploy(ONE, false).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ServiceAccount team-a/chat exists and is not managed by infer"
    );
    assert!(infer::explain::Explain::kind(&error) == infer::error::Kind::Conflict);
    assert_eq!(server.of(&Method::PATCH, "").len(), 0);
}
