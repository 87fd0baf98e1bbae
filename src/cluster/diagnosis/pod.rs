//! What keeps one pod from being ready: from its conditions, containers, events and logs.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};

use super::{
    Code, Finding, container,
    scheduling::{autoscaler, unschedulable},
};
use crate::cluster::{gpus::NodeGpus, pod_needs::PodNeeds};

/// What is known about a pod beside the pod itself.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Events that concern it, oldest first.
    pub events: &'a [Event],
    /// Tails of the last ended run's log, by container.
    pub logs: &'a BTreeMap<String, String>,
    /// GPUs of the cluster; empty where nodes may not be listed.
    pub gpus: &'a [NodeGpus],
}

/// What keeps the pod from being ready; `None` where nothing does.
pub fn diagnose(pod: &Pod, seen: Observation<'_>) -> Option<Finding> {
    let found = evicted(pod)
        .or_else(|| schedule(pod, seen))
        .or_else(|| mounts(seen.events))
        .or_else(|| containers(pod, seen))
        .or_else(|| probes(pod, seen.events))?;
    Some(placed(found, pod))
}

fn placed(mut finding: Finding, pod: &Pod) -> Finding {
    finding.pod.clone_from(&pod.metadata.name);
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
    finding.node = node.cloned();
    finding
}

fn evicted(pod: &Pod) -> Option<Finding> {
    let status = pod.status.as_ref()?;
    let message = status.message.clone().unwrap_or_default();
    match status.reason.as_deref() {
        Some("Evicted") => Some(
            Finding::new(
                Code::Evicted,
                "the node evicted the pod to keep itself alive",
            )
            .evidence(message)
            .fix(
                "ask for what the engine uses: hardware.memory in infer.yaml, disk with `patches`",
            ),
        ),
        Some("NodeLost" | "NodeShutdown" | "Terminated") => {
            Some(Finding::new(Code::NodeLost, "the pod's node went away").evidence(message))
        }
        _ => None,
    }
}

fn schedule(pod: &Pod, seen: Observation<'_>) -> Option<Finding> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled")?;
    if scheduled.status != "False" || scheduled.reason.as_deref() != Some("Unschedulable") {
        return None;
    }
    let message = scheduled.message.as_deref().unwrap_or_default();
    let needs = pod.spec.as_ref().map(PodNeeds::of).unwrap_or_default();
    Some(unschedulable(
        message,
        &needs,
        seen.gpus,
        &autoscaler(seen.events),
    ))
}

/// Volumes that do not mount, which show in events only.
fn mounts(events: &[Event]) -> Option<Finding> {
    let failed = events.iter().rev().find(|event| {
        matches!(
            event.reason.as_deref(),
            Some("FailedMount" | "FailedAttachVolume")
        )
    })?;
    // Started since: the mount has worked after all.
    if events
        .iter()
        .any(|event| event.reason.as_deref() == Some("Started"))
    {
        return None;
    }
    let words = failed.message.clone().unwrap_or_default();
    let lower = words.to_lowercase();
    if lower.contains("image volume") || lower.contains("imagevolume") {
        return Some(container::volume_unsupported().evidence(words));
    }
    let missing = lower.contains("not found");
    let cause = if missing {
        "something a volume refers to is not there"
    } else {
        "a volume does not mount"
    };
    Some(
        Finding::new(Code::ConfigMissing, cause)
            .evidence(words)
            .fix("create what the message names, in the release's namespace"),
    )
}

fn containers(pod: &Pod, seen: Observation<'_>) -> Option<Finding> {
    let status = pod.status.as_ref()?;
    let all = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    all.flatten().find_map(|container| {
        let mut finding = one_container(pod, container, seen)?;
        finding.container = Some(container.name.clone());
        if container.restart_count > 0 {
            finding = finding.evidence(format!("{} restarts", container.restart_count));
        }
        Some(finding)
    })
}

