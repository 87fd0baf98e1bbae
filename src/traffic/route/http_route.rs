//! The split on Gateway API's `HTTPRoute`.

use serde_json::{Value, json};

use super::{
    Acceptance, Capabilities, Endpoint, Parent, Refused, Route, SplitError, VERSION_HEADER,
    VersionHeader, WEIGHT_HEADER,
    rules::{self, Grammar},
};
use crate::{
    header_match::HeaderMatch,
    name::ReleaseName,
    object::{Kind, Object, kind},
    traffic::{Change, Split},
};

static KIND: Kind = kind::HTTP_ROUTE;
static GATEWAY: Kind = kind::GATEWAY;

/// The route `<name>` of a release behind a Gateway.
#[derive(Debug)]
pub(super) struct HttpRoute;

impl Grammar for HttpRoute {
    const RULES: &'static str = "rules";
    const BACKENDS: &'static str = "backendRefs";
    const SERVICE: &'static str = "/name";
    const MATCHES: &'static str = "matches";
    /// Gateway API v1, `HTTPRouteSpec.rules`.
    const RULES_MAX: usize = 16;
    const FIRST_MATCH_WINS: bool = false;

    fn service<'a>(backend: &'a Value, namespace: Option<&str>) -> Option<&'a str> {
        let text = |field: &str| backend.get(field).and_then(Value::as_str);
        let is_service = text("kind").is_none_or(|kind| kind == "Service");
        let is_here = match (text("namespace"), namespace) {
            (Some(there), Some(here)) => there == here,
            _ => true,
        };
        text("name").filter(|_| is_service && is_here)
    }

    fn share(backend: &Value, _is_alone: bool) -> u64 {
        backend.get("weight").and_then(Value::as_u64).unwrap_or(1)
    }

    fn backend(like: &Value, service: &str, share: u64, headers: &[(&str, String)]) -> Value {
        let mut backend = if like.is_object() {
            like.clone()
        } else {
            json!({})
        };
        backend["name"] = json!(service);
        backend["weight"] = json!(share);
        let filters = backend.get("filters").and_then(Value::as_array);
        let mut filters = filters.cloned().unwrap_or_default();
        for filter in &mut filters {
            take_own_headers_out(filter);
        }
        filters.retain(|filter| !is_without_effect(filter));
        if !headers.is_empty() {
            let set = headers
                .iter()
                .map(|(name, value)| json!({"name": name, "value": value}));
            let set: Vec<_> = set.collect();
            // One filter of a type is all that a backend may have.
            let mut modifiers = filters.iter_mut();
            if let Some(filter) = modifiers.find(|filter| filter["type"] == MODIFIER) {
                let there = filter["responseHeaderModifier"]["set"].as_array();
                let all = there.into_iter().flatten().cloned().chain(set).collect();
                filter["responseHeaderModifier"]["set"] = Value::Array(all);
            } else {
                filters.push(json!({"type": MODIFIER, "responseHeaderModifier": {"set": set}}));
            }
        }
        if !filters.is_empty() {
            backend["filters"] = Value::Array(filters);
        } else if let Some(fields) = backend.as_object_mut() {
            fields.remove("filters");
        }
        backend
    }

    fn asks_for(condition: &Value, name: &str, value: Option<&str>) -> bool {
        let headers = condition.get("headers").and_then(Value::as_array);
        headers.into_iter().flatten().any(|header| {
            let text = |field: &str| header.get(field).and_then(Value::as_str);
            let named = text("name").unwrap_or_default();
            named.eq_ignore_ascii_case(name)
                && value.is_none_or(|value| text("value") == Some(value))
        })
    }

    fn ask(condition: &mut Value, name: &str, value: &str) {
        let header = json!({"type": "Exact", "name": name, "value": value});
        match condition.get_mut("headers").and_then(Value::as_array_mut) {
            Some(headers) => headers.push(header),
            None => condition["headers"] = json!([header]),
        }
    }

    fn every_request() -> Value {
        json!({"path": {"type": "PathPrefix", "value": "/"}})
    }
}

const MODIFIER: &str = "ResponseHeaderModifier";

fn take_own_headers_out(filter: &mut Value) {
    let set = filter.pointer_mut("/responseHeaderModifier/set");
    if let Some(set) = set.and_then(Value::as_array_mut) {
        set.retain(|header| {
            let name = header.get("name").and_then(Value::as_str).unwrap_or("");
            ![VERSION_HEADER, WEIGHT_HEADER]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
        });
    }
}

/// A modifier that sets, adds and removes nothing is not valid.
fn is_without_effect(filter: &Value) -> bool {
    let modifier = filter.get("responseHeaderModifier");
    let lists = modifier.and_then(Value::as_object);
    lists.is_some_and(|lists| {
        let mut lists = lists.values();
        lists.all(|list| list.as_array().is_some_and(Vec::is_empty))
    })
}

impl Route for HttpRoute {
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
            has_status: true,
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

