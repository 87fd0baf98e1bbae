//! GPUs a cluster has and how many are free, by product: read from nodes and pods.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node, Pod},
    apimachinery::pkg::api::resource::Quantity,
};
use serde::Serialize;

use crate::object::{
    Object,
    kind::{NODE, POD},
};

use super::{Cluster, Error, pod_needs::gpus_of, typed};

/// One kind of GPU on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeGpus {
    pub node: String,
    /// `nvidia.com/gpu`, `amd.com/gpu`, `nvidia.com/mig-1g.10gb`.
    pub resource: String,
    /// As the vendor's feature discovery labels it; `unknown` without.
    pub product: String,
    pub memory_mib: Option<u64>,
    pub allocatable: u64,
    /// Asked for by pods that are on the node.
    pub used: u64,
    /// Ready and not cordoned.
    pub usable: bool,
    /// `key=value:Effect`, without those Kubernetes sets itself.
    pub taints: Vec<String>,
}

impl NodeGpus {
    pub fn free(&self) -> u64 {
        self.allocatable.saturating_sub(self.used)
    }
}

/// All GPUs of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct ProductGpus {
    pub product: String,
    pub resource: String,
    pub nodes: usize,
    pub allocatable: u64,
    pub used: u64,
    pub memory_mib: Option<u64>,
}

/// What fits a wish: a resource and any of some products.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offered {
    pub nodes: usize,
    pub allocatable: u64,
    pub free: u64,
    /// Most on one node.
    pub largest: u64,
    /// Most free on one node.
    pub largest_free: u64,
}

/// Where vendors write what a node's card is, and pods ask for it.
pub const PRODUCT_LABELS: [&str; 4] = [
    "nvidia.com/gpu.product",
    "amd.com/gpu.product-name",
    "gpu.intel.com/product",
    "cloud.google.com/gke-accelerator",
];

const MEMORY_LABEL: &str = "nvidia.com/gpu.memory";

/// Whether an extended resource is a GPU or a part of one.
pub fn is_gpu(resource: &str) -> bool {
    matches!(
        resource,
        "nvidia.com/gpu"
            | "nvidia.com/gpu.shared"
            | "amd.com/gpu"
            | "gpu.intel.com/i915"
            | "gpu.intel.com/xe"
            | "habana.ai/gaudi"
    ) || resource.starts_with("nvidia.com/mig-")
}

/// A quantity of whole things; GPUs never come in parts.
pub(super) fn whole(quantity: &Quantity) -> u64 {
    quantity.0.parse().unwrap_or(0)
}

/// Whether a pod still holds what it asked for.
fn holds(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Every GPU of the cluster. Pods without a node take none yet.
pub fn inventory(nodes: &[Node], pods: &[Pod]) -> Vec<NodeGpus> {
    let mut used: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| holds(pod)) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let Some(node) = node else { continue };
        for (resource, count) in pod.spec.as_ref().map(gpus_of).unwrap_or_default() {
            *used.entry((node, resource)).or_default() += count;
        }
    }
    let mut found = Vec::new();
    for node in nodes {
        let name = node.metadata.name.as_deref().unwrap_or_default();
        let status = node.status.clone().unwrap_or_default();
        for (resource, quantity) in status.allocatable.unwrap_or_default() {
            let allocatable = whole(&quantity);
            if !is_gpu(&resource) || allocatable == 0 {
                continue;
            }
            let used = used.get(&(name, resource.clone())).copied().unwrap_or(0);
            found.push(NodeGpus {
                node: name.to_owned(),
                product: product(node),
                memory_mib: label(node, MEMORY_LABEL).and_then(|text| text.parse().ok()),
                allocatable,
                used,
                usable: usable(node),
                taints: taints(node),
                resource,
            });
        }
    }
    found.sort_by(|a, b| {
        (&a.product, &a.node, &a.resource).cmp(&(&b.product, &b.node, &b.resource))
    });
    found
}

fn label<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

fn product(node: &Node) -> String {
    let found = PRODUCT_LABELS.iter().find_map(|name| label(node, name));
    found.unwrap_or("unknown").to_owned()
}

fn usable(node: &Node) -> bool {
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true);
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && !cordoned
}

fn taints(node: &Node) -> Vec<String> {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    taints
        .into_iter()
        .flatten()
        .filter(|taint| !taint.key.starts_with("node.kubernetes.io/"))
        .map(|taint| match taint.value.as_deref() {
            Some(value) if !value.is_empty() => format!("{}={value}:{}", taint.key, taint.effect),
            _ => format!("{}:{}", taint.key, taint.effect),
        })
        .collect()
}

/// What is there of `resource` with one of `products` (any where empty), on usable nodes.
pub fn offered(nodes: &[NodeGpus], resource: &str, products: &[String]) -> Offered {
    let mut sum = Offered::default();
    for node in fitting(nodes, resource, products) {
        sum.nodes += 1;
        sum.allocatable += node.allocatable;
        sum.free += node.free();
        sum.largest = sum.largest.max(node.allocatable);
        sum.largest_free = sum.largest_free.max(node.free());
    }
    sum
}

