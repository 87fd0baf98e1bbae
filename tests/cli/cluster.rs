//! What goes over the wire to an API server, and what a bad answer makes of it.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use http::Method;
use infer::for_tests::cluster::{
    Cluster, Error,
    apply::{self, Apply, apply},
    inventory, lease, scale, workload,
};
use infer::for_tests::object::{
    Object,
    kind::{DEPLOYMENT, LEADER_WORKER_SET, POD},
};
use serde_json::{Value, json};

use crate::support::fake_apiserver::{Call, FakeApiserver, Reply, Store};

fn connect(server: &FakeApiserver) -> Cluster {
    Cluster::with(server.config(), "fake".to_owned(), None).unwrap()
}

fn nothing(_: &Call, _: &mut Store) -> Option<Reply> {
    None
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"}, "spec": {"replicas": 1}})
}

#[tokio::test]
async fn an_apply_names_its_manager_and_asks_for_strict_fields() {
    let server = FakeApiserver::start(nothing);
    apply(&connect(&server), &deployment(), Apply::DryRun)
        .await
        .unwrap();
    let call = server.calls().pop().unwrap();
    assert_eq!(call.method, Method::PATCH);
    assert_eq!(
        call.path,
        "/apis/apps/v1/namespaces/team-a/deployments/chat"
    );
    assert_eq!(
        call.query,
        "fieldManager=infer&fieldValidation=Strict&dryRun=All"
    );
    assert_eq!(call.content_type, "application/apply-patch+yaml");
    assert_eq!(server.object(&call.path), None, "a dry run keeps nothing");
}

fn conflict(manager: &str) -> Reply {
    Reply::json(
        409,
        &json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409,
        "message": "Apply failed with 1 conflict",
        "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.replicas",
            "message": format!("conflict with \"{manager}\" using apps/v1")}]}}),
    )
}

#[tokio::test]
async fn a_field_of_another_manager_is_named_and_never_forced() {
    let server = FakeApiserver::start(|_, _| Some(conflict("kubectl")));
    let error = apply(&connect(&server), &deployment(), Apply::Keep)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "one field of Deployment team-a/chat is owned by another manager: .spec.replicas (kubectl)"
    );
    assert!(error.is_conflict());
    assert!(
        server
            .calls()
            .iter()
            .all(|call| !call.query.contains("force"))
    );
}

#[tokio::test]
async fn a_field_of_infers_own_is_taken_back() {
    let server = FakeApiserver::start(|call, _| {
        (!call.query.contains("force=true")).then(|| conflict("infer"))
    });
    apply(&connect(&server), &deployment(), Apply::Keep)
        .await
        .unwrap();
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_after_the_time_it_names() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let server = FakeApiserver::start(move |_, _| {
        let busy = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        busy.then(|| Reply::failure(429, "TooManyRequests", "slow down").header("retry-after", "1"))
    });
    let started = std::time::Instant::now();
    assert_eq!(connect(&server).get(&POD, "a").await.unwrap(), None);
    assert!(started.elapsed().as_secs_f64() >= 1.0);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_server_that_stays_busy_is_given_up_within_seconds() {
    let server = FakeApiserver::start(|_, _| {
        Some(Reply::failure(503, "ServiceUnavailable", "etcd is away"))
    });
    let started = std::time::Instant::now();
    let error = connect(&server).get(&POD, "a").await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(started.elapsed().as_secs() < 5);
    assert_eq!(server.calls().len(), 4);
}

#[tokio::test]
async fn a_kind_that_is_not_installed_is_named_with_its_group() {
    let server = FakeApiserver::start(nothing);
    let error = connect(&server)
        .kind("keda.sh/v1alpha1", "ScaledObject")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cluster does not know ScaledObject in keda.sh/v1alpha1"
    );
}

const LWS: &str = "/apis/leaderworkerset.x-k8s.io/v1";

