//! Where a route is reached: its Gateway's address and listener.

use serde_json::Value;

use crate::cluster::{Cluster, Error, kind::GATEWAY};

/// How a client reaches the release through its gateway.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Endpoint {
    /// `http://203.0.113.7:80`, without a path.
    pub url: String,
    /// What to send as `Host`, where the route asks for a name.
    pub host: Option<String>,
}

/// The endpoint of a route; `None` where its gateway has no address (yet).
pub(super) async fn endpoint(cluster: &Cluster, route: &Value) -> Result<Option<Endpoint>, Error> {
    let parents = route.pointer("/spec/parentRefs").and_then(Value::as_array);
    for parent in parents.into_iter().flatten() {
        let text = |field: &str| parent.get(field).and_then(Value::as_str);
        if text("kind").is_some_and(|kind| kind != "Gateway") {
            continue;
        }
        let namespace = text("namespace").unwrap_or(&cluster.namespace);
        let there = cluster.in_namespace(namespace);
        let gateway = there
            .get(&GATEWAY, text("name").unwrap_or_default())
            .await?;
        if let Some(found) = gateway.and_then(|gateway| of_gateway(&gateway, parent, route)) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn of_gateway(gateway: &Value, parent: &Value, route: &Value) -> Option<Endpoint> {
    let listeners = gateway.pointer("/spec/listeners")?.as_array()?;
    let section = parent.get("sectionName").and_then(Value::as_str);
    let listener = listeners.iter().find(|listener| {
        let name = listener.get("name").and_then(Value::as_str);
        let protocol = listener
            .get("protocol")
            .and_then(Value::as_str)
            .unwrap_or_default();
        matches!(protocol, "HTTP" | "HTTPS") && (section.is_none() || name == section)
    })?;
    let port = listener.get("port")?.as_u64()?;
    let tls = listener.get("protocol").and_then(Value::as_str) == Some("HTTPS");
    let host = route
        .pointer("/spec/hostnames/0")
        .or(listener.get("hostname"))
        .and_then(Value::as_str)
        .filter(|host| !host.starts_with('*'));
    let address = gateway.pointer("/status/addresses/0/value")?.as_str()?;
    let address = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    // A certificate is for the name, not for the address.
    let (scheme, at) = match (tls, host) {
        (true, Some(host)) => ("https", host.to_owned()),
        (true, None) => ("https", address),
        (false, _) => ("http", address),
    };
    Some(Endpoint {
        url: format!("{scheme}://{at}:{port}"),
        host: host.map(ToOwned::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
        let found = of_gateway(&gateway("HTTP", &there), &parent, &route).unwrap();
        assert_eq!(found.url, "http://203.0.113.7:8080");
        assert_eq!(found.host.as_deref(), Some("chat.example.com"));
        let tls = of_gateway(&gateway("HTTPS", &there), &parent, &route).unwrap();
        assert_eq!(tls.url, "https://chat.example.com:8080");
        assert_eq!(
            of_gateway(&gateway("HTTP", &json!([])), &parent, &route),
            None
        );
    }

    #[test]
    fn an_ipv6_address_is_bracketed_and_a_wildcard_is_no_host() {
        let route = json!({"spec": {"hostnames": ["*.example.com"]}});
        let there = json!([{"value": "2001:db8::7"}]);
        let found = of_gateway(&gateway("HTTP", &there), &json!({}), &route).unwrap();
        assert_eq!(found.url, "http://[2001:db8::7]:8080");
        assert_eq!(found.host, None);
    }
}
