//! What a pod asks of nodes, and what an autoscaler has said about it.

use k8s_openapi::api::core::v1::{Event, Pod};

use super::scheduling::{Asked, Autoscaler};
use crate::cluster::gpus;

/// What the pod asks of nodes.
pub(super) fn asked(pod: &Pod) -> Asked {
    let (gpu_resource, gpus) = gpus::of_pod(pod).into_iter().next().unzip();
    Asked {
        gpu_resource,
        gpus: gpus.unwrap_or(0),
        products: products(pod).unwrap_or_default(),
        tolerations: pod
            .spec
            .as_ref()
            .and_then(|spec| spec.tolerations.clone())
            .unwrap_or_default(),
    }
}

/// Products its required node affinity or its node selector names.
fn products(pod: &Pod) -> Option<Vec<String>> {
    let spec = pod.spec.as_ref()?;
    let selected = spec.node_selector.iter().flatten();
    if let Some((_, product)) = selected
        .into_iter()
        .find(|(name, _)| gpus::PRODUCT_LABELS.contains(&name.as_str()))
    {
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
        .filter(|wish| gpus::PRODUCT_LABELS.contains(&wish.key.as_str()) && wish.operator == "In")
        .flat_map(|wish| wish.values.iter().flatten().cloned())
        .collect();
    Some(named)
}

/// What cluster-autoscaler and Karpenter have said last.
pub(super) fn autoscaler(events: &[Event]) -> Autoscaler {
    for event in events.iter().rev() {
        let words = event.message.clone().unwrap_or_default();
        match event.reason.as_deref().unwrap_or_default() {
            "TriggeredScaleUp" | "Nominated" | "Provisioned" => {
                return Autoscaler::Working { words };
            }
            "NotTriggerScaleUp" => return Autoscaler::Refused { words },
            // Karpenter says under the scheduler's own reason that no pool fits.
            "FailedScheduling" if words.contains("incompatible with nodepool") => {
                return Autoscaler::Refused { words };
            }
            _ => {}
        }
    }
    Autoscaler::Silent
}
