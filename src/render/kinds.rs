//! Whether an object is one of its kind: types, and no field that the kind does
//! not have. The API server would drop such a field in silence. Pure.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::http_route::HttpRoute;
use crate::json;

/// Checks one object; kinds not listed are the server's to check.
pub(super) fn check(object: &Value) -> Result<(), String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("apps/v1", "Deployment") => strict::<Deployment>(object),
        ("v1", "Service") => strict::<Service>(object),
        ("v1", "ServiceAccount") => strict::<ServiceAccount>(object),
        ("v1", "ConfigMap") => strict::<ConfigMap>(object),
        ("v1", "PersistentVolumeClaim") => strict::<PersistentVolumeClaim>(object),
        ("v1", "Secret") => strict::<Secret>(object),
        ("policy/v1", "PodDisruptionBudget") => strict::<PodDisruptionBudget>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => strict::<NetworkPolicy>(object),
        ("networking.k8s.io/v1", "Ingress") => strict::<Ingress>(object),
        ("autoscaling/v2", "HorizontalPodAutoscaler") => strict::<HorizontalPodAutoscaler>(object),
        ("batch/v1", "Job") => strict::<Job>(object),
        ("gateway.networking.k8s.io/v1", "HTTPRoute") => strict::<HttpRoute>(object),
        _ => Ok(()),
    }
}

fn strict<T: DeserializeOwned>(object: &Value) -> Result<(), String> {
    let (_, unread) = json::read_noting::<T>(object).map_err(|error| error.to_string())?;
    if unread.is_empty() {
        Ok(())
    } else {
        Err(format!("it has no field {}", unread.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misspelt_field_is_named_by_its_path() {
        let object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [
                {"name": "a", "readinesProbe": {}},
            ]}}},
        });
        let reason = check(&object).unwrap_err();
        assert!(
            reason.ends_with("spec.template.spec.containers[0].readinesProbe"),
            "{reason}"
        );
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
            "spec": {"ports": [{"port": "http"}]},
        });
        let reason = check(&object).unwrap_err();
        assert!(reason.starts_with("spec.ports[0].port:"), "{reason}");
    }

    #[test]
    fn other_kinds_pass() {
        assert!(check(&json!({"apiVersion": "x/v1", "kind": "Thing", "a": 1})).is_ok());
    }
}
