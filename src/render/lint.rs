//! Whether objects fit together: what each API server call would accept and the whole would
//! still not work. Here what holds for every workload; what concerns one kind of object lies
//! with its part (pure).

use serde_json::Value;

use super::{
    part::PARTS,
    parts::{
        service::has_port,
        workload::{PodTemplate, pod_templates, shape},
    },
};
use crate::{
    engine::{ENGINES, MARGIN_S},
    object::{Object, kind::Kind},
    spec::Quantity,
};

/// Everything that contradicts itself, in words.
pub(super) fn findings(objects: &[&Object]) -> Vec<String> {
    let mut findings = Vec::new();
    for object in objects {
        workload(object, &mut findings);
    }
    for lint in PARTS.iter().filter_map(|part| part.lint) {
        findings.extend(lint(objects));
    }
    findings
}

fn workload(object: &Object, findings: &mut Vec<String>) {
    let Some(shape) = shape(object) else {
        return;
    };
    if let Some(rolling) = shape.rolling_update(object) {
        rolling_update(object, rolling, findings);
    }
    for pod in pod_templates(object) {
        let selector = shape.selector(object);
        if selector.is_some_and(|selector| !pod.is_selected_by(selector)) {
            findings.push(format!("{} does not select its own pods", object.title()));
        }
        for container in pod.containers() {
            probes(object, container, shape.deadline_s(object), findings);
            grace(object, pod, container, findings);
            mounts(object, pod, container, findings);
        }
        shared_memory(object, pod, findings);
    }
}

fn rolling_update(object: &Object, rolling: &Value, findings: &mut Vec<String>) {
    let is_zero = |value: &Value| *value == 0 || *value == "0" || *value == "0%";
    if is_zero(&rolling["maxSurge"]) && is_zero(&rolling["maxUnavailable"]) {
        findings.push(format!(
            "{} may neither add nor take a pod (maxSurge and maxUnavailable are 0)",
            object.title()
        ));
    }
}

fn probes(object: &Object, container: &Value, deadline_s: Option<u64>, findings: &mut Vec<String>) {
    let title = object.title();
    for name in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let port = &container[name]["httpGet"]["port"];
        if !port.is_null() && !has_port(container, port) {
            findings.push(format!(
                "{name} of {title} asks port {port}, which the container does not have"
            ));
        }
    }
    let startup = &container["startupProbe"];
    let budget = startup["periodSeconds"].as_u64().unwrap_or(10)
        * startup["failureThreshold"].as_u64().unwrap_or(3);
    if !startup.is_null() && deadline_s.is_some_and(|deadline_s| deadline_s <= budget) {
        findings.push(format!(
            "{title} gives up (progressDeadlineSeconds) within the {budget} s that its startup may take"
        ));
    }
}

/// The pod is killed when its grace period ends, whatever still runs.
fn grace(object: &Object, pod: PodTemplate<'_>, container: &Value, findings: &mut Vec<String>) {
    let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .unwrap_or(0);
    let words: Vec<&str> = ["command", "args"]
        .iter()
        .flat_map(|key| items(&container[*key]))
        .filter_map(Value::as_str)
        .collect();
    let mut waits = ENGINES.iter().filter_map(|engine| engine.drain_flag);
    let wait = waits.find_map(|flag| flag.seconds(&words)).unwrap_or(0);
    let needed = sleep + wait + MARGIN_S;
    let grace = pod.spec()["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap_or(30);
    if sleep + wait > 0 && grace < needed {
        findings.push(format!(
            "{} is killed after {grace} s, but draining takes {needed} s (preStop {sleep}, engine {wait}, margin {MARGIN_S})",
            object.title()
        ));
    }
}

fn mounts(object: &Object, pod: PodTemplate<'_>, container: &Value, findings: &mut Vec<String>) {
    let volumes = &pod.spec()["volumes"];
    for mount in items(&container["volumeMounts"]) {
        if !items(volumes).any(|volume| volume["name"] == mount["name"]) {
            findings.push(format!(
                "{} mounts {}, but its pods have no volume of that name",
                object.title(),
                mount["name"]
            ));
        }
    }
}

/// Memory volumes count against the limit of the containers that mount them.
fn shared_memory(object: &Object, pod: PodTemplate<'_>, findings: &mut Vec<String>) {
    for volume in items(&pod.spec()["volumes"]) {
        let directory = &volume["emptyDir"];
        if directory["medium"] != "Memory" {
            continue;
        }
        let Some(size) = quantity(&directory["sizeLimit"]) else {
            findings.push(format!(
                "memory volume {} of {} has no sizeLimit",
                volume["name"],
                object.title()
            ));
            continue;
        };
        let mounted = |container: &&Value| {
            items(&container["volumeMounts"]).any(|mount| mount["name"] == volume["name"])
        };
        for container in pod.containers().filter(mounted) {
            let limit = quantity(&container["resources"]["limits"]["memory"]);
            if limit.is_some_and(|limit| size.thousandths() >= limit.thousandths()) {
                findings.push(format!(
                    "memory volume {} of {} ({size}) leaves nothing of the memory limit ({}): raise hardware.memory or lower hardware.shm",
                    volume["name"],
                    object.title(),
                    container["resources"]["limits"]["memory"]
                ));
            }
        }
    }
}

pub(super) fn of_kind<'a>(
    objects: &'a [&'a Object],
    kind: Kind,
) -> impl Iterator<Item = &'a Object> {
    let objects = objects.iter().copied();
    objects.filter(move |object| object.kind() == kind.kind)
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}