    fn acceptance(&self, object: &Object) -> Acceptance {
        acceptance(object)
    }

    fn parents(&self, object: &Object) -> Vec<Parent> {
        let parents = gateways(object);
        let parent = |parent: &Value| Parent {
            kind: &GATEWAY,
            namespace: text(parent, "namespace").map(ToOwned::to_owned),
            name: text(parent, "name").unwrap_or_default().to_owned(),
        };
        parents.map(parent).collect()
    }

    fn endpoint(&self, object: &Object, found: &[Object], _namespace: &str) -> Option<Endpoint> {
        let mut attached = gateways(object).zip(found);
        attached.find_map(|(parent, gateway)| endpoint(gateway, parent, object))
    }

    fn host(&self, object: &Object, found: &[Object]) -> Option<String> {
        let mut attached = gateways(object).zip(found);
        let listener = attached.find_map(|(parent, gateway)| listener(gateway, parent));
        host(object, listener)
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

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

/// The parents of a route that are Gateways.
fn gateways(route: &Value) -> impl Iterator<Item = &Value> {
    let parents = route.pointer("/spec/parentRefs").and_then(Value::as_array);
    let parents = parents.into_iter().flatten();
    parents.filter(|parent| text(parent, "kind").is_none_or(|kind| kind == GATEWAY.kind))
}

/// The listener of a Gateway that a route is attached to.
fn listener<'a>(gateway: &'a Value, parent: &Value) -> Option<&'a Value> {
    let section = text(parent, "sectionName");
    let mut listeners = gateway.pointer("/spec/listeners")?.as_array()?.iter();
    listeners.find(|listener| {
        let is_http = matches!(text(listener, "protocol"), Some("HTTP" | "HTTPS"));
        is_http && (section.is_none() || text(listener, "name") == section)
    })
}

fn host(route: &Value, listener: Option<&Value>) -> Option<String> {
    let own = route.pointer("/spec/hostnames/0");
    let host = own.or(listener.and_then(|listener| listener.get("hostname")));
    let host = host.and_then(Value::as_str);
    host.filter(|host| !host.starts_with('*'))
        .map(ToOwned::to_owned)
}

fn endpoint(gateway: &Value, parent: &Value, route: &Value) -> Option<Endpoint> {
    let listener = listener(gateway, parent)?;
    let port = listener.get("port")?.as_u64()?;
    let host = host(route, Some(listener));
    let address = gateway.pointer("/status/addresses/0/value")?.as_str()?;
    let address = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    // A certificate is for the name, not for the address.
    let (scheme, at) = match (text(listener, "protocol"), &host) {
        (Some("HTTPS"), Some(host)) => ("https", host.clone()),
        (Some("HTTPS"), None) => ("https", address),
        _ => ("http", address),
    };
    Some(Endpoint {
        url: format!("{scheme}://{at}:{port}"),
        host,
    })
}

/// Reads the status for the generation of the route's own spec.
fn acceptance(route: &Object) -> Acceptance {
    let generation = route.generation();
    let wanted = route.pointer("/spec/parentRefs").and_then(Value::as_array);
    let statuses = route.pointer("/status/parents").and_then(Value::as_array);
    let statuses = statuses.map_or(&[][..], Vec::as_slice);
    let mut pending = None;
    for parent in wanted.into_iter().flatten() {
        let name = parent_name(parent);
        let of_parent: Vec<_> = statuses
            .iter()
            .filter(|status| {
                status
                    .get("parentRef")
                    .is_some_and(|other| same(other, parent))
            })
            .collect();
        if of_parent.is_empty() {
            pending.get_or_insert(name.clone());
        }
        for status in of_parent {
            match verdict(status, generation) {
                Verdict::Accepted => {}
                Verdict::Pending => {
                    pending.get_or_insert(name.clone());
                }
                Verdict::Rejected(reason) => {
                    return Acceptance::Rejected {
                        parent: name,
                        reason,
                    };
                }
            }
        }
    }
    pending.map_or(Acceptance::Accepted, |parent| Acceptance::Pending {
        parent,
    })
}

/// What one parent says.
enum Verdict {
    Accepted,
    Pending,
    Rejected(String),
}

fn verdict(status: &Value, generation: i64) -> Verdict {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let conditions = conditions.map_or(&[][..], Vec::as_slice);
    let find = |name: &str| {
        conditions.iter().find(|condition| {
            condition.get("type").and_then(Value::as_str) == Some(name)
                && condition
                    .get("observedGeneration")
                    .and_then(Value::as_i64)
                    .unwrap_or(0)
                    >= generation
        })
    };
    let why = |condition: &Value| {
        let field = |name: &str| text(condition, name).unwrap_or_default();
        format!("{}: {}", field("reason"), field("message"))
    };
    if let Some(partial) =
        find("PartiallyInvalid").filter(|found| text(found, "status") == Some("True"))
    {
        return Verdict::Rejected(why(partial));
    }
    for name in ["Accepted", "ResolvedRefs"] {
        let condition = find(name);
        match condition.and_then(|condition| text(condition, "status")) {
            Some("True") => {}
            Some("False") => return Verdict::Rejected(condition.map(why).unwrap_or_default()),
            // `Unknown` is what a condition says before the controller has looked.
            _ => return Verdict::Pending,
        }
    }
    Verdict::Accepted
}

