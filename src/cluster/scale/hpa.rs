//! The `HorizontalPodAutoscaler` of Kubernetes itself.

use serde_json::{Value, json};

use super::{Scaler, ScalerStanding};
use crate::object::{Kind, Object, kind};

static KIND: Kind = kind::AUTOSCALER;

pub(super) struct Hpa;

impl Scaler for Hpa {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn target<'a>(&self, object: &'a Object) -> (&'a str, &'a str) {
        let text = |field: &str| {
            let value = object.pointer(&format!("/spec/scaleTargetRef/{field}"));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        (text("kind"), text("name"))
    }

    fn floor(&self, object: &Object) -> u32 {
        replicas(object, "minReplicas").unwrap_or(1)
    }

    fn ceiling(&self, object: &Object) -> Option<u32> {
        replicas(object, "maxReplicas")
    }

    fn with_floor(&self, floor: u32) -> Value {
        json!({"spec": {"minReplicas": floor}})
    }

    fn standing(&self, object: &Object) -> ScalerStanding {
        let is = |name: &str, status: &str| {
            let condition = object.condition(name)?;
            (condition["status"] == status).then(|| reason(condition))
        };
        ScalerStanding {
            inactive: is("AbleToScale", "False").or_else(|| is("ScalingActive", "False")),
            limited: is("ScalingLimited", "True"),
            fallback: None,
        }
    }
}

fn replicas(object: &Object, field: &str) -> Option<u32> {
    let number = object.pointer(&format!("/spec/{field}"))?.as_u64()?;
    u32::try_from(number).ok()
}

/// `FailedGetResourceMetric: the HPA was unable to compute the replica count`.
fn reason(condition: &Value) -> String {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    format!("{}: {}", text("reason"), text("message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hpa(conditions: &Value) -> Object {
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "chat-v1"}, "status": {"conditions": conditions},
            "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "chat-v1"}}})
        .into()
    }

    #[test]
    fn target_and_limits_are_those_of_the_spec() {
        let object = hpa(&json!([]));
        assert_eq!(Hpa.target(&object), ("Deployment", "chat-v1"));
        assert_eq!((Hpa.floor(&object), Hpa.ceiling(&object)), (1, Some(3)));
    }

    #[test]
    fn conditions_become_reasons() {
        let fine = json!([
            {"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "a"},
            {"type": "ScalingActive", "status": "True", "reason": "ValidMetricFound", "message": "b"},
            {"type": "ScalingLimited", "status": "False", "reason": "DesiredWithinRange", "message": "c"},
        ]);
        let standing = Hpa.standing(&hpa(&fine));
        assert!(standing.is_active());
        assert_eq!(standing, ScalerStanding::default());
        let bad = json!([
            {"type": "AbleToScale", "status": "True", "reason": "SucceededGetScale", "message": "a"},
            {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric", "message": "no metrics"},
            {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas", "message": "max"},
        ]);
        assert_eq!(
            Hpa.standing(&hpa(&bad)),
            ScalerStanding {
                inactive: Some("FailedGetResourceMetric: no metrics".to_owned()),
                limited: Some("TooManyReplicas: max".to_owned()),
                fallback: None,
            }
        );
    }
}
