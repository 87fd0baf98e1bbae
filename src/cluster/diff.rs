//! What an apply would change: the live object against the server's dry run.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// One field that would change.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Change {
    /// `spec.template.spec.containers[vllm].image`
    pub path: String,
    /// `null` where the field is new.
    pub before: Option<Value>,
    /// `null` where the field goes.
    pub after: Option<Value>,
}

/// One object's part in a plan.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ObjectDiff {
    /// `Deployment chat-v3c1f2a90b`
    pub object: String,
    pub act: Act,
    pub changes: Vec<Change>,
}

impl ObjectDiff {
    /// Which fields differ, without their values: for values that must not be logged.
    fn hide_values(&mut self) {
        for change in &mut self.changes {
            for value in [&mut change.before, &mut change.after]
                .into_iter()
                .flatten()
            {
                *value = "(hidden)".into();
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    Create,
    Change,
    Keep,
    Delete,
}

/// Fields that the server writes and no manifest has.
const SERVER_FIELDS: [&str; 7] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
];

/// Written by controllers at every rollout.
const SERVER_ANNOTATIONS: [&str; 2] = [
    "deployment.kubernetes.io/revision",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// The changes between two states of one object; server-written fields and
/// `status` do not count.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", &stripped(before), &stripped(after), &mut found);
    found
}

/// The object without what only the server writes.
pub fn stripped(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|name, _| !SERVER_FIELDS.contains(&name.as_str()));
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.retain(|name, _| !SERVER_ANNOTATIONS.contains(&name.as_str()));
        }
        metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
    }
    object
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => maps(path, before, after, found),
        (Value::Array(before), Value::Array(after)) => lists(path, before, after, found),
        (before, after) if before == after => {}
        (before, after) => found.push(Change {
            path: path.to_owned(),
            before: Some(before.clone()),
            after: Some(after.clone()),
        }),
    }
}

fn maps(
    path: &str,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    found: &mut Vec<Change>,
) {
    let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let plain = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let inner = match (path.is_empty(), plain) {
            (true, true) => name.clone(),
            (true, false) => format!("[{name}]"),
            (false, true) => format!("{path}.{name}"),
            (false, false) => format!("{path}[{name}]"),
        };
        both(&inner, before.get(name), after.get(name), found);
    }
}

/// Lists whose members have names are compared by name, others by position.
fn lists(path: &str, before: &[Value], after: &[Value], found: &mut Vec<Change>) {
    let (Some(old), Some(new)) = (names(before), names(after)) else {
        for at in 0..before.len().max(after.len()) {
            both(
                &format!("{path}[{at}]"),
                before.get(at),
                after.get(at),
                found,
            );
        }
        return;
    };
    let mut all: Vec<_> = old.iter().chain(&new).collect();
    all.dedup();
    let mut seen = Vec::new();
    for name in all {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        let one = |names: &[&str], values: &[Value]| {
            names
                .iter()
                .position(|other| other == name)
                .map(|at| values[at].clone())
        };
        let (old, new) = (one(&old, before), one(&new, after));
        both(
            &format!("{path}[{name}]"),
            old.as_ref(),
            new.as_ref(),
            found,
        );
    }
}

/// The members' names where each has one and no two share it.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names: Option<Vec<_>> = list
        .iter()
        .map(|member| member.get("name").and_then(Value::as_str))
        .collect();
    let names = names?;
    let unique = names
        .iter()
        .enumerate()
        .all(|(at, name)| !names[..at].contains(name));
    unique.then_some(names)
}

fn both(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, found),
        (None, None) => {}
        (before, after) => found.push(Change {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

/// The diff of one object against the server's dry run of it.
pub fn object(name: &str, live: Option<&Value>, dry_run: &Value) -> ObjectDiff {
    let (act, changes) = match live {
        None => (Act::Create, Vec::new()),
        Some(live) => {
            let changes = changes(live, dry_run);
            let act = if changes.is_empty() {
                Act::Keep
            } else {
                Act::Change
            };
            (act, changes)
        }
    };
    let mut diff = ObjectDiff {
        object: name.to_owned(),
        act,
        changes,
    };
    if dry_run["kind"] == "Secret" {
        diff.hide_values();
    }
    diff
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(image: &str, revision: &str) -> Value {
        json!({
            "metadata": {"name": "chat", "resourceVersion": revision, "managedFields": [{"manager": "infer"}],
                         "generation": 3, "uid": "u", "annotations": {"deployment.kubernetes.io/revision": revision}},
            "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "a"}, {"name": "vllm", "image": image}]}}},
            "status": {"replicas": 1, "observedGeneration": revision},
        })
    }

    #[test]
    fn what_only_the_server_writes_is_no_change() {
        assert_eq!(changes(&deployment("x", "1"), &deployment("x", "2")), []);
    }

    #[test]
    fn a_change_names_its_path_by_container_name() {
        let found = changes(&deployment("x", "1"), &deployment("y", "1"));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "spec.template.spec.containers[vllm].image");
        assert_eq!(found[0].before, Some(json!("x")));
        assert_eq!(found[0].after, Some(json!("y")));
    }

    #[test]
    fn what_is_new_and_what_goes_is_said() {
        let found = changes(
            &json!({"metadata": {"labels": {"a.b/c": "1"}}, "args": [1, 2]}),
            &json!({"metadata": {"labels": {"d": "1"}}, "args": [1]}),
        );
        let paths: Vec<_> = found
            .iter()
            .map(|change| {
                (
                    change.path.as_str(),
                    change.before.is_some(),
                    change.after.is_some(),
                )
            })
            .collect();
        assert_eq!(
            paths,
            [
                ("args[1]", true, false),
                ("metadata.labels[a.b/c]", true, false),
                ("metadata.labels.d", false, true),
            ]
        );
    }

    #[test]
    fn members_that_only_moved_are_no_change() {
        let found = changes(
            &json!([{"name": "a", "v": 1}, {"name": "b", "v": 2}]),
            &json!([{"name": "b", "v": 2}, {"name": "a", "v": 1}]),
        );
        assert_eq!(found, []);
    }

    #[test]
    fn an_object_is_created_changed_or_kept() {
        let live = deployment("x", "1");
        assert_eq!(object("a", None, &live).act, Act::Create);
        assert_eq!(
            object("a", Some(&live), &deployment("x", "9")).act,
            Act::Keep
        );
        assert_eq!(
            object("a", Some(&live), &deployment("y", "9")).act,
            Act::Change
        );
    }

    #[test]
    fn a_secrets_values_are_in_no_diff() {
        let secret = |value: &str| json!({"kind": "Secret", "data": {"token": value}});
        let diff = object("Secret s", Some(&secret("aGk=")), &secret("eW8="));
        assert_eq!(diff.changes[0].path, "data.token");
        assert!(!format!("{diff:?}").contains("aGk") && !format!("{diff:?}").contains("eW8"));
    }
}
