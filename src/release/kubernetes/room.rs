//! The GPUs a version asks for, and those that are free for it.

use serde_json::Value;

use super::objects;
use crate::cluster::{Cluster, gpus};

/// What one Deployment's replicas ask for, against what is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Room {
    resource: String,
    products: Vec<String>,
    needed: u64,
    /// GPUs of all replicas together that find a node.
    fitting: u64,
    offered: gpus::Offered,
    /// All GPUs of the cluster, for people.
    summary: String,
}

/// Looks; `None` where no GPU is asked for, or without the right to list nodes and pods.
pub(super) async fn look(cluster: &Cluster, objects: &[Value]) -> Option<Room> {
    let (resource, needed) = objects::gpus(objects)?;
    let nodes = gpus::read(cluster).await.ok()?;
    let products = products(objects);
    let (_, each) = objects.iter().find_map(objects::gpus_each)?;
    Some(Room {
        fitting: gpus::places(&nodes, &resource, &products, each) * each,
        offered: gpus::offered(&nodes, &resource, &products),
        summary: gpus::summary(&nodes),
        resource,
        products,
        needed,
    })
}

impl Room {
    /// Whether all replicas find a node.
    pub(super) fn fits(&self) -> bool {
        self.fitting >= self.needed
    }

    /// GPUs that replicas of this size can have.
    pub(super) fn free(&self) -> u64 {
        self.fitting
    }

    /// `needs 2 × nvidia.com/gpu (NVIDIA-L40S), 3 of 4 free`; all there are where that is too few.
    pub(super) fn sentence(&self) -> String {
        let asked = if self.products.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.products.join(" or "))
        };
        format!(
            "needs {} × {}{asked}, {} of {} free (there are {})",
            self.needed, self.resource, self.offered.free, self.offered.allocatable, self.summary
        )
    }
}

/// The products that the pods' node affinity requires; empty where any will do.
fn products(objects: &[Value]) -> Vec<String> {
    let of = |object: &Value| -> Option<Vec<String>> {
        let path = "/spec/template/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions";
        let expressions = object.pointer(path)?.as_array()?;
        let asked = expressions.iter().find(|one| {
            let key = one.get("key").and_then(Value::as_str).unwrap_or_default();
            gpus::PRODUCT_LABELS.contains(&key) && one["operator"] == "In"
        })?;
        let values = asked.get("values")?.as_array()?;
        Some(
            values
                .iter()
                .filter_map(|value| value.as_str().map(ToOwned::to_owned))
                .collect(),
        )
    };
    objects.iter().find_map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_products_are_those_of_the_pods_affinity() {
        let deployment = json!({"kind": "Deployment", "spec": {"template": {"spec": {"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
            {"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L40S"]},
        ]}]}}}}}}});
        assert_eq!(
            products(&[json!({"kind": "Service"}), deployment]),
            ["NVIDIA-L40S"]
        );
        assert!(products(&[json!({"kind": "Deployment"})]).is_empty());
    }

    #[test]
    fn what_is_missing_is_said_with_what_is_there() {
        let room = Room {
            resource: "nvidia.com/gpu".to_owned(),
            products: vec!["NVIDIA-L40S".to_owned()],
            needed: 2,
            fitting: 1,
            offered: gpus::Offered {
                allocatable: 4,
                free: 1,
                ..gpus::Offered::default()
            },
            summary: "4 × NVIDIA-L40S (1 free)".to_owned(),
        };
        assert_eq!(
            room.sentence(),
            "needs 2 × nvidia.com/gpu (NVIDIA-L40S), 1 of 4 free (there are 4 × NVIDIA-L40S (1 free))"
        );
    }
}
