//! Kinds of objects and the API paths they live at.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::path::segment;

/// A kind the API server serves: enough to build its paths.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Empty for the core group.
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    pub kind: Cow<'static, str>,
    pub plural: Cow<'static, str>,
    pub namespaced: bool,
}

const fn known(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Kind {
    Kind {
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        kind: Cow::Borrowed(kind),
        plural: Cow::Borrowed(plural),
        namespaced: true,
    }
}

const fn cluster_wide(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
) -> Kind {
    let mut found = known(group, version, kind, plural);
    found.namespaced = false;
    found
}

pub const NODE: Kind = cluster_wide("", "v1", "Node", "nodes");
pub const NAMESPACE: Kind = cluster_wide("", "v1", "Namespace", "namespaces");
pub const RESOURCE_QUOTA: Kind = known("", "v1", "ResourceQuota", "resourcequotas");
pub const POD: Kind = known("", "v1", "Pod", "pods");
pub const EVENT: Kind = known("", "v1", "Event", "events");
pub const CONFIG_MAP: Kind = known("", "v1", "ConfigMap", "configmaps");
pub const SECRET: Kind = known("", "v1", "Secret", "secrets");
pub const VOLUME_CLAIM: Kind = known("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims");
pub const SERVICE: Kind = known("", "v1", "Service", "services");
pub const SERVICE_ACCOUNT: Kind = known("", "v1", "ServiceAccount", "serviceaccounts");
pub const ROLE: Kind = known("rbac.authorization.k8s.io", "v1", "Role", "roles");
pub const ROLE_BINDING: Kind = known(
    "rbac.authorization.k8s.io",
    "v1",
    "RoleBinding",
    "rolebindings",
);
pub const DEPLOYMENT: Kind = known("apps", "v1", "Deployment", "deployments");
pub const JOB: Kind = known("batch", "v1", "Job", "jobs");
pub const LEASE: Kind = known("coordination.k8s.io", "v1", "Lease", "leases");
pub const DISRUPTION_BUDGET: Kind = known(
    "policy",
    "v1",
    "PodDisruptionBudget",
    "poddisruptionbudgets",
);
pub const AUTOSCALER: Kind = known(
    "autoscaling",
    "v2",
    "HorizontalPodAutoscaler",
    "horizontalpodautoscalers",
);
pub const NETWORK_POLICY: Kind = known(
    "networking.k8s.io",
    "v1",
    "NetworkPolicy",
    "networkpolicies",
);
pub const INGRESS: Kind = known("networking.k8s.io", "v1", "Ingress", "ingresses");
pub const HTTP_ROUTE: Kind = known("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes");
pub const GATEWAY: Kind = known("gateway.networking.k8s.io", "v1", "Gateway", "gateways");
pub const INFERENCE_POOL: Kind = known(
    "inference.networking.k8s.io",
    "v1",
    "InferencePool",
    "inferencepools",
);
pub const VIRTUAL_SERVICE: Kind = known(
    "networking.istio.io",
    "v1",
    "VirtualService",
    "virtualservices",
);
pub const LEADER_WORKER_SET: Kind = known(
    "leaderworkerset.x-k8s.io",
    "v1",
    "LeaderWorkerSet",
    "leaderworkersets",
);
pub const RAY_SERVICE: Kind = known("ray.io", "v1", "RayService", "rayservices");
pub const INFERENCE_SERVICE: Kind = known(
    "serving.kserve.io",
    "v1beta1",
    "InferenceService",
    "inferenceservices",
);
pub const LLM_INFERENCE_SERVICE: Kind = known(
    "serving.kserve.io",
    "v1alpha1",
    "LLMInferenceService",
    "llminferenceservices",
);
pub const SCALED_OBJECT: Kind = known("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");
pub const POD_MONITOR: Kind = known("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors");
/// Asked for, never kept: every account may.
pub const ACCESS_REVIEW: Kind = cluster_wide(
    "authorization.k8s.io",
    "v1",
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
);

impl Kind {
    /// The kind named `kind` in the server's answer to `GET /apis/<group>/<version>`.
    pub fn from_resource_list(api_version: &str, kind: &str, list: &Value) -> Option<Self> {
        let (group, version) = split_api_version(api_version);
        let resources = list.get("resources")?.as_array()?;
        resources.iter().find_map(|resource| {
            let plural = resource.get("name")?.as_str()?;
            // `deployments/scale` and `deployments/status` have kinds of their own.
            let whole = resource.get("kind")?.as_str()? == kind && !plural.contains('/');
            whole.then(|| Self {
                group: Cow::Owned(group.to_owned()),
                version: Cow::Owned(version.to_owned()),
                kind: Cow::Owned(kind.to_owned()),
                plural: Cow::Owned(plural.to_owned()),
                namespaced: resource.get("namespaced").and_then(Value::as_bool) == Some(true),
            })
        })
    }

    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The path of all objects of this kind in `namespace`.
    pub fn collection(&self, namespace: &str) -> String {
        let root = version_path(&self.api_version());
        if self.namespaced {
            format!("{root}/namespaces/{}/{}", segment(namespace), self.plural)
        } else {
            format!("{root}/{}", self.plural)
        }
    }

    /// The path of all objects of this kind in every namespace.
    pub fn everywhere(&self) -> String {
        format!("{}/{}", version_path(&self.api_version()), self.plural)
    }

    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), segment(name))
    }

    /// `Deployment team-a/chat`, as messages name an object.
    pub fn name(&self, namespace: &str, name: &str) -> String {
        if self.namespaced {
            format!("{} {namespace}/{name}", self.kind)
        } else {
            format!("{} {name}", self.kind)
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version(), self.kind)
    }
}

/// The path below which an API version lives.
pub fn version_path(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_follow_group_scope_and_name() {
        assert_eq!(
            DEPLOYMENT.object("team-a", "chat"),
            "/apis/apps/v1/namespaces/team-a/deployments/chat"
        );
        assert_eq!(POD.collection("a"), "/api/v1/namespaces/a/pods");
        assert_eq!(NODE.collection("a"), "/api/v1/nodes");
        assert_eq!(POD.everywhere(), "/api/v1/pods");
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            POD.object("a", "../nodes?x=1"),
            "/api/v1/namespaces/a/pods/..%2Fnodes%3Fx=1"
        );
    }

    #[test]
    fn discovery_finds_the_resource_and_not_its_subresources() {
        let list = json!({"resources": [
            {"name": "scaledobjects/status", "kind": "ScaledObject", "namespaced": true},
            {"name": "scaledobjects", "kind": "ScaledObject", "namespaced": true},
        ]});
        let found = Kind::from_resource_list("keda.sh/v1alpha1", "ScaledObject", &list).unwrap();
        assert_eq!(
            found.object("a", "b"),
            "/apis/keda.sh/v1alpha1/namespaces/a/scaledobjects/b"
        );
        assert_eq!(
            Kind::from_resource_list("keda.sh/v1alpha1", "X", &list),
            None
        );
    }
}
