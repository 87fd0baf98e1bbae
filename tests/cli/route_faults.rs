//! Every write of every kind of move, each with a fault: whatever is cut off ends as an
//! undisturbed run does, and no write is ever made twice or out of order.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::Method;
use infer::for_tests::{
    cluster::Cluster,
    explain::Explain as _,
    interrupt::{EndedBy, Interrupt},
    name::VersionId,
    traffic::{
        Acceptance, Change, ClusterRouter, Error, Split, VersionHeader, point_service,
        route::{self, annotations::RUN},
        service_target,
    },
    weight::Weight,
};
use serde_json::{Value, json};

use crate::support::fake_apiserver::{Call, FakeApiserver, Reply, Store, keep};

const A: &str = "v00000000a";
const B: &str = "v00000000b";
const C: &str = "v00000000c";

/// One kind of route: its path and an object that sends everything to [`A`].
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    path: &'static str,
    object: fn() -> Value,
}

const HTTP_ROUTE: Kind = Kind {
    name: "HTTPRoute",
    path: "/apis/gateway.networking.k8s.io/v1/namespaces/team-a/httproutes/chat",
    object: || {
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "chat", "namespace": "team-a", "annotations": {RUN: ""}},
            "spec": {"parentRefs": [{"name": "public"}], "hostnames": ["chat.example.com"], "rules": [{
                "name": "live", "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "backendRefs": [{"name": "chat-v00000000a", "port": 80, "weight": 100, "filters": [
                    {"type": "ResponseHeaderModifier", "responseHeaderModifier":
                        {"set": [{"name": "x-infer-version", "value": A}]}}]}],
            }]},
            "status": {"parents": [{"parentRef": {"name": "public"}, "conditions": [
                {"type": "Accepted", "status": "True", "observedGeneration": 99},
                {"type": "ResolvedRefs", "status": "True", "observedGeneration": 99},
            ]}]},
        })
    },
};

const VIRTUAL_SERVICE: Kind = Kind {
    name: "VirtualService",
    path: "/apis/networking.istio.io/v1/namespaces/team-a/virtualservices/chat",
    object: || {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
            "metadata": {"name": "chat", "namespace": "team-a", "annotations": {RUN: ""}},
            "spec": {"hosts": ["chat.example.com"], "gateways": ["edge"], "http": [{
                "name": "live",
                "route": [{"destination": {"host": "chat-v00000000a", "port": {"number": 80}}}],
            }]},
        })
    },
};

const GATEWAY: &str = "/apis/gateway.networking.k8s.io/v1/namespaces/team-a/gateways/public";

type Script = Box<dyn Fn(&Call, &mut Store) -> Option<Reply> + Send + Sync>;

/// An API server with the route, that is its own gateway: it answers probes as the route says.
fn serve(kind: Kind, script: Script) -> FakeApiserver {
    let server = FakeApiserver::start(move |call, store| {
        if call.path == "/v1/models" {
            let answer = Reply::json(200, &json!({}));
            return Some(match sent_by(&store.objects[kind.path]) {
                Some(weight) => answer.header("x-infer-weight", &weight),
                None => answer,
            });
        }
        script(call, store)
    });
    server.put(kind.path, (kind.object)());
    server.put(
        GATEWAY,
        json!({"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": 8080}]},
               "status": {"addresses": [{"value": "203.0.113.7"}]}}),
    );
    server
}

/// The weight that the default rule's answers name.
fn sent_by(object: &Value) -> Option<String> {
    let rules = object["spec"].get("rules").or(object["spec"].get("http"))?;
    let rules = rules.as_array()?;
    let default = rules.iter().find(|rule| rule["name"] == "live")?;
    let text = default.to_string();
    let (_, after) = text.split_once("x-infer-weight\"")?;
    let after = after.trim_start_matches([',', ':', '"']);
    let after = after.strip_prefix("value\":\"").unwrap_or(after);
    after.split('"').next().map(ToOwned::to_owned)
}

async fn try_router(
    server: &FakeApiserver,
    kind: Kind,
    endpoint: Option<String>,
) -> Result<Option<ClusterRouter>, Error> {
    let cluster = Cluster::with(server.config(), "fake".to_owned(), None).unwrap();
    let route = route::find(kind.name).unwrap();
    ClusterRouter::new(
        cluster,
        "chat".parse().unwrap(),
        route,
        VersionHeader::Set,
        endpoint,
    )
    .await
}

async fn router(server: &FakeApiserver, kind: Kind) -> ClusterRouter {
    let endpoint = Some(format!("http://{}", server.address));
    try_router(server, kind, endpoint).await.unwrap().unwrap()
}

