//! What a deploy changes, as the server says before anything is touched: a manifest that it
//! would refuse is refused here.

use serde_json::Value;

use super::store::RevisionSpec;
use crate::{
    cluster::{
        Cluster,
        apply::plan,
        diff::{self, Act, ObjectDiff},
    },
    name::VersionId,
    object::Object,
    release::Error,
};

/// What applying the objects would change; nothing for those that stay as they are.
pub(super) async fn changes(
    cluster: &Cluster,
    objects: &[Object],
) -> Result<Vec<ObjectDiff>, Error> {
    let mut found = plan(cluster, objects).await?;
    found.retain(|object| object.act != Act::Keep);
    Ok(found)
}

/// Shows a new version's objects by how they differ from those of `live`: each is new, and
/// that says nothing.
pub(super) fn against_live(
    found: &mut [ObjectDiff],
    objects: &[Object],
    (live, spec): (&VersionId, &RevisionSpec),
    version: &VersionId,
) {
    for object in objects {
        let before = spec
            .objects
            .iter()
            .find(|before| before.kind() == object.kind());
        let title = object.title();
        let listed = found.iter_mut().find(|listed| listed.object == title);
        if let (Some(before), Some(listed), false) = (before, listed, is_secret(object)) {
            let before = renamed(before, live.as_str(), version.as_str());
            listed.changes = diff::changes(&before, object);
        }
    }
}

/// Nothing but its name is shown of a Secret.
fn is_secret(object: &Object) -> bool {
    object.kind() == "Secret"
}

/// The object as another version would have it: a version's name stands in many fields.
fn renamed(object: &Value, from: &str, to: &str) -> Value {
    match object {
        Value::String(text) => text.replace(from, to).into(),
        Value::Array(items) => items.iter().map(|item| renamed(item, from, to)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), renamed(value, from, to)))
            .collect(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_versions_name_is_not_a_difference() {
        let before = json!({"metadata": {"name": "chat-v1", "labels": {"v": "v1"}}, "spec": {"args": ["--x", "1"]}});
        let after = json!({"metadata": {"name": "chat-v2", "labels": {"v": "v2"}}, "spec": {"args": ["--x", "2"]}});
        let changes = diff::changes(&renamed(&before, "v1", "v2"), &after);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["spec.args[1]"]);
    }
}
