//! Which kinds a cluster serves, from its discovery.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::{Cluster, Error, request::Request};
use crate::object::{Kind, KindRow, kind::version_path, kinds::Presence, path::segment};

/// What discovery has answered so far.
#[derive(Default)]
pub(super) struct Discovered {
    apis: OnceCell<BTreeSet<String>>,
    kinds: Mutex<HashMap<(String, String), Kind>>,
}

impl Cluster {
    /// The kind of an object, from the table of kinds or the server's discovery.
    pub async fn kind(&self, api_version: &str, kind: &str) -> Result<Kind, Error> {
        match KindRow::find(api_version, kind) {
            Some(row) if row.presence == Presence::Core => Ok(row.kind.clone()),
            _ => {
                let found = self.discover(api_version, kind).await?;
                found.ok_or_else(|| Error::KindUnknown {
                    api_version: api_version.to_owned(),
                    kind: kind.to_owned(),
                })
            }
        }
    }

    /// Whether the cluster has the kind. Only discovery tells: a list answers 404 or 403 for
    /// other reasons too.
    pub async fn serves(&self, kind: &Kind) -> Result<bool, Error> {
        let api_version = kind.api_version();
        let row = KindRow::find(&api_version, &kind.kind);
        if row.is_some_and(|row| row.presence == Presence::Core) {
            return Ok(true);
        }
        if !self.group_versions().await?.contains(&api_version) {
            return Ok(false);
        }
        Ok(self.discover(&api_version, &kind.kind).await?.is_some())
    }

    /// The API groups that the cluster serves, with their versions: `apps/v1`. Read once.
    pub async fn group_versions(&self) -> Result<&BTreeSet<String>, Error> {
        let read = || async {
            let request = Request::get("list API groups", "/apis");
            Ok(group_versions(&self.call(&request).await?))
        };
        self.discovered.apis.get_or_try_init(read).await
    }

    /// The kind as the server describes it; `None` where it does not have it.
    async fn discover(&self, api_version: &str, kind: &str) -> Result<Option<Kind>, Error> {
        let key = (api_version.to_owned(), kind.to_owned());
        let cached = self
            .discovered
            .kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if cached.is_some() {
            return Ok(cached);
        }
        let path: Vec<_> = api_version.split('/').map(segment).collect();
        let request = Request::get(
            format!("discover {api_version} {kind}"),
            version_path(&path.join("/")),
        );
        let list = match self.call(&request).await {
            Err(error) if error.is_not_found() => return Ok(None),
            list => list?,
        };
        let found = Kind::from_resource_list(api_version, kind, &list);
        if let Some(found) = &found {
            let mut kinds = self
                .discovered
                .kinds
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            kinds.insert(key, found.clone());
        }
        Ok(found)
    }
}

/// The group versions in the answer to `GET /apis`.
fn group_versions(groups: &Value) -> BTreeSet<String> {
    let groups = groups.get("groups").and_then(Value::as_array);
    let versions = groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("versions")?.as_array());
    versions
        .flatten()
        .filter_map(|version| version.get("groupVersion")?.as_str())
        .map(str::to_owned)
        .collect()
}
