//! What goes wrong around a canary: another writer, and `infer` itself.

use serde_json::Value;

use super::{
    simulated::{RELEASE, deployed},
    traffic::{end_whole, load},
};
use crate::support::{
    bed::Namespace,
    process::{Process, wait_until},
};

const CANDIDATE: &str = "engine.env.REVISION=2";

/// The candidate is as good as live; twice as slow would be worse, which takes a fourteenth
/// of the time to rule out that a fifth slower takes.
pub(crate) fn canary(namespace: &Namespace, more: &[&str]) -> Process {
    let mut words = vec!["canary", "--margin", "100%", "--set", CANDIDATE];
    words.extend(more);
    namespace.start(&words)
}

#[test]
fn a_weight_that_another_field_manager_reverts_is_a_conflict_that_names_it() {
    let (namespace, _pods) = deployed("reverted", 2);
    let traffic = load(&namespace, "10", "8");
    let mut run = canary(&namespace, &["--weight", "20", "--for", "10m"]);
    run.event("weight-set");
    let route = namespace.get("httproute", RELEASE);
    let default = last_rule(&route);
    let mut rules = route["spec"]["rules"].clone();
    rules[default]["backendRefs"][0]["weight"] = 1.into();
    rules[default]["backendRefs"][1]["weight"] = 99.into();
    let patch = serde_json::json!([{"op": "replace", "path": "/spec/rules", "value": rules}]);
    namespace.kubectl(&[
        "patch",
        "httproute",
        RELEASE,
        "--type=json",
        "--field-manager=gitops-bot",
        "-p",
        &patch.to_string(),
    ]);
    let ended = wait_until("infer gives up", || {
        let line: Value = serde_json::from_str(&run.line()).expect("JSON");
        (line["event"] == "error").then_some(line)
    });
    assert_eq!(run.exit_code(), Some(5), "{ended}");
    assert!(ended.to_string().contains("gitops-bot"), "{ended}");
    namespace.infer(&["canary", "abort"]).expect_code(0);
    end_whole(traffic);
}

/// The rule that splits; pins come before it.
fn last_rule(route: &Value) -> usize {
    route["spec"]["rules"].as_array().expect("rules").len() - 1
}

#[test]
fn killed_at_each_step_it_is_resumed_where_it_was() {
    let (namespace, _pods) = deployed("killed", 2);
    let traffic = load(&namespace, "20", "8");
    let mut run = canary(
        &namespace,
        &["--steps", "10,50,100", "--for", "10m", "--probe-rate", "8"],
    );
    run.event("weight-set");
    run.kill();
    let status = namespace.infer(&["status"]).result();
    assert_eq!(status["weight"], 10, "{status}");
    // The lease outlives its holder for a while; resuming waits for that, and no longer.
    let mut run = resume(&namespace);
    assert_eq!(run.event("weight-set")["weight"], 10);
    assert_eq!(run.event("weight-set")["weight"], 50);
    run.kill();
    let mut run = resume(&namespace);
    assert_eq!(run.event("weight-set")["weight"], 50);
    let result = run.event("result");
    assert_eq!(result["verdict"], "promoted", "{result}");
    end_whole(traffic);
}

/// Resumes as soon as the lock of the killed run has expired.
fn resume(namespace: &Namespace) -> Process {
    namespace.infer(&["canary", "resume"]).expect_code(5);
    wait_until("the lock expires", || {
        (namespace.infer(&["canary", "status"]).code() == 4).then_some(())
    });
    namespace.start(&["canary", "resume"])
}
