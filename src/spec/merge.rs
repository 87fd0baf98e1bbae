//! Merging: defaults, then the file, then its environment, then `--set`.

use serde_json::Value;

use super::{error::Error, explain::Fault, written::Document};
use crate::yaml;

/// Lays `over` upon `under`: maps merge, `null` takes a key away, all else replaces.
pub(super) fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    under.remove(&key);
                } else {
                    merge(under.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// Reads `--set a.b=c` as the document that says just this.
///
/// The value is read as the key's type wants it: `engine.version=0.10` stays
/// text, `scale.replicas=2` is a number, `hardware.products=[a, b]` a list. A key
/// with dots in it is quoted: `hardware.node_selector."kubernetes.io/arch"=amd64`.
pub(super) fn read_set(set: &str) -> Result<Value, Error> {
    let refuse = |reason: String, hint: Option<String>| Error::Set {
        set: set.to_owned(),
        reason,
        hint,
    };
    let (keys, value) = split(set).ok_or_else(|| {
        refuse(
            "it is not KEY=VALUE".to_owned(),
            Some("as in `--set scale.replicas=2`".to_owned()),
        )
    })?;
    let path = std::path::Path::new("--set");
    let as_plain = is_plain(value).then(|| nested(&keys, value));
    let as_text = nested(&keys, &Value::from(value).to_string());
    for text in as_plain.iter().chain([&as_text]) {
        if let Ok(document) = yaml::parse::<Document>(path, text) {
            return to_value(&document).map_err(|reason| refuse(reason, None));
        }
    }
    let text = as_plain.as_ref().unwrap_or(&as_text);
    let fault = yaml::parse::<Value>(path, text)
        .ok()
        .as_ref()
        .and_then(Fault::find);
    Err(match fault {
        Some(fault) => match fault.planned() {
            Some(what) => Error::Unsupported { what, place: None },
            None => match fault.type_hint() {
                Some(reason) => refuse(reason, None),
                None => refuse(fault.message.clone(), fault.hint()),
            },
        },
        None => refuse("its value is not valid YAML".to_owned(), None),
    })
}

pub(super) fn to_value(document: &Document) -> Result<Value, String> {
    serde_json::to_value(document).map_err(|error| error.to_string())
}

/// Keys before the first `=` outside quotes, and the text after it.
fn split(set: &str) -> Option<(Vec<String>, &str)> {
    let (mut keys, mut key, mut quoted) = (Vec::new(), String::new(), false);
    for (at, c) in set.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => keys.push(std::mem::take(&mut key)),
            '=' if !quoted => {
                keys.push(key);
                let sound = keys.iter().all(|key| !key.is_empty());
                return sound.then(|| (keys, &set[at + 1..]));
            }
            _ => key.push(c),
        }
    }
    None
}

/// Whether a value may be read as YAML; all else is text as it stands.
fn is_plain(value: &str) -> bool {
    let mut characters = value.chars();
    let start = characters.next();
    match start {
        Some('[' | '{') => !value.contains(['\n', '\r']),
        Some(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.') => {
            !value.contains(": ")
                && !value.contains(" #")
                && !value.ends_with(':')
                && !value.contains(['\n', '\r', '\t'])
                && value != "-"
                && !value.starts_with("- ")
                && value != "null"
        }
        _ => false,
    }
}

/// `a: {b: value}` in block style; `value` is YAML already.
fn nested(keys: &[String], value: &str) -> String {
    let mut text = String::new();
    for (depth, key) in keys.iter().enumerate() {
        if depth > 0 {
            text.push('\n');
            text.push_str(&"  ".repeat(depth));
        }
        text.push_str(&Value::from(key.as_str()).to_string());
        text.push(':');
    }
    text.push(' ');
    text.push_str(value);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn maps_merge_lists_replace_and_null_removes() {
        let mut under = json!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        merge(&mut under, json!({"a": {"c": [3], "e": 4}, "d": null}));
        assert_eq!(under, json!({"a": {"b": 1, "c": [3], "e": 4}}));
    }

    #[test]
    fn a_set_takes_the_type_of_its_key() {
        for (set, expected) in [
            ("scale.replicas=2", json!({"scale": {"replicas": 2}})),
            (
                "engine.version=0.10",
                json!({"engine": {"version": "0.10"}}),
            ),
            (
                "engine.env.FLAG=on",
                json!({"engine": {"env": {"FLAG": "on"}}}),
            ),
            (
                "engine.env.FLAG=null",
                json!({"engine": {"env": {"FLAG": "null"}}}),
            ),
            ("engine.env.FLAG=", json!({"engine": {"env": {"FLAG": ""}}})),
            (
                "engine.env.FLAG=a: b # c",
                json!({"engine": {"env": {"FLAG": "a: b # c"}}}),
            ),
            (
                "engine.env.FLAG=*x",
                json!({"engine": {"env": {"FLAG": "*x"}}}),
            ),
            (
                "engine.args.max_model_len=8",
                json!({"engine": {"args": {"max_model_len": 8}}}),
            ),
            (
                "hardware.products=[A, B]",
                json!({"hardware": {"products": ["A", "B"]}}),
            ),
            ("target=local", json!({"target": "local"})),
            ("rollout.drain=1m", json!({"rollout": {"drain": "60s"}})),
            (
                "hardware.node_selector.\"a.b/c\"=d=e",
                json!({"hardware": {"node_selector": {"a.b/c": "d=e"}}}),
            ),
        ] {
            assert_eq!(read_set(set).unwrap(), expected, "{set}");
        }
    }

    #[test]
    fn a_wrong_set_says_why() {
        for (set, part) in [
            ("scale", "KEY=VALUE"),
            ("=1", "KEY=VALUE"),
            ("scale..x=1", "KEY=VALUE"),
            ("scale.replicas=two", "takes a whole number"),
            ("scale.replica=2", "unknown field"),
            ("scale.vertical=off", "not supported yet"),
            ("engine.kind=tgi", "not supported yet"),
            ("hardware.products=[A", "not valid YAML"),
        ] {
            let error = read_set(set).unwrap_err();
            assert!(error.to_string().contains(part), "{set}: {error}");
        }
    }
}
