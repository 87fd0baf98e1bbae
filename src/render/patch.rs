//! `patches` of `infer.yaml`: fields laid over rendered objects, then JSON Patch. Pure.

use serde_json::{Map, Value};

use super::error::Error;
use crate::{
    name::VersionId,
    object::Object,
    spec::{Patch, Spec},
};

/// Lists that merge by a key of their items, as Kubernetes merges them; all
/// other lists are replaced whole.
const MERGE_KEYS: [(&str, &str); 12] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("imagePullSecrets", "name"),
    ("topologySpreadConstraints", "topologyKey"),
    ("hostAliases", "ip"),
    ("resourceClaims", "name"),
    ("claims", "name"),
    ("ports", "name"),
];

/// Applies every patch to every object it means.
pub(super) fn apply(spec: &Spec, version: &VersionId, objects: &mut [Value]) -> Result<(), Error> {
    for (at, patch) in spec.patches.iter().enumerate() {
        let refuse = |reason: String| Error::Patch {
            number: at + 1,
            kind: patch.kind.clone(),
            reason,
        };
        for object in objects
            .iter_mut()
            .filter(|object| is_meant(patch, version, object))
        {
            if let Some(over) = &patch.merge {
                merge(object, over, "");
            }
            if !patch.json.is_empty() {
                let operations: json_patch::Patch =
                    serde_json::from_value(Value::Array(patch.json.clone()))
                        .map_err(|error| refuse(format!("is not a valid JSON Patch: {error}")))?;
                json_patch::patch(object, &operations)
                    .map_err(|error| refuse(format!("cannot be applied: {error}")))?;
            }
        }
    }
    Ok(())
}

/// The patches that mean none of the objects; most likely a slip.
pub(super) fn unused(spec: &Spec, version: &VersionId, objects: &[&Object]) -> Result<(), Error> {
    let idle = spec.patches.iter().enumerate().find(|(_, patch)| {
        !objects
            .iter()
            .any(|object| is_meant(patch, version, object))
    });
    match idle {
        Some((at, patch)) => Err(Error::Patch {
            number: at + 1,
            kind: patch.kind.clone(),
            reason: "means no object of this release".to_owned(),
        }),
        None => Ok(()),
    }
}

fn is_meant(patch: &Patch, version: &VersionId, object: &Value) -> bool {
    let wanted = patch
        .name
        .as_ref()
        .map(|name| name.replace("{version}", version.as_str()));
    object["kind"] == patch.kind.as_str()
        && wanted.is_none_or(|name| object["metadata"]["name"] == name.as_str())
}

/// Lays `over` upon `under`, the value of `field`.
fn merge(under: &mut Value, over: &Value, field: &str) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.remove(key);
                } else {
                    merge(under.entry(key).or_insert(Value::Null), value, key);
                }
            }
        }
        (Value::Array(under), Value::Array(over)) => match merge_key(field, under, over) {
            Some(key) => merge_list(under, over, key),
            None => under.clone_from(over),
        },
        (under, over) => *under = without_nulls(over),
    }
}

/// The key by which two lists merge, where every item has it.
fn merge_key(field: &str, under: &[Value], over: &[Value]) -> Option<&'static str> {
    let (_, key) = MERGE_KEYS.iter().find(|(name, _)| *name == field)?;
    let keyed = |items: &[Value]| items.iter().all(|item| item.get(key).is_some());
    (keyed(under) && keyed(over)).then_some(*key)
}

fn merge_list(under: &mut Vec<Value>, over: &[Value], key: &str) {
    for item in over {
        match under.iter_mut().find(|known| known[key] == item[key]) {
            Some(known) => merge(known, item, ""),
            None => under.push(without_nulls(item)),
        }
    }
}

/// A `null` takes away; where nothing is, it must not appear either.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_merge_by_name_other_lists_are_replaced_and_null_removes() {
        let mut object = json!({"spec": {
            "containers": [{"name": "engine", "args": ["a"], "env": [{"name": "A", "value": "1"}]}],
            "tolerations": [{"key": "x"}],
            "nodeSelector": {"a": "b"},
        }});
        let over = json!({"spec": {
            "containers": [
                {"name": "engine", "args": ["b"], "env": [{"name": "B", "value": "2"}]},
                {"name": "proxy", "image": null},
            ],
            "tolerations": [{"key": "y"}],
            "nodeSelector": null,
            "hostNetwork": {"deep": null},
        }});
        merge(&mut object, &over, "");
        assert_eq!(
            object,
            json!({"spec": {
                "containers": [
                    {"name": "engine", "args": ["b"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
                    {"name": "proxy"},
                ],
                "tolerations": [{"key": "y"}],
                "hostNetwork": {},
            }})
        );
    }
}
