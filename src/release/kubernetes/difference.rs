//! What a deploy changes, as the server says before anything is touched: a manifest that it
//! would refuse is refused here.

use serde_json::Value;

use super::{
    objects,
    objects::{Sorted, without_traffic},
    record::{self, Record},
};
use crate::{
    cluster::{
        Cluster,
        apply::plan,
        diff::{self, Act, ObjectDiff},
    },
    name::{ReleaseName, VersionId},
    release::Error,
};

/// The objects that come or change; of a version's own ones, how they differ from live's.
pub(super) async fn difference(
    cluster: &Cluster,
    release: &ReleaseName,
    sorted: &Sorted,
    record: &Record,
    live: Option<&VersionId>,
    version: &VersionId,
) -> Result<Vec<ObjectDiff>, Error> {
    let holders: Vec<_> = sorted.holders.iter().map(without_traffic).collect();
    let mut found = plan(cluster, &sorted.versioned).await?;
    found.extend(plan(cluster, &sorted.shared).await?);
    found.extend(plan(cluster, &holders).await?);
    found.retain(|object| object.act != Act::Keep);
    let Some(live) = live.filter(|live| *live != version) else {
        return Ok(found);
    };
    let Some(recipe) = record::recipe_of(cluster, release, record, live).await? else {
        return Ok(found);
    };
    for object in &sorted.versioned {
        let before = recipe.objects.iter().find(|before| same(before, object));
        let shown = format!("{} {}", objects::kind(object), objects::name(object));
        let listed = found.iter_mut().find(|listed| listed.object == shown);
        if let (Some(before), Some(listed), false) = (before, listed, is_secret(object)) {
            let before = renamed(before, live.as_str(), version.as_str());
            listed.changes = diff::changes(&before, object);
        }
    }
    Ok(found)
}

/// A new version's Secret is new, and that is all that is said of it.
fn is_secret(object: &Value) -> bool {
    objects::kind(object) == "Secret"
}

/// Whether two versions' objects play the same part.
fn same(before: &Value, object: &Value) -> bool {
    objects::kind(before) == objects::kind(object)
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
    fn a_versions_name_is_no_difference() {
        let before = json!({"metadata": {"name": "chat-v1", "labels": {"v": "v1"}}, "spec": {"args": ["--x", "1"]}});
        let after = json!({"metadata": {"name": "chat-v2", "labels": {"v": "v2"}}, "spec": {"args": ["--x", "2"]}});
        let changes = diff::changes(&renamed(&before, "v1", "v2"), &after);
        let paths: Vec<_> = changes.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["spec.args[1]"]);
    }
}