fn change(live: &str, candidate: Option<(&str, u8)>, journal: bool) -> Change {
    Change {
        candidate: candidate.map(|(version, _)| version.parse().unwrap()),
        weight: Weight::try_from(candidate.map_or(0, |(_, weight)| weight)).unwrap(),
        journal: journal.then(|| json!({"run_id": "r-1"})),
        ..Change::all_to(&live.parse().unwrap(), "r-1")
    }
}

async fn write(router: &ClusterRouter, change: &Change) -> Result<Split, Error> {
    let read = router.read().await?;
    router.write(&read, change, &Interrupt::never()).await
}

/// What is done to one of the writes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It fails and changes nothing.
    Error,
    /// It takes effect and a proxy in between gives up.
    TimeoutAfterEffect,
    /// It takes effect and the connection ends.
    HangUpAfterEffect,
    /// Another client has changed the object, but not the split.
    Conflict,
    /// It is refused for good, as if the process had been killed before it; then the same
    /// command runs again.
    Killed,
    /// The same, after it took effect.
    KilledAfterEffect,
}

const FAULTS: [Fault; 6] = [
    Fault::Error,
    Fault::TimeoutAfterEffect,
    Fault::HangUpAfterEffect,
    Fault::Conflict,
    Fault::Killed,
    Fault::KilledAfterEffect,
];

/// The splits that the object had, one for each write that took effect.
type Seen = Arc<Mutex<Vec<Value>>>;

fn faulty(kind: Kind, fault: Option<(usize, Fault)>) -> (FakeApiserver, Seen) {
    let (writes, seen) = (AtomicUsize::new(0), Seen::default());
    let noted = Arc::clone(&seen);
    let script: Script = Box::new(move |call, store| {
        if call.method != Method::PATCH {
            return None;
        }
        let write = writes.fetch_add(1, Ordering::SeqCst);
        let fault = fault.and_then(|(at, fault)| (at == write).then_some(fault));
        match fault {
            Some(Fault::Error) => return Some(Reply::failure(500, "InternalError", "etcd")),
            Some(Fault::Killed) => return Some(Reply::failure(403, "Forbidden", "a webhook")),
            Some(Fault::Conflict) => {
                let mut moved = store.objects[kind.path].clone();
                moved["spec"]["hosts"] = json!(["other.example.com"]);
                store.put(kind.path, moved);
            }
            _ => {}
        }
        let reply = keep(call, store);
        if reply.status == 200 {
            let object = &store.objects[kind.path];
            let rules = object["spec"].get("rules").or(object["spec"].get("http"));
            noted.lock().unwrap().push(rules.unwrap().clone());
        }
        Some(match fault {
            Some(Fault::TimeoutAfterEffect) => Reply::failure(504, "Timeout", "a proxy"),
            Some(Fault::HangUpAfterEffect) => Reply::hang_up(),
            Some(Fault::KilledAfterEffect) => Reply::failure(403, "Forbidden", "a webhook"),
            _ => reply,
        })
    });
    (serve(kind, script), seen)
}

/// The splits to start from, what to make of them, and how many writes that takes.
fn moves() -> Vec<(Option<Change>, Change, usize)> {
    vec![
        (None, change(B, None, false), 3),
        (None, change(A, Some((B, 10)), true), 2),
        (
            Some(change(A, Some((B, 50)), true)),
            change(B, None, false),
            2,
        ),
        (
            Some(change(A, Some((B, 50)), true)),
            change(A, None, false),
            2,
        ),
        // A third version, over what a move that was cut off has left behind.
        (
            Some(change(A, Some((B, 100)), false)),
            change(C, None, false),
            3,
        ),
        (
            Some(change(A, Some((B, 50)), false)),
            change(C, None, false),
            4,
        ),
    ]
}

/// A router that does not wait for proxies where it can know that there are none.
async fn quick(server: &FakeApiserver, kind: Kind) -> ClusterRouter {
    if kind.name == VIRTUAL_SERVICE.name {
        return router(server, kind).await;
    }
    let listeners =
        json!({"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": 80}]}});
    server.put(GATEWAY, listeners);
    try_router(server, kind, None).await.unwrap().unwrap()
}

