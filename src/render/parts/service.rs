//! The addresses of a release and of each version.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::workload;
use crate::{
    object::{Object, kind},
    render::{
        lint::{items, of_kind},
        part::{Context, Part, Role, template},
        parts::workload::pod_templates,
        values::selector,
    },
};

/// Port of Services where `traffic.port` does not say.
const PORT: u16 = 80;

/// The address of one version, for routes and probes.
pub(in crate::render) const OF_A_VERSION: Part = Part {
    template: template!("service-version.yaml.j2"),
    role: Role::Version,
    namespace: "service",
    wanted: |_| true,
    values: |context| Ok(values(context)),
    lint: Some(lint),
};

/// The address of the release: selects the live version.
pub(in crate::render) const STABLE: Part = Part {
    template: template!("service.yaml.j2"),
    role: Role::Route,
    namespace: "service",
    wanted: |_| true,
    values: |context| Ok(values(context)),
    lint: None,
};

fn values(context: &Context<'_>) -> Value {
    let mut selector: BTreeMap<&str, String> = selector(context);
    let answering = workload::of(context.kubernetes).answering();
    selector.extend(
        answering
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    json!({"port": port(context), "selector": selector})
}

pub(super) fn port(context: &Context<'_>) -> u16 {
    context.spec.traffic.port.unwrap_or(PORT)
}

fn lint(objects: &[&Object]) -> Vec<String> {
    let mut findings = Vec::new();
    for service in of_kind(objects, kind::SERVICE) {
        let selector = &service["spec"]["selector"];
        // Without a selector, another controller writes the endpoints.
        if selector.is_null() {
            continue;
        }
        let mut pods = objects.iter().flat_map(|object| pod_templates(object));
        let Some(pod) = pods.find(|pod| pod.is_selected_by(selector)) else {
            findings.push(format!("{} selects no pods", service.title()));
            continue;
        };
        for port in items(&service["spec"]["ports"]) {
            let wanted = match &port["targetPort"] {
                Value::Null => &port["port"],
                target => target,
            };
            if !pod
                .containers()
                .any(|container| has_port(container, wanted))
            {
                findings.push(format!(
                    "{} sends to port {wanted}, which its pods do not have",
                    service.title()
                ));
            }
        }
    }
    findings
}

pub(in crate::render) fn has_port(container: &Value, wanted: &Value) -> bool {
    items(&container["ports"])
        .any(|port| port["name"] == *wanted || port["containerPort"] == *wanted)
}

/// A destination of a route that no Service here offers.
pub(super) fn unknown_destination(
    objects: &[&Object],
    route: &Object,
    name: &Value,
    port: &Value,
) -> Option<String> {
    let mut services = of_kind(objects, kind::SERVICE);
    let known = services.any(|service| {
        service["metadata"]["name"] == *name
            && items(&service["spec"]["ports"]).any(|offered| offered["port"] == *port)
    });
    (!known).then(|| {
        format!(
            "{} sends to {name} port {port}, which no Service here offers",
            route.title()
        )
    })
}
