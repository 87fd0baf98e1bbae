//! Why no node takes a pod, from the messages of the scheduler and the autoscaler.

use k8s_openapi::api::core::v1::{Event, Toleration};

use super::{Code, Finding};
use crate::cluster::{
    gpus::{self, NodeGpus},
    pod_needs::PodNeeds,
};

/// What the cluster's autoscaler has reported about the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Autoscaler {
    NoReport,
    /// It is adding a node.
    Working {
        words: String,
    },
    /// It looked and no pool fits.
    Refused {
        words: String,
    },
}

/// Reads a `FailedScheduling` message with what the nodes offer.
pub(super) fn unschedulable(
    message: &str,
    needs: &PodNeeds,
    nodes: &[NodeGpus],
    autoscaler: &Autoscaler,
) -> Finding {
    if let Autoscaler::Working { words } = autoscaler {
        return Finding::new(Code::WaitingForNode, "waiting for a new node")
            .evidence(words)
            .evidence(message);
    }
    let mut finding = reason(message, needs, nodes).evidence(message);
    if let Autoscaler::Refused { words } = autoscaler {
        finding = finding.evidence(format!("autoscaler: {words}"));
    }
    finding
}

fn reason(message: &str, needs: &PodNeeds, nodes: &[NodeGpus]) -> Finding {
    let short = |resource: &str| message.contains(&format!("Insufficient {resource}"));
    if let Some(resource) = needs.gpu_resource.as_deref() {
        let offered = gpus::offered(nodes, resource, &needs.products);
        let taints = in_the_way(message, needs, nodes);
        if short(resource) || (offered.nodes == 0 && !nodes.is_empty() && taints.is_empty()) {
            return gpus_missing(resource, needs, nodes, &offered);
        }
    }
    if let Some(taint) = in_the_way(message, needs, nodes).first() {
        let key = taint.split([':', ' ', '}', '=']).next().unwrap_or(taint);
        return Finding::new(
            Code::TaintNotTolerated,
            format!("nodes that fit have the taint {taint}, which the pod does not tolerate"),
        )
        .fix(format!("hardware.tolerate: [{{key: {key}}}] in infer.yaml"));
    }
    if short("memory") {
        return Finding::new(Code::MemoryInsufficient, "no node has enough free memory")
            .fix("lower hardware.memory in infer.yaml, or free memory on a node");
    }
    if short("cpu") {
        return Finding::new(Code::CpuInsufficient, "no node has enough free CPU")
            .fix("lower hardware.cpu in infer.yaml, or free CPU on a node");
    }
    if message.contains("node affinity") || message.contains("node selector") {
        return Finding::new(
            Code::NodeNotMatched,
            "no node has the labels the pod asks for",
        )
        .fix("see the GPU products there are: `infer doctor`")
        .fix("correct hardware.products in infer.yaml");
    }
    if message.contains("PersistentVolumeClaim") || message.contains("persistentvolumeclaim") {
        return Finding::new(Code::VolumeUnbound, "a volume of the pod is not bound")
            .fix("see `kubectl get persistentvolumeclaims` for the reason");
    }
    Finding::new(Code::Unschedulable, "no node takes the pod")
}

fn gpus_missing(
    resource: &str,
    needs: &PodNeeds,
    nodes: &[NodeGpus],
    offered: &gpus::Offered,
) -> Finding {
    let wanted = match needs.products.as_slice() {
        [] => format!("{} × {resource}", needs.gpus),
        products => format!("{} × {resource} ({})", needs.gpus, products.join(" or ")),
    };
    if offered.nodes == 0 {
        let there = gpus::summary(nodes);
        let cause = format!("no node offers {wanted}");
        return Finding::new(Code::GpuNotOffered, cause)
            .evidence(format!("GPUs in the cluster: {there}"))
            .fix("choose a product the cluster has: hardware.products in infer.yaml, `infer doctor` lists them");
    }
    if needs.gpus > offered.largest {
        let cause = format!(
            "{wanted} on one node asked, and the largest node that fits has {}",
            offered.largest
        );
        return Finding::new(Code::GpuNotOffered, cause).fix(format!(
            "hardware.gpus: {} in infer.yaml, or a larger node",
            offered.largest
        ));
    }
    let cause = format!(
        "{wanted} needed, {} of {} free, at most {} on one node",
        offered.free, offered.allocatable, offered.largest_free
    );
    Finding::new(Code::GpuInsufficient, cause)
        .fix("free GPUs: `infer status` lists the releases here, old ones go with `infer delete NAME`")
        .fix("or rollout.surge: none, which hands the GPUs over instead of asking for more")
}

