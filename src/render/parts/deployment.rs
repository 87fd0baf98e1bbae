//! One version as a Deployment: a pod is a replica.

use serde_json::{Value, json};

use super::workload;
use crate::{
    render::part::{Context, Part, Role, template},
    spec::{Spec, Workload},
};

/// Time for the node to pull images and weights; an image volume of 100 GB takes
/// this long at 1 Gbit/s.
const PULL_BUDGET_S: u64 = 15 * 60;

/// Slack between the last probe and the deadline.
const DEADLINE_SLACK_S: u64 = 60;

pub(in crate::render) const PART: Part = Part {
    template: template!("deployment.yaml.j2"),
    role: Role::Version,
    namespace: "deployment",
    wanted: |spec| workload::is(spec, Workload::Deployment),
    values: |context| Ok(values(context)),
    lint: None,
};

fn values(context: &Context<'_>) -> Value {
    let spec = context.spec;
    json!({
        "replicas": replicas(spec),
        "progress_deadline_s": PULL_BUDGET_S + spec.rollout.startup_s + DEADLINE_SLACK_S,
        "strategy": strategy(spec.hardware.gpus),
    })
}

/// `None` where an autoscaler owns them: a value that is applied would take them back.
pub(super) fn replicas(spec: &Spec) -> Option<u32> {
    match spec.scale.horizontal {
        Some(_) => None,
        None => Some(spec.scale.replicas),
    }
}

/// With GPUs there is seldom room for one pod more: the default surge would wait
/// for ever (airunway#400).
fn strategy(gpus: u32) -> Value {
    match gpus {
        0 => json!({"max_surge": 1, "max_unavailable": 0}),
        _ => json!({"max_surge": 0, "max_unavailable": 1}),
    }
}
