//! Server-side apply as field manager `infer`, and the other writes.

use http::Method;
use serde_json::Value;

use crate::object::{Kind, Object, path::query};

use super::{
    Cluster, Error, conflict,
    conflict::FieldConflict,
    diff,
    diff::ObjectDiff,
    request::{APPLY, JSON, JSON_PATCH, MERGE_PATCH, Repeat, Request},
};

/// The manager that owns the fields `infer` applies.
pub const FIELD_MANAGER: &str = "infer";

/// Whether an apply is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apply {
    /// The server answers with the result and keeps nothing.
    DryRun,
    Keep,
}

/// Applies one object and returns what the server made of it. Fields that
/// another manager owns are never taken: they are named in the error.
pub async fn apply(cluster: &Cluster, object: &Value, mode: Apply) -> Result<Object, Error> {
    match send(cluster, object, mode, Force::No).await {
        // Our own earlier create, patch or scale: another operation counts as another manager.
        Err(Error::FieldConflicts { conflicts, .. }) if all_ours(&conflicts) => {
            send(cluster, object, mode, Force::OwnFields).await
        }
        applied => applied,
    }
}

fn all_ours(conflicts: &[FieldConflict]) -> bool {
    conflicts
        .iter()
        .all(|conflict| conflict.manager == FIELD_MANAGER)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    No,
    /// Only after the server has named `infer` as every conflicting field's manager.
    OwnFields,
}

async fn send(
    cluster: &Cluster,
    object: &Value,
    mode: Apply,
    force: Force,
) -> Result<Object, Error> {
    let (kind, name) = identify(cluster, object).await?;
    let shown = kind.name(&cluster.namespace, &name);
    let act = match mode {
        Apply::DryRun => format!("check {shown}"),
        Apply::Keep => format!("apply {shown}"),
    };
    let request = Request::send(
        act,
        Method::PATCH,
        format!(
            "{}{}",
            kind.object(&cluster.namespace, &name),
            apply_query(mode, force)
        ),
        APPLY,
        object,
    );
    let applied = cluster.call(&request).await.map(Object::from);
    applied.map_err(|error| match error {
        Error::Refused { act, status } => {
            let conflicts = conflict::of_status(&status);
            if conflicts.is_empty() {
                Error::Refused { act, status }
            } else {
                Error::FieldConflicts {
                    object: shown,
                    conflicts,
                }
            }
        }
        error => error,
    })
}

fn apply_query(mode: Apply, force: Force) -> String {
    let mut pairs = vec![
        ("fieldManager", FIELD_MANAGER),
        ("fieldValidation", "Strict"),
    ];
    if mode == Apply::DryRun {
        pairs.push(("dryRun", "All"));
    }
    if force == Force::OwnFields {
        pairs.push(("force", "true"));
    }
    query(&pairs)
}

/// What applying the objects would change. Objects whose namespace or definition
/// is not there yet come back as the server's error.
pub async fn plan(cluster: &Cluster, objects: &[Object]) -> Result<Vec<ObjectDiff>, Error> {
    let mut diffs = Vec::with_capacity(objects.len());
    for wanted in objects {
        let (kind, name) = identify(cluster, wanted).await?;
        let live = cluster.get(&kind, &name).await?;
        let dry_run = apply(cluster, wanted, Apply::DryRun).await?;
        let shown = format!("{} {name}", kind.kind);
        diffs.push(diff::object(&shown, live.as_deref(), &dry_run));
    }
    Ok(diffs)
}

/// Kind and name of an object that is to be sent; refuses one of another namespace.
async fn identify(cluster: &Cluster, object: &Value) -> Result<(Kind, String), Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let missing = |field| Error::Incomplete {
        object: "an object".to_owned(),
        field,
    };
    let api_version = text("/apiVersion").ok_or_else(|| missing("apiVersion"))?;
    let kind = text("/kind").ok_or_else(|| missing("kind"))?;
    let name = text("/metadata/name").ok_or_else(|| missing("metadata.name"))?;
    let kind = cluster.kind(api_version, kind).await?;
    match text("/metadata/namespace") {
        Some(other) if kind.namespaced && other != cluster.namespace => Err(Error::NotOurs {
            object: kind.name(other, name),
        }),
        _ => Ok((kind, name.to_owned())),
    }
}