/// A cluster with `LeaderWorkerSet`s, and `list` as the answer to a list of them.
fn with_groups(list: &'static (dyn Fn() -> Option<Reply> + Sync)) -> FakeApiserver {
    FakeApiserver::start(move |call, _| match call.path.as_str() {
        "/apis" => Some(Reply::json(
            200,
            &json!({"groups": [{"name": "leaderworkerset.x-k8s.io",
            "versions": [{"groupVersion": "leaderworkerset.x-k8s.io/v1"}]}]}),
        )),
        LWS => Some(Reply::json(
            200,
            &json!({"resources": [
            {"name": "leaderworkersets", "kind": "LeaderWorkerSet", "namespaced": true}]}),
        )),
        path if path == format!("{LWS}/namespaces/team-a/leaderworkersets") => list(),
        _ => None,
    })
}

fn labelled(name: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {
        inventory::MANAGED_BY: "infer", inventory::RELEASE: "chat", inventory::VERSION: "v3c1f2a90b"}}})
}

#[tokio::test]
async fn a_release_is_found_in_every_kind_that_the_cluster_serves() {
    let server = with_groups(&|| None);
    let cluster = connect(&server);
    server.put(
        "/apis/apps/v1/namespaces/team-a/deployments/chat-v1",
        labelled("chat-v1"),
    );
    server.put(
        &format!("{LWS}/namespaces/team-a/leaderworkersets/chat-v2"),
        labelled("chat-v2"),
    );
    let chat = "chat".parse().unwrap();
    let found = inventory::find(&cluster, &chat).await.unwrap();
    let titles: Vec<_> = found.iter().map(Object::title).collect();
    assert_eq!(titles, ["Deployment chat-v1", "LeaderWorkerSet chat-v2"]);
    assert_eq!(workload::list(&cluster, &chat).await.unwrap(), found);
    let absent = server.of(&Method::GET, "gateway.networking.k8s.io");
    assert!(absent.is_empty(), "{absent:?}");
}

#[tokio::test]
async fn a_list_that_is_forbidden_is_an_error_and_never_an_empty_one() {
    let server = with_groups(&|| Some(Reply::failure(403, "Forbidden", "may not list")));
    let cluster = connect(&server);
    let chat = "chat".parse().unwrap();
    let error = inventory::find(&cluster, &chat).await.unwrap_err();
    assert!(error.is_forbidden(), "{error}");
    assert!(
        error.to_string().contains("list leaderworkersets"),
        "{error}"
    );
    let error = workload::list(&cluster, &chat).await.unwrap_err();
    assert!(error.is_forbidden(), "{error}");
}

