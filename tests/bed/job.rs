//! The job on the real node: a real registry, containerd, kubelet, Envoy and llama-server;
//! nothing is simulated but the number of GPUs.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::traffic::{end_whole, envoy_counts, load, who_answers};
use crate::support::{bed::Namespace, gguf::tiny_llama, process::wait_until};

const RELEASE: &str = "tiny";

/// A namespace with a packed model and an `infer.yaml` that serves it on the real node.
fn packed(what: &str) -> Namespace {
    let namespace = Namespace::new(what);
    describe(&namespace, namespace.bed.setting("REGISTRY"), "");
    namespace.result(&["pack"]);
    namespace
}

/// Writes a tiny model and the `infer.yaml` that serves it from `registry`.
fn describe(namespace: &Namespace, registry: &str, more: &str) {
    namespace.place.write("tiny.gguf", tiny_llama(2, 1));
    let image = namespace.bed.setting("LLAMA_IMAGE");
    let repository = format!("{registry}/{}/model", namespace.name);
    let node = namespace.bed.setting("NODE");
    namespace.place.write(
        "infer.yaml",
        format!(
            "name: {RELEASE}\n\
             model: {{source: tiny.gguf, image: {repository}}}\n\
             engine: {{kind: llama.cpp, image: \"{image}\", args: {{threads: 1, parallel: 4}}}}\n\
             hardware: {{gpus: 1, memory: 512Mi, node_selector: {{kubernetes.io/hostname: {node}}}}}\n\
             rollout: {{startup: 2m, drain: 5s}}\n{more}{}",
            namespace.target()
        ),
    );
}

#[test]
fn a_registry_with_a_password_and_its_own_authority_serves_the_node_too() {
    let namespace = Namespace::new("private");
    let bed = namespace.bed;
    let registry = bed.setting("REGISTRY_TLS");
    let secret = "patches:\n- kind: Deployment\n  merge: {spec: {template: {spec: {imagePullSecrets: [{name: pull}]}}}}\n";
    describe(&namespace, registry, secret);
    let ca = bed.setting("REGISTRY_CA");
    // Without credentials the registry says no, and infer says what to do about it.
    let refused = namespace
        .infer(&["pack", "--ca", ca])
        .expect_code(1)
        .result();
    assert!(refused.to_string().contains("docker login"), "{refused}");
    let (user, password) = (
        bed.setting("REGISTRY_USER"),
        bed.setting("REGISTRY_PASSWORD"),
    );
    namespace.kubectl(&[
        "create",
        "secret",
        "docker-registry",
        "pull",
        &format!("--docker-server={registry}"),
        &format!("--docker-username={user}"),
        &format!("--docker-password={password}"),
    ]);
    let config = namespace.get("secret", "pull")["data"][".dockerconfigjson"].clone();
    let config = decoded(config.as_str().expect("a docker configuration"));
    namespace.place.write(".docker/config.json", config);
    let packed = namespace.infer(&["pack", "--ca", ca]).expect_code(0);
    assert!(!packed.stdout().contains(password) && !packed.stderr().contains(password));
    let deployed = namespace.result(&["deploy"]);
    assert_eq!(deployed["simulated"], false, "{deployed}");
    what_was_packed_is_what_runs(&namespace, deployed["version"].as_str().expect("a version"));
}

fn decoded(base64: &str) -> Vec<u8> {
    let mut decode = Command::new("base64")
        .arg("--decode")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("base64 starts");
    let mut input = decode.stdin.take().expect("a pipe");
    input.write_all(base64.as_bytes()).expect("written");
    drop(input);
    decode.wait_with_output().expect("decoded").stdout
}

