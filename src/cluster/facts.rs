//! What a cluster says about itself, read once for [`checks`](super::checks).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::Value;

use super::{
    Cluster, Error,
    access::{RIGHTS, Right, allowed},
    checks::Needs,
    gpus::{self, NodeGpus},
    kind::{NODE, POD},
    request::Request,
};

/// What a cluster says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `v1.36.3`
    pub version: String,
    /// Group versions it serves.
    pub apis: BTreeSet<String>,
    /// Node → `containerd://2.1.4`; `None` where nodes may not be listed.
    pub runtimes: Option<BTreeMap<String, String>>,
    pub gpus: Vec<NodeGpus>,
    pub rights: Vec<(Right, bool)>,
    /// Whether the Gateway that is asked for is there.
    pub gateway_found: Option<bool>,
}

/// Reads everything the checks look at.
pub async fn facts(cluster: &Cluster, needs: &Needs) -> Result<Facts, Error> {
    let version = cluster
        .call(&Request::get("read the server's version", "/version"))
        .await?;
    let groups = cluster
        .call(&Request::get("list API groups", "/apis"))
        .await?;
    let mut rights = Vec::new();
    for right in RIGHTS {
        rights.push((right, allowed(cluster, &right).await?));
    }
    let mut facts = Facts {
        version: text(&version, "gitVersion"),
        apis: group_versions(&groups),
        rights,
        ..Facts::default()
    };
    match cluster.list_everywhere(&NODE, "").await {
        Ok(found) => {
            let nodes: Vec<Node> = gpus::all_typed(&found);
            let pods: Vec<Pod> = match cluster.list_everywhere(&POD, "").await {
                Err(error) if error.is_forbidden() => Vec::new(),
                pods => gpus::all_typed(&pods?),
            };
            facts.gpus = gpus::inventory(&nodes, &pods);
            facts.runtimes = Some(nodes.iter().map(runtime).collect());
        }
        Err(error) if error.is_forbidden() => {}
        Err(error) => return Err(error),
    }
    if let Some((name, namespace)) = &needs.gateway {
        let there = cluster.in_namespace(namespace.as_deref().unwrap_or(&cluster.namespace));
        facts.gateway_found = match there.get(&super::kind::GATEWAY, name).await {
            Ok(found) => Some(found.is_some()),
            Err(error) if error.is_forbidden() => None,
            Err(error) => return Err(error),
        };
    }
    Ok(facts)
}

fn runtime(node: &Node) -> (String, String) {
    let info = node
        .status
        .as_ref()
        .and_then(|status| status.node_info.as_ref());
    let runtime = info.map(|info| info.container_runtime_version.clone());
    (
        node.metadata.name.clone().unwrap_or_default(),
        runtime.unwrap_or_default(),
    )
}

fn text(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn group_versions(groups: &Value) -> BTreeSet<String> {
    let groups = groups.get("groups").and_then(Value::as_array);
    groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("versions")?.as_array())
        .flatten()
        .map(|version| text(version, "groupVersion"))
        .collect()
}
