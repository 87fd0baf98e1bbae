//! A Deployment: every replica is one pod, and every pod answers.

use serde_json::{Value, json};

use super::{GaveUp, Standing, Workload, count};
use crate::{
    cluster::inventory::of_version,
    name::{ReleaseName, VersionId},
    object::{Kind, Object, kind},
};

static KIND: Kind = kind::DEPLOYMENT;

pub(super) struct Deployment;

impl Workload for Deployment {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn pods_of_replica<'a>(&self, object: &'a Object) -> Vec<(&'a Value, u32)> {
        let template = object.pointer("/spec/template").into_iter();
        template.map(|template| (template, 1)).collect()
    }

    fn replicas(&self, object: &Object) -> u32 {
        count(object, "/spec/replicas").unwrap_or(1)
    }

    fn set_replicas(&self, object: &mut Object, replicas: u32) {
        object["spec"]["replicas"] = json!(replicas);
    }

    fn standing(&self, object: &Object) -> Standing {
        let status = |field: &str| count(object, &format!("/status/{field}")).unwrap_or(0);
        let seen = object.pointer("/status/observedGeneration");
        let seen = seen.and_then(Value::as_i64);
        let observed = seen.is_some_and(|seen| seen >= object.generation());
        Standing {
            observed,
            wanted: self.replicas(object),
            updated: status("updatedReplicas"),
            ready: status("availableReplicas"),
            total: status("replicas"),
            gave_up: gave_up(object).filter(|_| observed),
        }
    }

    fn answering(&self, release: &ReleaseName, version: &VersionId) -> String {
        of_version(release, version)
    }

    fn pod_creators(&self) -> &'static [&'static str] {
        &["ReplicaSet"]
    }
}

/// Its own `progressDeadlineSeconds` has passed.
fn gave_up(object: &Object) -> Option<GaveUp> {
    let progressing = object.condition("Progressing")?;
    let text = |field: &str| progressing[field].as_str().unwrap_or_default();
    (text("reason") == "ProgressDeadlineExceeded").then(|| GaveUp {
        reason: "its progress deadline has passed".to_owned(),
        at: text("lastUpdateTime").to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: &Value) -> Object {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "chat-v1", "generation": 2},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "vllm",
                "resources": {"limits": {"nvidia.com/gpu": "4", "memory": "1Gi"}}}]}}},
            "status": status,
        })
        .into()
    }

    #[test]
    fn done_needs_the_newest_generation_and_every_replica() {
        let full = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        assert!(Deployment.standing(&deployment(&full)).is_done());
        for (field, value) in [
            ("observedGeneration", 1),
            ("replicas", 2),
            ("updatedReplicas", 0),
            ("availableReplicas", 0),
        ] {
            let mut short = full.clone();
            short[field] = json!(value);
            let standing = Deployment.standing(&deployment(&short));
            assert!(!standing.is_done(), "{field}");
        }
        let mut none = deployment(&json!({"observedGeneration": 2}));
        Deployment.set_replicas(&mut none, 0);
        assert!(Deployment.standing(&none).is_done());
        assert!(!Deployment.standing(&deployment(&Value::Null)).observed);
    }

    #[test]
    fn a_passed_deadline_counts_for_the_generation_that_was_seen() {
        let late = |seen: u32| {
            deployment(&json!({"observedGeneration": seen, "conditions": [{
                "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                "lastUpdateTime": "2026-11-24T03:00:00Z"}]}))
        };
        assert_eq!(Deployment.standing(&late(1)).gave_up, None);
        let gave_up = Deployment.standing(&late(2)).gave_up.unwrap();
        assert_eq!(gave_up.at, "2026-11-24T03:00:00Z");
    }

    #[test]
    fn a_replica_is_one_pod_with_its_gpus() {
        let object = deployment(&Value::Null);
        assert_eq!(Deployment.pods_per_replica(&object), 1);
        assert_eq!(
            super::super::gpus_each(&Deployment, &object),
            Some(("nvidia.com/gpu".to_owned(), 4))
        );
    }
}
