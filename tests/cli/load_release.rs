//! `infer load` without a URL: how a release on a cluster is reached.

use serde_json::{Value, json};

use crate::support::{
    canned::{Canned, models, response},
    fake_apiserver::{Call, FakeApiserver, Reply, Store},
    infer::{Ran, Workplace},
};

const GATEWAY_API: &str = "/apis/gateway.networking.k8s.io/v1/namespaces";
const NAMESPACE: &str = "/namespaces/team-a";
const LIVE: &str = "v111111111";

/// A release behind a gateway with these addresses, with one Ready pod.
fn cluster(gateway: Option<(&str, u16)>) -> FakeApiserver {
    let server = FakeApiserver::start(pods);
    let (addresses, port) = match gateway {
        Some((address, port)) => (json!([{"value": address}]), port),
        None => (json!([]), 80),
    };
    server.put(
        &format!("{GATEWAY_API}/team-a/httproutes/chat"),
        json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"name": "chat"},
            "spec": {"hostnames": ["chat.example.com"], "parentRefs": [{"name": "public"}],
                "rules": [{"backendRefs": [{"name": format!("chat-{LIVE}"), "port": 80}]}]}}),
    );
    server.put(
        &format!("{GATEWAY_API}/team-a/gateways/public"),
        json!({"spec": {"listeners": [{"name": "web", "protocol": "HTTP", "port": port}]},
            "status": {"addresses": addresses}}),
    );
    let record = json!({"revisions": [{"revision": 1, "version": LIVE, "image": "registry.example.com/m",
            "state": "live", "deployed_at": "2026-01-01T00:00:00Z", "simulated": false, "replicas": 1, "served": 1}],
        "next": 2, "router": "HTTPRoute"});
    server.put(
        &format!("/api/v1{NAMESPACE}/configmaps/infer-chat"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "infer-chat"},
            "data": {"record.json": record.to_string()}}),
    );
    pod(&server, true);
    server
}

fn pod(server: &FakeApiserver, ready: bool) {
    server.put(
        &format!("/api/v1{NAMESPACE}/pods/chat-{LIVE}-0"),
        json!({"metadata": {"name": format!("chat-{LIVE}-0"), "namespace": "team-a", "labels": {
                "app.kubernetes.io/managed-by": "infer", "infer.dev/release": "chat",
                "infer.dev/version": LIVE}},
            "spec": {"containers": [{"name": "engine", "ports": [{"name": "http", "containerPort": 8000}]}]},
            "status": {"conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}}),
    );
}

/// What the pod answers through the API server.
fn pods(call: &Call, _: &mut Store) -> Option<Reply> {
    let (_, path) = call
        .path
        .split_once(&format!("/pods/chat-{LIVE}-0:8000/proxy"))?;
    Some(match path {
        "/v1/models" => Reply::json(200, &json!({"data": [{"id": "m"}]})),
        "/v1/chat/completions" => Reply::json(200, &answer()),
        _ => Reply::failure(404, "NotFound", "nothing here"),
    })
}

fn answer() -> Value {
    json!({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
}

fn load(server: &FakeApiserver, options: &[&str]) -> Ran {
    let place = Workplace::new();
    let kubeconfig = place.write("kubeconfig", server.kubeconfig());
    let place = place.env("KUBECONFIG", kubeconfig.to_str().expect("text"));
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nengine: {kind: vllm}\ntarget: kubernetes\n\
         model: {image: registry.example.com/m}\n\
         traffic: {gateway: {name: public}, host: chat.example.com}\n\
         gates: {slo: ['error_rate<1%']}\n",
    );
    let fixed = ["--output", "json", "load", "-n", "3", "--no-stream"];
    place.run(fixed.iter().chain(options))
}

fn target(ran: &Ran) -> Value {
    let events = ran.events();
    let found = events.iter().find(|event| event["event"] == "target");
    found.cloned().unwrap_or_default()
}

fn gateway() -> Canned {
    Canned::start(&[
        models(&["m"]),
        (
            "/v1/chat/completions",
            response("200 OK", "application/json", &answer().to_string()),
        ),
    ])
}

/// The `Host` of each request but those for metrics.
fn hosts(server: &Canned) -> Vec<String> {
    let requests = server.requests();
    let asked = requests.iter().filter(|text| !text.contains("/metrics"));
    asked
        .map(|text| {
            let mut lines = text.lines().map(str::to_ascii_lowercase);
            let host = lines.find_map(|line| line.strip_prefix("host: ").map(str::to_owned));
            host.expect("a Host")
        })
        .collect()
}

fn port(server: &Canned) -> u16 {
    let (_, port) = server.url().rsplit_once(':').expect("a port");
    port.parse().expect("a number")
}

#[test]
fn behind_a_gateway_every_request_names_the_host_of_the_route() {
    let gateway = gateway();
    let server = cluster(Some(("127.0.0.1", port(&gateway))));
    let ran = load(&server, &[]);
    assert_eq!(ran.result()["requests"]["ok"], 3, "{}", ran.stderr());
    let hosts = hosts(&gateway);
    // The model list, one to warm up, three that count.
    assert_eq!(hosts, vec!["chat.example.com"; 5]);
    assert_eq!(
        target(&ran)["via"],
        "through the gateway, as chat.example.com"
    );
    assert_eq!(ran.result()["gates"][0]["gate"], "error_rate<1%");
}

#[test]
fn a_host_of_the_users_own_goes_before_the_routes() {
    let gateway = gateway();
    let server = cluster(Some(("127.0.0.1", port(&gateway))));
    load(&server, &["--header", "Host: other.example.com"]);
    assert_eq!(hosts(&gateway), vec!["other.example.com"; 5]);
}

#[test]
fn an_endpoint_that_is_said_is_taken_with_the_releases_gates() {
    let gateway = gateway();
    let server = cluster(None);
    let ran = load(&server, &["--endpoint", gateway.url()]);
    let result = ran.result();
    assert_eq!(result["requests"]["ok"], 3, "{}", ran.stderr());
    assert_eq!(result["gates"][0]["gate"], "error_rate<1%");
    assert!(server.calls().is_empty());
    assert_eq!(target(&ran)["via"], Value::Null);
    let both = load(&server, &[gateway.url(), "--endpoint", gateway.url()]);
    both.expect_code(2);
}

#[test]
fn without_an_address_the_pods_are_asked_through_the_api_server_and_that_is_said() {
    let server = cluster(None);
    let ran = load(&server, &[]);
    assert_eq!(ran.result()["requests"]["ok"], 3, "{}", ran.stderr());
    let target = target(&ran);
    let via = target["via"].as_str().expect("it is said");
    assert!(
        via.starts_with("not through the gateway (its gateway has no address)"),
        "{via}"
    );
    let asked = server.of(&http::Method::POST, "/proxy/v1/chat/completions");
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|call| call.body["model"] == "m"));
    // What would be taken for the operator's own rights is not sent.
    let ran = load(&server, &["--header", "Authorization: Bearer k"]).expect_code(2);
    assert!(ran.result()["hints"].to_string().contains("--endpoint"));
}

#[test]
fn where_nothing_leads_to_it_the_way_out_is_named() {
    let server = cluster(None);
    pod(&server, false);
    let ran = load(&server, &[]).expect_code(2);
    let error = ran.result();
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("no address"), "{message}");
    let hints = error["hints"].to_string();
    assert!(
        hints.contains("--endpoint") && hints.contains("traffic.endpoint"),
        "{hints}"
    );
}
