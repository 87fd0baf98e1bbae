//! The table of kinds. Ordering, inventory, pruning, discovery, doctor's rights,
//! `examples/rbac.yaml` and the offline checks all come from it.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, ResourceQuota, Secret, Service, ServiceAccount},
    networking::v1::{Ingress, NetworkPolicy},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use serde_json::Value;

use super::{
    Object, kind,
    kind::Kind,
    schema::{HttpRoute, LeaderWorkerSet, VirtualService, by_server, strict},
};

/// When an object is applied: what others refer to comes first, what sends traffic comes last,
/// so that nothing is ever reachable before it can answer. Deleted in the opposite order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Tenancy,
    Identity,
    Config,
    Workload,
    Scale,
    Observe,
    Route,
}

/// Whether every cluster has a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Part of Kubernetes itself.
    Core,
    /// Installed or not: only the server's discovery tells. A 403 never means "not there".
    Extension,
}

/// What `infer` does with objects of a kind, as the API server's RBAC names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    pub verbs: &'static [&'static str],
    /// `log` of `pods/log`; empty for the objects themselves.
    pub subresource: &'static str,
    pub reach: Reach,
    /// Without it a command does not work; without another, a part of one is missing.
    pub required: bool,
    /// What it is for, in words.
    pub purpose: &'static str,
}

/// Where a right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In the release's namespace.
    Namespace,
    /// In all namespaces, and on objects that have none.
    Cluster,
}

/// One kind that `infer` reads or writes, or that a release can be made of.
#[derive(Debug)]
pub struct KindRow {
    pub kind: Kind,
    pub presence: Presence,
    pub stage: Stage,
    /// Whether a release may own such objects: they are looked for when it is pruned or deleted.
    pub in_release: bool,
    pub rights: &'static [Right],
    /// What can be told of an object without a server.
    pub check: fn(&Value) -> Result<(), String>,
}

const fn required(verbs: &'static [&'static str], purpose: &'static str) -> Right {
    Right {
        verbs,
        subresource: "",
        reach: Reach::Namespace,
        required: true,
        purpose,
    }
}

const fn optional(verbs: &'static [&'static str], purpose: &'static str) -> Right {
    let mut right = required(verbs, purpose);
    right.required = false;
    right
}

impl Right {
    const fn on(mut self, subresource: &'static str) -> Self {
        self.subresource = subresource;
        self
    }

    const fn everywhere(mut self) -> Self {
        self.reach = Reach::Cluster;
        self
    }

    /// `pods/log`.
    pub fn resource(&self, kind: &Kind) -> String {
        if self.subresource.is_empty() {
            kind.plural.to_string()
        } else {
            format!("{}/{}", kind.plural, self.subresource)
        }
    }
}

const fn core(kind: Kind, stage: Stage) -> KindRow {
    KindRow {
        kind,
        presence: Presence::Core,
        stage,
        in_release: false,
        rights: &[],
        check: by_server,
    }
}

const fn extension(kind: Kind, stage: Stage) -> KindRow {
    let mut row = core(kind, stage);
    row.presence = Presence::Extension;
    row
}

impl KindRow {
    /// A release may own such objects; `rights` are what that takes.
    const fn in_release(mut self, rights: &'static [Right]) -> Self {
        self.in_release = true;
        self.rights = rights;
        self
    }

    const fn rights(mut self, rights: &'static [Right]) -> Self {
        self.rights = rights;
        self
    }

    const fn check(mut self, check: fn(&Value) -> Result<(), String>) -> Self {
        self.check = check;
        self
    }

    pub fn find(api_version: &str, kind: &str) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|row| row.kind.kind == kind && row.kind.api_version() == api_version)
    }
}

/// Server-side apply creates and patches.
const APPLY: &[&str] = &["get", "list", "create", "patch", "delete"];
const APPLY_AND_WATCH: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];
const FOUND: &[Right] = &[optional(
    &["get", "list"],
    "find what belongs to a release when it is deleted",
)];

