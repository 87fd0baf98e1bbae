//! Kubernetes objects as `infer` reads and writes them, and the table of the kinds it knows.
//!
//! [`Object`] is one typed view of any object. [`KINDS`] holds of each kind where it lives in
//! the API, when it is applied, whether every cluster has it, which rights `infer`
//! needs on it and how it is checked offline. Nothing else holds such a table.

pub mod kind;
pub mod kinds;
pub mod label;
pub mod path;
mod schema;

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::{
    kind::Kind,
    kinds::{KINDS, KindRow},
};

/// Whether an object is one of its kind, as far as that can be told without a server; kinds
/// that are not in [`KINDS`] are the server's to check.
pub fn check(object: &Value) -> Result<(), String> {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    KindRow::find(text("apiVersion"), text("kind")).map_or(Ok(()), |row| (row.check)(object))
}

/// Any Kubernetes object; the fields that every kind has are read by name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Object(Value);

impl Object {
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `None` where the object leaves it to the context it is applied in.
    pub fn namespace(&self) -> Option<&str> {
        self.pointer("/metadata/namespace")?.as_str()
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.get("metadata")?.get("labels")?.get(name)?.as_str()
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.get("metadata")?
            .get("annotations")?
            .get(name)?
            .as_str()
    }

    /// Counts the changes of `spec`; 0 before the server has seen the object.
    pub fn generation(&self) -> i64 {
        let generation = self.pointer("/metadata/generation");
        generation.and_then(Value::as_i64).unwrap_or(0)
    }

    pub fn resource_version(&self) -> Option<&str> {
        self.pointer("/metadata/resourceVersion")?.as_str()
    }

    pub fn uid(&self) -> Option<&str> {
        self.pointer("/metadata/uid")?.as_str()
    }

    /// Whether a controller made it on behalf of another object, which takes it along.
    pub fn is_owned(&self) -> bool {
        let owners = self.pointer("/metadata/ownerReferences");
        owners
            .and_then(Value::as_array)
            .is_some_and(|owners| !owners.is_empty())
    }

    /// The condition of that type in `status.conditions`.
    pub fn condition(&self, name: &str) -> Option<&Value> {
        let conditions = self.pointer("/status/conditions")?.as_array()?;
        conditions
            .iter()
            .find(|condition| condition["type"] == name)
    }

    /// What tells it from all other objects of its namespace.
    pub fn identity(&self) -> (&str, &str) {
        (self.kind(), self.name())
    }

    /// `Deployment chat-v1`, for people.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }

    /// Its row of [`KINDS`]; `None` for a kind that only a user's template knows.
    pub fn row(&self) -> Option<&'static KindRow> {
        KindRow::find(self.api_version(), self.kind())
    }

    pub fn into_value(self) -> Value {
        self.0
    }

    fn text(&self, pointer: &str) -> &str {
        let value = self.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_default()
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl Deref for Object {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for Object {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_of_every_kind_are_read_by_name() {
        let object = Object::from(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "chat-v1", "generation": 3, "resourceVersion": "7", "uid": "u",
                "labels": {"a": "b"}, "annotations": {"c": "d"}, "ownerReferences": []},
            "status": {"conditions": [{"type": "Available", "status": "True"}]},
        }));
        assert_eq!(object.identity(), ("Deployment", "chat-v1"));
        assert_eq!(
            (object.label("a"), object.annotation("c")),
            (Some("b"), Some("d"))
        );
        assert_eq!(
            (object.generation(), object.resource_version()),
            (3, Some("7"))
        );
        assert_eq!(object.condition("Available").unwrap()["status"], "True");
        assert!(!object.is_owned() && object.row().is_some());
        assert_eq!(Object::default().name(), "");
    }
}