fn parent_name(parent: &Value) -> String {
    let name = text(parent, "name").unwrap_or_default();
    match text(parent, "namespace") {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// Whether a status speaks of the parent; fields the route leaves out match any.
fn same(status: &Value, parent: &Value) -> bool {
    ["name", "namespace", "sectionName", "port", "kind", "group"]
        .iter()
        .all(|field| match (status.get(*field), parent.get(*field)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(parents: &[&str], conditions: &[(&str, &str, &str, i64)]) -> Object {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(name, parent, status, generation)| {
                json!({"parentRef": {"name": parent, "kind": "Gateway"}, "conditions": [
                    {"type": name, "status": status, "observedGeneration": generation, "reason": "R", "message": "m"},
                    {"type": "ResolvedRefs", "status": "True", "observedGeneration": generation},
                ]})
            })
            .collect();
        let parents: Vec<_> = parents.iter().map(|name| json!({"name": name})).collect();
        json!({"metadata": {"generation": 4}, "spec": {"parentRefs": parents}, "status": {"parents": conditions}})
        .into()
    }

    #[test]
    fn every_parent_must_have_seen_this_generation() {
        let both = route(
            &["a", "b"],
            &[("Accepted", "a", "True", 4), ("Accepted", "b", "True", 5)],
        );
        assert_eq!(acceptance(&both), Acceptance::Accepted);
        let late = route(
            &["a", "b"],
            &[("Accepted", "a", "True", 4), ("Accepted", "b", "True", 3)],
        );
        assert_eq!(
            acceptance(&late),
            Acceptance::Pending {
                parent: "b".to_owned()
            }
        );
        let silent = route(&["a", "b"], &[("Accepted", "a", "True", 4)]);
        assert_eq!(
            acceptance(&silent),
            Acceptance::Pending {
                parent: "b".to_owned()
            }
        );
    }

    #[test]
    fn a_no_of_this_generation_is_final_and_an_older_one_is_not() {
        let refused = route(&["a"], &[("Accepted", "a", "False", 4)]);
        assert_eq!(
            acceptance(&refused),
            Acceptance::Rejected {
                parent: "a".to_owned(),
                reason: "R: m".to_owned()
            }
        );
        for undecided in [
            ("Accepted", "a", "False", 3),
            ("Accepted", "a", "Unknown", 4),
        ] {
            let route = route(&["a"], &[undecided]);
            assert!(matches!(acceptance(&route), Acceptance::Pending { .. }));
        }
    }

    #[test]
    fn a_route_taken_in_part_is_rejected() {
        let mut partly = route(&["a"], &[("Accepted", "a", "True", 4)]);
        let conditions = partly["status"]["parents"][0]["conditions"]
            .as_array_mut()
            .unwrap();
        conditions.push(json!({"type": "PartiallyInvalid", "status": "True", "observedGeneration": 4, "reason": "UnsupportedValue"}));
        assert!(matches!(acceptance(&partly), Acceptance::Rejected { .. }));
    }

    fn gateway(protocol: &str, addresses: &Value) -> Value {
        json!({
            "spec": {"listeners": [
                {"name": "tcp", "protocol": "TCP", "port": 9},
                {"name": "web", "protocol": protocol, "port": 8080},
            ]},
            "status": {"addresses": addresses},
        })
    }

    #[test]
    fn address_listener_and_host_make_the_endpoint() {
        let route = json!({"spec": {"hostnames": ["chat.example.com"]}});
        let parent = json!({"name": "public", "sectionName": "web"});
        let there = json!([{"type": "IPAddress", "value": "203.0.113.7"}]);
        let found = endpoint(&gateway("HTTP", &there), &parent, &route).unwrap();
        assert_eq!(found.url, "http://203.0.113.7:8080");
        assert_eq!(found.host.as_deref(), Some("chat.example.com"));
        let tls = endpoint(&gateway("HTTPS", &there), &parent, &route).unwrap();
        assert_eq!(tls.url, "https://chat.example.com:8080");
        assert_eq!(
            endpoint(&gateway("HTTP", &json!([])), &parent, &route),
            None
        );
    }

    #[test]
    fn an_ipv6_address_is_bracketed_and_a_wildcard_is_no_host() {
        let route = json!({"spec": {"hostnames": ["*.example.com"]}});
        let there = json!([{"value": "2001:db8::7"}]);
        let found = endpoint(&gateway("HTTP", &there), &json!({}), &route).unwrap();
        assert_eq!(found.url, "http://[2001:db8::7]:8080");
        assert_eq!(found.host, None);
    }
}
