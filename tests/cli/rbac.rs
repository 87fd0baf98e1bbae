//! `examples/rbac.yaml` is written from the table of kinds: what it grants is what the rows
//! ask for. `INFER_UPDATE=1` writes it anew.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use infer::for_tests::object::{
    KINDS,
    kinds::{Presence, Reach},
};
use serde_json::Value;

use super::generated::assert_equal_or_update;

const HEAD: &str = "\
# The least rights with which infer deploys and canaries into the namespace
# `inference`; it never reads Secrets. Bind it to the user or the CI account
# that runs infer. Rules on kinds that the cluster does not have do nothing.
";

#[test]
fn the_shipped_rights_are_those_of_the_table() {
    let mut text = HEAD.to_owned();
    text += "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n";
    text += "metadata:\n  name: infer\n  namespace: inference\nrules:\n";
    text += &rules(Reach::Namespace);
    text += &binding("RoleBinding", "Role", "infer", "  namespace: inference\n");
    text += "---\n# In all namespaces, and on objects without one.\n";
    text += "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n";
    text += "metadata:\n  name: infer-reader\nrules:\n";
    text += &rules(Reach::Cluster);
    text += &binding("ClusterRoleBinding", "ClusterRole", "infer-reader", "");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/rbac.yaml");
    assert_equal_or_update(&path, &text);
    let objects: Vec<Value> = infer::for_tests::yaml::parse_all(&path, &text).expect("sound YAML");
    assert_eq!(objects.len(), 4);
}

/// The rights of the rows, those for one purpose on one group as one rule.
fn rules(reach: Reach) -> String {
    let mut rules: Vec<(String, &str, Vec<String>, &[&str])> = Vec::new();
    for row in KINDS {
        for right in row.rights.iter().filter(|right| right.reach == reach) {
            let purpose = match row.presence {
                Presence::Core => right.purpose.to_owned(),
                Presence::Extension => format!("{} ({})", right.purpose, row.kind.kind),
            };
            let resource = right.resource(&row.kind);
            let same = rules.iter_mut().find(|(known, group, _, verbs)| {
                (known, *group, *verbs) == (&purpose, row.kind.group.as_ref(), right.verbs)
            });
            match same {
                Some((_, _, resources, _)) => resources.push(resource),
                None => rules.push((purpose, &row.kind.group, vec![resource], right.verbs)),
            }
        }
    }
    let mut text = String::new();
    for (purpose, group, resources, verbs) in rules {
        let group = if group.is_empty() { "\"\"" } else { group };
        let (resources, verbs) = (resources.join(", "), verbs.join(", "));
        write!(
            text,
            "  # To {purpose}.\n  - apiGroups: [{group}]\n    resources: [{resources}]\n    verbs: [{verbs}]\n"
        )
        .expect("a string grows");
    }
    text
}

fn binding(kind: &str, role: &str, name: &str, namespace: &str) -> String {
    format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n{namespace}\
         roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {role}\n  name: {name}\n\
         subjects:\n  - apiGroup: rbac.authorization.k8s.io\n    kind: Group\n    name: inference-operators\n"
    )
}

#[test]
fn no_right_names_secrets_a_wildcard_or_a_way_into_containers() {
    const VERBS: [&str; 7] = [
        "get", "list", "watch", "create", "patch", "update", "delete",
    ];
    let mut seen = BTreeSet::new();
    for row in KINDS {
        for right in row.rights {
            let resource = right.resource(&row.kind);
            let sensitive = [
                "secrets",
                "pods/exec",
                "pods/attach",
                "roles",
                "rolebindings",
            ];
            assert!(!sensitive.contains(&resource.as_str()), "{resource}");
            assert!(
                right.verbs.iter().all(|verb| VERBS.contains(verb)),
                "{resource}"
            );
            if right.reach == Reach::Cluster {
                let reads = right
                    .verbs
                    .iter()
                    .all(|verb| ["get", "list"].contains(verb));
                assert!(reads, "{resource} in all namespaces");
            }
            seen.insert(resource);
        }
    }
    assert!(
        seen.contains("deployments/scale") && seen.contains("pods/proxy"),
        "{seen:?}"
    );
}
