//! What belongs to a release: found by labels, and never anything else touched.

use serde_json::Value;

use super::{
    Cluster, Error,
    request::{JSON, Request},
};
use crate::{
    name::{ReleaseName, VersionId},
    object::{KINDS, Kind, Object, kind::CONFIG_MAP, kinds::sort_for_delete},
};

pub use crate::object::label::{MANAGED_BY, MANAGER, RELEASE, VERSION};

/// Selector of all objects of a release.
pub fn of_release(name: &ReleaseName) -> String {
    format!("{MANAGED_BY}={MANAGER},{RELEASE}={name}")
}

/// Selector of the objects of one of its versions.
pub fn of_version(name: &ReleaseName, version: &VersionId) -> String {
    format!("{},{VERSION}={version}", of_release(name))
}

/// Selector of everything `infer` manages in a namespace.
pub fn of_infer() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

/// Whether the object's labels name the release and `infer` as its manager.
pub fn is_ours(object: &Value, release: &ReleaseName) -> bool {
    label(object, MANAGED_BY) == Some(MANAGER) && label(object, RELEASE) == Some(release.as_str())
}

pub fn label<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// An object by what tells it from all others of the namespace.
fn identity(object: &Value) -> (&str, &str) {
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    (kind, name)
}

/// What is to go: live objects of the release that `wanted` no longer has and
/// `keep` does not speak for. Objects without our labels never appear.
pub fn to_prune(
    release: &ReleaseName,
    live: &[Object],
    wanted: &[Object],
    keep: impl Fn(&Object) -> bool,
) -> Vec<Object> {
    let mut gone: Vec<_> = live
        .iter()
        .filter(|object| is_ours(object, release))
        // Made by a controller on behalf of another object, which takes it along.
        .filter(|object| object.pointer("/metadata/ownerReferences").is_none())
        .filter(|object| {
            !wanted
                .iter()
                .any(|other| other.identity() == object.identity())
        })
        .filter(|object| !keep(object))
        .cloned()
        .collect();
    sort_for_delete(&mut gone);
    gone
}

/// Every object of the release in this namespace, with `apiVersion` and `kind` set.
pub async fn find(cluster: &Cluster, release: &ReleaseName) -> Result<Vec<Object>, Error> {
    let mut found = Vec::new();
    let selector = of_release(release);
    for row in KINDS.iter().filter(|row| row.in_release) {
        found.extend(list_served(cluster, &row.kind, &selector).await?);
    }
    Ok(found)
}

/// The objects of a kind that may not be installed. A 403 is an error and never an empty list.
pub async fn list_served(
    cluster: &Cluster,
    kind: &Kind,
    selector: &str,
) -> Result<Vec<Object>, Error> {
    if cluster.serves(kind).await? {
        cluster.list(kind, selector).await
    } else {
        Ok(Vec::new())
    }
}

/// Deletes one object of ours, and only the very one that was seen; already gone is fine.
pub async fn delete(cluster: &Cluster, object: &Value) -> Result<(), Error> {
    let (kind_name, name) = identity(object);
    let api_version = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let kind = cluster.kind(api_version, kind_name).await?;
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    let shown = kind.name(&cluster.namespace, name);
    let Some(uid) = uid else {
        return Err(Error::Incomplete {
            object: shown,
            field: "metadata.uid",
        });
    };
    let options = serde_json::json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "propagationPolicy": "Background", "preconditions": {"uid": uid},
    });
    let request = Request::send(
        format!("delete {shown}"),
        http::Method::DELETE,
        kind.object(&cluster.namespace, name),
        JSON,
        &options,
    );
    match cluster.call(&request).await {
        Err(error) if error.is_not_found() => Ok(()),
        // Another object has taken the name: not the one that was to go.
        Err(Error::Refused { status, .. }) if status.is_conflict() => {
            Err(Error::Changed { object: shown })
        }
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// Names of all releases in the namespace, from their records.
pub async fn releases(cluster: &Cluster) -> Result<Vec<ReleaseName>, Error> {
    let records = cluster.list(&CONFIG_MAP, &of_infer()).await?;
    let mut names: Vec<ReleaseName> = records
        .iter()
        .filter_map(|record| label(record, RELEASE)?.parse().ok())
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(kind: &str, name: &str, labels: &Value) -> Object {
        let api_version = match kind {
            "Service" => "v1",
            "Deployment" => "apps/v1",
            _ => "gateway.networking.k8s.io/v1",
        };
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": labels, "uid": name}}).into()
    }

    fn ours() -> Value {
        json!({MANAGED_BY: MANAGER, RELEASE: "chat"})
    }

    #[test]
    fn prune_never_touches_what_is_not_ours() {
        let chat = "chat".parse().unwrap();
        let live = [
            object("Service", "chat-old", &ours()),
            object("HTTPRoute", "chat-old", &ours()),
            object("Service", "chat", &ours()),
            object(
                "Service",
                "theirs",
                &json!({"app.kubernetes.io/managed-by": "Helm"}),
            ),
            object(
                "Service",
                "other",
                &json!({MANAGED_BY: MANAGER, RELEASE: "other"}),
            ),
            object("Service", "bare", &json!({})),
        ];
        let gone = to_prune(
            &chat,
            &live,
            &[object("Service", "chat", &json!({}))],
            |_| false,
        );
        let names: Vec<_> = gone.iter().map(Object::identity).collect();
        assert_eq!(names, [("HTTPRoute", "chat-old"), ("Service", "chat-old")]);
    }

    #[test]
    fn prune_leaves_what_is_kept_and_what_a_controller_owns() {
        let chat = "chat".parse().unwrap();
        let mut owned = object("Service", "made-by-a-controller", &ours());
        owned["metadata"]["ownerReferences"] = json!([{"kind": "LeaderWorkerSet"}]);
        let live = [owned, object("Deployment", "chat-v1", &ours())];
        let gone = to_prune(&chat, &live, &[], |object| object.kind() == "Deployment");
        assert_eq!(gone, Vec::<Object>::new());
    }

    #[test]
    fn selectors_name_manager_release_and_version() {
        let chat = "chat".parse().unwrap();
        assert_eq!(
            of_version(&chat, &"v3c1f2a90b".parse().unwrap()),
            "app.kubernetes.io/managed-by=infer,infer.dev/release=chat,infer.dev/version=v3c1f2a90b"
        );
    }
}