#[test]
fn weights_are_packed_deployed_measured_and_load_tested() {
    let namespace = packed("job");
    let deployed = namespace.result(&["deploy"]);
    assert_eq!(deployed["simulated"], false, "{deployed}");
    assert_eq!(deployed["changed"], true);
    assert_eq!(
        deployed["endpoint"]
            .as_str()
            .map(|url| url.trim_end_matches(":80")),
        Some(namespace.bed.setting("GATEWAY_URL").trim_end_matches(":80"))
    );
    for phase in ["schedule", "pull", "load", "first_token"] {
        assert!(
            deployed["phases_s"][phase].as_f64().is_some(),
            "{phase}: {deployed}"
        );
    }
    what_was_packed_is_what_runs(&namespace, deployed["version"].as_str().expect("a version"));
    assert_eq!(namespace.result(&["deploy"])["changed"], false);

    let before = counted(&namespace);
    let ran = namespace.infer(&[
        "load",
        "--warmup",
        "0",
        "--concurrency",
        "2",
        "--requests",
        "40",
        "--input-tokens",
        "20",
        "--output-tokens",
        "16",
    ]);
    // 4: a busy machine may be too slow to judge latencies, which are not judged here.
    let load = ran.expect_one_of(&[0, 4]).result();
    assert_eq!(load["requests"]["ok"], 40, "{load}");
    let tokens = load["tokens"]["output"].as_f64().expect("tokens");
    let engine = counted(&namespace) - before;
    assert!(
        (engine - tokens).abs() < 0.5,
        "the engine counts {engine}, the load {tokens}"
    );
    namespace
        .infer(&["delete", RELEASE, "--yes"])
        .expect_code(0);
}

/// The digest that `infer.lock` has is the one that the kubelet mounted.
fn what_was_packed_is_what_runs(namespace: &Namespace, version: &str) {
    let lock = namespace.place.read("infer.lock");
    let pods = namespace.list("pods");
    let pod = &pods[0];
    assert_eq!(pod["metadata"]["labels"]["infer.dev/version"], version);
    let reference = pod["spec"]["volumes"][0]["image"]["reference"]
        .as_str()
        .expect("an image volume");
    let (_, digest) = reference.split_once('@').expect("a digest");
    assert!(lock.contains(digest), "{lock}");
}

/// Output tokens as the engine's own `/metrics` counts them.
fn counted(namespace: &Namespace) -> f64 {
    let pods = namespace.list("pods");
    let version = &pods[0]["metadata"]["labels"]["infer.dev/version"];
    let version = version.as_str().expect("a version");
    figure(namespace, version, "llamacpp:tokens_predicted_total ")
}

/// A figure of a version's one engine, as its own `/metrics` has it.
fn figure(namespace: &Namespace, version: &str, name: &str) -> f64 {
    let selector = format!("infer.dev/version={version}");
    let pod = namespace.kubectl(&["get", "pods", "-l", &selector, "-o", "name"]);
    let pod = pod.trim().trim_start_matches("pod/");
    let path = format!(
        "/api/v1/namespaces/{}/pods/{pod}:8080/proxy/metrics",
        namespace.name
    );
    let page = namespace.bed.kubectl(&["get", "--raw", &path]);
    let line = page.lines().find_map(|line| line.strip_prefix(name));
    line.expect("a figure of that name")
        .trim()
        .parse()
        .expect("a number")
}

#[test]
fn a_canary_between_real_engines_splits_as_asked_and_equal_ones_are_not_rolled_back() {
    let namespace = packed("canary");
    let live = namespace.result(&["deploy"])["version"].clone();
    let traffic = load(&namespace, "4", "12");

    // Two noisy cores need minutes to prove less than twice as slow, and hours for a fifth.
    let ran = namespace.infer(&[
        "canary",
        "--weight",
        "10",
        "--margin",
        "100%",
        "--probe-rate",
        "4",
        "--for",
        "8m",
        "--set",
        "engine.env.REVISION=2",
    ]);
    let held = ran.expect_code(0).result();
    assert_eq!(held["verdict"], "held", "{held}");
    assert_eq!(held["weight"], 10, "{held}");
    let candidate = held["versions"]["candidate"]["version"].clone();
    end_whole(traffic);
    the_split_is_as_asked(&namespace, candidate.as_str().expect("a version"));

    let traffic = load(&namespace, "4", "12");
    namespace.infer(&["canary", "promote"]).expect_code(0);
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], candidate, "{status}");
    let live = live.as_str().expect("a version");
    wait_until("the old version has no pods", || {
        (replicas(&namespace, live) == (0, 0)).then_some(())
    });
    end_whole(traffic);
}

