//! What a split's object carries beside its rules: the run that owns it, the canary's journal,
//! and which version is which.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Refused;
use crate::{object::Object, traffic::Change};

/// The run that owns the split; empty where none does.
pub const RUN: &str = "infer.dev/run";

/// The canary's journal, as JSON.
pub const JOURNAL: &str = "infer.dev/canary";

/// Which versions the backends are, and which requests are the candidate's whatever its
/// weight: `{"live": …, "candidate": …, "match": "header:x-beta=1"}`, the last where there is one.
pub const SPLIT: &str = "infer.dev/split";

/// The field of [`SPLIT`].
pub(super) fn recorded<T: DeserializeOwned>(object: &Object, field: &str) -> Option<T> {
    let record: Value = serde_json::from_str(object.annotation(SPLIT)?).ok()?;
    serde_json::from_value(record.get(field)?.clone()).ok()
}

pub(super) fn journal(object: &Object) -> Option<Value> {
    serde_json::from_str(object.annotation(JOURNAL)?).ok()
}

/// The operations that write all three as `change` asks.
pub(super) fn write(object: &Object, change: &Change) -> Vec<Value> {
    let mut operations = Vec::new();
    if object.pointer("/metadata/annotations").is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    // Without a journal no run owns the split any more.
    let run = match &change.journal {
        Some(_) => change.run.as_str(),
        None => "",
    };
    operations.extend(set(object, RUN, Some(run)));
    let journal = change.journal.as_ref().map(Value::to_string);
    operations.extend(set(object, JOURNAL, journal.as_deref()));
    operations.extend(set(object, SPLIT, Some(&record(change))));
    operations
}

/// The operations that put all three back as `before` has them.
pub(super) fn restore(written: &Object, before: &Object) -> Vec<Value> {
    let all = [RUN, JOURNAL, SPLIT].into_iter();
    all.filter_map(|name| set(written, name, before.annotation(name)))
        .collect()
}

/// The precondition that the same run owns the split; where no run was ever written, that the
/// whole object is as it was read.
pub(super) fn test_run(object: &Object) -> Result<Value, Refused> {
    match object.annotation(RUN) {
        Some(run) => Ok(test(&path(RUN), &json!(run))),
        None => test_revision(object),
    }
}

/// The precondition that nothing of the object has changed.
pub(super) fn test_revision(object: &Object) -> Result<Value, Refused> {
    let revision = object.resource_version();
    let revision = revision.ok_or(Refused::Incomplete("metadata.resourceVersion"))?;
    Ok(test("/metadata/resourceVersion", &json!(revision)))
}

pub(super) fn test(path: &str, value: &Value) -> Value {
    json!({"op": "test", "path": path, "value": value})
}

/// [`SPLIT`] as `change` makes it.
fn record(change: &Change) -> String {
    let mut record = json!({"live": change.live, "candidate": change.candidate});
    if let Some(matches) = &change.matches {
        record["match"] = json!(matches);
    }
    record.to_string()
}

/// `add` replaces what is there; `remove` needs it to be there.
fn set(object: &Object, name: &str, value: Option<&str>) -> Option<Value> {
    match value {
        Some(value) => Some(json!({"op": "add", "path": path(name), "value": value})),
        None if object.annotation(name).is_some() => {
            Some(json!({"op": "remove", "path": path(name)}))
        }
        None => None,
    }
}

fn path(name: &str) -> String {
    format!("/metadata/annotations/{}", pointer_segment(name))
}

/// A JSON Pointer: `/` within a name is `~1` (RFC 6901).
pub(super) fn pointer_segment(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
