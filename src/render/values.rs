//! What templates see: the release and the version, then each part's values under its name (pure).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    error::Error,
    part::{Context, FRAGMENTS, PARTS},
};
use crate::{
    name::VersionId,
    object::label::{MANAGED_BY, MANAGER, NAME, RELEASE, VERSION},
    spec::Spec,
};

/// Labels that are infer's own; no part of a version's id.
pub const OWN_LABELS: [&str; 4] = [NAME, MANAGED_BY, RELEASE, VERSION];

/// The values of one version. A part that the release does not have is null.
pub(super) fn values(context: &Context<'_>) -> Result<Value, Error> {
    let spec = context.spec;
    let mut values = Map::new();
    for part in PARTS {
        let of_part = if (part.wanted)(spec) {
            (part.values)(context)?
        } else {
            Value::Null
        };
        values.insert(part.namespace.to_owned(), of_part);
    }
    for fragment in FRAGMENTS {
        values.insert(fragment.namespace.to_owned(), (fragment.values)(context)?);
    }
    let common = json!({
        "name": spec.name,
        "version": context.version,
        "namespace": context.kubernetes.namespace,
        // Of objects of one version, and of objects of all.
        "labels": labels(spec, Some(context.version)),
        "shared_labels": labels(spec, None),
        "selector": selector(context),
        "engine": {
            "kind": spec.engine.kind,
            "version": spec.engine.version.as_ref().map(ToString::to_string),
            "simulated": spec.engine.kind.is_simulated(),
        },
    });
    if let Value::Object(common) = common {
        values.extend(common);
    }
    Ok(Value::Object(values))
}

fn labels(spec: &Spec, version: Option<&VersionId>) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::from([
        (NAME, spec.name.to_string()),
        (MANAGED_BY, MANAGER.to_owned()),
        (RELEASE, spec.name.to_string()),
    ]);
    if let Some(version) = version {
        labels.insert(VERSION, version.to_string());
    }
    labels
}

/// The labels of a version's pods.
pub(super) fn selector(context: &Context<'_>) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        (RELEASE, context.spec.name.to_string()),
        (VERSION, context.version.to_string()),
    ])
}
