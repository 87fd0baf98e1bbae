//! Each way in which a pod fails to start ends `infer deploy` with the cause, its evidence
//! and the fix, long before the rollout's deadline.

use std::time::Instant;

use serde_json::Value;

use super::simulated::{RELEASE, file};
use crate::support::bed::Namespace;

/// Deploys a release whose pods play `failure`; answers the error and its seconds.
fn failed(failure: &str, more: &str) -> (Namespace, Value, u64) {
    let namespace = Namespace::new(failure);
    let yaml = file(&namespace, 1, more).replace("play: hold", &format!("play: {failure}"));
    namespace.place.write("infer.yaml", yaml);
    let began = Instant::now();
    let ran = namespace.infer(&["deploy"]).expect_code(1);
    let seconds = began.elapsed().as_secs();
    let error = ran.result();
    assert_eq!(error["event"], "error", "{error}");
    eprintln!("{failure}: {seconds} s: {}", error["message"]);
    (namespace, error, seconds)
}

#[track_caller]
fn says(error: &Value, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(
        error["hints"]
            .as_array()
            .is_some_and(|hints| !hints.is_empty()),
        "no way out: {text}"
    );
}

#[test]
fn an_image_that_cannot_be_pulled() {
    let (_namespace, error, _) = failed("image-pull-backoff", "");
    says(&error, &["pull", "registry.invalid/infer:1"]);
}

#[test]
fn an_engine_that_is_killed_for_its_memory() {
    let (_namespace, error, _) = failed("oom-killed", "");
    says(&error, &["memory", "hardware.memory"]);
}

#[test]
fn weights_that_do_not_fit_the_card() {
    let (_namespace, error, _) = failed("cuda-oom", "");
    says(&error, &["CUDA out of memory", "Tried to allocate"]);
}

#[test]
fn an_engine_that_never_becomes_ready() {
    // Nothing in the cluster says that it never will: the budget for loading ends it.
    let namespace = Namespace::new("never-ready");
    let yaml = file(&namespace, 1, "")
        .replace("play: hold", "play: never-ready")
        .replace("startup: 60s", "startup: 10s");
    namespace.place.write("infer.yaml", yaml);
    let error = namespace.infer(&["deploy"]).expect_code(1).result();
    says(&error, &["ready"]);
}

#[test]
fn a_pod_that_is_evicted() {
    let (_namespace, error, _) = failed("evicted", "");
    says(&error, &["vict"]);
}

#[test]
fn a_slow_pull_is_waited_for() {
    let namespace = Namespace::new("slow-pull");
    let yaml =
        file(&namespace, 1, ", bed.infer.dev/pull: 5s").replace("play: hold", "play: slow-pull");
    namespace.place.write("infer.yaml", yaml);
    let ran = namespace.infer(&["deploy"]);
    // Nothing answers at this pod's address, so it ends at the first token and not before.
    let error = ran.expect_code(1).result();
    says(&error, &["first token"]);
}

#[test]
fn a_pod_that_no_node_can_take_names_what_is_missing() {
    let namespace = Namespace::new("no-room");
    for (change, parts) in [
        ("hardware.products=[NVIDIA-GB200]", vec!["NVIDIA-GB200"]),
        ("hardware.gpus=16", vec!["16", "nvidia.com/gpu"]),
    ] {
        namespace.place.write("infer.yaml", file(&namespace, 1, ""));
        let error = namespace
            .infer(&["deploy", "--set", change])
            .expect_code(1)
            .result();
        says(&error, &parts);
    }
    let tainted = file(&namespace, 1, "").replace("gpus: 1,", "gpus: 1, tolerate: [{key: none}],");
    namespace.place.write("infer.yaml", tainted);
    let error = namespace.infer(&["deploy"]).expect_code(1).result();
    says(&error, &["taint", "nvidia.com/gpu"]);
    let left = namespace.kubectl(&["get", "pods", "-o", "name"]);
    assert!(!left.contains(RELEASE), "what failed is withdrawn: {left}");
}
