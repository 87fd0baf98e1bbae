//! What runs the engines of a version: the seam between `infer` and the kinds that make pods
//! (pure, but for [`list`]).
//!
//! A row of [`WORKLOADS`] is everything that deploy, status, drain, the canary and the
//! diagnosis need to know of such a kind. One version has one workload.

mod deployment;
mod leader_worker_set;
mod list;

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

pub use self::list::list;
use super::pod_needs::PodNeeds;
use crate::{
    name::{ReleaseName, VersionId},
    object::{Kind, Object},
};

/// Every kind that can run a version.
pub static WORKLOADS: &[&dyn Workload] =
    &[&deployment::Deployment, &leader_worker_set::LeaderWorkerSet];

/// One kind of object that makes the pods of a version.
pub trait Workload: Sync {
    fn kind(&self) -> &'static Kind;

    /// The pod templates, each with the number of its pods in one replica.
    fn pods_of_replica<'a>(&self, object: &'a Object) -> Vec<(&'a Value, u32)>;

    /// Replicas that the object asks for.
    fn replicas(&self, object: &Object) -> u32;

    fn set_replicas(&self, object: &mut Object, replicas: u32);

    /// What its controller reports about it.
    fn standing(&self, object: &Object) -> Standing;

    /// Selector of the pods of a version that answer requests.
    fn answering(&self, release: &ReleaseName, version: &VersionId) -> String;

    /// Kinds of the objects that create its pods: their events tell why a pod was not created.
    fn pod_creators(&self) -> &'static [&'static str];

    fn pods_per_replica(&self, object: &Object) -> u32 {
        let pods = self.pods_of_replica(object).into_iter();
        pods.map(|(_, count)| count).sum()
    }
}

impl fmt::Debug for dyn Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workload({})", self.kind())
    }
}

/// How far a workload is, as its own controller reports it; counted in replicas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// The controller has seen the newest spec: the other fields are about it.
    pub observed: bool,
    pub wanted: u32,
    /// Replicas of the newest spec.
    pub updated: u32,
    /// Replicas that are ready.
    pub ready: u32,
    /// All replicas there are, those of an older spec included.
    pub total: u32,
    /// The controller has stopped waiting for the newest spec.
    pub gave_up: Option<GaveUp>,
}

/// A controller's report that it no longer expects a rollout to finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GaveUp {
    pub reason: String,
    /// When it reported so: tells a new report from an old one about the same spec.
    pub at: String,
}

impl Standing {
    /// As `kubectl rollout status` decides it: the newest spec is seen, every replica is of
    /// it and ready, and none of an older one is left.
    pub fn is_done(&self) -> bool {
        self.observed
            && self.updated == self.wanted
            && self.ready == self.wanted
            && self.total == self.wanted
    }
}

/// The row of the object's kind; `None` where the object is not a workload.
pub fn find(object: &Object) -> Option<&'static dyn Workload> {
    let row = WORKLOADS.iter().find(|row| {
        row.kind().kind == object.kind() && row.kind().api_version() == object.api_version()
    });
    row.copied()
}

/// The one workload among the objects of a version.
pub fn of(objects: &[Object]) -> Option<(&'static dyn Workload, &Object)> {
    let mut found = objects
        .iter()
        .filter_map(|object| Some((find(object)?, object)));
    found.next()
}

/// The object with that many replicas; unchanged where it is not a workload.
pub fn scaled(object: &Object, replicas: u32) -> Object {
    let mut object = object.clone();
    if let Some(workload) = find(&object) {
        workload.set_replicas(&mut object, replicas);
    }
    object
}

/// What the pods of one replica need of their nodes, with the number of such pods.
pub fn needs(workload: &dyn Workload, object: &Object) -> Vec<(PodNeeds, u32)> {
    let pods = workload.pods_of_replica(object).into_iter();
    pods.filter_map(|(template, count)| Some((PodNeeds::of_template(template)?, count)))
        .collect()
}

/// GPUs of one replica, all its pods together: resource and number.
pub fn gpus_each(workload: &dyn Workload, object: &Object) -> Option<(String, u64)> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for (needs, pods) in needs(workload, object) {
        if let Some(resource) = needs.gpu_resource {
            *sums.entry(resource).or_default() += needs.gpus * u64::from(pods);
        }
    }
    sums.into_iter().find(|(_, count)| *count > 0)
}

/// A count in an object's spec or status; `None` where it is not written.
fn count(object: &Object, pointer: &str) -> Option<u32> {
    let number = object.pointer(pointer)?.as_u64()?;
    u32::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_is_found_by_kind_and_group() {
        let object = |api_version: &str, kind: &str| {
            Object::from(json!({"apiVersion": api_version, "kind": kind, "spec": {"replicas": 2}}))
        };
        let service = object("v1", "Service");
        let deployment = object("apps/v1", "Deployment");
        assert!(find(&service).is_none());
        assert!(find(&object("example.com/v1", "Deployment")).is_none());
        let objects = [service.clone(), deployment.clone()];
        let (workload, found) = of(&objects).unwrap();
        assert_eq!((workload.replicas(found), found), (2, &deployment));
        assert_eq!(workload.replicas(&scaled(&deployment, 5)), 5);
        assert_eq!(scaled(&service, 5), service);
    }

    #[test]
    fn every_workload_has_a_row_of_its_kind() {
        for workload in WORKLOADS {
            let kind = workload.kind();
            let row = crate::object::KindRow::find(&kind.api_version(), &kind.kind);
            assert!(row.is_some_and(|row| row.in_release), "{kind}");
        }
    }
}
