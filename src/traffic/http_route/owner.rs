//! Tools that would undo a write: found by the fields they own and the marks they leave.

use serde_json::Value;

use crate::cluster::conflict::{Owner, owners};

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

/// The tool that holds the route's rules, with how that shows.
pub(super) fn foreign(route: &Value) -> Option<String> {
    let owned = owners(route, &["spec", "rules"])
        .into_iter()
        .find_map(|owner| {
            let (_, tool) = MANAGERS
                .iter()
                .find(|(part, _)| owner.manager.contains(part))?;
            Some(format!("{tool} (field manager {})", owner.manager))
        });
    owned.or_else(|| marked(route))
}

fn marked(route: &Value) -> Option<String> {
    MARKS.iter().find_map(|(mark, tool)| {
        let has = |map: &str| route.get("metadata")?.get(map)?.get(*mark);
        has("annotations").or(has("labels"))?;
        Some(format!("{tool} ({mark})"))
    })
}

/// Who wrote the rules last, beside ourselves.
pub(super) fn last_writer(route: &Value) -> String {
    let writers = owners(route, &["spec", "rules"]);
    let last = writers.into_iter().max_by(|a, b| a.time.cmp(&b.time));
    last.map_or_else(
        || "somebody else".to_owned(),
        |Owner { manager, time, .. }| match manager.as_str() {
            "infer" => format!("another infer at {time}"),
            _ => format!("{manager} at {time}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned_by(manager: &str, fields: &Value) -> Value {
        json!({"metadata": {"managedFields": [
            {"manager": manager, "operation": "Update", "time": "2026-11-24T03:00:00Z", "fieldsV1": {"f:spec": fields}},
        ]}})
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
            let found = foreign(&owned_by(manager, &json!({"f:rules": {}}))).unwrap();
            assert_eq!(found, format!("{tool} (field manager {manager})"));
            assert_eq!(
                foreign(&owned_by(manager, &json!({"f:hostnames": {}}))),
                None
            );
        }
    }

    #[test]
    fn people_and_infer_itself_are_no_tool() {
        for manager in ["infer", "kubectl-edit", "kubectl"] {
            assert_eq!(
                foreign(&owned_by(manager, &json!({"f:rules": {}}))),
                None,
                "{manager}"
            );
        }
        let last = last_writer(&owned_by("kubectl-edit", &json!({"f:rules": {}})));
        assert_eq!(last, "kubectl-edit at 2026-11-24T03:00:00Z");
    }

    #[test]
    fn an_object_under_gitops_is_known_by_its_mark() {
        let route = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "a:b"}}});
        assert_eq!(
            foreign(&route).unwrap(),
            "Argo CD (argocd.argoproj.io/tracking-id)"
        );
    }
}