/// Changes one object by JSON Patch; its `test` operations are the preconditions.
/// [`Error::Changed`] where one of them fails.
pub async fn json_patch(
    cluster: &Cluster,
    kind: &Kind,
    name: &str,
    patch: &Value,
) -> Result<Object, Error> {
    let shown = kind.name(&cluster.namespace, name);
    let uri = kind.object(&cluster.namespace, name);
    let request = Request::send(
        format!("change {shown}"),
        Method::PATCH,
        format!(
            "{uri}{}",
            query(&[
                ("fieldManager", FIELD_MANAGER),
                ("fieldValidation", "Strict")
            ])
        ),
        JSON_PATCH,
        patch,
    );
    let patched = cluster.call(&request).await.map(Object::from);
    patched.map_err(|error| match error {
        Error::Refused { status, .. }
            if status.is_conflict() || is_failed_test(&status.message) =>
        {
            Error::Changed { object: shown }
        }
        error => error,
    })
}

/// The server's message for a JSON Patch that cannot be applied (422). It does not name the
/// operation: a failed `test` and a path that is not there read alike, while a patched object
/// that is not valid is named with its field.
fn is_failed_test(message: &str) -> bool {
    message.starts_with("the server rejected our request due to an error in our request")
}

/// Sets the number of replicas through the `scale` subresource, of any kind that has one: the
/// field's owner is then the subresource, and an apply does not take it back.
pub async fn scale(cluster: &Cluster, kind: &Kind, name: &str, replicas: u32) -> Result<(), Error> {
    let act = format!(
        "scale {} to {replicas}",
        kind.name(&cluster.namespace, name)
    );
    let uri = format!("{}/scale", kind.object(&cluster.namespace, name));
    let body = serde_json::json!({"spec": {"replicas": replicas}});
    merge(cluster, act, &uri, &body).await.map(drop)
}

/// Changes the fields of an object that the patch names, whatever they were before.
pub async fn merge_patch(
    cluster: &Cluster,
    kind: &Kind,
    name: &str,
    patch: &Value,
) -> Result<Object, Error> {
    let act = format!("change {}", kind.name(&cluster.namespace, name));
    let uri = kind.object(&cluster.namespace, name);
    merge(cluster, act, &uri, patch).await.map(Object::from)
}

async fn merge(cluster: &Cluster, act: String, uri: &str, patch: &Value) -> Result<Value, Error> {
    let request = Request::send(
        act,
        Method::PATCH,
        format!("{uri}{}", query(&[("fieldManager", FIELD_MANAGER)])),
        MERGE_PATCH,
        patch,
    );
    // The same fields set twice are set once.
    let repeat = Repeat::Safe;
    cluster.call(&Request { repeat, ..request }).await
}

/// Replaces an object as it was read; [`Error::Changed`] where it is no longer that.
pub async fn replace(
    cluster: &Cluster,
    kind: &Kind,
    name: &str,
    object: &Value,
) -> Result<Object, Error> {
    let uri = kind.object(&cluster.namespace, name);
    write(
        cluster,
        ("replace", Method::PUT, uri),
        kind.name(&cluster.namespace, name),
        object,
    )
    .await
}

/// Creates an object; [`Error::Changed`] where one of that name exists.
pub async fn create(
    cluster: &Cluster,
    kind: &Kind,
    name: &str,
    object: &Value,
) -> Result<Object, Error> {
    let uri = kind.collection(&cluster.namespace);
    write(
        cluster,
        ("create", Method::POST, uri),
        kind.name(&cluster.namespace, name),
        object,
    )
    .await
}

/// Sends a whole object, which is refused where it is not as the caller believes.
async fn write(
    cluster: &Cluster,
    (act, method, uri): (&str, Method, String),
    shown: String,
    object: &Value,
) -> Result<Object, Error> {
    let request = Request::send(
        format!("{act} {shown}"),
        method,
        format!("{uri}{}", query(&[("fieldManager", FIELD_MANAGER)])),
        JSON,
        object,
    );
    cluster
        .call(&request)
        .await
        .map(Object::from)
        .map_err(|error| changed(error, shown))
}

fn changed(error: Error, object: String) -> Error {
    match error {
        Error::Refused { status, .. } if status.code == 409 => Error::Changed { object },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_apply_is_strict_and_forces_only_its_own_fields() {
        assert_eq!(
            apply_query(Apply::DryRun, Force::No),
            "?fieldManager=infer&fieldValidation=Strict&dryRun=All"
        );
        assert!(!apply_query(Apply::Keep, Force::No).contains("force"));
        let conflict = |manager: &str| FieldConflict {
            field: ".spec.replicas".to_owned(),
            manager: manager.to_owned(),
        };
        assert!(all_ours(&[conflict("infer")]));
        assert!(!all_ours(&[conflict("infer"), conflict("kubectl")]));
    }

    #[test]
    fn a_failed_test_is_told_from_an_invalid_object() {
        // Byte for byte what kube-apiserver answers.
        assert!(is_failed_test(
            "the server rejected our request due to an error in our request"
        ));
        assert!(!is_failed_test(
            "HTTPRoute is invalid: spec.rules[0].backendRefs[0].weight: Invalid value"
        ));
    }
}