/// How many pods of `each` GPUs find a place: a node's leftovers are of no use to another.
pub fn places(nodes: &[NodeGpus], resource: &str, products: &[String], each: u64) -> u64 {
    fitting(nodes, resource, products)
        .filter_map(|node| node.free().checked_div(each))
        .sum()
}

/// Usable nodes with `resource` and one of `products` (any where empty).
fn fitting<'a>(
    nodes: &'a [NodeGpus],
    resource: &str,
    products: &[String],
) -> impl Iterator<Item = &'a NodeGpus> {
    nodes.iter().filter(move |node| {
        node.usable
            && node.resource == resource
            && (products.is_empty() || products.contains(&node.product))
    })
}

/// Usable GPUs added up by product and resource.
pub fn by_product(nodes: &[NodeGpus]) -> Vec<ProductGpus> {
    let mut sums: BTreeMap<(&str, &str), ProductGpus> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.usable) {
        let sum = sums
            .entry((&node.product, &node.resource))
            .or_insert_with(|| ProductGpus {
                product: node.product.clone(),
                resource: node.resource.clone(),
                memory_mib: node.memory_mib,
                ..ProductGpus::default()
            });
        sum.nodes += 1;
        sum.allocatable += node.allocatable;
        sum.used += node.used;
    }
    sums.into_values().collect()
}

/// `8 × NVIDIA-H100-80GB-HBM3 (1 free), 4 × NVIDIA-L40S (4 free)`.
pub fn summary(nodes: &[NodeGpus]) -> String {
    let products: Vec<_> = by_product(nodes)
        .iter()
        .map(|sum| {
            let free = sum.allocatable.saturating_sub(sum.used);
            let slice = sum
                .resource
                .rsplit_once("mig-")
                .map(|(_, slice)| format!(" {slice}"));
            let slice = slice.unwrap_or_default();
            format!("{} × {}{slice} ({free} free)", sum.allocatable, sum.product)
        })
        .collect();
    if products.is_empty() {
        "none".to_owned()
    } else {
        products.join(", ")
    }
}

/// Reads the whole cluster's nodes and pods.
pub async fn read(cluster: &Cluster) -> Result<Vec<NodeGpus>, Error> {
    let nodes = all_typed(&cluster.list_everywhere(&NODE, "").await?);
    let pods = all_typed(&cluster.list_everywhere(&POD, "").await?);
    Ok(inventory(&nodes, &pods))
}

/// Objects of a newer server that this version cannot read are left out.
pub(super) fn all_typed<T: serde::de::DeserializeOwned>(objects: &[Object]) -> Vec<T> {
    let read = |object: &Object| typed::read(object);
    objects.iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(name: &str, product: &str, allocatable: &Value, ready: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"nvidia.com/gpu.product": product, "nvidia.com/gpu.memory": "81559"}},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"},
                                {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
            "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    fn pod(node: &str, gpus: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {"nodeName": node, "containers": [
                {"name": "a", "resources": {"limits": {"nvidia.com/gpu": gpus, "memory": "1Gi"}}}]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn free_is_what_running_pods_leave() {
        let nodes = [node(
            "gpu-1",
            "H100",
            &json!({"nvidia.com/gpu": "8", "cpu": "64"}),
            "True",
        )];
        let pods = [
            pod("gpu-1", "2", "Running"),
            pod("gpu-1", "1", "Pending"),
            pod("gpu-1", "4", "Succeeded"),
            pod("other", "4", "Running"),
        ];
        let found = inventory(&nodes, &pods);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].allocatable, found[0].free()), (8, 5));
        assert_eq!(found[0].taints, ["nvidia.com/gpu=present:NoSchedule"]);
        assert_eq!(found[0].memory_mib, Some(81_559));
        assert_eq!(summary(&found), "8 × H100 (5 free)");
    }

    #[test]
    fn slices_count_by_their_own_resource() {
        let nodes = [node(
            "gpu-1",
            "A100",
            &json!({"nvidia.com/gpu": "0", "nvidia.com/mig-1g.10gb": "7"}),
            "True",
        )];
        let found = inventory(&nodes, &[]);
        assert_eq!(summary(&found), "7 × A100 1g.10gb (7 free)");
        assert_eq!(offered(&found, "nvidia.com/gpu", &[]), Offered::default());
        assert_eq!(
            offered(&found, "nvidia.com/mig-1g.10gb", &["A100".to_owned()]).largest,
            7
        );
    }

    #[test]
    fn nodes_that_are_not_ready_offer_nothing() {
        let nodes = [node(
            "gpu-1",
            "H100",
            &json!({"nvidia.com/gpu": "8"}),
            "Unknown",
        )];
        let found = inventory(&nodes, &[]);
        assert_eq!(offered(&found, "nvidia.com/gpu", &[]), Offered::default());
        assert_eq!(summary(&found), "none");
    }
}
