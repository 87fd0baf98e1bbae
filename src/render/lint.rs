//! Whether objects fit together: what each API server call would accept and the
//! whole would still not work. Pure.

use serde_json::Value;

use crate::spec::{Quantity, engine};

/// Everything that contradicts itself, in words.
pub(super) fn findings(objects: &[Value]) -> Vec<String> {
    let mut findings = Vec::new();
    for deployment in of_kind(objects, "Deployment") {
        let pod = &deployment["spec"]["template"];
        let selector = &deployment["spec"]["selector"]["matchLabels"];
        if !selects(selector, pod) {
            findings.push(format!(
                "{} does not select its own pods",
                title(deployment)
            ));
        }
        strategy(deployment, &mut findings);
        for container in items(&pod["spec"]["containers"]) {
            probes(deployment, container, &mut findings);
            grace(deployment, container, &mut findings);
            mounts(deployment, container, &mut findings);
        }
        shared_memory(deployment, &mut findings);
    }
    selectors(objects, &mut findings);
    routes(objects, &mut findings);
    findings
}

fn strategy(deployment: &Value, findings: &mut Vec<String>) {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    let is_zero = |value: &Value| *value == 0 || *value == "0" || *value == "0%";
    if is_zero(&rolling["maxSurge"]) && is_zero(&rolling["maxUnavailable"]) {
        findings.push(format!(
            "{} may neither add nor take a pod (maxSurge and maxUnavailable are 0)",
            title(deployment)
        ));
    }
}

fn probes(deployment: &Value, container: &Value, findings: &mut Vec<String>) {
    let title = title(deployment);
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
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_u64();
    if !startup.is_null() && deadline.is_some_and(|deadline| deadline <= budget) {
        findings.push(format!(
            "{title} gives up (progressDeadlineSeconds) within the {budget} s that its startup may take"
        ));
    }
}

/// The pod is killed when its grace period ends, whatever still runs.
fn grace(deployment: &Value, container: &Value, findings: &mut Vec<String>) {
    let pod = &deployment["spec"]["template"]["spec"];
    let sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .unwrap_or(0);
    let words: Vec<&str> = ["command", "args"]
        .iter()
        .flat_map(|key| items(&container[*key]))
        .filter_map(Value::as_str)
        .collect();
    let wait = words
        .windows(2)
        .find(|pair| pair[0] == "--shutdown-timeout")
        .and_then(|pair| pair[1].parse::<u64>().ok())
        .unwrap_or(0);
    let needed = sleep + wait + engine::MARGIN_S;
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    if sleep + wait > 0 && grace < needed {
        findings.push(format!(
            "{} is killed after {grace} s, but draining takes {needed} s (preStop {sleep}, engine {wait}, margin {})",
            title(deployment),
            engine::MARGIN_S
        ));
    }
}

fn mounts(deployment: &Value, container: &Value, findings: &mut Vec<String>) {
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    for mount in items(&container["volumeMounts"]) {
        if !items(volumes).any(|volume| volume["name"] == mount["name"]) {
            findings.push(format!(
                "{} mounts {}, which is no volume of its pods",
                title(deployment),
                mount["name"]
            ));
        }
    }
}

/// Memory volumes count against the limit of the containers that mount them.
fn shared_memory(deployment: &Value, findings: &mut Vec<String>) {
    let pod = &deployment["spec"]["template"]["spec"];
    for volume in items(&pod["volumes"]) {
        let directory = &volume["emptyDir"];
        if directory["medium"] != "Memory" {
            continue;
        }
        let Some(size) = quantity(&directory["sizeLimit"]) else {
            findings.push(format!(
                "memory volume {} of {} has no sizeLimit",
                volume["name"],
                title(deployment)
            ));
            continue;
        };
        let mounted = |container: &&Value| {
            items(&container["volumeMounts"]).any(|mount| mount["name"] == volume["name"])
        };
        for container in items(&pod["containers"]).filter(mounted) {
            let limit = quantity(&container["resources"]["limits"]["memory"]);
            if limit.is_some_and(|limit| size.thousandths() >= limit.thousandths()) {
                findings.push(format!(
                    "memory volume {} of {} ({size}) leaves nothing of the memory limit ({}): raise hardware.memory or lower hardware.shm",
                    volume["name"],
                    title(deployment),
                    container["resources"]["limits"]["memory"]
                ));
            }
        }
    }
}

fn selectors(objects: &[Value], findings: &mut Vec<String>) {
    for service in of_kind(objects, "Service") {
        let selector = &service["spec"]["selector"];
        // Without a selector somebody else writes the endpoints.
        if selector.is_null() {
            continue;
        }
        let Some(pod) = pods(objects).find(|pod| selects(selector, pod)) else {
            findings.push(format!("{} selects no pods", title(service)));
            continue;
        };
        for port in items(&service["spec"]["ports"]) {
            let wanted = match &port["targetPort"] {
                Value::Null => &port["port"],
                target => target,
            };
            let offered = items(&pod["spec"]["containers"]);
            if !offered
                .into_iter()
                .any(|container| has_port(container, wanted))
            {
                findings.push(format!(
                    "{} sends to port {wanted}, which its pods do not have",
                    title(service)
                ));
            }
        }
    }
    for budget in of_kind(objects, "PodDisruptionBudget") {
        let selector = &budget["spec"]["selector"]["matchLabels"];
        if !pods(objects).any(|pod| selects(selector, pod)) {
            findings.push(format!("{} protects no pods", title(budget)));
        }
    }
}

fn routes(objects: &[Value], findings: &mut Vec<String>) {
    for route in of_kind(objects, "HTTPRoute") {
        let backends = items(&route["spec"]["rules"]).flat_map(|rule| items(&rule["backendRefs"]));
        for backend in backends {
            if backend["weight"] == 0 {
                findings.push(format!(
                    "{} has {} at weight 0, where some gateways leak: take it out",
                    title(route),
                    backend["name"]
                ));
            }
            let is_service = matches!(backend["kind"].as_str(), None | Some("Service"));
            let known = of_kind(objects, "Service").any(|service| {
                service["metadata"]["name"] == backend["name"]
                    && items(&service["spec"]["ports"]).any(|port| port["port"] == backend["port"])
            });
            if is_service && !known {
                findings.push(format!(
                    "{} sends to {} port {}, which no Service here offers",
                    title(route),
                    backend["name"],
                    backend["port"]
                ));
            }
        }
    }
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

fn pods(objects: &[Value]) -> impl Iterator<Item = &Value> {
    of_kind(objects, "Deployment").map(|deployment| &deployment["spec"]["template"])
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Whether every label that is asked for is there; asking for nothing selects all, which
/// is never meant.
fn selects(selector: &Value, pod: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        let labels = &pod["metadata"]["labels"];
        !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value)
    })
}

fn has_port(container: &Value, wanted: &Value) -> bool {
    items(&container["ports"])
        .any(|port| port["name"] == *wanted || port["containerPort"] == *wanted)
}

fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    format!(
        "{} {}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}
