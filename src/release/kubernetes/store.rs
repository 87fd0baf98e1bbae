//! Where a release on a cluster keeps its record: ConfigMap `infer-<name>`, and one
//! `infer-<name>-r<N>` a revision with what brings it up again.
//!
//! References only: an object that `infer` renders names Secrets and holds none.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cluster::{
        self, Cluster,
        apply::{Apply, apply, create, replace},
        inventory::{delete, of_release},
    },
    name::{ReleaseName, VersionId},
    object::{
        Object,
        kind::CONFIG_MAP,
        label::{MANAGED_BY, MANAGER, RELEASE},
    },
    release::{Error, record::Record},
    spec::Surge,
};

const RECORD: &str = "record.json";
const SPEC: &str = "spec.json";

/// What it takes to bring a version up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RevisionSpec {
    /// The version's own objects, as they were rendered.
    pub objects: Vec<Object>,
    pub served_model: String,
    pub startup_s: u64,
    pub drain_s: u64,
    /// Where its replicas find room.
    #[serde(default)]
    pub surge: Surge,
}

/// The record as it was read, and which state of its ConfigMap that was.
#[derive(Debug, Clone, Default)]
pub(super) struct Stored {
    pub(super) record: Record,
    pub(super) resource_version: Option<String>,
}

fn record_name(release: &ReleaseName) -> String {
    format!("infer-{release}")
}

fn spec_name(release: &ReleaseName, revision: u32) -> String {
    format!("infer-{release}-r{revision}")
}

/// The record of a release; an empty one where there is none.
pub(super) async fn read(cluster: &Cluster, release: &ReleaseName) -> Result<Stored, Error> {
    let Some(found) = cluster.get(&CONFIG_MAP, &record_name(release)).await? else {
        return Ok(Stored::default());
    };
    Ok(Stored {
        record: data(&found, RECORD)?,
        resource_version: found.resource_version().map(ToOwned::to_owned),
    })
}

/// Writes the record over the state that was read, and says which state it is now. A write
/// whose answer was lost is recognised by what it wrote.
pub(super) async fn write(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &Record,
    over: Option<&str>,
) -> Result<Option<String>, Error> {
    let name = record_name(release);
    let mut object = config_map(release, &name, RECORD, record);
    let written = if let Some(over) = over {
        object["metadata"]["resourceVersion"] = json!(over);
        replace(cluster, &CONFIG_MAP, &name, &object).await
    } else {
        create(cluster, &CONFIG_MAP, &name, &object).await
    };
    let resource_version = |object: &Object| object.resource_version().map(ToOwned::to_owned);
    match written {
        Ok(written) => Ok(resource_version(&written)),
        Err(error) if error.is_transient() || matches!(error, cluster::Error::Changed { .. }) => {
            match cluster.get(&CONFIG_MAP, &name).await {
                Ok(Some(now)) if data::<Record>(&now, RECORD).ok().as_ref() == Some(record) => {
                    Ok(resource_version(&now))
                }
                _ => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Keeps what brings a revision up again.
pub(super) async fn keep(
    cluster: &Cluster,
    release: &ReleaseName,
    revision: u32,
    spec: &RevisionSpec,
) -> Result<(), Error> {
    let name = spec_name(release, revision);
    let object = config_map(release, &name, SPEC, spec);
    apply(cluster, &object, Apply::Keep).await?;
    Ok(())
}

/// What brings `version` up again; `None` where it is gone.
pub(super) async fn spec(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &Record,
    version: &VersionId,
) -> Result<Option<RevisionSpec>, Error> {
    let Some(known) = record.find(version) else {
        return Ok(None);
    };
    let name = spec_name(release, known.revision);
    let found = cluster.get(&CONFIG_MAP, &name).await?;
    found.map(|found| data(&found, SPEC)).transpose()
}

/// The specs that are kept of revisions which the record does not have.
pub(super) async fn orphans(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &Record,
) -> Result<Vec<Object>, Error> {
    let mut maps = cluster.list(&CONFIG_MAP, &of_release(release)).await?;
    let prefix = spec_name(release, 0);
    let prefix = prefix.trim_end_matches('0').to_owned();
    maps.retain(|map| {
        let revision = map.name().strip_prefix(&prefix);
        let revision: Option<u32> = revision.and_then(|number| number.parse().ok());
        revision.is_some_and(|number| {
            let mut known = record.revisions.iter();
            known.all(|known| known.revision != number)
        })
    });
    Ok(maps)
}

/// Deletes the specs of revisions that the record no longer has.
pub(super) async fn prune(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &Record,
) -> Result<(), Error> {
    for map in orphans(cluster, release, record).await? {
        delete(cluster, &map).await?;
    }
    Ok(())
}

fn config_map(release: &ReleaseName, name: &str, key: &str, value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).unwrap_or_default();
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {MANAGED_BY: MANAGER, RELEASE: release}},
        "data": {key: text},
    })
}

fn data<T: DeserializeOwned>(map: &Object, key: &str) -> Result<T, Error> {
    let text = map.get("data").and_then(|data| data.get(key));
    let text = text.and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str(text).map_err(|source| {
        Error::Cluster(cluster::Error::Malformed {
            act: format!("read ConfigMap {}", map.name()),
            source,
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::release::record::Entry;

    #[test]
    fn a_record_comes_back_from_its_config_map_as_it_went_in() {
        let chat = "chat".parse().unwrap();
        let mut record = Record::default();
        let entry = Entry {
            version: "v3c1f2a90b".parse().unwrap(),
            image: "r/m@sha256:1".to_owned(),
            simulated: false,
            replicas: 2,
        };
        record.candidate(&entry, Timestamp::UNIX_EPOCH);
        let map = Object::from(config_map(&chat, "infer-chat", RECORD, &record));
        assert_eq!(data::<Record>(&map, RECORD).unwrap(), record);
        assert_eq!(map.label(RELEASE), Some("chat"));
    }

    #[test]
    fn a_record_that_cannot_be_read_is_an_error_and_not_an_empty_record() {
        let map = json!({"metadata": {"name": "infer-chat"}, "data": {RECORD: "{"}});
        let error = data::<Record>(&map.into(), RECORD).unwrap_err();
        assert!(error.to_string().contains("infer-chat"), "{error}");
    }
}
