//! Kubernetes' types, read from JSON values only: the code that reads a Pod is large, and
//! would be there once for each kind of reader.

use std::{borrow::Cow, fmt};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, core::DynamicResourceScope, runtime::watcher::Event};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;

use crate::{
    json,
    object::{Kind, Object},
};

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

    fn meta(&self) -> &ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
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

/// An object of a kind that is only known as a [`Kind`], for kube's watches.
#[derive(Clone)]
pub(super) struct Watched {
    meta: ObjectMeta,
    object: Object,
}

impl<'de> Deserialize<'de> for Watched {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let object = Value::deserialize(reader)?;
        let meta = json::read(&object["metadata"]).map_err(D::Error::custom)?;
        Ok(Self {
            meta,
            object: object.into(),
        })
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.meta.name).finish()
    }
}

impl Resource for Watched {
    type DynamicType = Kind;
    type Scope = DynamicResourceScope;

    fn kind(kind: &Kind) -> Cow<'_, str> {
        Cow::Borrowed(&kind.kind)
    }

    fn group(kind: &Kind) -> Cow<'_, str> {
        Cow::Borrowed(&kind.group)
    }

    fn version(kind: &Kind) -> Cow<'_, str> {
        Cow::Borrowed(&kind.version)
    }

    fn plural(kind: &Kind) -> Cow<'_, str> {
        Cow::Borrowed(&kind.plural)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// The object that a watch of `kind` brought. Those of its first list come without their kind.
pub(super) fn of_kind(event: Event<Watched>, kind: &Kind) -> Event<Object> {
    let named = |watched: Watched| {
        let mut object = watched.object;
        object["apiVersion"] = Value::String(kind.api_version());
        object["kind"] = Value::String(kind.kind.to_string());
        object
    };
    match event {
        Event::Apply(watched) => Event::Apply(named(watched)),
        Event::Delete(watched) => Event::Delete(named(watched)),
        Event::Init => Event::Init,
        Event::InitApply(watched) => Event::InitApply(named(watched)),
        Event::InitDone => Event::InitDone,
    }
}
