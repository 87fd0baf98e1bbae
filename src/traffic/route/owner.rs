//! Tools that would undo a write: found by the fields they own and the marks they leave.

use crate::{
    cluster::conflict::{Owner, owners},
    object::Object,
};

/// Part of a field manager's name, and whose it is.
const MANAGERS: [(&str, &str); 9] = [
    ("argocd", "Argo CD"),
    ("argo-cd", "Argo CD"),
    ("kustomize-controller", "Flux"),
    ("helm-controller", "Flux"),
    ("flux", "Flux"),
    ("rollouts", "Argo Rollouts"),
    ("argo-rollouts", "Argo Rollouts"),
    ("gateway-api-plugin", "Argo Rollouts"),
    ("flagger", "Flagger"),
];

/// Annotations and labels of objects that a tool keeps as its repository says.
const MARKS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
];

/// The tool that holds `fields`, with how that shows.
pub(super) fn managed_by(object: &Object, fields: &[&str]) -> Option<String> {
    let owned = owners(object, fields).into_iter().find_map(|owner| {
        let (_, tool) = MANAGERS
            .iter()
            .find(|(part, _)| owner.manager.contains(part))?;
        Some(format!("{tool} (field manager {})", owner.manager))
    });
    owned.or_else(|| marked(object))
}

fn marked(object: &Object) -> Option<String> {
    MARKS.iter().find_map(|(mark, tool)| {
        object.annotation(mark).or(object.label(mark))?;
        Some(format!("{tool} ({mark})"))
    })
}

/// The field manager that wrote `fields` last, and when.
pub(super) fn last_writer(object: &Object, fields: &[&str]) -> String {
    let writers = owners(object, fields);
    let last = writers.into_iter().max_by(|a, b| a.time.cmp(&b.time));
    last.map_or_else(
        || "another client".to_owned(),
        |Owner { manager, time, .. }| match manager.as_str() {
            "infer" => format!("another infer at {time}"),
            _ => format!("{manager} at {time}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RULES: &[&str] = &["spec", "rules"];

    fn owned_by(manager: &str, fields: &Value) -> Object {
        json!({"metadata": {"managedFields": [
            {"manager": manager, "operation": "Update", "time": "2026-11-24T03:00:00Z", "fieldsV1": {"f:spec": fields}},
        ]}})
        .into()
    }

    #[test]
    fn each_tool_is_named_by_the_fields_it_owns() {
        let table = [
            ("argocd-controller", "Argo CD"),
            ("argocd-application-controller", "Argo CD"),
            ("kustomize-controller", "Flux"),
            ("rollouts-controller", "Argo Rollouts"),
            ("flagger", "Flagger"),
        ];
        for (manager, tool) in table {
            let found = managed_by(&owned_by(manager, &json!({"f:rules": {}})), RULES).unwrap();
            assert_eq!(found, format!("{tool} (field manager {manager})"));
            let hostnames = owned_by(manager, &json!({"f:hostnames": {}}));
            assert_eq!(managed_by(&hostnames, RULES), None);
        }
    }

    #[test]
    fn people_and_infer_itself_are_not_tools() {
        for manager in ["infer", "kubectl-edit", "kubectl"] {
            let object = owned_by(manager, &json!({"f:rules": {}}));
            assert_eq!(managed_by(&object, RULES), None, "{manager}");
        }
        let last = last_writer(&owned_by("kubectl-edit", &json!({"f:rules": {}})), RULES);
        assert_eq!(last, "kubectl-edit at 2026-11-24T03:00:00Z");
    }

    #[test]
    fn an_object_under_gitops_is_known_by_its_mark() {
        let route: Object =
            json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "a:b"}}}).into();
        assert_eq!(
            managed_by(&route, RULES).unwrap(),
            "Argo CD (argocd.argoproj.io/tracking-id)"
        );
    }
}