/// In the order to apply them.
pub static KINDS: &[KindRow] = &[
    core(kind::NAMESPACE, Stage::Tenancy),
    core(kind::NODE, Stage::Tenancy).rights(&[optional(&["list"], "count free GPUs").everywhere()]),
    core(kind::RESOURCE_QUOTA, Stage::Tenancy).check(strict::<ResourceQuota>),
    core(kind::NETWORK_POLICY, Stage::Tenancy)
        .in_release(&[required(
            &["get", "list"],
            "find what belongs to a release when it is deleted",
        )])
        .check(strict::<NetworkPolicy>),
    core(kind::SERVICE_ACCOUNT, Stage::Identity)
        .in_release(&[required(APPLY, "apply the engine's account")])
        .check(strict::<ServiceAccount>),
    core(kind::ROLE, Stage::Identity).check(strict::<Role>),
    core(kind::ROLE_BINDING, Stage::Identity).check(strict::<RoleBinding>),
    core(kind::CONFIG_MAP, Stage::Config)
        .in_release(&[required(
            &["get", "list", "create", "patch", "update", "delete"],
            "keep the release's record",
        )])
        .check(strict::<ConfigMap>),
    core(kind::SECRET, Stage::Config).check(strict::<Secret>),
    core(kind::VOLUME_CLAIM, Stage::Config).check(strict::<PersistentVolumeClaim>),
    core(kind::LEASE, Stage::Config).in_release(&[required(
        &["get", "list", "create", "patch", "update", "delete"],
        "hold the release's lock",
    )]),
    core(kind::SERVICE, Stage::Config)
        .in_release(&[required(APPLY, "apply the services and move their traffic")])
        .check(strict::<Service>),
    core(kind::DEPLOYMENT, Stage::Workload)
        .in_release(&[
            required(APPLY_AND_WATCH, "apply, follow and delete the engines"),
            required(&["patch"], "scale a version").on("scale"),
        ])
        .check(strict::<Deployment>),
    core(kind::POD, Stage::Workload).rights(&[
        required(&["get", "list", "watch"], "follow the engines' pods"),
        required(&["get"], "show an engine's log").on("log"),
        optional(
            &["get", "create"],
            "read metrics and ask for the first token without a gateway",
        )
        .on("proxy"),
        optional(&["list"], "count free GPUs").everywhere(),
    ]),
    core(kind::JOB, Stage::Workload).check(strict::<Job>),
    extension(kind::LEADER_WORKER_SET, Stage::Workload)
        .in_release(&[
            optional(
                APPLY_AND_WATCH,
                "apply, follow and delete engines of several pods",
            ),
            optional(&["patch"], "scale a version of several pods a replica").on("scale"),
        ])
        .check(strict::<LeaderWorkerSet>),
    extension(kind::RAY_SERVICE, Stage::Workload).in_release(FOUND),
    extension(kind::INFERENCE_SERVICE, Stage::Workload).in_release(FOUND),
    extension(kind::LLM_INFERENCE_SERVICE, Stage::Workload).in_release(FOUND),
    core(kind::DISRUPTION_BUDGET, Stage::Scale)
        .in_release(&[required(APPLY, "apply the disruption budget")])
        .check(strict::<PodDisruptionBudget>),
    core(kind::AUTOSCALER, Stage::Scale)
        .in_release(&[
            required(
                &["get", "list"],
                "find what belongs to a release when it is deleted",
            ),
            optional(
                &["create", "patch", "delete"],
                "apply the autoscaler, and hold its floor while a canary is open",
            ),
        ])
        .check(strict::<HorizontalPodAutoscaler>),
    extension(kind::SCALED_OBJECT, Stage::Scale).in_release(FOUND),
    core(kind::EVENT, Stage::Observe).rights(&[required(
        &["list", "watch"],
        "tell why a pod does not start",
    )]),
    extension(kind::POD_MONITOR, Stage::Observe).in_release(FOUND),
    extension(kind::INFERENCE_POOL, Stage::Route).in_release(FOUND),
    core(kind::INGRESS, Stage::Route).check(strict::<Ingress>),
    extension(kind::GATEWAY, Stage::Route).rights(&[optional(
        &["get"],
        "find where the Gateway listens",
    )
    .everywhere()]),
    extension(kind::HTTP_ROUTE, Stage::Route)
        .in_release(&[optional(APPLY, "shift traffic at a Gateway")])
        .check(strict::<HttpRoute>),
    extension(kind::VIRTUAL_SERVICE, Stage::Route)
        .in_release(&[optional(APPLY, "shift traffic in Istio")])
        .check(strict::<VirtualService>),
];

/// The object's place in the order to apply a release in; a kind that only a user's template
/// knows comes after the workloads and before what sends traffic.
pub fn rank(object: &Object) -> (Stage, usize) {
    let (api_version, kind) = (object.api_version(), object.kind());
    let at = KINDS
        .iter()
        .position(|row| row.kind.kind == kind && row.kind.api_version() == api_version);
    at.map_or((Stage::Observe, KINDS.len()), |at| (KINDS[at].stage, at))
}

/// Sorts for deleting: what sends traffic first, what others refer to last.
pub fn sort_for_delete(objects: &mut [Object]) {
    objects.sort_by_key(rank);
    objects.reverse();
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rows_stand_in_the_order_of_their_stages_and_once_each() {
        let stages: Vec<_> = KINDS.iter().map(|row| row.stage).collect();
        assert!(stages.is_sorted(), "{stages:?}");
        for (at, row) in KINDS.iter().enumerate() {
            let again = KINDS[at + 1..].iter().any(|other| other.kind == row.kind);
            assert!(!again, "{} is there twice", row.kind);
        }
    }

    #[test]
    fn what_a_release_may_own_can_be_listed() {
        for row in KINDS.iter().filter(|row| row.in_release) {
            let lists = |right: &&Right| {
                right.subresource.is_empty()
                    && right.reach == Reach::Namespace
                    && right.verbs.contains(&"list")
            };
            let listed = row.rights.iter().find(lists).unwrap();
            let core = row.presence == Presence::Core;
            assert_eq!(listed.required, core, "{}", row.kind);
        }
    }

    #[test]
    fn kinds_are_found_by_their_exact_version() {
        assert!(KindRow::find("apps/v1", "Deployment").is_some());
        assert!(KindRow::find("apps/v1beta1", "Deployment").is_none());
    }

    #[test]
    fn routes_are_deleted_first_and_accounts_last() {
        let mut objects: Vec<_> = [
            ("v1", "Service"),
            ("example.com/v1", "Thing"),
            ("gateway.networking.k8s.io/v1", "HTTPRoute"),
            ("apps/v1", "Deployment"),
            ("v1", "ServiceAccount"),
        ]
        .map(|(api_version, kind)| Object::from(json!({"apiVersion": api_version, "kind": kind})))
        .into();
        sort_for_delete(&mut objects);
        let kinds: Vec<_> = objects.iter().map(Object::kind).collect();
        assert_eq!(
            kinds,
            [
                "HTTPRoute",
                "Thing",
                "Deployment",
                "Service",
                "ServiceAccount"
            ]
        );
    }
}