fn one_container(pod: &Pod, status: &ContainerStatus, seen: Observation<'_>) -> Option<Finding> {
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let mut waiting = waiting.clone();
        if waiting.reason.as_deref() == Some("ImagePullBackOff") {
            // The state has only "Back-off"; the reason is in the event before.
            let told = seen.events.iter().rev().find(|event| {
                let message = event.message.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some("Failed")
                    && message.contains("Failed to pull image")
            });
            if let Some(event) = told {
                waiting.message.clone_from(&event.message);
            }
        }
        if let Some(found) = container::waiting(&waiting, image(waiting.message.as_deref(), status))
        {
            return Some(found);
        }
    }
    let last = status
        .last_state
        .as_ref()
        .and_then(|last| last.terminated.as_ref());
    let ended = state.terminated.as_ref().or(last)?;
    // Running and ready again after one bad start.
    if state.running.is_some() && status.ready {
        return None;
    }
    if let Some(words) = killed_by_liveness(seen.events, &status.name) {
        return Some(
            Finding::new(Code::LivenessKilled, "the kubelet restarted the engine: its liveness probe failed")
                .evidence(words)
                .fix("raise rollout.startup in infer.yaml if it was still loading, else see `infer logs`"),
        );
    }
    let log = seen.logs.get(&status.name).map(String::as_str);
    // An init container that has done its work.
    if ended.exit_code == 0 && is_init(pod, &status.name) {
        return None;
    }
    let found = container::ended(ended, log, memory_limit(pod, &status.name).as_deref());
    // One crash may be a lost race at the start: a second run shows.
    let second_run = state.running.is_some() && status.restart_count < 2;
    (found.code != Code::Crashed || !second_run).then_some(found)
}

/// The image a pull message is about: a volume's where it names another one than the container's.
fn image<'a>(message: Option<&'a str>, status: &'a ContainerStatus) -> &'a str {
    let quoted = message.and_then(|message| {
        let at = message.find("image \"")? + "image \"".len();
        message[at..].split('"').next()
    });
    quoted
        .filter(|image| !image.is_empty())
        .unwrap_or(&status.image)
}

fn killed_by_liveness(events: &[Event], container: &str) -> Option<String> {
    let killed = events.iter().rev().find(|event| {
        let message = event.message.as_deref().unwrap_or_default();
        event.reason.as_deref() == Some("Killing")
            && message.contains("failed liveness probe")
            && message.contains(container)
    })?;
    killed.message.clone()
}

fn is_init(pod: &Pod, name: &str) -> bool {
    let inits = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.init_containers.as_ref());
    inits
        .into_iter()
        .flatten()
        .any(|container| container.name == name)
}

fn memory_limit(pod: &Pod, name: &str) -> Option<String> {
    let containers = &pod.spec.as_ref()?.containers;
    let container = containers.iter().find(|container| container.name == name)?;
    let limits = container.resources.as_ref()?.limits.as_ref()?;
    limits.get("memory").map(|quantity| quantity.0.clone())
}