#[test]
fn a_real_engine_that_lost_a_canary_is_scaled_down_after_its_last_stream() {
    let namespace = Namespace::new("streams");
    describe(&namespace, namespace.bed.setting("REGISTRY"), "");
    // So many blocks that four answers of 300 tokens take many seconds.
    namespace.place.write("tiny.gguf", tiny_llama(64, 1));
    let yaml = namespace.place.read("infer.yaml");
    let yaml = yaml.replace("drain: 5s", "drain: 90s");
    namespace.place.write("infer.yaml", yaml);
    namespace.result(&["pack"]);
    let deployed = namespace.result(&["deploy"]);
    let old = deployed["version"].as_str().expect("a version");
    namespace.result(&[
        "canary",
        "--hold",
        "--weight",
        "10",
        "--for",
        "10s",
        "--probe-rate",
        "1",
        "--set",
        "engine.env.REVISION=2",
    ]);

    let host = format!("Host:{}", namespace.host());
    let pin = format!("x-infer-version:{old}");
    let mut streams = namespace.start(&[
        "load",
        namespace.bed.setting("GATEWAY_URL"),
        "--header",
        &host,
        "--header",
        &pin,
        "--concurrency",
        "4",
        "--requests",
        "4",
        "--warmup",
        "0",
        "--input-tokens",
        "16",
        "--output-tokens",
        "300",
    ]);
    wait_until("the streams have begun", || {
        (figure(&namespace, old, "llamacpp:requests_processing ") >= 4.0).then_some(())
    });
    let mut promote = namespace.start(&["canary", "promote"]);
    let mut seen = 0;
    loop {
        let left = promote.event("draining")["in_flight"].as_u64();
        if left == Some(0) {
            break;
        }
        seen += 1;
        assert_eq!(
            replicas(&namespace, old).0,
            1,
            "{left:?} streams are in flight"
        );
    }
    assert!(
        seen > 0,
        "no stream was in flight when the old version was to end"
    );
    promote.event("drained");
    assert_eq!(replicas(&namespace, old).0, 0);
    let ended = streams.event("result");
    assert_eq!(ended["requests"]["ok"], 4, "{ended}");
    assert_eq!(promote.exit_code(), Some(0));
    let history = namespace.result(&["history"]);
    assert!(history.to_string().contains(old), "{history}");
}

/// Replicas that a version asks for, and that it has.
fn replicas(namespace: &Namespace, version: &str) -> (u64, u64) {
    let found = namespace.get("deployment", &format!("{RELEASE}-{version}"));
    let count = |pointer: &str| found.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    (count("/spec/replicas"), count("/status/replicas"))
}

#[test]
fn weights_whose_first_token_takes_far_longer_are_rolled_back() {
    let namespace = packed("heavier");
    let live = namespace.result(&["deploy"])["version"].clone();
    // So many more blocks that the first token takes far more than twice as long.
    fs::write(namespace.place.join("tiny.gguf"), tiny_llama(48, 1)).expect("a written file");
    namespace.result(&["pack"]);
    let traffic = load(&namespace, "2", "12");
    let ran = namespace.infer(&[
        "canary",
        "--weight",
        "20",
        "--for",
        "4m",
        "--probe-rate",
        "1",
    ]);
    let ended = ran.expect_code(3).result();
    assert_eq!(ended["verdict"], "rolled-back", "{ended}");
    assert_eq!(ended["weight"], 0);
    assert_eq!(namespace.result(&["status"])["live"], live);
    assert_eq!(who_answers(&namespace, 40).len(), 1, "only live answers");
    end_whole(traffic);
}

/// Requests that name no version go where the weight says, by their header and by Envoy's
/// own count alike.
fn the_split_is_as_asked(namespace: &Namespace, candidate: &str) {
    let before = envoy_counts(namespace, RELEASE);
    let answered = who_answers(namespace, 400);
    let after = envoy_counts(namespace, RELEASE);
    let got = answered.get(candidate).copied().unwrap_or_default();
    // 10% of 400; 99.99% of all draws lie within.
    assert!((18..=66).contains(&got), "{answered:?}");
    for (version, count) in &answered {
        let of = |counts: &BTreeMap<String, u32>| counts.get(version).copied().unwrap_or_default();
        assert_eq!(
            of(&after) - of(&before),
            *count,
            "{version}: {before:?} {after:?}"
        );
    }
}
