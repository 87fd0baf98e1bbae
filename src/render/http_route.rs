//! HTTPRoute (Gateway API v1), as far as its shape is checked offline.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

/// Makes types whose fields are only looked at for being known and of their type.
macro_rules! shapes {
    ($($name:ident { $($key:ident: $kind:ty,)* })*) => {$(
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[expect(dead_code, reason = "read to check the shape only")]
        pub(super) struct $name { $($key: $kind,)* }
    )*};
}

shapes! {
    HttpRoute { api_version: String, kind: String, metadata: ObjectMeta, spec: Spec, status: Option<Value>, }
    Spec {
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
