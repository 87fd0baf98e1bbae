//! A version's id: what its pods are, and nothing else (DESIGN §2). Pure.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::values::OWN_LABELS;
use crate::name::VersionId;

/// The id of whatever `identity` describes: `v` and 9 hex digits of SHA-256 over
/// its canonical JSON.
///
/// # Panics
/// Never: SHA-256 has 64 hex digits.
pub fn version_of(identity: &Value) -> VersionId {
    let bytes = Sha256::digest(canonical(identity).to_string());
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string grows");
        hex
    });
    VersionId::from_sha256_hex(&hex).expect("SHA-256 has 64 hex digits")
}

/// A pod template without infer's own labels, which name the version itself.
pub(super) fn identity_of(pod_template: &Value) -> Value {
    let mut identity = pod_template.clone();
    if let Some(labels) = identity["metadata"]["labels"].as_object_mut() {
        for label in OWN_LABELS {
            labels.remove(label);
        }
    }
    identity
}

/// Keys in byte order at every depth, whatever order a map keeps.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let sorted: Map<_, _> = entries
                .into_iter()
                .map(|(key, value)| (key.clone(), canonical(value)))
                .collect();
            Value::Object(sorted)
        }
        Value::Array(items) => Value::Array(items.iter().map(canonical).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_id_is_stable_across_releases_of_infer() {
        assert_eq!(
            version_of(&json!({"b": 1, "a": [true]})).as_str(),
            "v708747538"
        );
    }

    #[test]
    fn own_labels_change_no_id_and_others_do() {
        let pod =
            |labels: Value| version_of(&identity_of(&json!({"metadata": {"labels": labels}})));
        let plain = pod(json!({"team": "a"}));
        assert_eq!(pod(json!({"team": "a", "infer.dev/version": "v1"})), plain);
        assert_ne!(pod(json!({"team": "b"})), plain);
    }
}
