//! The split on Istio's `VirtualService`.
//!
//! A Service for each version is its destination, never a subset of a `DestinationRule`: a subset
//! that is missing is a 503. It has no status, so whether proxies follow it is seen by probes.

use serde_json::{Map, Value, json};

use super::{
    Capabilities, Endpoint, Refused, Route, SplitError, VERSION_HEADER, VersionHeader,
    WEIGHT_HEADER,
    rules::{self, Grammar},
};
use crate::{
    header_match::HeaderMatch,
    name::ReleaseName,
    object::{Kind, Object, kind},
    traffic::{Change, Split},
};

static KIND: Kind = kind::VIRTUAL_SERVICE;

/// The route `<name>` of a release in a mesh.
#[derive(Debug)]
pub(super) struct VirtualService;

impl Grammar for VirtualService {
    const RULES: &'static str = "http";
    const BACKENDS: &'static str = "route";
    const SERVICE: &'static str = "/destination/host";
    const MATCHES: &'static str = "match";
    const RULES_MAX: usize = usize::MAX;
    const FIRST_MATCH_WINS: bool = true;

    /// `chat-v1`, or `chat-v1.<namespace>.svc.cluster.local` and what is between the two.
    fn service<'a>(backend: &'a Value, namespace: Option<&str>) -> Option<&'a str> {
        let destination = backend.get("destination")?;
        let host = destination.get("host")?.as_str()?;
        let mut labels = host.split('.');
        let service = labels.next()?;
        let elsewhere = labels
            .next()
            .is_some_and(|label| namespace.is_some_and(|namespace| namespace != label));
        (!elsewhere && destination.get("subset").is_none()).then_some(service)
    }

    fn share(backend: &Value, is_alone: bool) -> u64 {
        // A single destination has everything, whatever its weight.
        let alone = is_alone.then_some(100);
        alone
            .or(backend.get("weight").and_then(Value::as_u64))
            .unwrap_or(0)
    }

    fn backend(like: &Value, service: &str, share: u64, headers: &[(&str, String)]) -> Value {
        let mut backend = object_or_empty(like);
        let host = like.pointer(Self::SERVICE).and_then(Value::as_str);
        let domain = host.and_then(|host| host.split_once('.'));
        let host = domain.map_or_else(
            || service.to_owned(),
            |(_, domain)| format!("{service}.{domain}"),
        );
        backend["destination"]["host"] = json!(host);
        backend["weight"] = json!(share);
        set_headers(&mut backend, headers);
        backend
    }

    fn asks_for(condition: &Value, name: &str, value: Option<&str>) -> bool {
        let headers = condition.get("headers").and_then(Value::as_object);
        headers.into_iter().flatten().any(|(header, wanted)| {
            let exact = wanted.get("exact").and_then(Value::as_str);
            header.eq_ignore_ascii_case(name) && value.is_none_or(|value| exact == Some(value))
        })
    }

    fn ask(condition: &mut Value, name: &str, value: &str) {
        condition["headers"][name] = json!({"exact": value});
    }

    fn every_request() -> Value {
        json!({})
    }

    /// Istio retries twice by default, which sends a prompt again; what the rule says itself
    /// stays. It cuts no stream unless a timeout is written, and refuses one of 0.
    fn keep_streams(rule: &mut Value) {
        if let Some(fields) = rule.as_object_mut() {
            let retries = fields.entry("retries");
            retries.or_insert_with(|| json!({"attempts": 0}));
        }
    }
}

/// Sets our headers of responses and takes those out that are not set any more.
fn set_headers(backend: &mut Value, headers: &[(&str, String)]) {
    let written = backend.pointer("/headers/response/set");
    let mut set = written
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    set.retain(|name, _| {
        ![VERSION_HEADER, WEIGHT_HEADER]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own))
    });
    set.extend(
        headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    if !set.is_empty() {
        backend["headers"]["response"]["set"] = Value::Object(set);
    } else if let Some(fields) = backend.as_object_mut() {
        take_out(fields, &["headers", "response", "set"]);
    }
}

/// Removes the field at `path`, and what is empty without it.
fn take_out(fields: &mut Map<String, Value>, path: &[&str]) {
    let [name, rest @ ..] = path else {
        return;
    };
    if let Some(inner) = fields.get_mut(*name).and_then(Value::as_object_mut) {
        take_out(inner, rest);
        if !rest.is_empty() && !inner.is_empty() {
            return;
        }
    }
    fields.remove(*name);
}

fn object_or_empty(value: &Value) -> Value {
    if value.is_object() {
        value.clone()
    } else {
        json!({})
    }
}

impl Route for VirtualService {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    fn can(&self) -> Capabilities {
        Capabilities {
            weights: true,
            header_match: true,
            pins: true,
            mirror: true,
            names_version: true,
            has_status: false,
            gateway: true,
        }
    }

    fn split(&self, object: &Object, release: &ReleaseName) -> Result<Split, SplitError> {
        rules::split::<Self>(object, release)
    }

    fn patch(
        &self,
        object: &Object,
        release: &ReleaseName,
        change: &Change,
        header: VersionHeader,
    ) -> Result<Value, Refused> {
        rules::patch::<Self>(object, release, change, header)
    }

    fn restore(&self, written: &Object, before: &Object) -> Result<Value, Refused> {
        rules::restore::<Self>(written, before)
    }

    /// Its gateways are Deployments behind Services of any name, and none of them says its
    /// address here: `traffic.endpoint` does.
    fn endpoint(&self, _: &Object, _: &[Object], _: &str) -> Option<Endpoint> {
        None
    }

    fn host(&self, object: &Object, _gateways: &[Object]) -> Option<String> {
        let hosts = object.pointer("/spec/hosts").and_then(Value::as_array);
        let mut hosts = hosts.into_iter().flatten().filter_map(Value::as_str);
        hosts
            .find(|host| !host.starts_with('*'))
            .map(ToOwned::to_owned)
    }

    fn without_split(&self, object: &Object) -> Object {
        rules::without(object, Self::RULES)
    }

    fn admits(
        &self,
        object: &Object,
        release: &ReleaseName,
        matches: &HeaderMatch,
    ) -> Result<(), Refused> {
        rules::admits::<Self>(object, release, matches)
    }

    fn split_fields(&self) -> &'static [&'static str] {
        &["spec", Self::RULES]
    }
}