/// Taints that keep the pod off nodes that would fit. Since Kubernetes 1.34 the scheduler
/// counts them without naming them (`4 node(s) had untolerated taint(s)`), so the nodes are
/// asked.
fn in_the_way(message: &str, needs: &PodNeeds, nodes: &[NodeGpus]) -> Vec<String> {
    let named = taints_in_the_way(message);
    if !named.is_empty() || !message.contains("untolerated taint") {
        return named;
    }
    let mut found: Vec<String> = nodes
        .iter()
        .filter(|node| needs.gpu_resource.as_deref() == Some(node.resource.as_str()))
        .filter(|node| needs.products.is_empty() || needs.products.contains(&node.product))
        .flat_map(|node| &node.taints)
        .filter(|taint| !needs.tolerations.iter().any(|one| tolerates(one, taint)))
        .cloned()
        .collect();
    found.dedup();
    found
}

/// Whether `toleration` covers a taint written `key=value:Effect` or `key:Effect`. One that
/// keeps no pod off (`PreferNoSchedule`) needs none.
fn tolerates(toleration: &Toleration, taint: &str) -> bool {
    let (pair, effect) = taint.rsplit_once(':').unwrap_or((taint, ""));
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    if effect == "PreferNoSchedule" {
        return true;
    }
    let any = toleration.operator.as_deref() == Some("Exists");
    let same_key = toleration.key.as_deref().map_or(any, |own| own == key);
    let same_value = any || toleration.value.as_deref().unwrap_or_default() == value;
    let same_effect = toleration.effect.as_deref().is_none_or(|own| own == effect);
    same_key && same_value && same_effect
}

/// The taints in `node(s) had untolerated taint {nvidia.com/gpu: present}`.
fn taints_in_the_way(message: &str) -> Vec<String> {
    const BEFORE: [&str; 2] = ["had untolerated taint {", "had taint {"];
    /// Set by Kubernetes itself while a node is down; tolerating them does not bring the node back.
    const OF_THE_SYSTEM: [&str; 2] = [
        "node.kubernetes.io/",
        "node-role.kubernetes.io/control-plane",
    ];
    let mut found = Vec::new();
    for before in BEFORE {
        for (at, _) in message.match_indices(before) {
            let rest = &message[at + before.len()..];
            let Some(end) = rest.find('}') else { continue };
            let taint = rest[..end].trim().trim_end_matches(':').to_owned();
            let ours = !OF_THE_SYSTEM.iter().any(|system| taint.starts_with(system));
            if ours && !taint.is_empty() && !found.contains(&taint) {
                found.push(taint);
            }
        }
    }
    found
}

