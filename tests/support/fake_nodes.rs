//! More nodes that KWOK plays, as an autoscaler adds them; they go when this is dropped.

use serde_json::Value;

use super::bed::{Bed, Namespace};

pub struct FakeNodes {
    bed: &'static Bed,
    names: Vec<String>,
}

impl FakeNodes {
    /// `count` nodes like the bed's `h100`.
    pub fn like_h100(namespace: &Namespace, count: u32) -> Self {
        Self::new(namespace, count, |_| {})
    }

    /// A node with `gpus` cards of a product that only this namespace knows.
    pub fn of_one_product(namespace: &Namespace, product: &str, gpus: u32) -> Self {
        Self::new(namespace, 1, |node| {
            node["metadata"]["labels"]["nvidia.com/gpu.product"] = product.into();
            for size in ["capacity", "allocatable"] {
                node["status"][size]["nvidia.com/gpu"] = gpus.to_string().into();
            }
        })
    }

    fn new(namespace: &Namespace, count: u32, change: impl Fn(&mut Value)) -> Self {
        let bed = namespace.bed;
        let node = bed.kubectl(&["get", "node", "h100", "-o", "json"]);
        let mut node: Value = serde_json::from_str(&node).expect("JSON");
        for field in [
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "managedFields",
        ] {
            let metadata = node["metadata"].as_object_mut().expect("metadata");
            metadata.remove(field);
        }
        change(&mut node);
        let names: Vec<_> = (0..count)
            .map(|at| format!("{}-{at}", namespace.name))
            .collect();
        for name in &names {
            node["metadata"]["name"] = name.clone().into();
            node["metadata"]["labels"]["kubernetes.io/hostname"] = name.clone().into();
            bed.apply(&node.to_string());
        }
        Self { bed, names }
    }
}

impl Drop for FakeNodes {
    fn drop(&mut self) {
        for name in &self.names {
            self.bed.asked(&["delete", "node", name, "--wait=false"]);
        }
    }
}
