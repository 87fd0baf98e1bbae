//! A `LeaderWorkerSet`: every replica is a group of pods, and its leader answers for all.

use serde_json::{Value, json};

use super::{Standing, Workload, count};
use crate::{
    cluster::inventory::of_version,
    name::{ReleaseName, VersionId},
    object::{Kind, Object, kind},
};

static KIND: Kind = kind::LEADER_WORKER_SET;

/// Put on each pod by its webhook; the leader of a group is number 0.
const WORKER_INDEX: &str = "leaderworkerset.sigs.k8s.io/worker-index";

pub(super) struct LeaderWorkerSet;

impl Workload for LeaderWorkerSet {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn pods_of_replica<'a>(&self, object: &'a Object) -> Vec<(&'a Value, u32)> {
        let size = count(object, "/spec/leaderWorkerTemplate/size").unwrap_or(1);
        let leader = object.pointer("/spec/leaderWorkerTemplate/leaderTemplate");
        let worker = object.pointer("/spec/leaderWorkerTemplate/workerTemplate");
        // Without a template of its own the leader is made from the workers'.
        let leaders = u32::from(leader.is_some());
        let leader = leader.map(|template| (template, 1));
        let worker = worker.map(|template| (template, size.saturating_sub(leaders)));
        leader.into_iter().chain(worker).collect()
    }

    fn replicas(&self, object: &Object) -> u32 {
        count(object, "/spec/replicas").unwrap_or(1)
    }

    fn set_replicas(&self, object: &mut Object, replicas: u32) {
        object["spec"]["replicas"] = json!(replicas);
    }

    fn standing(&self, object: &Object) -> Standing {
        let status = |field: &str| count(object, &format!("/status/{field}")).unwrap_or(0);
        let available = object.condition("Available");
        let is_available = available.is_some_and(|condition| condition["status"] == "True");
        let ready = status("readyReplicas");
        Standing {
            observed: is_observed(object, available),
            wanted: self.replicas(object),
            updated: status("updatedReplicas"),
            // The counts run ahead of the condition while groups are recreated.
            ready: if is_available {
                ready
            } else {
                ready.min(self.replicas(object).saturating_sub(1))
            },
            total: status("replicas"),
            // Its controller never reports that a group cannot start.
            gave_up: None,
        }
    }

    fn answering(&self, release: &ReleaseName, version: &VersionId) -> String {
        format!("{},{WORKER_INDEX}=0", of_version(release, version))
    }

    fn pod_creators(&self) -> &'static [&'static str] {
        &["StatefulSet", "LeaderWorkerSet"]
    }
}

/// Generations are reported from 0.9 on; below it the controller names none, and the counts
/// alone tell whether it has followed.
fn is_observed(object: &Object, available: Option<&Value>) -> bool {
    let seen = object
        .pointer("/status/observedGeneration")
        .or_else(|| available?.get("observedGeneration"));
    match seen.and_then(Value::as_i64) {
        Some(seen) => seen >= object.generation(),
        None => available.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(size: u32, status: &Value) -> Object {
        let pod = |gpus: &str| {
            json!({"spec": {"containers": [{"name": "vllm",
            "resources": {"limits": {"nvidia.com/gpu": gpus}}}]}})
        };
        json!({
            "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
            "metadata": {"name": "chat-v1", "generation": 3},
            "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": size,
                "leaderTemplate": pod("4"), "workerTemplate": pod("8")}},
            "status": status,
        })
        .into()
    }

    fn status(condition: &Value) -> Value {
        json!({"replicas": 2, "readyReplicas": 2, "updatedReplicas": 2, "conditions": [condition]})
    }

    #[test]
    fn a_replica_is_a_group_of_pods_with_all_their_gpus() {
        let object = group(3, &Value::Null);
        assert_eq!(LeaderWorkerSet.pods_per_replica(&object), 3);
        assert_eq!(LeaderWorkerSet.pods_of_replica(&object).len(), 2);
        assert_eq!(
            super::super::gpus_each(&LeaderWorkerSet, &object),
            Some(("nvidia.com/gpu".to_owned(), 4 + 2 * 8))
        );
        let mut alike = object;
        let template = alike["spec"]["leaderWorkerTemplate"].as_object_mut();
        template.unwrap().remove("leaderTemplate");
        assert_eq!(LeaderWorkerSet.pods_per_replica(&alike), 3);
        assert_eq!(
            super::super::gpus_each(&LeaderWorkerSet, &alike).unwrap().1,
            3 * 8
        );
    }

    #[test]
    fn done_needs_the_condition_of_this_generation_and_equal_counts() {
        let available = |generation: u32| json!({"type": "Available", "status": "True", "observedGeneration": generation});
        let standing = |status: &Value| LeaderWorkerSet.standing(&group(2, status));
        assert!(standing(&status(&available(3))).is_done());
        assert!(!standing(&status(&available(2))).is_done());
        for field in ["replicas", "readyReplicas", "updatedReplicas"] {
            let mut short = status(&available(3));
            short[field] = json!(1);
            assert!(!standing(&short).is_done(), "{field}");
        }
        let mut stale = status(&available(3));
        stale["observedGeneration"] = json!(2);
        assert!(!standing(&stale).is_done(), "status.observedGeneration");
    }

    #[test]
    fn a_controller_that_names_no_generation_is_taken_by_condition_and_counts() {
        // As 0.8 writes it.
        let word = |status: &str| json!({"type": "Available", "status": status});
        let standing = |status: &Value| LeaderWorkerSet.standing(&group(2, status));
        assert!(standing(&status(&word("True"))).is_done());
        assert!(!standing(&status(&word("False"))).is_done());
        assert!(!standing(&Value::Null).observed);
    }

    #[test]
    fn only_leaders_answer() {
        let selector =
            LeaderWorkerSet.answering(&"chat".parse().unwrap(), &"v3c1f2a90b".parse().unwrap());
        assert!(
            selector.ends_with(
                ",infer.dev/version=v3c1f2a90b,leaderworkerset.sigs.k8s.io/worker-index=0"
            ),
            "{selector}"
        );
    }
}
