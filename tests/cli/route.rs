//! The split on a route: what is written, what refuses it, and what is taken back.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use http::Method;
use infer::for_tests::{
    cluster::Cluster,
    explain::{Explain as _, Kind},
    interrupt::Interrupt,
    traffic::{
        Change, ClusterRouter, Error, Split, VersionHeader,
        route::{
            self,
            annotations::{JOURNAL, RUN},
        },
    },
    weight::Weight,
};
use serde_json::{Value, json};

use crate::support::fake_apiserver::{Call, FakeApiserver, Store};

const PATH: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/team-a/httproutes/chat";

/// A route as deploy creates it, that its gateway has accepted for many generations to come.
fn object() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "chat", "annotations": {RUN: ""}},
        "spec": {"parentRefs": [{"name": "public"}], "rules": [{
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "backendRefs": [{"name": "chat-v3c1f2a90b", "port": 80, "weight": 100}],
        }]},
        "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": [
            {"type": "Accepted", "status": "True", "observedGeneration": 99},
            {"type": "ResolvedRefs", "status": "True", "observedGeneration": 99},
        ]}]},
    })
}

fn server(
    script: impl Fn(&Call, &mut Store) -> Option<crate::support::fake_apiserver::Reply>
    + Send
    + Sync
    + 'static,
) -> FakeApiserver {
    let server = FakeApiserver::start(script);
    server.put(PATH, object());
    server.put(
        "/apis/gateway.networking.k8s.io/v1/namespaces/team-a/gateways/public",
        json!({"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": 8080}]},
               "status": {"addresses": [{"value": "203.0.113.7"}]}}),
    );
    server
}

async fn route(server: &FakeApiserver) -> ClusterRouter {
    let cluster = Cluster::with(server.config(), "fake".to_owned(), None).unwrap();
    let (chat, route) = ("chat".parse().unwrap(), route::find("HTTPRoute").unwrap());
    let found = ClusterRouter::new(cluster, chat, route, VersionHeader::Set, None);
    found.await.unwrap().unwrap()
}

async fn write(route: &ClusterRouter, read: &Split, change: &Change) -> Result<Split, Error> {
    route.write(read, change, &Interrupt::never()).await
}

/// The candidate comes with no part of the traffic, so that each change is one write.
fn canary(percent: u8) -> Change {
    Change {
        live: "v3c1f2a90b".parse().unwrap(),
        candidate: Some("v7aa01c44e".parse().unwrap()),
        weight: Weight::try_from(percent).unwrap(),
        matches: None,
        journal: Some(json!({"run_id": "r-1"})),
        run: "r-1".to_owned(),
    }
}

