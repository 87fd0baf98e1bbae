//! What the watches of a rollout have brought so far, and what a diagnosis still lacks.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Event as CoreEvent, Pod};
use kube::runtime::watcher;
use tokio::time::Instant;

use super::{
    Cluster,
    diagnosis::{Finding, Observation, diagnose, diagnose_creation},
    gpus::{self, NodeGpus},
    pods,
    rollout::{Progress, progress},
    workload::Workload,
};
use crate::object::Object;

/// Events kept; a crash loop writes a few a minute.
const EVENTS_MAX: usize = 500;

/// Containers whose last log is fetched: the others end for the same reason.
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
    workload: &'static dyn Workload,
    name: String,
    object: Option<Object>,
    pods: BTreeMap<String, Pod>,
    /// Filled while a watch lists anew; replaces `pods` when it is through.
    relisted: BTreeMap<String, Pod>,
    events: Vec<CoreEvent>,
    logs: BTreeMap<Run, String>,
    gpus: Vec<NodeGpus>,
    gpus_read: Option<Instant>,
}

impl Observed {
    /// Of the workload with that name.
    pub(super) fn new(workload: &'static dyn Workload, name: &str) -> Self {
        Self {
            workload,
            name: name.to_owned(),
            object: None,
            pods: BTreeMap::new(),
            relisted: BTreeMap::new(),
            events: Vec::new(),
            logs: BTreeMap::new(),
            gpus: Vec::new(),
            gpus_read: None,
        }
    }

    pub(super) fn workload(&mut self, event: watcher::Event<Object>) {
        match event {
            watcher::Event::Apply(found) | watcher::Event::InitApply(found) => {
                self.object = Some(found);
            }
            watcher::Event::Delete(_) => self.object = None,
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
        // Pods, and the objects that create them, are named after their workload.
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

    /// Whether the workload's controller has seen its newest spec.
    pub(super) fn is_observed(&self) -> bool {
        let object = self.object.as_ref();
        object.is_some_and(|object| self.workload.standing(object).observed)
    }

    pub(super) fn progress(&self) -> Progress {
        let pods: Vec<_> = self.pods.values().cloned().collect();
        progress(self.workload, self.object.as_ref(), &pods)
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
            // A log that cannot be read is empty; asking again would not help.
            self.logs
                .retain(|other, _| other.pod != run.pod || other.container != run.container);
            self.logs.insert(run, tail.unwrap_or_default());
        }
        let fresh = self
            .gpus_read
            .is_some_and(|read| read.elapsed() < NODES_AGE_MAX);
        if !fresh && self.pods.values().any(is_unschedulable) {
            self.gpus_read = Some(Instant::now());
            // Without the right to list nodes, the scheduler's message must do.
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
        let progress = self.progress();
        if progress.pods.len() < progress.wanted as usize {
            let creators = self.workload.pod_creators();
            found.extend(diagnose_creation(&self.events_about(creators, None)));
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
        let events = self.events_about(&["Pod"], Some(name));
        diagnose(
            pod,
            Observation {
                events: &events,
                logs: &logs,
                gpus: &self.gpus,
            },
        )
    }

    fn events_about(&self, kinds: &[&str], name: Option<&str>) -> Vec<CoreEvent> {
        let is_one = |kind: &String| kinds.contains(&kind.as_str());
        self.events
            .iter()
            .filter(|event| event.involved_object.kind.as_ref().is_some_and(is_one))
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

    use super::{super::workload::WORKLOADS, *};

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
        let mut observed = Observed::new(WORKLOADS[0], "chat-v1");
        observed.pod(watcher::Event::Apply(pod("chat-v1-a")));
        observed.pod(watcher::Event::Init);
        assert_eq!(observed.pods.len(), 1);
        observed.pod(watcher::Event::InitApply(pod("chat-v1-b")));
        observed.pod(watcher::Event::InitDone);
        let names: Vec<_> = observed.pods.keys().collect();
        assert_eq!(names, ["chat-v1-b"]);
    }

    #[test]
    fn events_of_other_releases_are_left_out() {
        let mut observed = Observed::new(WORKLOADS[0], "chat-v1");
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
    fn a_group_whose_workers_are_not_created_is_explained() {
        let lws = json!({"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
            "metadata": {"name": "chat-v1"}, "spec": {"replicas": 1,
            "leaderWorkerTemplate": {"size": 2, "leaderTemplate": {}, "workerTemplate": {}}}});
        let lws = Object::from(lws);
        let mut observed = Observed::new(super::super::workload::find(&lws).unwrap(), "chat-v1");
        observed.workload(watcher::Event::Apply(lws));
        let leader = json!({"metadata": {"name": "chat-v1-0"}, "status": {
            "conditions": [{"type": "Ready", "status": "True"}]}});
        observed.pod(watcher::Event::Apply(
            serde_json::from_value(leader).unwrap(),
        ));
        let denied = "create Pod chat-v1-0-1 in StatefulSet chat-v1-0 failed error: pods \"chat-v1-0-1\" is forbidden: exceeded quota: q";
        let denied = event("e1", "chat-v1-0", "StatefulSet", denied);
        observed.event(watcher::Event::Apply(denied));
        let codes: Vec<_> = observed.findings().iter().map(|one| one.code).collect();
        assert_eq!(codes, [super::super::diagnosis::Code::QuotaExceeded]);
    }

    #[test]
    fn an_event_that_repeats_is_kept_once() {
        let mut observed = Observed::new(WORKLOADS[0], "chat-v1");
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
