//! The way in through a Gateway.

use serde_json::{Value, json};

use super::service::unknown_destination;
use crate::{
    object::{
        Object,
        kind::{HTTP_ROUTE, SERVICE},
    },
    render::{
        lint::{items, of_kind},
        part::{Context, Part, Role, template},
    },
    spec::{Gateway, Via},
};

pub(in crate::render) const PART: Part = Part {
    template: template!("http-route.yaml.j2"),
    role: Role::Route,
    namespace: "http_route",
    wanted: |spec| spec.traffic.via == Via::Gateway,
    values: |context| Ok(values(context)),
    lint: Some(lint),
};

fn values(context: &Context<'_>) -> Value {
    let traffic = &context.spec.traffic;
    json!({
        "parent": traffic.gateway.as_ref().map(parent),
        "host": traffic.host,
    })
}

fn parent(gateway: &Gateway) -> Value {
    let mut parent = json!({"name": gateway.name});
    if let Some(namespace) = &gateway.namespace {
        parent["namespace"] = json!(namespace);
    }
    if let Some(section) = &gateway.section {
        parent["sectionName"] = json!(section);
    }
    parent
}

fn lint(objects: &[&Object]) -> Vec<String> {
    let mut findings = Vec::new();
    for route in of_kind(objects, HTTP_ROUTE) {
        let backends = items(&route["spec"]["rules"]).flat_map(|rule| items(&rule["backendRefs"]));
        for backend in backends {
            let (name, port) = (&backend["name"], &backend["port"]);
            if backend["weight"] == 0 {
                findings.push(format!(
                    "{} has {name} at weight 0, where some gateways leak: take it out",
                    route.title()
                ));
            }
            let kind = backend["kind"].as_str();
            if kind.is_none_or(|kind| kind == SERVICE.kind) {
                findings.extend(unknown_destination(objects, route, name, port));
            }
        }
    }
    findings
}