/// Runs one move under a fault, again where it was killed; the splits that it went through.
async fn run(kind: Kind, case: usize, fault: Option<(usize, Fault)>) -> Vec<Value> {
    let (start, goal, _) = moves().swap_remove(case);
    // The writes of the start come before those that are counted.
    let (server, seen) = match &start {
        None => faulty(kind, fault),
        Some(start) => {
            let prepared = serve(kind, Box::new(|_, _| None));
            let made = write(&quick(&prepared, kind).await, start).await.unwrap();
            assert!(made.is_made_by(start));
            let (server, seen) = faulty(kind, fault);
            let mut object = prepared.object(kind.path).unwrap();
            object["metadata"]["generation"] = json!(1);
            server.put(kind.path, object);
            (server, seen)
        }
    };
    let first = write(&quick(&server, kind).await, &goal).await;
    let context = format!("{} move {case}, {fault:?}", kind.name);
    let is_killed = matches!(fault, Some((_, Fault::Killed | Fault::KilledAfterEffect)));
    if is_killed {
        first.unwrap_err();
        write(&quick(&server, kind).await, &goal)
            .await
            .expect(&context);
    } else {
        let made = first.expect(&context);
        assert!(made.is_made_by(&goal), "{context}: {made:?}");
    }
    let stands = quick(&server, kind).await.read().await.unwrap();
    assert!(stands.is_made_by(&goal), "{context}: {stands:?}");
    seen.lock().unwrap().clone()
}

