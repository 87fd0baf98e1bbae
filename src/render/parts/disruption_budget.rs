//! How many replicas the drain of nodes may take at a time.

use serde_json::Value;

use crate::{
    object::{Object, kind},
    render::{
        lint::of_kind,
        part::{Part, Role, template},
        parts::workload::pod_templates,
    },
};

pub(in crate::render) const PART: Part = Part {
    template: template!("pod-disruption-budget.yaml.j2"),
    role: Role::Version,
    namespace: "disruption_budget",
    // With one replica a budget of one protects nothing.
    wanted: |spec| spec.scale.replicas_max() > 1,
    values: |_| Ok(Value::Null),
    lint: Some(lint),
};

fn lint(objects: &[&Object]) -> Vec<String> {
    let protects_none = |budget: &&Object| {
        let selector = &budget["spec"]["selector"]["matchLabels"];
        let mut pods = objects.iter().flat_map(|object| pod_templates(object));
        !pods.any(|pod| pod.is_selected_by(selector))
    };
    of_kind(objects, kind::DISRUPTION_BUDGET)
        .filter(protects_none)
        .map(|budget| format!("{} protects no pods", budget.title()))
        .collect()
}
