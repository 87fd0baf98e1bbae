//! The way through an Istio mesh or its gateways.

use serde_json::{Value, json};

use super::service::{self, unknown_destination};
use crate::{
    object::{Object, kind},
    render::{
        lint::{items, of_kind},
        part::{Context, Part, Role, template},
    },
    spec::Via,
};

/// The word for a mesh's sidecars among gateways.
const SIDECARS: &str = "mesh";

pub(in crate::render) const PART: Part = Part {
    template: template!("virtual-service.yaml.j2"),
    role: Role::Route,
    namespace: "virtual_service",
    wanted: |spec| spec.traffic.via == Via::VirtualService,
    values: |context| Ok(values(context)),
    lint: Some(lint),
};

fn values(context: &Context<'_>) -> Value {
    let traffic = &context.spec.traffic;
    let gateways = &traffic.mesh_gateways;
    let in_mesh = gateways.is_empty() || gateways.iter().any(|gateway| gateway == SIDECARS);
    // Sidecars take the stable Service's name; `*` would take every host of the mesh.
    let host = match &traffic.host {
        Some(host) => host.as_str(),
        None if in_mesh => context.spec.name.as_str(),
        None => "*",
    };
    json!({
        "hosts": [host],
        "gateways": gateways,
        "backend": context.version_name(),
        "port": service::port(context),
    })
}

fn lint(objects: &[&Object]) -> Vec<String> {
    let mut findings = Vec::new();
    for route in of_kind(objects, kind::VIRTUAL_SERVICE) {
        let routes = items(&route["spec"]["http"]).flat_map(|rule| items(&rule["route"]));
        for destination in routes.map(|route| &route["destination"]) {
            let (host, port) = (&destination["host"], &destination["port"]["number"]);
            // A name with dots may be of another namespace.
            let is_here = host.as_str().is_some_and(|host| !host.contains('.'));
            if is_here {
                findings.extend(unknown_destination(objects, route, host, port));
            }
        }
    }
    findings
}