async fn every_write_with_every_fault(kind: Kind, cases: &[usize]) {
    let (mut runs, mut all) = (tokio::task::JoinSet::new(), 0);
    for case in cases.iter().copied() {
        let writes = moves()[case].2;
        all += writes;
        let undisturbed = Arc::new(run(kind, case, None).await);
        assert_eq!(undisturbed.len(), writes, "{} move {case}", kind.name);
        for (at, fault) in (0..writes).flat_map(|at| FAULTS.map(|fault| (at, fault))) {
            let undisturbed = Arc::clone(&undisturbed);
            runs.spawn(async move {
                let disturbed = run(kind, case, Some((at, fault))).await;
                let context = format!("{} move {case}, write {at}, {fault:?}", kind.name);
                assert_eq!(disturbed, *undisturbed, "{context}");
            });
        }
    }
    assert_eq!(runs.len(), all * FAULTS.len());
    while let Some(ended) = runs.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_an_http_route_that_is_cut_off_ends_like_an_undisturbed_one() {
    every_write_with_every_fault(HTTP_ROUTE, &[0, 1, 2, 3, 4, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_of_a_virtual_service_that_is_cut_off_ends_like_an_undisturbed_one() {
    // The loop is the same; these are the longest.
    every_write_with_every_fault(VIRTUAL_SERVICE, &[0, 5]).await;
}

#[tokio::test]
async fn a_write_stands_where_only_its_acceptance_cannot_be_confirmed() {
    let server = serve(
        HTTP_ROUTE,
        Box::new(|call, store| {
            let written = store.objects.get(HTTP_ROUTE.path)?["metadata"]["generation"] != 1;
            if call.method == Method::PATCH {
                // The answer to the write says nothing of its acceptance.
                let route = store.objects.get_mut(HTTP_ROUTE.path)?;
                route["status"]["parents"][0]["conditions"][0]["observedGeneration"] = json!(1);
            }
            let away = call.method == Method::GET && written;
            away.then(|| Reply::failure(500, "InternalError", "etcd is away"))
        }),
    );
    let router = router(&server, HTTP_ROUTE).await;
    let goal = change(A, Some((B, 0)), false);
    let made = write(&router, &goal).await.unwrap();
    assert!(made.is_made_by(&goal), "{made:?}");
}

/// A controller that rejects every rule whose text holds `word`.
fn rejecting(word: &'static str) -> Script {
    Box::new(move |call, store| {
        let route = store.objects.get_mut(HTTP_ROUTE.path)?;
        let rejected = route["spec"]["rules"].to_string().contains(word);
        route["status"]["parents"][0]["conditions"][0] = json!({"type": "Accepted",
            "status": if rejected { "False" } else { "True" }, "reason": "UnsupportedValue",
            "observedGeneration": if call.method == Method::PATCH { json!(0) } else { route["metadata"]["generation"].clone() },
            "message": "no filters on backends"});
        None
    })
}

#[tokio::test]
async fn a_rejection_that_cannot_be_taken_back_names_both_and_the_cause_first() {
    let script = rejecting(B);
    let patches = AtomicUsize::new(0);
    let server = serve(
        HTTP_ROUTE,
        Box::new(move |call, store| {
            let again = call.method == Method::PATCH && patches.fetch_add(1, Ordering::SeqCst) > 0;
            if again {
                return Some(Reply::failure(403, "Forbidden", "a webhook says no"));
            }
            script(call, store)
        }),
    );
    let router = router(&server, HTTP_ROUTE).await;
    let error = write(&router, &change(B, None, false)).await.unwrap_err();
    let text = error.to_string();
    let cause = text.find("no filters on backends").unwrap();
    let clean_up = text.find("could not be taken back").unwrap();
    assert!(
        cause < clean_up && text.contains("a webhook says no"),
        "{text}"
    );
}

#[tokio::test]
async fn a_rejection_is_taken_back_though_the_answer_is_lost() {
    let script = rejecting("\"weight\":50");
    let patches = AtomicUsize::new(0);
    let server = serve(
        HTTP_ROUTE,
        Box::new(move |call, store| {
            // The third write takes the second one back.
            if call.method == Method::PATCH && patches.fetch_add(1, Ordering::SeqCst) == 2 {
                keep(call, store);
                return Some(Reply::hang_up());
            }
            script(call, store)
        }),
    );
    let router = router(&server, HTTP_ROUTE).await;
    let before = server.object(HTTP_ROUTE.path).unwrap();
    let error = write(&router, &change(A, Some((B, 50)), true))
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("; the change was taken back"),
        "{error}"
    );
    let now = server.object(HTTP_ROUTE.path).unwrap();
    assert_eq!(
        now["spec"], before["spec"],
        "the backend that was added for it is gone too"
    );
    assert_eq!(
        now["metadata"]["annotations"],
        before["metadata"]["annotations"]
    );
}

#[tokio::test]
async fn a_missing_right_is_not_a_missing_route() {
    let forbidden = |call: &Call, _: &mut Store| {
        let route = call.path == HTTP_ROUTE.path;
        route.then(|| Reply::failure(403, "Forbidden", "httproutes is forbidden"))
    };
    let server = serve(
        HTTP_ROUTE,
        Box::new(move |call, store| {
            if call.path == "/apis/gateway.networking.k8s.io/v1" {
                let resources = json!({"resources": [{"name": "httproutes", "kind": "HTTPRoute", "namespaced": true}]});
                return Some(Reply::json(200, &resources));
            }
            forbidden(call, store)
        }),
    );
    let error = try_router(&server, HTTP_ROUTE, None).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error}");
    assert!(!error.hints().is_empty());
    let without = serve(
        HTTP_ROUTE,
        Box::new(move |call, store| {
            if call.path == "/apis/gateway.networking.k8s.io/v1" {
                return Some(Reply::failure(404, "NotFound", "no such group"));
            }
            forbidden(call, store)
        }),
    );
    let found = try_router(&without, HTTP_ROUTE, None).await.unwrap();
    assert!(found.is_none(), "the cluster has no Gateway API at all");
    let none = serve(VIRTUAL_SERVICE, Box::new(|_, _| None));
    assert!(try_router(&none, HTTP_ROUTE, None).await.unwrap().is_none());
}

#[tokio::test]
async fn proxies_are_asked_at_the_endpoint_given_by_hand() {
    for kind in [HTTP_ROUTE, VIRTUAL_SERVICE] {
        let server = serve(kind, Box::new(|_, _| None));
        let router = router(&server, kind).await;
        assert_eq!(router.endpoint(), format!("http://{}", server.address));
        assert_eq!(router.host(), Some("chat.example.com"));
        let started = Instant::now();
        write(&router, &change(B, None, false)).await.unwrap();
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "{:?}",
            started.elapsed()
        );
        assert!(server.of(&Method::GET, "/v1/models").len() >= 50);
    }
}

#[tokio::test]
async fn a_controller_without_headers_for_each_backend_is_served_without() {
    let server = serve(HTTP_ROUTE, rejecting("ResponseHeaderModifier"));
    let mut router = router(&server, HTTP_ROUTE).await;
    let interrupt = Interrupt::never();
    let rejected = router.wait_accepted(&interrupt).await.unwrap_err();
    assert!(matches!(rejected, Error::Rejected { .. }), "{rejected}");
    let tried = router
        .try_version_header(VersionHeader::Omit, &interrupt)
        .await
        .unwrap();
    assert_eq!(tried, Acceptance::Accepted);
    assert_eq!(router.version_header(), VersionHeader::Omit);
    assert!(!router.capabilities().names_version);
    router.wait_accepted(&interrupt).await.unwrap();
    let goal = change(A, Some((B, 0)), false);
    write(&router, &goal).await.unwrap();
    let text = server.object(HTTP_ROUTE.path).unwrap()["spec"].to_string();
    assert!(!text.contains("filters"), "{text}");
}

#[tokio::test]
async fn a_route_that_is_rejected_for_something_else_is_left_as_it_was() {
    let server = serve(HTTP_ROUTE, rejecting("chat-"));
    let mut router = router(&server, HTTP_ROUTE).await;
    let before = server.object(HTTP_ROUTE.path).unwrap()["spec"].clone();
    let tried = router
        .try_version_header(VersionHeader::Omit, &Interrupt::never())
        .await
        .unwrap();
    assert!(matches!(tried, Acceptance::Rejected { .. }), "{tried:?}");
    assert_eq!(router.version_header(), VersionHeader::Set);
    assert_eq!(server.object(HTTP_ROUTE.path).unwrap()["spec"], before);
}

/// A route whose controller says nothing.
fn silent() -> Script {
    Box::new(|_, store| {
        let route = store.objects.get_mut(HTTP_ROUTE.path)?;
        route["status"] = json!({});
        None
    })
}

#[tokio::test]
async fn a_signal_ends_the_wait_for_acceptance() {
    let server = serve(HTTP_ROUTE, silent());
    let router = router(&server, HTTP_ROUTE).await;
    let (trigger, interrupt) = Interrupt::pair();
    let started = Instant::now();
    let (ended, ()) = tokio::join!(router.wait_accepted(&interrupt), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        trigger.interrupt();
    });
    assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
    assert!(started.elapsed() < Duration::from_millis(1_300));
}

