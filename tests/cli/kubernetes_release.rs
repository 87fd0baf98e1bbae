//! A release's life on a fake cluster: what is created, moved, drained, kept and deleted.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use http::Method;
use infer::for_tests::{
    canary::Verdict,
    explain::{Explain as _, Kind},
    release::{kubernetes, lifecycle::Goal},
};
use serde_json::{Value, json};

use crate::support::fake_canary::Canary;
use crate::support::fake_release::{
    Deploy, FakeRelease, NAMESPACE, ONE, THREE, TWO, chat, route_path, workload_path,
};

fn behind_a_service(version: &'static str) -> Deploy {
    Deploy {
        gateway: false,
        ..Deploy::of(version)
    }
}

async fn states(fake: &FakeRelease) -> Vec<(u32, String, String)> {
    let rows = kubernetes::history(&fake.cluster, &chat()).await.unwrap();
    let told = rows.revisions.into_iter();
    told.map(|row| (row.revision, row.version, row.state))
        .collect()
}

fn row(revision: u32, version: &str, state: &str) -> (u32, String, String) {
    (revision, version.to_owned(), state.to_owned())
}

#[tokio::test]
async fn a_release_is_deployed_replaced_rolled_back_and_deleted() {
    let fake = FakeRelease::start(None);
    let first = fake.deploy(&behind_a_service(ONE)).await.unwrap();
    assert!(
        first.changed && first.phases_s.first_token.is_some(),
        "{first:?}"
    );
    assert_eq!(fake.selected(), ONE);
    assert!(!fake.deploy(&behind_a_service(ONE)).await.unwrap().changed);

    fake.deploy(&behind_a_service(TWO)).await.unwrap();
    assert_eq!(fake.selected(), TWO);
    assert_eq!((fake.replicas(ONE), fake.replicas(TWO)), (Some(0), Some(1)));

    let back = fake.rollback().await.unwrap();
    assert_eq!((back.version.as_str(), fake.selected()), (ONE, json!(ONE)));
    assert_eq!((fake.replicas(ONE), fake.replicas(TWO)), (Some(1), Some(0)));
    // A revision keeps its number, whatever becomes of it.
    assert_eq!(
        states(&fake).await,
        [row(1, ONE, "live"), row(2, TWO, "superseded")]
    );
    let status = kubernetes::status(&fake.cluster, &chat()).await.unwrap();
    assert_eq!(
        (status.live.as_deref(), status.versions.len()),
        (Some(ONE), 2)
    );
    assert_eq!(status.held_by, None);

    let theirs = format!("/api/v1{NAMESPACE}/services/theirs");
    fake.server
        .put(&theirs, json!({"metadata": {"name": "theirs"}}));
    fake.delete().await.unwrap();
    let left: Vec<_> = fake.server.objects().into_keys().collect();
    assert_eq!(left, [theirs], "its Lease goes too");
}

#[tokio::test]
async fn behind_a_gateway_backends_come_and_go_without_traffic_and_rules_are_never_applied_over() {
    let fake = FakeRelease::start(None);
    fake.deploy(&Deploy::of(ONE)).await.unwrap();
    fake.deploy(&Deploy::of(TWO)).await.unwrap();
    let route = fake.server.object(&route_path()).unwrap();
    let backends = &route["spec"]["rules"][0]["backendRefs"];
    assert_eq!(
        (backends.as_array().unwrap().len(), &backends[0]["name"]),
        (1, &json!(format!("chat-{TWO}")))
    );
    let writes = fake.server.of(&Method::PATCH, "httproutes");
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
    assert_eq!(fake.selected(), TWO);
}

#[tokio::test]
async fn a_version_that_crashes_is_diagnosed_withdrawn_and_live_is_untouched() {
    let fake = FakeRelease::start(Some(TWO));
    fake.deploy(&behind_a_service(ONE)).await.unwrap();
    let error = fake.deploy(&behind_a_service(TWO)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Deployment team-a/chat-{TWO} did not start: CUDA out of memory")
    );
    assert_eq!((fake.selected(), fake.replicas(ONE)), (json!(ONE), Some(1)));
    assert_eq!(fake.replicas(TWO), Some(0));
    assert_eq!(
        states(&fake).await,
        [row(1, ONE, "live"), row(2, TWO, "refused")]
    );
}

