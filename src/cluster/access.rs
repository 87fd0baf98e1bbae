//! What the caller may do: one `SelfSubjectAccessReview` a right.

use http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Cluster, Error,
    kind::ACCESS_REVIEW,
    request::{JSON, Repeat, Request},
};

/// One right that some verb needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Right {
    pub verb: &'static str,
    pub group: &'static str,
    /// `pods/proxy` for a subresource.
    pub resource: &'static str,
    /// Without it, not a verb but a part of one is missing.
    pub required: bool,
    /// What it is for, in words.
    pub purpose: &'static str,
}

const fn right(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    purpose: &'static str,
) -> Right {
    Right {
        verb,
        group,
        resource,
        required: true,
        purpose,
    }
}

const fn optional(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    purpose: &'static str,
) -> Right {
    let mut found = right(verb, group, resource, purpose);
    found.required = false;
    found
}

/// The rights of `examples/rbac.yaml`, in the order the verbs need them.
pub const RIGHTS: [Right; 16] = [
    right("patch", "apps", "deployments", "apply the engine"),
    right("watch", "apps", "deployments", "follow a rollout"),
    right("patch", "apps", "deployments/scale", "scale a version to 0"),
    right("delete", "apps", "deployments", "delete old versions"),
    right("patch", "", "services", "apply the service"),
    right("patch", "", "serviceaccounts", "apply the engine's account"),
    right(
        "patch",
        "policy",
        "poddisruptionbudgets",
        "apply the disruption budget",
    ),
    right("create", "", "configmaps", "keep the release's record"),
    right(
        "update",
        "coordination.k8s.io",
        "leases",
        "hold the release's lock",
    ),
    right("watch", "", "pods", "follow pods"),
    right("watch", "", "events", "say why a pod does not start"),
    right("get", "", "pods/log", "show an engine's log"),
    optional(
        "get",
        "",
        "pods/proxy",
        "read metrics and the first token without a gateway",
    ),
    optional("list", "", "nodes", "count free GPUs"),
    optional(
        "patch",
        "gateway.networking.k8s.io",
        "httproutes",
        "shift traffic",
    ),
    optional("create", "", "pods/proxy", "ask a pod for its first token"),
];

/// The review's body.
pub fn review(right: &Right, namespace: &str) -> Value {
    let (resource, subresource) = right
        .resource
        .split_once('/')
        .unwrap_or((right.resource, ""));
    // Nodes have no namespace; asking within one would be answered for the namespace.
    let namespace = if resource == "nodes" { "" } else { namespace };
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {
            "namespace": namespace, "verb": right.verb, "group": right.group,
            "resource": resource, "subresource": subresource,
        }},
    })
}

/// Whether the caller has the right in the cluster's namespace.
pub async fn allowed(cluster: &Cluster, right: &Right) -> Result<bool, Error> {
    let request = Request::send(
        format!("ask for the right to {} {}", right.verb, right.resource),
        Method::POST,
        ACCESS_REVIEW.collection(&cluster.namespace),
        JSON,
        &review(right, &cluster.namespace),
    );
    // A review changes nothing.
    let request = Request {
        repeat: Repeat::Safe,
        ..request
    };
    let answer = cluster.call(&request).await?;
    Ok(answer.pointer("/status/allowed").and_then(Value::as_bool) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subresource_is_asked_for_as_one_and_nodes_without_a_namespace() {
        let of = |resource| {
            *RIGHTS
                .iter()
                .find(|right| right.resource == resource)
                .unwrap()
        };
        let asked = review(&of("pods/log"), "team-a");
        assert_eq!(asked["spec"]["resourceAttributes"]["subresource"], "log");
        assert_eq!(asked["spec"]["resourceAttributes"]["namespace"], "team-a");
        assert_eq!(
            review(&of("nodes"), "team-a")["spec"]["resourceAttributes"]["namespace"],
            ""
        );
    }
}
