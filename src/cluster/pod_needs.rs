//! What a pod asks of the node it runs on (pure).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec, Toleration};
use serde_json::Value;

use super::{
    gpus::{PRODUCT_LABELS, is_gpu, whole},
    typed,
};

/// The GPUs that a pod needs, and which nodes it may use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PodNeeds {
    /// `nvidia.com/gpu`, `amd.com/gpu`, `nvidia.com/mig-1g.10gb`.
    pub gpu_resource: Option<String>,
    pub gpus: u64,
    /// Products that its node may have; empty means any.
    pub products: Vec<String>,
    pub tolerations: Vec<Toleration>,
}

impl PodNeeds {
    pub fn of(spec: &PodSpec) -> Self {
        let (gpu_resource, gpus) = gpus_of(spec).into_iter().next().unzip();
        Self {
            gpu_resource,
            gpus: gpus.unwrap_or(0),
            products: products(spec).unwrap_or_default(),
            tolerations: spec.tolerations.clone().unwrap_or_default(),
        }
    }

    /// `None` where the template is not one.
    pub fn of_template(template: &Value) -> Option<Self> {
        let template: PodTemplateSpec = typed::read(template)?;
        template.spec.as_ref().map(Self::of)
    }
}

/// GPUs that a pod takes from its node, by resource.
pub fn gpus_of(spec: &PodSpec) -> BTreeMap<String, u64> {
    let mut sum: BTreeMap<String, u64> = BTreeMap::new();
    let mut most: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in spec.containers.iter().flat_map(limits) {
        *sum.entry(name).or_default() += count;
    }
    // Init containers run one after the other, before the others.
    for (name, count) in spec.init_containers.iter().flatten().flat_map(limits) {
        let entry = most.entry(name).or_default();
        *entry = (*entry).max(count);
    }
    for (name, count) in most {
        let entry = sum.entry(name).or_default();
        *entry = (*entry).max(count);
    }
    sum.retain(|_, count| *count > 0);
    sum
}

fn limits(container: &Container) -> Vec<(String, u64)> {
    let resources = container.resources.clone().unwrap_or_default();
    let named = resources.limits.or(resources.requests).unwrap_or_default();
    named
        .into_iter()
        .filter(|(name, _)| is_gpu(name))
        .map(|(name, quantity)| (name, whole(&quantity)))
        .collect()
}

/// Products that its node selector or its required node affinity names.
fn products(spec: &PodSpec) -> Option<Vec<String>> {
    let is_product = |label: &str| PRODUCT_LABELS.contains(&label);
    let mut selected = spec.node_selector.iter().flatten();
    if let Some((_, product)) = selected.find(|(name, _)| is_product(name)) {
        return Some(vec![product.clone()]);
    }
    let affinity = spec.affinity.as_ref()?.node_affinity.as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let named = required
        .node_selector_terms
        .iter()
        .flat_map(|term| term.match_expressions.iter().flatten())
        .filter(|wish| is_product(&wish.key) && wish.operator == "In")
        .flat_map(|wish| wish.values.iter().flatten().cloned())
        .collect();
    Some(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_names_its_gpus_and_their_products() {
        let template = json!({"spec": {
            "containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "1Gi"}}}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                    {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L40S"]}]}]}}},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        }});
        let needs = PodNeeds::of_template(&template).unwrap();
        assert_eq!(
            (needs.gpu_resource.as_deref(), needs.gpus),
            (Some("nvidia.com/gpu"), 2)
        );
        assert_eq!(needs.products, ["NVIDIA-L40S"]);
        assert_eq!(needs.tolerations.len(), 1);
        assert_eq!(PodNeeds::of_template(&json!("no template")), None);
    }

    #[test]
    fn an_init_container_and_the_others_share_their_gpus() {
        let container = |name: &str, gpus: &str| json!({"name": name, "resources": {"limits": {"nvidia.com/gpu": gpus}}});
        let spec: PodSpec = serde_json::from_value(json!({
            "initContainers": [container("i", "2")], "containers": [container("a", "1")],
        }))
        .unwrap();
        assert_eq!(gpus_of(&spec).get("nvidia.com/gpu"), Some(&2));
    }
}
