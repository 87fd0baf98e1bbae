//! What the watches of a rollout have brought so far, and what it still lacks.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event as CoreEvent, Pod},
};
use kube::runtime::watcher;
use tokio::time::Instant;

use super::{
    Cluster,
    diagnosis::{Finding, Observation, diagnose, diagnose_replicas},
    gpus::{self, NodeGpus},
    pods,
};

/// Events kept; a crash loop writes a few a minute.
const EVENTS_MAX: usize = 500;

/// Containers whose last log is fetched: the first few say what all would.
const LOGS_MAX: usize = 8;

/// Nodes are read again after this: all nodes and pods of a cluster are a large answer.
const NODES_AGE_MAX: Duration = Duration::from_secs(30);

/// One ended run of a container: its log never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    pod: String,
    container: String,
    restarts: i32,
    /// The run before the one that is there now.
    previous: bool,
}

pub(super) struct Observed {
    name: String,
    deployment: Option<Deployment>,
    pods: BTreeMap<String, Pod>,
    /// Filled while a watch lists anew; replaces `pods` when it is through.
    relisted: BTreeMap<String, Pod>,
    events: Vec<CoreEvent>,
    logs: BTreeMap<Run, String>,
    gpus: Vec<NodeGpus>,
    gpus_read: Option<Instant>,
}

impl Observed {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            deployment: None,
            pods: BTreeMap::new(),
            relisted: BTreeMap::new(),
            events: Vec::new(),
            logs: BTreeMap::new(),
            gpus: Vec::new(),
            gpus_read: None,
        }
    }

    pub(super) fn deployment(&mut self, event: watcher::Event<Deployment>) {
        match event {
            watcher::Event::Apply(found) | watcher::Event::InitApply(found) => {
                self.deployment = Some(found);
            }
            watcher::Event::Delete(_) => self.deployment = None,
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    }

    pub(super) fn pod(&mut self, event: watcher::Event<Pod>) {
        let name = |pod: &Pod| pod.metadata.name.clone().unwrap_or_default();
        match event {
            watcher::Event::Apply(pod) => drop(self.pods.insert(name(&pod), pod)),
            watcher::Event::Delete(pod) => drop(self.pods.remove(&name(&pod))),
            watcher::Event::Init => self.relisted.clear(),
            watcher::Event::InitApply(pod) => drop(self.relisted.insert(name(&pod), pod)),
            watcher::Event::InitDone => self.pods = std::mem::take(&mut self.relisted),
        }
    }

    pub(super) fn event(&mut self, event: watcher::Event<CoreEvent>) {
        let (watcher::Event::Apply(event) | watcher::Event::InitApply(event)) = event else {
            return;
        };
        // Pods and ReplicaSets are named after their Deployment.
        let about = event.involved_object.name.as_deref().unwrap_or_default();
        if !about.starts_with(&self.name) {
            return;
        }
        self.events
            .retain(|other| other.metadata.name != event.metadata.name);
        self.events.push(event);
        if self.events.len() > EVENTS_MAX {
            self.events.remove(0);
        }
    }

    pub(super) fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    pub(super) fn current_deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    /// Fetches what a diagnosis needs and no watch brings: logs of runs that
    /// ended, and the cluster's GPUs where a pod finds no node.
    pub(super) async fn complete(&mut self, cluster: &Cluster) {
        let missing: Vec<_> = self
            .pods
            .values()
            .flat_map(ended_runs)
            .filter(|run| !self.logs.contains_key(run))
            .take(LOGS_MAX.saturating_sub(self.logs.len().min(LOGS_MAX)))
            .collect();
        for run in missing {
            let tail = pods::tail(cluster, &run.pod, &run.container, run.previous).await;
            // A log that cannot be had is no evidence; asking again would not help.
            self.logs
                .retain(|other, _| other.pod != run.pod || other.container != run.container);
            self.logs.insert(run, tail.unwrap_or_default());
        }
        let fresh = self
            .gpus_read
            .is_some_and(|read| read.elapsed() < NODES_AGE_MAX);
        if !fresh && self.pods.values().any(is_unschedulable) {
            self.gpus_read = Some(Instant::now());
            // Without the right to list nodes, the scheduler's words must do.
            self.gpus = gpus::read(cluster).await.unwrap_or_default();
        }
    }

    /// Everything in the way, the certain causes first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<_> = self
            .pods
            .values()
            .filter_map(|pod| self.diagnose(pod))
            .collect();
        if self.pods.is_empty() {
            found.extend(diagnose_replicas(&self.events_about("ReplicaSet", None)));
        }
        let never = Duration::MAX;
        found.sort_by_key(|finding| finding.code.patience().unwrap_or(never));
        found
    }

    fn diagnose(&self, pod: &Pod) -> Option<Finding> {
        let name = pod.metadata.name.as_deref()?;
        let logs = self
            .logs
            .iter()
            .filter(|(run, _)| run.pod == name)
            .map(|(run, tail)| (run.container.clone(), tail.clone()))
            .collect();
        let events = self.events_about("Pod", Some(name));
        diagnose(
            pod,
            Observation {
                events: &events,
                logs: &logs,
                gpus: &self.gpus,
            },
        )
    }

    fn events_about(&self, kind: &str, name: Option<&str>) -> Vec<CoreEvent> {
        self.events
            .iter()
            .filter(|event| event.involved_object.kind.as_deref() == Some(kind))
            .filter(|event| name.is_none() || event.involved_object.name.as_deref() == name)
            .cloned()
            .collect()
    }
}

