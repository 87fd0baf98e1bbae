//! Without a gateway: the stable Service sends everything to one version.
//!
//! A Service cannot split by weight, so only a move of all traffic is possible;
//! a candidate is recorded beside it and compared by probes.

use serde_json::{Value, json};

use super::{
    Change, Error, Split,
    http_route::{JOURNAL, RUN, SPLIT, split_record},
};
use crate::{
    cluster::{self, Cluster, apply::json_patch, inventory::VERSION, kind::SERVICE},
    name::ReleaseName,
    object::Object,
    weight::Weight,
};

/// Times a write is tried again where only the status moved.
const ATTEMPTS: u32 = 5;

/// The Service `<name>` of a release.
#[derive(Clone)]
pub struct StableService {
    cluster: Cluster,
    release: ReleaseName,
    endpoint: String,
}

impl StableService {
    pub async fn new(cluster: Cluster, release: ReleaseName) -> Result<Self, Error> {
        let mut service = Self {
            cluster,
            release,
            endpoint: String::new(),
        };
        let object = service.object().await?;
        service.endpoint = endpoint(&object, &service.cluster.namespace);
        Ok(service)
    }

    /// The name inside the cluster; from outside, requests go through `pods/proxy`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn name(&self) -> String {
        SERVICE.name(&self.cluster.namespace, self.release.as_str())
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub async fn read(&self) -> Result<Split, Error> {
        let object = self.object().await?;
        self.split(&object)
    }

    /// Moves everything to `change.live`; a share for a candidate is refused.
    pub async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        if change.weight != Weight::ZERO || change.matches.is_some() {
            return Err(self.whole());
        }
        for _ in 0..ATTEMPTS {
            let object = self.object().await?;
            let now = self.split(&object)?;
            if !now.says_the_same(read) {
                return Err(self.conflict());
            }
            if let Some(run) = now.run().filter(|run| *run != change.run) {
                return Err(Error::Conflict {
                    object: self.name(),
                    who: format!("canary run {run}"),
                });
            }
            let patch = patch(&object, change);
            match json_patch(&self.cluster, &SERVICE, self.release.as_str(), &patch).await {
                Ok(written) => return self.split(&written),
                Err(cluster::Error::Changed { .. }) => {}
                Err(error) => return Err(self.failed("write", error)),
            }
        }
        Err(self.conflict())
    }

    /// Why no part of the requests can be sent elsewhere.
    pub(super) fn whole(&self) -> Error {
        Error::Unsupported {
            object: self.name(),
            reason: "a Service has no weights; a split needs `traffic.gateway`".to_owned(),
        }
    }

    async fn object(&self) -> Result<Object, Error> {
        match self.cluster.get(&SERVICE, self.release.as_str()).await {
            Ok(Some(service)) => Ok(service),
            Ok(None) => Err(Error::NothingLive {
                object: self.name(),
            }),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn split(&self, service: &Value) -> Result<Split, Error> {
        let selected = service
            .pointer("/spec/selector")
            .and_then(|selector| selector.get(VERSION));
        let live = selected
            .and_then(Value::as_str)
            .and_then(|version| version.parse().ok());
        let live = live.ok_or_else(|| Error::NothingLive {
            object: self.name(),
        })?;
        let text = |name: &str| -> Option<Value> {
            let value = service
                .pointer("/metadata/annotations")?
                .get(name)?
                .as_str()?;
            serde_json::from_str(value).ok()
        };
        let candidate =
            text(SPLIT).and_then(|record| record.get("candidate")?.as_str()?.parse().ok());
        let revision = service
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        Ok(Split {
            live,
            candidate,
            weight: Weight::ZERO,
            matches: None,
            token: revision.unwrap_or_default().to_owned(),
            journal: text(JOURNAL),
            writer: None,
        })
    }

    fn conflict(&self) -> Error {
        Error::Conflict {
            object: self.name(),
            who: "somebody else".to_owned(),
        }
    }

    fn failed(&self, act: &'static str, error: cluster::Error) -> Error {
        Error::Transport {
            act,
            object: self.name(),
            source: Box::new(error),
        }
    }
}

impl std::fmt::Debug for StableService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StableService")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

fn endpoint(service: &Value, namespace: &str) -> String {
    let name = service
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let port = service
        .pointer("/spec/ports/0/port")
        .and_then(Value::as_u64)
        .unwrap_or(80);
    format!("http://{name}.{namespace}.svc:{port}")
}

/// The merge of selector and annotations, for the very object that was read: a
/// Service has no generation to test.
fn patch(service: &Value, change: &Change) -> Value {
    let mut operations = vec![json!({
        "op": "test", "path": "/metadata/resourceVersion",
        "value": service.pointer("/metadata/resourceVersion"),
    })];
    if service.pointer("/metadata/annotations").is_none() {
        operations.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    let path = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
    let selector = format!("/spec/selector/{}", VERSION.replace('/', "~1"));
    operations.push(json!({"op": "add", "path": selector, "value": change.live}));
    let run = if change.journal.is_some() {
        change.run.as_str()
    } else {
        ""
    };
    operations.push(json!({"op": "add", "path": path(RUN), "value": run}));
    let record = split_record(change);
    operations.push(json!({"op": "add", "path": path(SPLIT), "value": record}));
    let there = service
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(JOURNAL))
        .is_some();
    match &change.journal {
        Some(journal) => operations
            .push(json!({"op": "add", "path": path(JOURNAL), "value": journal.to_string()})),
        None if there => operations.push(json!({"op": "remove", "path": path(JOURNAL)})),
        None => {}
    }
    Value::Array(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_one_write_on_the_object_that_was_read() {
        let service = json!({"metadata": {"resourceVersion": "7", "annotations": {JOURNAL: "{}"}}});
        let change = Change::all_to(&"v7aa01c44e".parse().unwrap(), "r-1");
        let patch = patch(&service, &change);
        assert_eq!(
            patch[0],
            json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"})
        );
        assert_eq!(
            patch[1],
            json!({"op": "add", "path": "/spec/selector/infer.dev~1version", "value": "v7aa01c44e"})
        );
        let last = patch.as_array().unwrap().last().unwrap();
        assert_eq!(
            *last,
            json!({"op": "remove", "path": "/metadata/annotations/infer.dev~1canary"})
        );
    }

    #[test]
    fn the_endpoint_is_the_name_inside_the_cluster() {
        let service = json!({"metadata": {"name": "chat"}, "spec": {"ports": [{"port": 8000}]}});
        assert_eq!(endpoint(&service, "team-a"), "http://chat.team-a.svc:8000");
    }
}
