//! The `HorizontalPodAutoscaler` of Kubernetes itself.

use serde_json::{Value, json};

use super::Scaler;
use crate::object::{Kind, Object, kind};

static KIND: Kind = kind::AUTOSCALER;

pub(super) struct Hpa;

impl Scaler for Hpa {
    fn kind(&self) -> &'static Kind {
        &KIND
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
}

fn replicas(object: &Object, field: &str) -> Option<u32> {
    let number = object.pointer(&format!("/spec/{field}"))?.as_u64()?;
    u32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_spec() {
        let object = json!({"spec": {"maxReplicas": 3}}).into();
        assert_eq!((Hpa.floor(&object), Hpa.ceiling(&object)), (1, Some(3)));
    }
}