#[tokio::test]
async fn a_signal_before_the_first_write_stops_it_and_one_before_the_call_does_not() {
    let (trigger, interrupt) = Interrupt::pair();
    let trigger = Arc::new(trigger);
    let armed = Arc::new(AtomicUsize::new(0));
    let (pull, is_armed) = (Arc::clone(&trigger), Arc::clone(&armed));
    let server = serve(
        HTTP_ROUTE,
        Box::new(move |_, _| {
            if is_armed.swap(0, Ordering::SeqCst) == 1 {
                pull.end(EndedBy::Terminate);
                return Some(Reply::failure(500, "InternalError", "etcd"));
            }
            None
        }),
    );
    let router = router(&server, HTTP_ROUTE).await;
    let read = router.read().await.unwrap();
    armed.store(1, Ordering::SeqCst);
    let goal = change(A, Some((B, 0)), false);
    let ended = router.write(&read, &goal, &interrupt).await;
    assert!(matches!(ended, Err(Error::Interrupted { .. })), "{ended:?}");
    assert_eq!(server.of(&Method::PATCH, "httproutes").len(), 0);
    // What a rollback after the signal writes.
    let made = router.write(&read, &goal, &interrupt).await.unwrap();
    assert!(made.is_made_by(&goal));
}

#[tokio::test]
async fn a_signal_between_two_writes_hurries_the_rest() {
    let (trigger, interrupt) = Interrupt::pair();
    let script = silent();
    let server = serve(
        HTTP_ROUTE,
        Box::new(move |call, store| {
            if call.method == Method::PATCH {
                trigger.interrupt();
            }
            script(call, store)
        }),
    );
    let router = router(&server, HTTP_ROUTE).await;
    let read = router.read().await.unwrap();
    let (started, goal) = (Instant::now(), change(B, None, false));
    let made = router.write(&read, &goal, &interrupt).await.unwrap();
    assert!(made.is_made_by(&goal), "{made:?}");
    assert_eq!(server.of(&Method::PATCH, "httproutes").len(), 3);
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn the_stable_service_is_pointed_to_a_version_once() {
    const PATH: &str = "/api/v1/namespaces/team-a/services/chat";
    let conflicts = AtomicUsize::new(0);
    let server = FakeApiserver::start(move |call, _| {
        let first = call.method == Method::PATCH && conflicts.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| Reply::failure(409, "Conflict", "the object has been modified"))
    });
    let cluster = Cluster::with(server.config(), "fake".to_owned(), None).unwrap();
    let (chat, b): (_, VersionId) = ("chat".parse().unwrap(), B.parse().unwrap());
    assert_eq!(service_target(&cluster, &chat).await.unwrap(), None);
    let missing = point_service(&cluster, &chat, &b, "r-1").await.unwrap_err();
    assert!(matches!(missing, Error::NothingLive { .. }), "{missing}");
    server.put(
        PATH,
        json!({"metadata": {"name": "chat"}, "spec": {"selector": {"infer.dev/version": A}}}),
    );
    for _ in 0..2 {
        point_service(&cluster, &chat, &b, "r-1").await.unwrap();
        assert_eq!(
            service_target(&cluster, &chat).await.unwrap(),
            Some(b.clone())
        );
    }
    assert_eq!(
        server.of(&Method::PATCH, "services").len(),
        2,
        "one conflict, one write"
    );
}
