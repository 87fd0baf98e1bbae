//! Replicas that follow the load.

use serde_json::{Value, json};

use super::workload;
use crate::{
    render::part::{Context, Part, Role, template},
    spec::{Horizontal, ScaleMetric},
};

pub(in crate::render) const PART: Part = Part {
    template: template!("horizontal-pod-autoscaler.yaml.j2"),
    role: Role::Version,
    namespace: "hpa",
    wanted: |spec| spec.scale.horizontal.is_some(),
    values: |context| Ok(values(context)),
    lint: None,
};

fn values(context: &Context<'_>) -> Value {
    let Some(Horizontal { max, metric }) = &context.spec.scale.horizontal else {
        return Value::Null;
    };
    let kind = &workload::of(context.kubernetes).kind;
    json!({
        "min": context.spec.scale.replicas,
        "max": max,
        "metrics": [self::metric(metric)],
        "target": {
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "name": context.version_name(),
        },
    })
}

fn metric(metric: &ScaleMetric) -> Value {
    match metric {
        ScaleMetric::Cpu(percent) => json!({
            "type": "Resource",
            "resource": {
                "name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": percent},
            },
        }),
        ScaleMetric::Pods(pods) => json!({
            "type": "Pods",
            "pods": {
                "metric": {"name": pods.name},
                "target": {"type": "AverageValue", "averageValue": pods.average},
            },
        }),
    }
}
