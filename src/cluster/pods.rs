//! Pods of a version: their node and state, their logs, and requests to them through the API
//! server (`pods/proxy`), which reaches them without a gateway.

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::Method;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use serde::Serialize;
use serde_json::Value;

use super::{
    Cluster, Error,
    diagnosis::log::TAIL_BYTES_MAX,
    gpus,
    inventory::VERSION,
    request::{JSON, Request},
};
use crate::object::{
    kind::POD,
    path::{query, segment},
};

/// What the other parts need to know of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PodView {
    pub pod: String,
    pub version: Option<String>,
    pub node: Option<String>,
    pub ready: bool,
    pub restarts: u32,
    /// The engine's container: the first one.
    pub container: String,
    /// Port named `http`, else the first one.
    pub port: Option<u16>,
    pub started: Option<String>,
}

/// Pods of a selector that are not being deleted.
pub async fn find(cluster: &Cluster, selector: &str) -> Result<Vec<PodView>, Error> {
    let pods: Vec<Pod> = gpus::all_typed(&cluster.list(&POD, selector).await?);
    Ok(pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .map(view)
        .collect())
}

pub(super) fn view(pod: &Pod) -> PodView {
    let status = pod.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let first = pod.spec.as_ref().and_then(|spec| spec.containers.first());
    let ports = first
        .and_then(|container| container.ports.as_deref())
        .unwrap_or_default();
    let port = ports
        .iter()
        .find(|port| port.name.as_deref() == Some("http"))
        .or(ports.first());
    let label = |name: &str| pod.metadata.labels.as_ref()?.get(name).cloned();
    PodView {
        pod: pod.metadata.name.clone().unwrap_or_default(),
        version: label(VERSION),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        ready: conditions
            .into_iter()
            .flatten()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        restarts: containers
            .into_iter()
            .flatten()
            .map(|container| u32::try_from(container.restart_count).unwrap_or(0))
            .sum(),
        container: first
            .map(|container| container.name.clone())
            .unwrap_or_default(),
        port: port.and_then(|port| u16::try_from(port.container_port).ok()),
        started: status
            .and_then(|status| status.start_time.as_ref())
            .map(|time| time.0.to_string()),
    }
}

/// The end of one container's log; of the run before with `previous`.
pub async fn tail(
    cluster: &Cluster,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<String, Error> {
    let bytes_max = TAIL_BYTES_MAX.to_string();
    let mut pairs = vec![
        ("container", container),
        ("tailLines", "300"),
        ("limitBytes", bytes_max.as_str()),
    ];
    if previous {
        pairs.push(("previous", "true"));
    }
    let uri = format!(
        "{}/log{}",
        POD.object(&cluster.namespace, pod),
        query(&pairs)
    );
    cluster
        .text(&Request::get(format!("read the log of pod {pod}"), uri))
        .await
}

/// The path of a request to a pod's own port. Other pods and hosts cannot be
/// reached by it: `pod` is one path segment.
pub(super) fn proxy_uri(cluster: &Cluster, pod: &str, port: u16, path: &str) -> String {
    let collection = POD.collection(&cluster.namespace);
    format!(
        "{collection}/{}:{port}/proxy/{}",
        segment(pod),
        path.trim_start_matches('/')
    )
}

/// `GET` of a pod's own path, such as `/metrics`.
pub async fn get(cluster: &Cluster, pod: &str, port: u16, path: &str) -> Result<String, Error> {
    let act = format!("read {path} of pod {pod}");
    cluster
        .text(&Request::get(act, proxy_uri(cluster, pod, port, path)))
        .await
}

/// `POST` of JSON to a pod; the answer's body arrives piece by piece, as the pod
/// sends it. The caller limits how long it reads.
pub async fn post(
    cluster: &Cluster,
    pod: &str,
    port: u16,
    path: &str,
    body: &Value,
) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + use<>, Error> {
    let act = format!("ask pod {pod} for {path}");
    let uri = proxy_uri(cluster, pod, port, path);
    let body = cluster
        .stream(&Request::send(&act, Method::POST, uri, JSON, body))
        .await?;
    let server = cluster.server.clone();
    Ok(body.into_data_stream().map(move |piece| {
        piece.map_err(|source| Error::Unreachable {
            act: act.clone(),
            server: server.clone(),
            source: Box::new(source),
        })
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pods_port_is_the_one_named_http() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p", "labels": {VERSION: "v3c1f2a90b"}},
            "spec": {"containers": [{"name": "vllm", "ports": [{"containerPort": 9000}, {"name": "http", "containerPort": 8000}]}]}}))
        .unwrap();
        let seen = view(&pod);
        assert_eq!((seen.port, seen.container.as_str()), (Some(8000), "vllm"));
        assert_eq!(seen.version.as_deref(), Some("v3c1f2a90b"));
    }
}
