//! The owners of fields: from server-side apply's conflicts and from `managedFields`.

use std::fmt;

use kube::core::Status;
use serde_json::Value;

/// One field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldConflict {
    /// As the server names it: `.spec.replicas`.
    pub field: String,
    /// `kubectl-client-side-apply using apps/v1`, without the words around it.
    pub manager: String,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.field, self.manager)
    }
}

/// The conflicts of a refused apply; empty where it was refused for something else.
pub fn of_status(status: &Status) -> Vec<FieldConflict> {
    let causes = status
        .details
        .as_ref()
        .map(|details| details.causes.as_slice());
    causes
        .unwrap_or_default()
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            field: cause.field.clone(),
            manager: manager_in(&cause.message),
        })
        .collect()
}

/// The manager in `conflict with "helm" using apps/v1 at 2026-…`.
fn manager_in(message: &str) -> String {
    let quoted = message.split('"').nth(1);
    quoted.unwrap_or(message).to_owned()
}

/// One entry of `metadata.managedFields` that owns something below a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// When it last wrote; RFC 3339, sorts as text.
    pub time: String,
}

/// Managers that own `path` or something below it, e.g. `["spec", "rules"]`.
pub fn owners(object: &Value, path: &[&str]) -> Vec<Owner> {
    let entries = object
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let text = |entry: &Value, field: &str| {
        entry
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    entries
        .into_iter()
        .flatten()
        .filter(|entry| {
            let mut at = entry.get("fieldsV1");
            for step in path {
                at = at.and_then(|fields| fields.get(format!("f:{step}")));
            }
            at.is_some()
        })
        .map(|entry| Owner {
            manager: text(entry, "manager"),
            operation: text(entry, "operation"),
            time: text(entry, "time"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As kube-apiserver 1.36 answers an apply over kubectl's fields.
    fn refused() -> Status {
        serde_json::from_value(json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
            "message": "Apply failed with 2 conflicts: conflicts with \"kubectl\" using apps/v1:\n- .spec.replicas\nconflicts with \"helm\" using apps/v1:\n- .spec.paused",
            "details": {"causes": [
                {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" with subresource \"scale\" using apps/v1", "field": ".spec.replicas"},
                {"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using apps/v1 at 2026-11-24T03:00:00Z", "field": ".spec.paused"}
            ]}
        }))
        .unwrap()
    }

    #[test]
    fn every_field_is_named_with_its_manager() {
        let shown: Vec<_> = of_status(&refused())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(shown, [".spec.replicas (kubectl)", ".spec.paused (helm)"]);
    }

    #[test]
    fn owners_are_found_at_and_below_a_path() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "infer", "operation": "Apply", "time": "2026-11-24T03:00:00Z",
             "fieldsV1": {"f:spec": {"f:hostnames": {}}}},
            {"manager": "argocd-controller", "operation": "Apply", "time": "2026-11-24T03:01:00Z",
             "fieldsV1": {"f:spec": {"f:rules": {}}}},
        ]}});
        let found = owners(&object, &["spec", "rules"]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].manager, "argocd-controller");
        assert_eq!(owners(&json!({}), &["spec"]), []);
    }
}