/// The last report of cluster-autoscaler or Karpenter.
pub(super) fn autoscaler(events: &[Event]) -> Autoscaler {
    for event in events.iter().rev() {
        let words = event.message.clone().unwrap_or_default();
        match event.reason.as_deref().unwrap_or_default() {
            "TriggeredScaleUp" | "Nominated" | "Provisioned" => {
                return Autoscaler::Working { words };
            }
            "NotTriggerScaleUp" => return Autoscaler::Refused { words },
            // Karpenter reports under the scheduler's own reason that no pool fits.
            "FailedScheduling" if words.contains("incompatible with nodepool") => {
                return Autoscaler::Refused { words };
            }
            _ => {}
        }
    }
    Autoscaler::NoReport
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, product: &str, allocatable: u64, used: u64) -> NodeGpus {
        NodeGpus {
            node: name.to_owned(),
            resource: "nvidia.com/gpu".to_owned(),
            product: product.to_owned(),
            memory_mib: None,
            allocatable,
            used,
            usable: true,
            taints: vec!["nvidia.com/gpu=present:NoSchedule".to_owned()],
        }
    }

    fn needs(gpus: u64, products: &[&str]) -> PodNeeds {
        PodNeeds {
            gpu_resource: Some("nvidia.com/gpu".to_owned()),
            gpus,
            products: products.iter().map(ToString::to_string).collect(),
            tolerations: Vec::new(),
        }
    }

    const H100: &str = "NVIDIA-H100-80GB-HBM3";
    const SHORT: &str = "0/5 nodes are available: 1 Insufficient nvidia.com/gpu, 4 node(s) didn't match Pod's node affinity/selector. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.";

    #[test]
    fn missing_gpus_are_counted_by_product() {
        let nodes = [
            node("gpu-1", H100, 8, 7),
            node("gpu-2", "NVIDIA-L40S", 4, 0),
        ];
        let found = unschedulable(SHORT, &needs(2, &[H100]), &nodes, &Autoscaler::NoReport);
        assert_eq!(found.code, Code::GpuInsufficient);
        assert_eq!(
            found.cause,
            "2 × nvidia.com/gpu (NVIDIA-H100-80GB-HBM3) needed, 1 of 8 free, at most 1 on one node"
        );
    }

    #[test]
    fn a_product_that_no_node_has_is_told_from_one_that_is_busy() {
        let nodes = [node("gpu-2", "NVIDIA-L40S", 4, 0)];
        let message =
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
        let found = unschedulable(message, &needs(1, &[H100]), &nodes, &Autoscaler::NoReport);
        assert_eq!(found.code, Code::GpuNotOffered);
        assert!(found.evidence[0].contains("4 × NVIDIA-L40S"), "{found:?}");
    }

    #[test]
    fn more_than_any_node_has_names_the_largest() {
        let nodes = [node("gpu-1", H100, 8, 0)];
        let found = unschedulable(SHORT, &needs(16, &[H100]), &nodes, &Autoscaler::NoReport);
        assert_eq!(found.code, Code::GpuNotOffered);
        assert!(
            found.cause.ends_with("the largest node that fits has 8"),
            "{}",
            found.cause
        );
    }

    #[test]
    fn a_taint_is_named_and_the_systems_own_are_not() {
        let message = "0/3 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, 2 node(s) had untolerated taint {nvidia.com/gpu: present}.";
        let nodes = [node("gpu-1", H100, 8, 0)];
        let found = unschedulable(message, &needs(1, &[H100]), &nodes, &Autoscaler::NoReport);
        assert_eq!(found.code, Code::TaintNotTolerated);
        assert!(
            found.cause.contains("nvidia.com/gpu: present"),
            "{}",
            found.cause
        );
        assert_eq!(
            found.fix,
            ["hardware.tolerate: [{key: nvidia.com/gpu}] in infer.yaml"]
        );
    }

    #[test]
    fn a_taint_that_the_scheduler_only_counts_is_found_on_the_nodes() {
        let message = "0/5 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 4 node(s) had untolerated taint(s).";
        let nodes = [node("gpu-1", H100, 8, 0)];
        let mut pod = needs(1, &[H100]);
        let found = unschedulable(message, &pod, &nodes, &Autoscaler::NoReport);
        assert_eq!(found.code, Code::TaintNotTolerated);
        assert!(
            found.cause.contains("nvidia.com/gpu=present:NoSchedule"),
            "{}",
            found.cause
        );
        assert_eq!(
            found.fix,
            ["hardware.tolerate: [{key: nvidia.com/gpu}] in infer.yaml"]
        );
        pod.tolerations.push(Toleration {
            key: Some("nvidia.com/gpu".to_owned()),
            operator: Some("Exists".to_owned()),
            ..Toleration::default()
        });
        assert!(in_the_way(message, &pod, &nodes).is_empty());
        pod.tolerations[0].effect = Some("NoExecute".to_owned());
        assert_eq!(in_the_way(message, &pod, &nodes).len(), 1);
    }

    #[test]
    fn an_autoscaler_at_work_makes_it_a_wait_and_never_an_end() {
        let words = "pod triggered scale-up: [{gpu-pool 0->1 (max: 4)}]".to_owned();
        let found = unschedulable(SHORT, &needs(1, &[]), &[], &Autoscaler::Working { words });
        assert_eq!(found.code, Code::WaitingForNode);
        assert_eq!(found.code.patience(), None);
    }

    #[test]
    fn each_other_shortage_has_its_code() {
        let cases = [
            (
                "0/1 nodes are available: 1 Insufficient cpu.",
                Code::CpuInsufficient,
            ),
            (
                "0/1 nodes are available: 1 Insufficient memory.",
                Code::MemoryInsufficient,
            ),
            (
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
                Code::NodeNotMatched,
            ),
            (
                "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
                Code::VolumeUnbound,
            ),
            (
                "0/1 nodes are available: 1 node(s) had volume node affinity conflict.",
                Code::NodeNotMatched,
            ),
            ("no nodes available to schedule pods", Code::Unschedulable),
        ];
        for (message, code) in cases {
            let found = unschedulable(message, &PodNeeds::default(), &[], &Autoscaler::NoReport);
            assert_eq!(found.code, code, "{message}");
            assert_eq!(found.evidence, [message]);
        }
    }
}
