//! What a release on a cluster has been: ConfigMap `infer-<name>` with its history,
//! and one `infer-<name>-r<N>` a revision with what brings it up again.
//!
//! References only: an object that `infer` renders names Secrets and holds none.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    cluster::{
        self, Cluster,
        apply::{create, replace},
        inventory::{MANAGED_BY, MANAGER, RELEASE, delete, of_release},
        kind::CONFIG_MAP,
    },
    name::{ReleaseName, VersionId},
    release::{Error, history::History},
    spec::Surge,
};

const HISTORY: &str = "history.json";
const RECIPE: &str = "recipe.json";

/// What it takes to bring a version up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recipe {
    /// The version's own objects, as they were rendered.
    pub(super) objects: Vec<Value>,
    pub(super) served_model: String,
    pub(super) startup_s: u64,
    pub(super) drain_s: u64,
    /// Where its replicas find room. Records of before it was kept: beside live.
    #[serde(default)]
    pub(super) surge: Surge,
}

/// The history as it was read, and what to replace it by.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) history: History<()>,
    /// The ConfigMap's own, for a write that knows what it replaces.
    revision: Option<String>,
}

fn record_name(release: &ReleaseName) -> String {
    format!("infer-{release}")
}

fn recipe_name(release: &ReleaseName, revision: u32) -> String {
    format!("infer-{release}-r{revision}")
}

/// The record of a release; an empty one where there is none.
pub(super) async fn read(cluster: &Cluster, release: &ReleaseName) -> Result<Record, Error> {
    let Some(found) = cluster.get(&CONFIG_MAP, &record_name(release)).await? else {
        return Ok(Record::default());
    };
    let revision = found
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str);
    Ok(Record {
        history: data(&found, HISTORY)?,
        revision: revision.map(ToOwned::to_owned),
    })
}

/// Writes the history on top of what was read.
pub(super) async fn write(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &mut Record,
) -> Result<(), Error> {
    let name = record_name(release);
    let mut object = config_map(release, &name, HISTORY, &record.history);
    let written = if let Some(revision) = &record.revision {
        object["metadata"]["resourceVersion"] = json!(revision);
        replace(cluster, &CONFIG_MAP, &name, &object).await?
    } else {
        create(cluster, &CONFIG_MAP, &name, &object).await?
    };
    let revision = written
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str);
    record.revision = revision.map(ToOwned::to_owned);
    Ok(())
}

/// Keeps what brings a revision up again.
pub(super) async fn keep(
    cluster: &Cluster,
    release: &ReleaseName,
    revision: u32,
    recipe: &Recipe,
) -> Result<(), Error> {
    let name = recipe_name(release, revision);
    let object = config_map(release, &name, RECIPE, recipe);
    cluster::apply::apply(cluster, &object, cluster::apply::Apply::Keep).await?;
    Ok(())
}

/// What brings a revision up again; `None` where it is gone.
pub(super) async fn recipe(
    cluster: &Cluster,
    release: &ReleaseName,
    revision: u32,
) -> Result<Option<Recipe>, Error> {
    let found = cluster
        .get(&CONFIG_MAP, &recipe_name(release, revision))
        .await?;
    found.map(|found| data(&found, RECIPE)).transpose()
}

/// What brings `version` up again; `None` where its revision is gone.
pub(super) async fn recipe_of(
    cluster: &Cluster,
    release: &ReleaseName,
    record: &Record,
    version: &VersionId,
) -> Result<Option<Recipe>, Error> {
    match record.history.find(version) {
        Some(known) => recipe(cluster, release, known.revision).await,
        None => Ok(None),
    }
}

/// Deletes recipes of revisions that the history no longer has.
pub(super) async fn prune(
    cluster: &Cluster,
    release: &ReleaseName,
    history: &History<()>,
) -> Result<(), Error> {
    let maps = cluster.list(&CONFIG_MAP, &of_release(release)).await?;
    for mut map in maps {
        let name = map
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let prefix = format!("infer-{release}-r");
        let revision: Option<u32> = name
            .strip_prefix(&prefix)
            .and_then(|number| number.parse().ok());
        let Some(revision) = revision else { continue };
        if history
            .revisions
            .iter()
            .all(|known| known.revision != revision)
        {
            map["apiVersion"] = json!("v1");
            map["kind"] = json!("ConfigMap");
            delete(cluster, &map).await?;
        }
    }
    Ok(())
}

fn config_map(release: &ReleaseName, name: &str, key: &str, value: &impl Serialize) -> Value {
    let text = serde_json::to_string(value).expect("our own types are JSON");
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {MANAGED_BY: MANAGER, RELEASE: release}},
        "data": {key: text},
    })
}

fn data<T: serde::de::DeserializeOwned>(map: &Value, key: &str) -> Result<T, Error> {
    let text = map
        .get("data")
        .and_then(|data| data.get(key))
        .and_then(Value::as_str);
    let name = map
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    serde_json::from_str(text.unwrap_or_default()).map_err(|source| {
        Error::Cluster(cluster::Error::Malformed {
            act: format!("read ConfigMap {name}"),
            source,
        })
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::release::history::Entry;

    #[test]
    fn a_history_comes_back_from_its_config_map_as_it_went_in() {
        let chat = "chat".parse().unwrap();
        let mut history = History::<()>::default();
        let version = "v3c1f2a90b".parse().unwrap();
        history.candidate(
            Entry {
                version,
                image: "r/m@sha256:1".to_owned(),
                simulated: false,
                engine: (),
            },
            Timestamp::UNIX_EPOCH,
        );
        let map = config_map(&chat, "infer-chat", HISTORY, &history);
        assert_eq!(data::<History<()>>(&map, HISTORY).unwrap(), history);
        assert_eq!(map["metadata"]["labels"][RELEASE], "chat");
    }

    #[test]
    fn a_record_that_somebody_broke_is_an_error_and_no_empty_history() {
        let map = json!({"metadata": {"name": "infer-chat"}, "data": {HISTORY: "{"}});
        assert!(
            data::<History<()>>(&map, HISTORY)
                .unwrap_err()
                .to_string()
                .contains("infer-chat")
        );
    }
}
