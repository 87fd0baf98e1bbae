//! How far a version's pods are: a pure reading of its workload and pods.

use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;

use super::workload::{GaveUp, Standing, Workload};
use crate::object::Object;

/// What is being waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A node to run on.
    Schedule,
    /// Images and volumes on that node.
    Pull,
    /// The engine runs and loads its weights.
    Load,
    Ready,
}

/// One pod of the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodProgress {
    pub pod: String,
    pub phase: Phase,
    pub node: Option<String>,
    pub restarts: u32,
}

/// Where the whole version is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The least advanced of the wanted pods.
    pub phase: Phase,
    pub wanted: u32,
    pub ready: u32,
    pub pods: Vec<PodProgress>,
    /// Every wanted pod is ready and the workload's controller reports so too.
    pub done: bool,
    /// The controller no longer expects its newest spec to get ready.
    #[serde(skip)]
    pub gave_up: Option<GaveUp>,
}

/// Reads a version's workload, once there is one, and the version's pods.
pub fn progress(workload: &dyn Workload, object: Option<&Object>, pods: &[Pod]) -> Progress {
    let standing = object.map(|object| workload.standing(object));
    let wanted = object.map_or(1, |object| {
        workload.replicas(object) * workload.pods_per_replica(object)
    });
    let mut seen: Vec<_> = pods.iter().filter(|pod| counts(pod)).map(one).collect();
    seen.sort_by(|a, b| (b.phase, &a.pod).cmp(&(a.phase, &b.pod)));
    let enough = wanted > 0 && seen.len() >= wanted as usize;
    let phase = match (wanted, seen.get((wanted.max(1) - 1) as usize)) {
        (0, _) => Phase::Ready,
        (_, Some(last)) if enough => last.phase,
        _ => Phase::Schedule,
    };
    let ready = seen.iter().filter(|pod| pod.phase == Phase::Ready).count();
    Progress {
        phase,
        wanted,
        ready: u32::try_from(ready).unwrap_or(u32::MAX),
        pods: seen,
        done: standing.as_ref().is_some_and(Standing::is_done),
        gave_up: standing.and_then(|standing| standing.gave_up),
    }
}

/// A pod that is being deleted, or has ended and is replaced, does not count.
fn counts(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Failed" | "Succeeded"))
}

fn one(pod: &Pod) -> PodProgress {
    let status = pod.status.as_ref();
    let condition = |name: &str| {
        let conditions = status.and_then(|status| status.conditions.as_ref());
        conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == name && condition.status == "True")
    };
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    let containers = status
        .and_then(|status| status.container_statuses.as_deref())
        .unwrap_or_default();
    // A container that crashed has been loaded before: its image is there.
    let started = !containers.is_empty()
        && containers.iter().all(|container| {
            let running = container
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some());
            running || container.restart_count > 0
        });
    let phase = if condition("Ready") {
        Phase::Ready
    } else if started {
        Phase::Load
    } else if node.is_some() || condition("PodScheduled") {
        Phase::Pull
    } else {
        Phase::Schedule
    };
    PodProgress {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        phase,
        node,
        restarts: containers
            .iter()
            .map(|container| u32::try_from(container.restart_count).unwrap_or(0))
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::workload, *};

    fn deployment(replicas: u32, status: &Value) -> Object {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "chat-v1", "generation": 2},
            "spec": {"replicas": replicas, "selector": {}, "template": {}},
            "status": status,
        })
        .into()
    }

    fn group(replicas: u32, size: u32) -> Object {
        json!({
            "apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
            "metadata": {"name": "chat-v1"},
            "spec": {"replicas": replicas,
                "leaderWorkerTemplate": {"size": size, "leaderTemplate": {}, "workerTemplate": {}}},
        })
        .into()
    }

    fn look(object: &Object, pods: &[Pod]) -> Progress {
        progress(workload::find(object).unwrap(), Some(object), pods)
    }

    fn pod(name: &str, phase: Phase) -> Pod {
        let state = if phase >= Phase::Load {
            json!({"running": {}})
        } else {
            json!({"waiting": {}})
        };
        let mut pod = json!({"metadata": {"name": name}, "spec": {"containers": []}, "status": {"conditions": []}});
        if phase >= Phase::Pull {
            pod["spec"]["nodeName"] = json!("gpu-1");
            pod["status"]["containerStatuses"] = json!([{"name": "vllm", "image": "", "imageID": "",
                "ready": phase == Phase::Ready, "restartCount": 0, "state": state}]);
        }
        if phase == Phase::Ready {
            pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn the_least_advanced_wanted_pod_counts() {
        // Two replicas of one pod, or one replica of two.
        for two in [deployment(2, &json!({})), group(1, 2)] {
            for phase in [Phase::Schedule, Phase::Pull, Phase::Load, Phase::Ready] {
                let seen = look(&two, &[pod("a", Phase::Ready), pod("b", phase)]);
                assert_eq!((seen.wanted, seen.phase), (2, phase));
            }
            let seen = look(&two, &[pod("a", Phase::Ready)]);
            assert_eq!(seen.phase, Phase::Schedule);
        }
        let nothing = progress(workload::WORKLOADS[0], None, &[]);
        assert_eq!(nothing.phase, Phase::Schedule);
    }

    #[test]
    fn done_is_the_controllers_word() {
        let full = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        assert!(look(&deployment(1, &full), &[pod("a", Phase::Ready)]).done);
        assert!(!look(&deployment(1, &json!({})), &[pod("a", Phase::Ready)]).done);
        let none = json!({"observedGeneration": 2});
        assert!(look(&deployment(0, &none), &[]).done);
    }

    #[test]
    fn pods_that_are_going_are_not_counted() {
        let mut going = pod("a", Phase::Ready);
        going.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-11-24T03:00:00Z")).unwrap();
        let seen = look(&deployment(1, &json!({})), &[going, pod("b", Phase::Pull)]);
        assert_eq!((seen.phase, seen.pods.len()), (Phase::Pull, 1));
    }
}