#[tokio::test]
async fn any_workload_is_scaled_by_its_subresource() {
    let server = FakeApiserver::start(nothing);
    let path = format!("{LWS}/namespaces/team-a/leaderworkersets/chat-v1");
    server.put(
        &path,
        json!({"metadata": {"name": "chat-v1"}, "spec": {"replicas": 1}}),
    );
    apply::scale(&connect(&server), &LEADER_WORKER_SET, "chat-v1", 3)
        .await
        .unwrap();
    let call = server.calls().pop().unwrap();
    assert_eq!(call.path, format!("{path}/scale"));
    assert_eq!(server.object(&path).unwrap()["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_scaler_is_floored_for_a_canary_and_set_back_after_it() {
    let server = FakeApiserver::start(nothing);
    let cluster = connect(&server);
    let path = "/apis/autoscaling/v2/namespaces/team-a/horizontalpodautoscalers/chat-v1";
    let mut hpa = labelled("chat-v1");
    hpa["spec"] = json!({"minReplicas": 1, "maxReplicas": 5});
    server.put(path, hpa.clone());
    let (chat, version) = ("chat".parse().unwrap(), "v3c1f2a90b".parse().unwrap());
    for replicas in [3, 3] {
        scale::floor_at(&cluster, &chat, &version, replicas)
            .await
            .unwrap();
        assert_eq!(server.object(path).unwrap()["spec"]["minReplicas"], 3);
    }
    assert_eq!(server.of(&Method::PATCH, "autoscalers").len(), 1);
    for _ in 0..2 {
        scale::unfloor(&cluster, &chat, &version).await.unwrap();
        let after = server.object(path).unwrap();
        assert_eq!(after["spec"], hpa["spec"]);
        assert_eq!(after["metadata"]["annotations"][scale::FLOOR], Value::Null);
    }
}

#[tokio::test]
async fn a_held_lock_names_its_holder_and_a_released_one_is_free() {
    let server = FakeApiserver::start(nothing);
    let cluster = connect(&server);
    let chat = "chat".parse().unwrap();
    let lock = lease::lock(&cluster, &chat, "ann@build/r-1").await.unwrap();
    let error = lease::lock(&cluster, &chat, "bob@laptop/r-2")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Held { holder, .. } if holder == "ann@build/r-1"),
        "{error}"
    );
    assert!(error.is_conflict());
    lock.release(&cluster, true).await.unwrap();
    lease::lock(&cluster, &chat, "bob@laptop/r-2")
        .await
        .unwrap();
    let path = "/apis/coordination.k8s.io/v1/namespaces/team-a/leases/infer-chat";
    let spec = server.object(path).unwrap()["spec"].clone();
    assert_eq!(
        (&spec["holderIdentity"], &spec["leaseTransitions"]),
        (&json!("bob@laptop/r-2"), &json!(1))
    );
}

#[tokio::test]
async fn an_expired_lock_is_taken_after_its_holder_had_a_last_chance() {
    let server = FakeApiserver::start(nothing);
    server.put(
        "/apis/coordination.k8s.io/v1/namespaces/team-a/leases/infer-chat",
        json!({"metadata": {"name": "infer-chat"}, "spec": {"holderIdentity": "ann@build/r-1",
            "leaseDurationSeconds": 30, "acquireTime": "2026-01-01T00:00:00.000000Z", "renewTime": "2026-01-01T00:00:00.000000Z"}}),
    );
    let chat = "chat".parse().unwrap();
    let lock = lease::lock(&connect(&server), &chat, "bob@laptop/r-2")
        .await
        .unwrap();
    assert!(lock.check().is_ok());
}

#[tokio::test]
async fn two_that_take_the_lock_at_once_do_not_both_get_it() {
    let server = FakeApiserver::start(|call, store| {
        // Somebody else is faster between our read and our write.
        if call.method == Method::POST {
            let lease = lease_of("eve@other/r-9");
            store.put(&format!("{}/infer-chat", call.path), lease);
        }
        None
    });
    let chat = "chat".parse().unwrap();
    let error = lease::lock(&connect(&server), &chat, "bob@laptop/r-2")
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Held { holder, .. } if holder == "eve@other/r-9"),
        "{error}"
    );
}

fn lease_of(holder: &str) -> Value {
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.%6fZ")
        .to_string();
    json!({"metadata": {"name": "infer-chat"}, "spec": {"holderIdentity": holder,
        "leaseDurationSeconds": 30, "acquireTime": now, "renewTime": now}})
}

#[tokio::test]
async fn only_the_very_object_that_was_seen_is_deleted() {
    let server = FakeApiserver::start(nothing);
    let cluster = connect(&server);
    let seen = apply(&cluster, &deployment(), Apply::Keep).await.unwrap();
    inventory::delete(&cluster, &seen).await.unwrap();
    let call = server
        .of(&Method::DELETE, "deployments/chat")
        .pop()
        .unwrap();
    assert_eq!(call.body["preconditions"]["uid"], seen["metadata"]["uid"]);
    assert_eq!(cluster.get(&DEPLOYMENT, "chat").await.unwrap(), None);
    inventory::delete(&cluster, &seen).await.unwrap();
}
