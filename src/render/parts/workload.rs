//! Where each kind of workload keeps what concerns its pods: for the version's id, for lint, for
//! what refers to it (pure).

use serde_json::Value;

use crate::{
    object::{Object, kind, kind::Kind},
    spec::{Kubernetes, Spec, Target, Workload},
};

/// One kind of workload.
#[derive(Debug)]
pub(in crate::render) struct Shape {
    pub(in crate::render) kind: Kind,
    /// (Path of a pod template, labels that the controller adds to its pods.)
    pods: &'static [(&'static str, Labels)],
    /// Path of the labels by which it finds its pods, where it has such.
    selector: Option<&'static str>,
    /// Path of what a rolling update may add and take.
    rolling_update: &'static str,
    /// Path of the seconds after which it gives up.
    deadline: Option<&'static str>,
    /// Labels, beside the release's and the version's, of pods that answer requests.
    answering: Labels,
}

type Labels = &'static [(&'static str, &'static str)];

/// The leader of a group.
const LEADER: Labels = &[("leaderworkerset.sigs.k8s.io/worker-index", "0")];

static DEPLOYMENT: Shape = Shape {
    kind: kind::DEPLOYMENT,
    pods: &[("/spec/template", &[])],
    selector: Some("/spec/selector/matchLabels"),
    rolling_update: "/spec/strategy/rollingUpdate",
    deadline: Some("/spec/progressDeadlineSeconds"),
    answering: &[],
};

static LEADER_WORKER_SET: Shape = Shape {
    kind: kind::LEADER_WORKER_SET,
    pods: &[
        ("/spec/leaderWorkerTemplate/leaderTemplate", LEADER),
        ("/spec/leaderWorkerTemplate/workerTemplate", &[]),
    ],
    selector: None,
    rolling_update: "/spec/rolloutStrategy/rollingUpdateConfiguration",
    deadline: None,
    answering: LEADER,
};

static SHAPES: [&Shape; 2] = [&DEPLOYMENT, &LEADER_WORKER_SET];

/// Whether a release's versions are such workloads.
pub(super) fn is(spec: &Spec, workload: Workload) -> bool {
    matches!(&spec.target, Target::Kubernetes(kubernetes) if kubernetes.workload == workload)
}

/// The workload of a release's versions.
pub(super) fn of(kubernetes: &Kubernetes) -> &'static Shape {
    match kubernetes.workload {
        Workload::Deployment => &DEPLOYMENT,
        Workload::LeaderWorkerSet => &LEADER_WORKER_SET,
    }
}

/// The shape of a rendered object that makes pods.
pub(in crate::render) fn shape(object: &Object) -> Option<&'static Shape> {
    let mut shapes = SHAPES.into_iter();
    shapes.find(|shape| shape.kind.kind == object.kind())
}

/// A pod template, and the labels that its pods get from the controller.
#[derive(Debug, Clone, Copy)]
pub(in crate::render) struct PodTemplate<'a> {
    pub(in crate::render) template: &'a Value,
    added: Labels,
}

/// The pod templates of an object; none if it makes no pods.
pub(in crate::render) fn pod_templates(object: &Object) -> Vec<PodTemplate<'_>> {
    let pods = shape(object).map_or(&[][..], |shape| shape.pods);
    let found = pods.iter().filter_map(|(path, added)| {
        let template = object.pointer(path)?;
        Some(PodTemplate { template, added })
    });
    found.collect()
}

impl<'a> PodTemplate<'a> {
    pub(in crate::render) fn spec(self) -> &'a Value {
        &self.template["spec"]
    }

    pub(in crate::render) fn containers(self) -> impl Iterator<Item = &'a Value> {
        self.spec()["containers"].as_array().into_iter().flatten()
    }

    /// Whether its pods have every label that is asked for; asking for nothing selects all,
    /// which is never meant.
    pub(in crate::render) fn is_selected_by(self, selector: &Value) -> bool {
        let own = &self.template["metadata"]["labels"];
        let has = |name: &str, value: &Value| {
            let added = self.added.iter().find(|(known, _)| *known == name);
            added.map_or(own[name] == *value, |(_, added)| *value == *added)
        };
        selector.as_object().is_some_and(|wanted| {
            !wanted.is_empty() && wanted.iter().all(|(name, value)| has(name, value))
        })
    }
}

impl Shape {
    /// The labels by which it finds its pods; `None` where it labels them itself.
    pub(in crate::render) fn selector<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        let path = self.selector?;
        Some(object.pointer(path).unwrap_or(&Value::Null))
    }

    pub(in crate::render) fn rolling_update<'a>(&self, object: &'a Object) -> Option<&'a Value> {
        object.pointer(self.rolling_update)
    }

    pub(in crate::render) fn deadline_s(&self, object: &Object) -> Option<u64> {
        object.pointer(self.deadline?)?.as_u64()
    }

    /// Labels, beside the release's and the version's, of pods that answer requests.
    pub(super) fn answering(&self) -> Labels {
        self.answering
    }
}
