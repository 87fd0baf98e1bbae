//! How the changes of a cluster's objects look: one line an object, one a field.

use serde_json::Value;

use super::Paint;
use crate::cluster::diff::{Act, Change, ObjectDiff};

/// Fields of one object that are shown; the rest is counted.
const FIELDS_MAX: usize = 8;

/// Characters of a value that are shown.
const VALUE_CHARS_MAX: usize = 48;

/// `+ Deployment chat-v2`, and what is other than before under it.
pub(super) fn lines(objects: &[ObjectDiff], paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for object in objects {
        let sign = match object.act {
            Act::Create => paint.green("+"),
            Act::Change => paint.yellow("~"),
            Act::Delete => paint.red("-"),
            Act::Keep => continue,
        };
        lines.push(format!("  {sign} {}", object.object));
        let shown = object.changes.iter().take(FIELDS_MAX);
        lines.extend(shown.map(|change| format!("      {}", field(change, paint))));
        if let Some(more) = object.changes.len().checked_sub(FIELDS_MAX)
            && more > 0
        {
            lines.push(paint.dim(format!("      and {more} more")));
        }
    }
    lines
}

fn field(change: &Change, paint: Paint) -> String {
    let path = paint.dim(short(&change.path));
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{path}  {} → {}", value(before), value(after)),
        (None, Some(after)) => format!("{path}  {} {}", paint.green("+"), value(after)),
        (Some(before), None) => format!("{path}  {} {}", paint.red("-"), value(before)),
        (None, None) => path,
    }
}

/// A path without the way to the pods, which every Deployment has.
fn short(path: &str) -> &str {
    path.strip_prefix("spec.template.spec.").unwrap_or(path)
}

fn value(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let start: String = text.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(path: &str, before: Option<Value>, after: Option<Value>) -> Change {
        Change {
            path: path.to_owned(),
            before,
            after,
        }
    }

    #[test]
    fn each_object_has_its_line_and_what_is_new_of_it() {
        let deployment = ObjectDiff {
            object: "Deployment chat-v2".to_owned(),
            act: Act::Create,
            changes: vec![
                change(
                    "spec.template.spec.containers[engine].env[REVISION].value",
                    Some(json!("1")),
                    Some(json!("2")),
                ),
                change("spec.replicas", None, Some(json!(3))),
                change(
                    "metadata.annotations",
                    Some(json!({"a": "b".repeat(60)})),
                    None,
                ),
            ],
        };
        let kept = ObjectDiff {
            object: "Service chat".to_owned(),
            act: Act::Keep,
            changes: Vec::new(),
        };
        let long = format!("{{\"a\":\"{}…", "b".repeat(41));
        assert_eq!(
            lines(&[deployment, kept], Paint::plain()),
            [
                "  + Deployment chat-v2".to_owned(),
                "      containers[engine].env[REVISION].value  \"1\" → \"2\"".to_owned(),
                "      spec.replicas  + 3".to_owned(),
                format!("      metadata.annotations  - {long}"),
            ]
        );
    }

    #[test]
    fn a_long_list_of_fields_is_counted() {
        let changes = (0..11).map(|at| change(&format!("f{at}"), None, Some(json!(at))));
        let object = ObjectDiff {
            object: "ConfigMap chat".to_owned(),
            act: Act::Change,
            changes: changes.collect(),
        };
        let lines = lines(&[object], Paint::plain());
        assert_eq!((lines.len(), lines[9].as_str()), (10, "      and 3 more"));
    }
}