#[tokio::test]
async fn a_split_is_one_json_patch_and_reads_back_as_written() {
    let server = server(|_, _| None);
    let route = route(&server).await;
    assert_eq!(route.endpoint(), "http://203.0.113.7:8080");
    let before = route.read().await.unwrap();
    assert_eq!(
        (before.weight, before.candidate.clone()),
        (Weight::ZERO, None)
    );
    let waiting = write(&route, &before, &canary(0)).await.unwrap();
    let split = write(&route, &waiting, &canary(10)).await.unwrap();
    assert_eq!((split.weight.percent(), split.run()), (10, Some("r-1")));
    let writes = server.of(&Method::PATCH, "httproutes");
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[1].content_type, "application/json-patch+json");
    assert_eq!(
        writes[1].body[0],
        json!({"op": "test", "path": "/metadata/generation", "value": 2})
    );

    let mut promote = canary(0);
    promote.live = "v7aa01c44e".parse().unwrap();
    (promote.candidate, promote.journal) = (None, None);
    let split = write(&route, &split, &promote).await.unwrap();
    assert_eq!((split.live.as_str(), split.candidate), ("v7aa01c44e", None));
    let object = server.object(PATH).unwrap();
    assert_eq!(object["metadata"]["annotations"].get(JOURNAL), None);
    let rules = object["spec"]["rules"].as_array().unwrap();
    assert_eq!(
        (
            rules.len(),
            rules[0]["backendRefs"].as_array().unwrap().len()
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn a_write_goes_through_where_only_something_else_moved() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let server = server(move |call, store| {
        if call.method == Method::PATCH
            && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0
        {
            let mut moved = store.objects[PATH].clone();
            moved["spec"]["hostnames"] = json!(["chat.example.com"]);
            store.put(PATH, moved);
        }
        None
    });
    let route = route(&server).await;
    let before = route.read().await.unwrap();
    let waiting = write(&route, &before, &canary(0)).await.unwrap();
    assert_eq!(waiting.candidate, canary(0).candidate);
    assert_eq!(server.of(&Method::PATCH, "httproutes").len(), 2);
    assert_eq!(
        server.object(PATH).unwrap()["spec"]["hostnames"][0],
        "chat.example.com"
    );
}

#[tokio::test]
async fn a_weight_that_somebody_else_moved_is_a_conflict_with_their_name() {
    let server = server(|call, store| {
        let rules = store.objects.get(PATH).map(|route| &route["spec"]["rules"]);
        let waits = rules.is_some_and(|rules| rules.as_array().unwrap().len() == 3);
        if call.method == Method::PATCH && waits {
            let mut moved = store.objects[PATH].clone();
            let backends = &mut moved["spec"]["rules"][2]["backendRefs"];
            let live = backends[0].clone();
            *backends = json!([live, {"name": "chat-v7aa01c44e", "port": 80, "weight": 100}]);
            moved["metadata"]["managedFields"] = json!([{"manager": "kubectl-edit", "operation": "Update",
                "time": "2026-11-24T03:00:00Z", "fieldsV1": {"f:spec": {"f:rules": {}}}}]);
            store.put(PATH, moved);
        }
        None
    });
    let route = route(&server).await;
    let before = route.read().await.unwrap();
    let waiting = write(&route, &before, &canary(0)).await.unwrap();
    let error = write(&route, &waiting, &canary(10)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the traffic split of HTTPRoute team-a/chat was changed by kubectl-edit at 2026-11-24T03:00:00Z meanwhile"
    );
    let split = route.read().await.unwrap();
    assert_eq!(split.weight.percent(), 50, "their write stands");
}

#[tokio::test]
async fn a_route_that_argo_cd_owns_is_left_alone() {
    let server = server(|_, _| None);
    let mut owned = object();
    owned["metadata"]["managedFields"] = json!([{"manager": "argocd-controller", "operation": "Apply",
        "time": "2026-11-24T03:00:00Z", "fieldsV1": {"f:spec": {"f:rules": {}}}}]);
    server.put(PATH, owned);
    let route = route(&server).await;
    let before = route.read().await.unwrap();
    let error = write(&route, &before, &canary(10)).await.unwrap_err();
    assert!(
        matches!(&error, Error::Managed { manager, .. } if manager.contains("Argo CD")),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(server.of(&Method::PATCH, "httproutes").len(), 0);
}

#[tokio::test]
async fn a_split_that_the_gateway_rejects_is_taken_back() {
    let server = server(|call, store| {
        let split = store
            .objects
            .get(PATH)
            .is_some_and(|route| route["spec"]["rules"].as_array().unwrap().len() > 1);
        if call.method == Method::GET && call.path == PATH && split {
            let mut refused = store.objects[PATH].clone();
            refused["status"]["parents"][0]["conditions"][0] = json!({"type": "Accepted", "status": "False",
                "observedGeneration": refused["metadata"]["generation"].as_u64().unwrap() + 90,
                "reason": "UnsupportedValue", "message": "no filters on backends"});
            return Some(crate::support::fake_apiserver::Reply::json(200, &refused));
        }
        // The write's own answer has a status that is too old to say anything.
        if call.method == Method::PATCH {
            let route = store.objects.get_mut(PATH).unwrap();
            route["status"]["parents"][0]["conditions"][0]["observedGeneration"] = json!(1);
        }
        None
    });
    let route = route(&server).await;
    let before = route.read().await.unwrap();
    let error = write(&route, &before, &canary(10)).await.unwrap_err();
    assert!(
        error.to_string().contains("no filters on backends"),
        "{error}"
    );
    let now = server.object(PATH).unwrap();
    assert_eq!(now["spec"]["rules"], object()["spec"]["rules"]);
    assert_eq!(now["metadata"]["annotations"], json!({RUN: ""}));
}

#[tokio::test]
async fn another_run_is_refused() {
    let server = server(|_, _| None);
    let route = route(&server).await;
    let open = write(&route, &route.read().await.unwrap(), &canary(10))
        .await
        .unwrap();
    let mut other = canary(50);
    other.run = "r-2".to_owned();
    let error = write(&route, &open, &other).await.unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { who, .. } if who == "canary run r-1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_match_is_kept_in_the_route_and_goes_with_the_candidate() {
    let server = server(|_, _| None);
    let route = route(&server).await;
    let before = route.read().await.unwrap();
    let waiting = write(&route, &before, &canary(0)).await.unwrap();
    let mut by_header = canary(0);
    by_header.matches = "header:x-beta=1".parse().ok();
    let written = write(&route, &waiting, &by_header).await.unwrap();
    assert_eq!(written.matches, by_header.matches);
    assert_eq!(route.read().await.unwrap(), written);
    let rules = || server.object(PATH).unwrap()["spec"]["rules"].clone();
    assert_eq!(rules().as_array().unwrap().len(), 4, "{}", rules());
    let promote = Change::all_to(&"v7aa01c44e".parse().unwrap(), "r-1");
    let ended = write(&route, &written, &promote).await.unwrap();
    assert_eq!((ended.live.as_str(), ended.matches), ("v7aa01c44e", None));
    assert_eq!(rules().as_array().unwrap().len(), 1, "{}", rules());
}
