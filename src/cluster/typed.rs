//! Kubernetes' types, read from JSON values only: the code that reads a Pod is large, and
//! would be there once for each kind of reader.

use std::{borrow::Cow, fmt};

use kube::{Resource, runtime::watcher::Event};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use crate::json;

/// An object as its type, if it is one.
pub fn read<T: DeserializeOwned>(object: &Value) -> Option<T> {
    json::read(object).ok()
}

/// A `T` for kube's watches, which bring their own reader.
#[derive(Clone)]
pub(super) struct Typed<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Typed<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(reader)?;
        json::read(&object).map(Self).map_err(D::Error::custom)
    }
}

impl<T: Resource> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&self.0.meta().name).finish()
    }
}

impl<T: Resource> Resource for Typed<T> {
    type DynamicType = T::DynamicType;
    type Scope = T::Scope;

    fn kind(kind: &T::DynamicType) -> Cow<'_, str> {
        T::kind(kind)
    }

    fn group(kind: &T::DynamicType) -> Cow<'_, str> {
        T::group(kind)
    }

    fn version(kind: &T::DynamicType) -> Cow<'_, str> {
        T::version(kind)
    }

    fn plural(kind: &T::DynamicType) -> Cow<'_, str> {
        T::plural(kind)
    }

    fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
        self.0.meta_mut()
    }
}

/// What a watch of `Typed` brought, without the wrapping.
pub(super) fn plain<T>(event: Event<Typed<T>>) -> Event<T> {
    match event {
        Event::Apply(Typed(object)) => Event::Apply(object),
        Event::Delete(Typed(object)) => Event::Delete(object),
        Event::Init => Event::Init,
        Event::InitApply(Typed(object)) => Event::InitApply(object),
        Event::InitDone => Event::InitDone,
    }
}
