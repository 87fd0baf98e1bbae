//! Whether an object is one of its kind: types, and no field that the kind does not have.
//! The API server would drop such a field in silence. Pure.

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PodTemplateSpec},
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::json;

/// Reads the object as a `T` that has a place for each of its fields.
pub(super) fn strict<T: DeserializeOwned>(object: &Value) -> Result<(), String> {
    let (_, unread) = json::read_noting::<T>(object).map_err(|error| error.to_string())?;
    if unread.is_empty() {
        Ok(())
    } else {
        Err(format!("it has no field {}", unread.join(", ")))
    }
}

/// For kinds that only the server checks.
#[expect(
    clippy::unnecessary_wraps,
    reason = "one signature for every kind's check"
)]
pub(super) fn by_server(_: &Value) -> Result<(), String> {
    Ok(())
}

/// Makes types whose fields are only looked at for being known and of their type.
macro_rules! shapes {
    ($($name:ident { $($(#[$attribute:meta])* $key:ident: $kind:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[expect(dead_code, reason = "read to check the shape only")]
        pub(super) struct $name { $($(#[$attribute])* $key: $kind,)* }
    )*};
}

// HTTPRoute (Gateway API v1).
shapes! {
    HttpRoute {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: HttpRouteSpec,
        status: Option<Value>,
    }
    HttpRouteSpec {
        parent_refs: Option<Vec<ParentRef>>,
        hostnames: Option<Vec<String>>,
        rules: Option<Vec<Rule>>,
        use_default_gateways: Option<String>,
    }
    ParentRef {
        group: Option<String>,
        kind: Option<String>,
        namespace: Option<String>,
        name: String,
        section_name: Option<String>,
        port: Option<u16>,
    }
    Rule {
        name: Option<String>,
        matches: Option<Vec<Match>>,
        filters: Option<Vec<Filter>>,
        backend_refs: Option<Vec<BackendRef>>,
        timeouts: Option<Timeouts>,
        retry: Option<Value>,
        session_persistence: Option<Value>,
    }
    Match {
        path: Option<Value>,
        headers: Option<Vec<Value>>,
        query_params: Option<Vec<Value>>,
        method: Option<String>,
    }
    BackendRef {
        group: Option<String>,
        kind: Option<String>,
        name: String,
        namespace: Option<String>,
        port: Option<u16>,
        weight: Option<u32>,
        filters: Option<Vec<Filter>>,
    }
    Filter {
        r#type: String,
        request_header_modifier: Option<Value>,
        response_header_modifier: Option<Value>,
        request_mirror: Option<Value>,
        request_redirect: Option<Value>,
        url_rewrite: Option<Value>,
        cors: Option<Value>,
        external_auth: Option<Value>,
        extension_ref: Option<Value>,
    }
    Timeouts { request: Option<String>, backend_request: Option<String>, }
}

// VirtualService (networking.istio.io/v1).
shapes! {
    VirtualService {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: VirtualServiceSpec,
        status: Option<Value>,
    }
    VirtualServiceSpec {
        hosts: Option<Vec<String>>,
        gateways: Option<Vec<String>>,
        http: Option<Vec<HttpRule>>,
        tls: Option<Vec<Value>>,
        tcp: Option<Vec<Value>>,
        export_to: Option<Vec<String>>,
    }
    HttpRule {
        name: Option<String>,
        r#match: Option<Vec<HttpMatch>>,
        route: Option<Vec<WeightedDestination>>,
        redirect: Option<Value>,
        direct_response: Option<Value>,
        delegate: Option<Value>,
        rewrite: Option<Value>,
        timeout: Option<String>,
        retries: Option<Retries>,
        fault: Option<Value>,
        mirror: Option<Destination>,
        mirrors: Option<Vec<Mirror>>,
        #[serde(alias = "mirror_percent")]
        mirror_percent: Option<u32>,
        mirror_percentage: Option<Percentage>,
        cors_policy: Option<Value>,
        headers: Option<HeaderChanges>,
    }
    HttpMatch {
        name: Option<String>,
        uri: Option<Value>,
        scheme: Option<Value>,
        method: Option<Value>,
        authority: Option<Value>,
        headers: Option<Value>,
        without_headers: Option<Value>,
        query_params: Option<Value>,
        ignore_uri_case: Option<bool>,
        port: Option<u16>,
        gateways: Option<Vec<String>>,
        source_labels: Option<Value>,
        source_namespace: Option<String>,
        stat_prefix: Option<String>,
    }
    WeightedDestination {
        destination: Destination,
        weight: Option<u32>,
        headers: Option<HeaderChanges>,
    }
    Destination { host: String, subset: Option<String>, port: Option<PortNumber>, }
    PortNumber { number: Option<u16>, }
    Mirror { destination: Destination, percentage: Option<Percentage>, }
    Percentage { value: Option<f64>, }
    HeaderChanges { request: Option<HeaderChange>, response: Option<HeaderChange>, }
    HeaderChange { set: Option<Value>, add: Option<Value>, remove: Option<Vec<String>>, }
    Retries {
        attempts: Option<u32>,
        per_try_timeout: Option<String>,
        retry_on: Option<String>,
        retry_remote_localities: Option<bool>,
        retry_ignore_previous_hosts: Option<bool>,
        backoff: Option<String>,
    }
}

// LeaderWorkerSet (leaderworkerset.x-k8s.io/v1).
shapes! {
    LeaderWorkerSet {
        api_version: String,
        kind: String,
        metadata: ObjectMeta,
        spec: LeaderWorkerSetSpec,
        status: Option<Value>,
    }
    LeaderWorkerSetSpec {
        replicas: Option<u32>,
        leader_worker_template: LeaderWorkerTemplate,
        rollout_strategy: Option<RolloutStrategy>,
        startup_policy: Option<String>,
        network_config: Option<NetworkConfig>,
    }
    LeaderWorkerTemplate {
        leader_template: Option<PodTemplateSpec>,
        worker_template: PodTemplateSpec,
        size: Option<u32>,
        restart_policy: Option<String>,
        sub_group_policy: Option<SubGroupPolicy>,
        volume_claim_templates: Option<Vec<PersistentVolumeClaim>>,
        persistent_volume_claim_retention_policy: Option<Value>,
    }
    SubGroupPolicy {
        sub_group_policy_type: Option<String>,
        sub_group_size: Option<u32>,
    }
    RolloutStrategy {
        r#type: Option<String>,
        rolling_update_configuration: Option<RollingUpdate>,
    }
    RollingUpdate {
        max_unavailable: Option<IntOrString>,
        max_surge: Option<IntOrString>,
        partition: Option<u32>,
    }
    NetworkConfig { subdomain_policy: Option<String>, }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::object::check;

    #[test]
    fn a_misspelt_field_is_named_by_its_path() {
        let pod = json!({"spec": {"containers": [{"name": "a", "readinesProbe": {}}]}});
        let cases = [
            (
                json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"},
                    "spec": {"selector": {}, "template": pod}}),
                "spec.template.spec.containers[0].readinesProbe",
            ),
            (
                json!({"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
                    "metadata": {"name": "x"}, "spec": {"leaderWorkerTemplate": {"workerTemplate": pod}}}),
                "spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].readinesProbe",
            ),
            (
                json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                    "metadata": {"name": "x"}, "spec": {"http": [{"retries": {"atempts": 0}}]}}),
                "spec.http[0].retries.atempts",
            ),
            (
                json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                    "metadata": {"name": "x"}, "spec": {"maxReplicas": 3, "minReplica": 1,
                    "scaleTargetRef": {"kind": "Deployment", "name": "x"}}}),
                "spec.minReplica",
            ),
        ];
        for (object, path) in cases {
            let reason = check(&object).unwrap_err();
            assert!(reason.ends_with(path), "{reason}");
        }
    }

    #[test]
    fn a_wrong_type_is_named_by_its_path() {
        let object = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"},
            "spec": {"ports": [{"port": "http"}]},
        });
        let reason = check(&object).unwrap_err();
        assert!(reason.starts_with("spec.ports[0].port:"), "{reason}");
    }

    #[test]
    fn sound_objects_pass() {
        let pod =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a"}]}});
        for object in [
            json!({"apiVersion": "x/v1", "kind": "Thing", "a": 1}),
            json!({"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
                "metadata": {"name": "x"}, "spec": {"replicas": 1, "startupPolicy": "LeaderCreated",
                "networkConfig": {"subdomainPolicy": "UniquePerReplica"},
                "rolloutStrategy": {"type": "RollingUpdate",
                    "rollingUpdateConfiguration": {"maxSurge": 0, "maxUnavailable": "100%"}},
                "leaderWorkerTemplate": {"size": 2, "restartPolicy": "RecreateGroupOnPodRestart",
                    "leaderTemplate": pod, "workerTemplate": pod}}}),
            json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
                "metadata": {"name": "x"}, "spec": {"hosts": ["x"], "gateways": ["mesh"], "http": [{
                "name": "split", "match": [{"headers": {"a": {"exact": "b"}}}],
                "route": [{"destination": {"host": "x", "port": {"number": 80}}, "weight": 100,
                    "headers": {"response": {"set": {"a": "b"}}}}],
                "retries": {"attempts": 0},
                "mirrors": [{"destination": {"host": "y"}, "percentage": {"value": 10}}]}]}}),
        ] {
            assert_eq!(check(&object), Ok(()), "{object}");
        }
    }
}
