//! How far a version's pods are: a pure reading of its Deployment and pods.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use serde::Serialize;

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
    /// Every wanted pod is ready and the Deployment's controller says so too.
    pub done: bool,
    /// The Deployment's own `progressDeadlineSeconds` has passed.
    pub deadline_exceeded: bool,
}

/// Reads a Deployment and the pods of its selector.
pub fn progress(deployment: Option<&Deployment>, pods: &[Pod]) -> Progress {
    let spec = deployment.and_then(|deployment| deployment.spec.as_ref());
    let wanted = spec.map_or(1, |spec| count(spec.replicas.or(Some(1))));
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
        done: deployment.is_some_and(|deployment| is_done(deployment, wanted)),
        deadline_exceeded: deployment.is_some_and(deadline_exceeded),
    }
}

fn count(number: Option<i32>) -> u32 {
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0)
}

/// As `kubectl rollout status` decides it: the controller has seen the newest
/// spec, every pod is of it, every pod is available, none of an older one is left.
fn is_done(deployment: &Deployment, wanted: u32) -> bool {
    let Some(status) = &deployment.status else {
        return false;
    };
    let seen =
        status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0);
    seen && count(status.updated_replicas) == wanted
        && count(status.replicas) == wanted
        && count(status.available_replicas) == wanted
}

fn deadline_exceeded(deployment: &Deployment) -> bool {
    let conditions = deployment
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        condition.type_ == "Progressing"
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    })
}

/// Pods on their way out, or ended and replaced, say nothing about the version.
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
            .map(|container| count(Some(container.restart_count)))
            .sum(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(replicas: u32, status: &Value) -> Deployment {
        serde_json::from_value(json!({
            "metadata": {"name": "chat-v1", "generation": 2},
            "spec": {"replicas": replicas, "selector": {}, "template": {}},
            "status": status,
        }))
        .unwrap()
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
        let two = deployment(2, &json!({}));
        for phase in [Phase::Schedule, Phase::Pull, Phase::Load, Phase::Ready] {
            let seen = progress(Some(&two), &[pod("a", Phase::Ready), pod("b", phase)]);
            assert_eq!(seen.phase, phase);
        }
        assert_eq!(
            progress(Some(&two), &[pod("a", Phase::Ready)]).phase,
            Phase::Schedule
        );
        assert_eq!(progress(None, &[]).phase, Phase::Schedule);
    }

    #[test]
    fn done_needs_the_newest_generation_and_every_pod() {
        let full = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1});
        assert!(progress(Some(&deployment(1, &full)), &[pod("a", Phase::Ready)]).done);
        for (field, value) in [
            ("observedGeneration", 1),
            ("replicas", 2),
            ("updatedReplicas", 0),
            ("availableReplicas", 0),
        ] {
            let mut short = full.clone();
            short[field] = json!(value);
            assert!(!progress(Some(&deployment(1, &short)), &[]).done, "{field}");
        }
        let none = json!({"observedGeneration": 2});
        assert!(progress(Some(&deployment(0, &none)), &[]).done);
    }

    #[test]
    fn pods_that_are_going_are_not_counted() {
        let mut going = pod("a", Phase::Ready);
        going.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-11-24T03:00:00Z")).unwrap();
        let seen = progress(
            Some(&deployment(1, &json!({}))),
            &[going, pod("b", Phase::Pull)],
        );
        assert_eq!((seen.phase, seen.pods.len()), (Phase::Pull, 1));
    }

    #[test]
    fn the_deployments_own_deadline_is_seen() {
        let late = json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]});
        assert!(progress(Some(&deployment(1, &late)), &[]).deadline_exceeded);
    }
}