#[tokio::test]
async fn a_candidate_found_worse_is_recorded_as_refused_and_one_that_is_aborted_as_withdrawn() {
    for (slower, state) in [(2.0, "refused"), (1.0, "withdrawn")] {
        let fake = FakeRelease::start(None);
        fake.deploy(&Deploy::of(ONE)).await.unwrap();
        let canary = Canary {
            steps: &[10],
            slower,
        };
        if fake.canary(canary).await.unwrap() == Verdict::Held {
            fake.abort().await;
        }
        assert_eq!(
            states(&fake).await,
            [row(1, ONE, "live"), row(2, TWO, state)]
        );
        assert_eq!(fake.replicas(TWO), Some(0));
    }
}

#[tokio::test]
async fn an_object_that_is_not_managed_by_infer_is_never_applied_over() {
    let fake = FakeRelease::start(None);
    let theirs =
        json!({"metadata": {"name": "chat", "labels": {"app.kubernetes.io/managed-by": "Helm"}}});
    let path = format!("/api/v1{NAMESPACE}/serviceaccounts/chat");
    fake.server.put(&path, theirs);
    let error = fake.deploy(&behind_a_service(ONE)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ServiceAccount team-a/chat exists and is not managed by infer"
    );
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(fake.server.of(&Method::PATCH, "").len(), 0);
}

#[tokio::test]
async fn the_first_deploy_without_traffic_exposes_nothing() {
    let fake = FakeRelease::start(None);
    let waits = Deploy {
        goal: Goal::Wait,
        ..Deploy::of(ONE)
    };
    fake.deploy(&waits).await.unwrap();
    assert_eq!(fake.server.object(&route_path()), None);
    assert_eq!(fake.replicas(ONE), Some(1));
    assert_eq!(states(&fake).await, [row(1, ONE, "candidate")]);
    assert!(
        !fake.deploy(&waits).await.unwrap().changed,
        "it waits already"
    );
    fake.deploy(&Deploy::of(ONE)).await.unwrap();
    assert_eq!(fake.selected(), ONE);
    assert_eq!(states(&fake).await, [row(1, ONE, "live")]);
}

#[tokio::test]
async fn replicas_changed_on_live_are_what_a_rollback_brings_back() {
    let fake = FakeRelease::start(None);
    let with = |replicas| Deploy {
        replicas,
        ..Deploy::of(ONE)
    };
    fake.deploy(&with(1)).await.unwrap();
    assert!(!fake.deploy(&with(3)).await.unwrap().changed);
    assert_eq!(fake.replicas(ONE), Some(3));
    fake.deploy(&Deploy::of(TWO)).await.unwrap();
    fake.rollback().await.unwrap();
    assert_eq!(fake.replicas(ONE), Some(3));
}

#[tokio::test]
async fn a_rollback_goes_by_what_serves_where_the_record_is_behind() {
    let fake = FakeRelease::start(None);
    for version in [ONE, TWO, THREE] {
        fake.deploy(&Deploy::of(version)).await.unwrap();
    }
    // As a run leaves it that was killed between the traffic's write and the record's.
    let path = format!("/api/v1{NAMESPACE}/configmaps/infer-chat");
    let mut map = fake.server.object(&path).unwrap();
    let mut record: Value =
        serde_json::from_str(map["data"]["record.json"].as_str().unwrap()).unwrap();
    record["revisions"][1]["state"] = json!("live");
    record["revisions"][2]["state"] = json!("candidate");
    record["revisions"][2]["served"] = json!(0);
    map["data"]["record.json"] = json!(record.to_string());
    fake.server.put(&path, map);
    let back = fake.rollback().await.unwrap();
    assert_eq!(back.version, TWO, "the one before what users reach");
}

#[tokio::test]
async fn what_a_gateway_does_not_serve_for_want_of_rights_is_not_taken_for_absent() {
    let fake = FakeRelease::start(None);
    fake.deploy(&Deploy::of(ONE)).await.unwrap();
    fake.deploy(&Deploy::of(TWO)).await.unwrap();
    fake.forbid("httproutes");
    let error = fake.rollback().await.unwrap_err();
    assert!(format!("{error:?}").contains("403"), "{error:?}");
    assert_eq!(
        fake.selected(),
        TWO,
        "the Service stays where the route leads"
    );
    assert_eq!(fake.replicas(TWO), Some(1));
    assert!(fake.server.object(&workload_path(ONE)).is_some());
}
