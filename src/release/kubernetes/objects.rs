//! The objects of a release, told apart: of one version, shared, and those that hold traffic (pure).

use serde_json::{Value, json};

use crate::{
    cluster::inventory::{VERSION, label},
    name::ReleaseName,
};

/// Rendered objects by what becomes of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Sorted {
    /// Of one version: come and go with it.
    pub(super) versioned: Vec<Value>,
    /// Of the release: applied at every deploy.
    pub(super) shared: Vec<Value>,
    /// Hold the traffic: created once, and from then on moved by `traffic` only.
    pub(super) holders: Vec<Value>,
}

/// Sorts what `render` made.
pub(super) fn sort(objects: &[Value], release: &ReleaseName) -> Sorted {
    let mut sorted = Sorted::default();
    for object in objects {
        let place = if label(object, VERSION).is_some() {
            &mut sorted.versioned
        } else if holds_traffic(object, release) {
            &mut sorted.holders
        } else {
            &mut sorted.shared
        };
        place.push(object.clone());
    }
    sorted
}

pub(super) fn kind(object: &Value) -> &str {
    object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn name(object: &Value) -> &str {
    object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn holds_traffic(object: &Value, release: &ReleaseName) -> bool {
    matches!(kind(object), "Service" | "HTTPRoute") && name(object) == release.as_str()
}

/// A holder without the fields that say where traffic goes: safe to apply at any time.
pub(super) fn without_traffic(holder: &Value) -> Value {
    let mut object = holder.clone();
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove(if kind(holder) == "HTTPRoute" {
            "rules"
        } else {
            "selector"
        });
    }
    object
}

/// All objects, with every Deployment at `replicas`.
pub(super) fn with_replicas(objects: &[Value], replicas: u32) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for object in objects
        .iter_mut()
        .filter(|object| kind(object) == "Deployment")
    {
        object["spec"]["replicas"] = json!(replicas);
    }
    objects
}

/// The Deployments alone, at `replicas`.
pub(super) fn scaled(objects: &[Value], replicas: u32) -> Vec<Value> {
    let mut objects = with_replicas(objects, replicas);
    objects.retain(|object| kind(object) == "Deployment");
    objects
}

/// GPUs that all replicas of a version ask for: (resource, count).
pub(super) fn gpus(objects: &[Value]) -> Option<(String, u64)> {
    let deployment = objects.iter().find(|object| kind(object) == "Deployment")?;
    let replicas = deployment.pointer("/spec/replicas").and_then(Value::as_u64);
    let (resource, each) = gpus_each(deployment)?;
    let all = each * replicas.unwrap_or(1);
    (all > 0).then_some((resource, all))
}

/// GPUs that each replica of a Deployment asks for: (resource, count).
pub(super) fn gpus_each(deployment: &Value) -> Option<(String, u64)> {
    let containers = deployment.pointer("/spec/template/spec/containers")?;
    let mut found: Option<(String, u64)> = None;
    for container in containers.as_array()? {
        let limits = container.pointer("/resources/limits");
        for (resource, count) in limits.and_then(Value::as_object).into_iter().flatten() {
            if !crate::cluster::gpus::is_gpu(resource) {
                continue;
            }
            let plain = count.as_u64();
            let count = plain.or_else(|| count.as_str()?.parse().ok()).unwrap_or(0);
            found.get_or_insert_with(|| (resource.clone(), 0)).1 += count;
        }
    }
    found.filter(|(_, count)| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Vec<Value> {
        let versioned = json!({VERSION: "v3c1f2a90b"});
        vec![
            json!({"kind": "ServiceAccount", "metadata": {"name": "chat", "labels": {}}}),
            json!({"kind": "Service", "metadata": {"name": "chat"}, "spec": {"selector": {"a": "b"}, "ports": []}}),
            json!({"kind": "Service", "metadata": {"name": "chat-v3c1f2a90b", "labels": versioned}}),
            json!({"kind": "Deployment", "metadata": {"name": "chat-v3c1f2a90b", "labels": versioned},
                   "spec": {"replicas": 2, "template": {"spec": {"containers": [
                       {"name": "engine", "resources": {"limits": {"nvidia.com/gpu": "4", "memory": "1Gi"}}}]}}}}),
            json!({"kind": "HTTPRoute", "metadata": {"name": "chat"}, "spec": {"rules": [], "parentRefs": []}}),
        ]
    }

    fn named(objects: &[Value]) -> Vec<(&str, &str)> {
        objects
            .iter()
            .map(|object| (kind(object), name(object)))
            .collect()
    }

    #[test]
    fn what_holds_traffic_is_told_from_what_does_not() {
        let sorted = sort(&rendered(), &"chat".parse().unwrap());
        assert_eq!(named(&sorted.shared), [("ServiceAccount", "chat")]);
        assert_eq!(
            named(&sorted.holders),
            [("Service", "chat"), ("HTTPRoute", "chat")]
        );
        assert_eq!(
            named(&sorted.versioned),
            [
                ("Service", "chat-v3c1f2a90b"),
                ("Deployment", "chat-v3c1f2a90b")
            ]
        );
    }

    #[test]
    fn a_holder_that_is_applied_again_says_nothing_about_traffic() {
        let sorted = sort(&rendered(), &"chat".parse().unwrap());
        for holder in &sorted.holders {
            let spec = without_traffic(holder)["spec"].clone();
            assert!(
                spec.get("rules").is_none() && spec.get("selector").is_none(),
                "{spec}"
            );
            assert_ne!(spec, json!({}));
        }
    }

    #[test]
    fn gpus_are_those_of_all_replicas() {
        let sorted = sort(&rendered(), &"chat".parse().unwrap());
        assert_eq!(
            gpus(&sorted.versioned),
            Some(("nvidia.com/gpu".to_owned(), 8))
        );
        let down = scaled(&sorted.versioned, 0);
        assert_eq!(named(&down), [("Deployment", "chat-v3c1f2a90b")]);
        assert_eq!(gpus(&down), None);
    }
}
