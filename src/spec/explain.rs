//! From a parser's error to what the writer should do: the nearest key, or that
//! a key of the design is not there yet.

use std::path::Path;

use serde_json::Value;

use super::{error::Error, written::Document};
use crate::{json, yaml};

/// Keys of the design that this version refuses, so that they are not mistaken for keys that work.
const PLANNED_KEYS: [&str; 19] = [
    "edge",
    "gates.budget",
    "gates.quality",
    "hardware.allocate",
    "hardware.choose",
    "hardware.nodes",
    "model.mount",
    "model.registry",
    "observe.alerts",
    "observe.dashboard",
    "observe.labels",
    "observe.prometheus",
    "observe.traces",
    "scale.vertical",
    "tenancy",
    "traffic.match",
    "traffic.versions",
    "rollout.blue_green",
    "rollout.steps",
];

/// Words of the design that this version refuses, with the key they stand at.
const PLANNED_WORDS: [(&str, &[&str]); 6] = [
    ("engine.kind", &["tgi", "triton"]),
    (
        "target.kubernetes.as",
        &["rayservice", "kserve", "kserve-llm"],
    ),
    (
        "traffic.via",
        &["inference-pool", "ingress", "traefik", "kserve"],
    ),
    ("observe.metrics", &["pod-monitor", "service-monitor"]),
    ("scale.horizontal.by", &["keda"]),
    ("hardware.share", &["mps", "time-slice", "hami"]),
];

/// A key or word that could not be read, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Dotted path of what holds the wrong key, or of the wrong value.
    pub(super) path: String,
    pub(super) message: String,
}

impl Fault {
    /// What the typed reader says about a value; `None` where it is content.
    pub(super) fn find(value: &Value) -> Option<Self> {
        let error = json::read::<Document>(value).err()?;
        Some(Self {
            path: error.path,
            message: error.reason,
        })
    }

    /// The key or `key: word` of the design that is not there yet.
    pub(super) fn planned(&self) -> Option<String> {
        if let Some(key) = quoted_after(&self.message, "unknown field `") {
            let full = self.full_key(key);
            let path = without_environment(&full);
            return PLANNED_KEYS.contains(&path).then(|| path.to_owned());
        }
        let word = quoted_after(&self.message, "unknown variant `")?;
        let path = without_environment(&self.path);
        let (_, words) = PLANNED_WORDS.iter().find(|(key, _)| *key == path)?;
        words.contains(&word).then(|| format!("{path}: {word}"))
    }

    /// `did you mean …`, or what would do.
    pub(super) fn hint(&self) -> Option<String> {
        let wrong = quoted_after(&self.message, "unknown field `")
            .or_else(|| quoted_after(&self.message, "unknown variant `"));
        let Some(wrong) = wrong else {
            return self.type_hint();
        };
        let (_, expected) = self.message.split_once("expected ")?;
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        nearest(wrong, &known).map_or_else(
            || (!known.is_empty()).then(|| format!("use {}", known.join(", "))),
            |near| Some(format!("did you mean `{near}`?")),
        )
    }

    /// Which key has a value of the wrong type.
    pub(super) fn type_hint(&self) -> Option<String> {
        let (found, expected) = self
            .message
            .strip_prefix("invalid type: ")
            .or_else(|| self.message.strip_prefix("invalid value: "))?
            .split_once(", expected ")?;
        let expected = match expected {
            "u16" => "a whole number from 0 to 65535",
            "u32" | "u64" | "usize" => "a whole number, 0 or more",
            "f64" => "a number",
            "a string" => "text",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            "a map" => "keys with values",
            text if text.starts_with("struct ") => "keys of its own",
            text => text,
        };
        // A list where keys are wanted is read by position.
        if self.path.starts_with('[') {
            return Some("the file takes keys with values, not a list".to_owned());
        }
        let key = match self.path.as_str() {
            "" => "the file".to_owned(),
            path => format!("`{path}`"),
        };
        Some(format!("{key} takes {expected}, not {found}"))
    }

    /// serde names the holder of an unknown key, or the key itself.
    fn full_key(&self, key: &str) -> String {
        let path = &self.path;
        if path.is_empty() {
            key.to_owned()
        } else if path == key || path.ends_with(&format!(".{key}")) {
            path.clone()
        } else {
            format!("{path}.{key}")
        }
    }
}

/// The error for text that is not a valid `infer.yaml`.
pub(super) fn explain(path: &Path, text: &str, place: yaml::Error) -> Error {
    let fault = yaml::parse::<Value>(path, text)
        .ok()
        .as_ref()
        .and_then(Fault::find);
    if let Some(what) = fault.as_ref().and_then(Fault::planned) {
        return Error::Unsupported {
            what,
            place: Some(place),
        };
    }
    let hint = fault.as_ref().and_then(Fault::hint);
    Error::Written { place, hint }
}

fn without_environment(path: &str) -> &str {
    path.strip_prefix("environments.")
        .and_then(|rest| rest.split_once('.'))
        .map_or(path, |(_, key)| key)
}

fn quoted_after<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    let at = message.find(start)? + start.len();
    message[at..].split('`').next()
}

/// The known word that is a slip of the finger away.
fn nearest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(wrong, word), *word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
        .min()
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(value: &Value) -> Fault {
        Fault::find(value).unwrap()
    }

    #[test]
    fn a_misspelt_key_gets_the_nearest_one() {
        let hint = |value: Value| fault(&value).hint().unwrap();
        assert_eq!(hint(json!({"modle": {}})), "did you mean `model`?");
        assert_eq!(
            hint(json!({"engine": {"imgae": "x"}})),
            "did you mean `image`?"
        );
        assert_eq!(
            hint(json!({"engine": {"kind": "vlm"}})),
            "did you mean `vllm`?"
        );
        assert_eq!(
            hint(json!({"target": "kubernets"})),
            "did you mean `kubernetes`?"
        );
        assert_eq!(
            hint(json!({"scale": {"zzz": 1}})),
            "use replicas, horizontal"
        );
    }

    #[test]
    fn a_wrong_type_is_told_by_its_key() {
        let hint = |value: Value| fault(&value).hint().unwrap();
        for (value, told) in [
            (
                json!({"scale": {"replicas": "many"}}),
                "`scale.replicas` takes a whole number, 0 or more, not string \"many\"",
            ),
            (
                json!({"engine": "sim"}),
                "`engine` takes keys of its own, not string \"sim\"",
            ),
            (json!(["a"]), "the file takes keys with values, not a list"),
        ] {
            assert_eq!(hint(value), told);
        }
    }

    #[test]
    fn what_the_design_promises_later_is_named_as_such() {
        let planned = |value: Value| fault(&value).planned();
        for (value, what) in [
            (json!({"scale": {"vertical": "off"}}), "scale.vertical"),
            (json!({"tenancy": {}}), "tenancy"),
            (json!({"engine": {"kind": "tgi"}}), "engine.kind: tgi"),
            (
                json!({"target": {"kubernetes": {"as": "kserve"}}}),
                "target.kubernetes.as: kserve",
            ),
            (
                json!({"environments": {"prod": {"hardware": {"share": "mps"}}}}),
                "hardware.share: mps",
            ),
        ] {
            assert_eq!(planned(value).as_deref(), Some(what));
        }
        assert_eq!(planned(json!({"scale": {"verticle": 1}})), None);
    }
}
