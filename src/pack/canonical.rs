//! JSON with one form only: keys sorted, no spaces, no floats, so equal values have equal digests.

use serde::Serialize;
use serde_json::Value;

/// `value` as text.
pub(super) fn text<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("documents have string keys only");
    let mut text = String::new();
    write(&value, &mut text);
    text
}

/// Sorted here, not by `serde_json`: a feature of any dependency could undo that.
fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (at, key) in keys.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_text_is_escaped() {
        let value = json!({"b": [1, {"z": null, "a": "q\"\n"}], "a": true});
        let text = text(&value);
        assert_eq!(text, r#"{"a":true,"b":[1,{"a":"q\"\n","z":null}]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
