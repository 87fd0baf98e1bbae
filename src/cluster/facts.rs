//! What a cluster reports about itself, read once for [`checks`](super::checks).

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde_json::Value;

use super::{
    Cluster, Error,
    access::{RightReview, review, rights},
    checks::Needs,
    gpus::{self, NodeGpus},
    request::Request,
};
use crate::object::kind::{GATEWAY, NODE, POD};

/// What a cluster reports about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `v1.36.3`
    pub version: String,
    /// Group versions it serves.
    pub apis: BTreeSet<String>,
    /// Node → `containerd://2.1.4`; `None` where nodes may not be listed.
    pub runtimes: Option<BTreeMap<String, String>>,
    pub gpus: Vec<NodeGpus>,
    pub rights: Vec<RightReview>,
    /// Whether the Gateway that is asked for is there.
    pub gateway_found: Option<bool>,
}

/// Reads everything the checks look at.
pub async fn facts(cluster: &Cluster, needs: &Needs) -> Result<Facts, Error> {
    let version = cluster
        .call(&Request::get("read the server's version", "/version"))
        .await?;
    let apis = cluster.group_versions().await?;
    let rights = rights(|kind| apis.contains(&kind.api_version()));
    let mut facts = Facts {
        version: text(&version, "gitVersion"),
        rights: review(cluster, rights).await?,
        apis: apis.clone(),
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
        facts.gateway_found = match there.get(&GATEWAY, name).await {
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
