//! In which order objects are applied; they are deleted in the opposite one.

use crate::object::Object;

/// What others refer to comes first, what sends traffic comes last, so that
/// nothing is ever reachable before it can answer.
const ORDER: [&str; 16] = [
    "Namespace",
    "ResourceQuota",
    "NetworkPolicy",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "PersistentVolumeClaim",
    "Service",
    "Deployment",
    "LeaderWorkerSet",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "ScaledObject",
    "PodMonitor",
    "HTTPRoute",
];

/// Place of a kind; kinds of others come after the workloads and before routes.
fn rank(kind: &str) -> usize {
    let unknown = ORDER.len() - 2;
    ORDER
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(unknown)
}

/// Sorts for applying; objects of one kind keep their order.
pub fn for_apply(objects: &mut [Object]) {
    objects.sort_by_key(|object| rank(object.kind()));
}

/// Sorts for deleting: routes first, what others refer to last.
pub fn for_delete(objects: &mut [Object]) {
    for_apply(objects);
    objects.reverse();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kinds(objects: &[Object]) -> Vec<&str> {
        objects.iter().map(Object::kind).collect()
    }

    #[test]
    fn routes_come_last_and_accounts_before_workloads() {
        let mut objects: Vec<_> = [
            "HTTPRoute",
            "Deployment",
            "RayService",
            "Service",
            "ServiceAccount",
        ]
        .map(|kind| Object::from(json!({"kind": kind})))
        .into();
        for_apply(&mut objects);
        assert_eq!(
            kinds(&objects),
            [
                "ServiceAccount",
                "Service",
                "Deployment",
                "RayService",
                "HTTPRoute"
            ]
        );
        for_delete(&mut objects);
        assert_eq!(kinds(&objects)[0], "HTTPRoute");
    }
}
