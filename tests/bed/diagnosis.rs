//! Each way in which a pod fails to start ends `infer deploy` with the cause, its evidence
//! and the fix, long before the rollout's deadline.

use serde_json::Value;

use super::simulated::{RELEASE, file};
use crate::support::bed::Namespace;

/// Deploys a release whose pods play `failure`; answers the error.
fn failed(failure: &str, more: &str) -> (Namespace, Value) {
    let namespace = Namespace::waiting(failure);
    let yaml = file(&namespace, 1, more).replace("play: hold", &format!("play: {failure}"));
    namespace.place.write("infer.yaml", yaml);
    let ran = namespace.infer(&["deploy"]).expect_code(1);
    let error = ran.result();
    assert_eq!(error["event"], "error", "{error}");
    (namespace, error)
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
    let (_namespace, error) = failed("image-pull-backoff", "");
    says(&error, &["pull", "registry.invalid/infer:1"]);
}

#[test]
fn an_engine_that_is_killed_for_its_memory() {
    let (_namespace, error) = failed("oom-killed", "");
    says(&error, &["memory", "hardware.memory"]);
}

#[test]
fn weights_that_do_not_fit_the_card() {
    let (_namespace, error) = failed("cuda-oom", "");
    says(&error, &["CUDA out of memory", "Tried to allocate"]);
}

#[test]
fn an_engine_that_never_becomes_ready() {
    // Nothing in the cluster says that it never will: the budget for loading ends it.
    let namespace = Namespace::waiting("never-ready");
    let yaml = file(&namespace, 1, "")
        .replace("play: hold", "play: never-ready")
        .replace("startup: 60s", "startup: 10s");
    namespace.place.write("infer.yaml", yaml);
    let error = namespace.infer(&["deploy"]).expect_code(1).result();
    says(&error, &["ready"]);
}

#[test]
fn a_pod_that_is_evicted() {
    let (_namespace, error) = failed("evicted", ", bed.infer.dev/after: 1s");
    says(&error, &["vict"]);
}

#[test]
fn a_slow_pull_is_waited_for() {
    let namespace = Namespace::waiting("slow-pull");
    let yaml =
        file(&namespace, 1, ", bed.infer.dev/pull: 5s").replace("play: hold", "play: slow-pull");
    namespace.place.write("infer.yaml", yaml);
    let ran = namespace.infer(&["deploy"]);
    // Nothing answers at this pod's address, so it ends at the first token and not before.
    let error = ran.expect_code(1).result();
    says(&error, &["first token"]);
}

/// Deploys what no node can take; the pods are gone afterwards.
fn no_room(what: &str, yaml: impl Fn(String) -> String, parts: &[&str]) {
    let namespace = Namespace::waiting(what);
    let yaml = yaml(file(&namespace, 1, ""));
    namespace.place.write("infer.yaml", yaml);
    let error = namespace.infer(&["deploy"]).expect_code(1).result();
    says(&error, parts);
    let left = namespace.kubectl(&["get", "pods", "-o", "name"]);
    assert!(!left.contains(RELEASE), "what failed is withdrawn: {left}");
}

#[test]
fn a_card_that_no_node_has_is_named() {
    let other = |yaml: String| {
        yaml.replace("NVIDIA-L40S", "NVIDIA-B300")
            .replace("NVIDIA-H100-80GB-HBM3, ", "")
    };
    no_room("no-product", other, &["NVIDIA-B300", "nvidia.com/gpu"]);
}

#[test]
fn more_cards_than_any_node_has_are_counted() {
    let many = |yaml: String| yaml.replace("gpus: 1,", "gpus: 16,");
    no_room(
        "no-count",
        many,
        &["16", "nvidia.com/gpu", "the largest node that fits has 8"],
    );
}

#[test]
fn a_taint_that_is_not_tolerated_is_named_with_what_tolerates_it() {
    let intolerant = |yaml: String| {
        let one = yaml.replace(
            "NVIDIA-H100-80GB-HBM3, NVIDIA-L40S",
            "NVIDIA-H100-80GB-HBM3",
        );
        one.replace("gpus: 1,", "gpus: 1, tolerate: [{key: none}],")
    };
    no_room(
        "no-taint",
        intolerant,
        &["taint", "nvidia.com/gpu", "hardware.tolerate"],
    );
}