fn ended_runs(pod: &Pod) -> Vec<Run> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let name = pod.metadata.name.clone().unwrap_or_default();
    let all = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    all.flatten()
        .filter_map(|container| {
            let ended_now = container
                .state
                .as_ref()
                .is_some_and(|state| state.terminated.is_some());
            let ended_before = container
                .last_state
                .as_ref()
                .is_some_and(|state| state.terminated.is_some());
            (ended_now || ended_before).then(|| Run {
                pod: name.clone(),
                container: container.name.clone(),
                restarts: container.restart_count,
                previous: !ended_now,
            })
        })
        .collect()
}

fn is_unschedulable(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("Unschedulable")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(name: &str, about: &str, kind: &str, message: &str) -> CoreEvent {
        serde_json::from_value(json!({
            "metadata": {"name": name}, "reason": "FailedCreate", "message": message,
            "involvedObject": {"kind": kind, "name": about},
        }))
        .unwrap()
    }

    #[test]
    fn a_relist_forgets_pods_that_are_gone() {
        let pod = |name: &str| -> Pod {
            serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
        };
        let mut observed = Observed::new("chat-v1");
        observed.pod(watcher::Event::Apply(pod("chat-v1-a")));
        observed.pod(watcher::Event::Init);
        assert_eq!(observed.pods().count(), 1);
        observed.pod(watcher::Event::InitApply(pod("chat-v1-b")));
        observed.pod(watcher::Event::InitDone);
        let names: Vec<_> = observed
            .pods()
            .map(|pod| pod.metadata.name.clone().unwrap())
            .collect();
        assert_eq!(names, ["chat-v1-b"]);
    }

    #[test]
    fn events_of_other_releases_are_not_ours() {
        let mut observed = Observed::new("chat-v1");
        let denied = "pods \"x\" is forbidden: exceeded quota: q";
        observed.event(watcher::Event::Apply(event(
            "e1",
            "mail-v1-abc",
            "ReplicaSet",
            denied,
        )));
        assert_eq!(observed.findings(), []);
        observed.event(watcher::Event::Apply(event(
            "e2",
            "chat-v1-abc",
            "ReplicaSet",
            denied,
        )));
        assert_eq!(observed.findings().len(), 1);
    }

    #[test]
    fn an_event_that_repeats_is_kept_once() {
        let mut observed = Observed::new("chat-v1");
        for _ in 0..3 {
            observed.event(watcher::Event::Apply(event(
                "e1",
                "chat-v1-abc",
                "ReplicaSet",
                "a",
            )));
        }
        assert_eq!(observed.events.len(), 1);
    }
}
