//! Where a release runs: `local`, `kubernetes`, or `{kubernetes: {…}}`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
};

/// Where a release runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Target {
    /// On this machine, without a cluster.
    #[default]
    Local,
    Kubernetes(Kubernetes),
}

impl Target {
    /// The name in results: `local` or `kubernetes`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kubernetes(_) => "kubernetes",
        }
    }
}

/// Which cluster and namespace, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Kubernetes {
    /// The workload that serves the model: `deployment` (the default), or `lws`, a
    /// `LeaderWorkerSet`, for replicas that span several machines.
    #[serde(rename = "as")]
    pub workload: Workload,
    /// Context of the kubeconfig; the current one if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Namespace; the context's if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// The kind of workload that serves the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Workload {
    #[default]
    #[serde(rename = "deployment")]
    Deployment,
    #[serde(rename = "lws")]
    LeaderWorkerSet,
}

const NAMES: [&str; 2] = ["local", "kubernetes"];

/// The long form, `{kubernetes: {…}}`.
#[derive(Serialize)]
struct Long<'a> {
    kubernetes: &'a Kubernetes,
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Local => serializer.serialize_str("local"),
            Self::Kubernetes(kubernetes) => Long { kubernetes }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TargetVisitor)
    }
}

struct TargetVisitor;

impl<'de> Visitor<'de> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`local`, `kubernetes` or `{kubernetes: {…}}`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
        match text {
            "local" => Ok(Target::Local),
            "kubernetes" => Ok(Target::Kubernetes(Kubernetes::default())),
            other => Err(E::unknown_variant(other, &NAMES)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target, A::Error> {
        let mut target = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "kubernetes" {
                return Err(de::Error::unknown_field(&key, &["kubernetes"]));
            }
            target = Some(Target::Kubernetes(map.next_value()?));
        }
        target.ok_or_else(|| de::Error::missing_field("kubernetes"))
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kubernetes = generator.subschema_for::<Kubernetes>();
        json_schema!({
            "description": "Where it runs.",
            "oneOf": [
                {"type": "string", "enum": NAMES},
                {
                    "type": "object",
                    "properties": {"kubernetes": kubernetes},
                    "required": ["kubernetes"],
                    "additionalProperties": false,
                },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Target, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn the_short_and_the_long_form_say_the_same() {
        assert_eq!(read(json!("local")).unwrap(), Target::Local);
        let short = read(json!("kubernetes")).unwrap();
        assert_eq!(short, read(json!({"kubernetes": {}})).unwrap());
        assert_eq!(read(serde_json::to_value(&short).unwrap()).unwrap(), short);
    }

    #[test]
    fn other_words_and_empty_maps_are_refused() {
        for value in [json!("cloud"), json!({}), json!({"local": {}}), json!(1)] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