/// Running but not ready: with the probe's last message.
fn probes(pod: &Pod, events: &[Event]) -> Option<Finding> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let waiting = statuses.iter().find(|status| {
        let running = status
            .state
            .as_ref()
            .is_some_and(|state| state.running.is_some());
        running && !status.ready
    })?;
    let failed = events
        .iter()
        .rev()
        .find(|event| event.reason.as_deref() == Some("Unhealthy"))?;
    let mut finding = Finding::new(Code::ProbeFailed, "its probe has not succeeded yet")
        .evidence(failed.message.clone().unwrap_or_default())
        .fix("see what it does: `infer logs`")
        .fix("a large model may need longer: rollout.startup in infer.yaml");
    finding.container = Some(waiting.name.clone());
    Some(finding)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "chat-v3c1f2a90b-x"},
            "spec": {
                "nodeName": "gpu-3",
                "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L40S"]}]}]}}},
                "containers": [{"name": "vllm", "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "16Gi"}}}],
            },
            "status": status,
        }))
        .unwrap()
    }

    fn event(reason: &str, message: &str) -> Event {
        serde_json::from_value(
            json!({"metadata": {}, "involvedObject": {}, "reason": reason, "message": message}),
        )
        .unwrap()
    }

    fn look(pod: &Pod, events: &[Event], log: &str) -> Option<Finding> {
        let logs = BTreeMap::from([("vllm".to_owned(), log.to_owned())]);
        diagnose(
            pod,
            Observation {
                events,
                logs: &logs,
                gpus: &[],
            },
        )
    }

    fn container(state: &Value, last: &Value) -> Value {
        json!({"containerStatuses": [{
            "name": "vllm", "image": "vllm/vllm-openai:v1", "imageID": "", "ready": false,
            "restartCount": 3, "state": state, "lastState": last,
        }]})
    }

    #[test]
    fn a_crash_loop_is_explained_by_the_log_of_the_run_that_ended() {
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}});
        let last = json!({"terminated": {"exitCode": 1, "reason": "Error"}});
        let found = look(
            &pod(&container(&waiting, &last)),
            &[],
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.02 GiB",
        )
        .unwrap();
        assert_eq!(found.code, Code::CudaOutOfMemory);
        assert_eq!(found.pod.as_deref(), Some("chat-v3c1f2a90b-x"));
        assert_eq!(found.container.as_deref(), Some("vllm"));
        assert_eq!(found.node.as_deref(), Some("gpu-3"));
        assert_eq!(found.evidence[1], "3 restarts");
    }

    #[test]
    fn a_pull_back_off_is_explained_by_the_event_before_it() {
        let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image \"vllm/vllm-openai:v1\""}});
        let told = event(
            "Failed",
            "Failed to pull image \"r.example/m@sha256:1\": rpc error: code = NotFound desc = not found",
        );
        let found = look(&pod(&container(&waiting, &json!({}))), &[told], "").unwrap();
        assert_eq!(found.code, Code::ImageNotFound);
        assert!(
            found.cause.starts_with("r.example/m@sha256:1"),
            "{}",
            found.cause
        );
    }

    #[test]
    fn an_out_of_memory_kill_names_its_limit() {
        let state = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let found = look(&pod(&container(&state, &json!({}))), &[], "").unwrap();
        assert_eq!(found.cause, "out of memory: killed at its limit of 16Gi");
    }

    #[test]
    fn a_running_engine_whose_probe_fails_is_a_wait() {
        let events = [event(
            "Unhealthy",
            "Startup probe failed: connection refused",
        )];
        let found = look(
            &pod(&container(&json!({"running": {}}), &json!({}))),
            &events,
            "",
        )
        .unwrap();
        assert_eq!(found.code, Code::ProbeFailed);
        assert_eq!(found.code.patience(), None);
    }

    #[test]
    fn unschedulable_reads_product_and_count_from_the_pod() {
        let status = json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
            "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}]});
        let found = look(&pod(&status), &[], "").unwrap();
        assert_eq!(found.code, Code::GpuNotOffered);
        assert_eq!(
            found.cause,
            "no node offers 2 × nvidia.com/gpu (NVIDIA-L40S)"
        );
        let scaling = [event(
            "TriggeredScaleUp",
            "pod triggered scale-up: [{pool 0->1 (max: 3)}]",
        )];
        assert_eq!(
            look(&pod(&status), &scaling, "").unwrap().code,
            Code::WaitingForNode
        );
    }

    #[test]
    fn an_eviction_and_a_missing_secret_are_named() {
        let evicted = pod(
            &json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage."}),
        );
        assert_eq!(look(&evicted, &[], "").unwrap().code, Code::Evicted);
        let waiting = json!({"waiting": {"reason": "CreateContainerConfigError", "message": "secret \"chat-auth\" not found"}});
        assert_eq!(
            look(&pod(&container(&waiting, &json!({}))), &[], "")
                .unwrap()
                .code,
            Code::ConfigMissing
        );
    }

    #[test]
    fn a_pod_that_is_on_its_way_has_no_finding() {
        let waiting = json!({"waiting": {"reason": "ContainerCreating"}});
        let mut status = container(&waiting, &json!({}));
        status["containerStatuses"][0]["restartCount"] = json!(0);
        assert_eq!(look(&pod(&status), &[], ""), None);
    }
}
