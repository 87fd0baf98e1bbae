//! Canaries over many replicas on fake GPU nodes: the cluster, the gateway and the judge are
//! real, the engines are `infer sim` with a known latency.

use super::traffic::{end_whole, load, load_with};
use crate::support::{
    bed::Namespace,
    fake_nodes::FakeNodes,
    fake_pods::{FakePods, HOLD},
};

pub(crate) const RELEASE: &str = "chat";

/// A namespace whose release `chat` is `replicas` simulated engines on one kind of GPU.
pub(crate) fn deployed(what: &str, replicas: u32) -> (Namespace, FakePods) {
    on(Namespace::new(what), replicas)
}

/// The same, in a namespace that is there.
pub(crate) fn on(namespace: Namespace, replicas: u32) -> (Namespace, FakePods) {
    namespace
        .place
        .write("infer.yaml", file(&namespace, replicas, ""));
    let pods = FakePods::answer(&namespace);
    namespace.result(&["deploy"]);
    (namespace, pods)
}

/// `infer.yaml`; `annotations` are more of the pods'.
pub(crate) fn file(namespace: &Namespace, replicas: u32, annotations: &str) -> String {
    format!(
        "name: {RELEASE}\n\
         engine: {{kind: sim, image: \"registry.invalid/infer:1\", args: {{base: 60ms, per_token: 4ms, slots: 32}}}}\n\
         hardware: {{gpus: 1, products: [NVIDIA-H100-80GB-HBM3, NVIDIA-L40S]}}\n\
         scale: {{replicas: {replicas}}}\n\
         rollout: {{startup: 60s, drain: 10s}}\n\
         patches:\n\
         - kind: Deployment\n\
        \x20\x20merge: {{spec: {{template: {{metadata: {{annotations: {{{HOLD}{annotations}}}}}}}}}}}\n{}",
        namespace.target()
    )
}

#[test]
fn eight_replicas_are_promoted_step_by_step_and_no_stream_is_cut() {
    let namespace = Namespace::new("steps");
    let _nodes = FakeNodes::like_h100(&namespace, 2);
    let (namespace, _pods) = on(namespace, 8);
    let traffic = load(&namespace, "40", "16");
    let ran = namespace.infer(&[
        "canary",
        "--steps",
        "1,5,25,50,100",
        "--margin",
        "50%",
        "--for",
        "4m",
        "--probe-rate",
        "8",
        "--set",
        "engine.env.REVISION=2",
        "--report",
        "canary.html",
    ]);
    let ended = ran.expect_code(0);
    let weights: Vec<_> = ended
        .events()
        .iter()
        .filter(|event| event["event"] == "weight-set")
        .map(|event| event["weight"].clone())
        .collect();
    assert_eq!(weights.len(), 4, "{weights:?}");
    let result = ended.result();
    assert_eq!(result["verdict"], "promoted", "{result}");
    assert_eq!(result["weight"], 100);
    assert_eq!(result["simulated"], true);
    let candidate = &result["versions"]["candidate"];
    assert!(candidate["requests"].as_u64() > Some(100), "{candidate}");
    assert!(namespace.place.read("canary.html").contains("promoted"));
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], candidate["version"], "{status}");
    end_whole(traffic);
}

#[test]
fn a_version_whose_first_token_comes_later_is_rolled_back() {
    let (namespace, _pods) = deployed("slower", 4);
    let live = namespace.result(&["status"])["live"].clone();
    let traffic = load(&namespace, "20", "16");
    let ran = namespace.infer(&[
        "canary",
        "--weight",
        "10",
        "--for",
        "5m",
        "--set",
        "engine.args.base=78ms",
    ]);
    let result = ran.expect_code(3).result();
    assert_eq!(result["verdict"], "rolled-back", "{result}");
    assert!(
        result["reason"]
            .as_str()
            .is_some_and(|why| why.contains("ttft")),
        "{result}"
    );
    let measured = result["split"]["ci95"].as_array().expect("an interval");
    let [low, high] = [0, 1].map(|at| measured[at].as_f64().expect("a share"));
    // Of 95% intervals every twentieth misses; twice as wide, one in ten thousand does.
    let (middle, wide) = (f64::midpoint(low, high), high - low);
    assert!((middle - 0.1).abs() < wide, "{measured:?}");
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], live, "{status}");
    assert!(
        status["candidate"].is_null() && status["weight"] == 0,
        "{status}"
    );
    end_whole(traffic);
}

#[test]
fn by_a_header_its_senders_alone_meet_the_candidate_and_no_stream_is_cut() {
    let (namespace, _pods) = deployed("matched", 2);
    let live = namespace.result(&["status"])["live"].clone();
    let traffic = load(&namespace, "10", "16");
    let beta = load_with(&namespace, "10", "16", &["--header", "x-beta: 1"]);
    let ran = namespace.infer(&[
        "canary",
        "--hold",
        "--match",
        "header:x-beta=1",
        "--for",
        "40s",
        "--set",
        "engine.env.REVISION=2",
    ]);
    let ended = ran.expect_code(0);
    let result = ended.result();
    assert_eq!(result["verdict"], "held", "{result}");
    assert_eq!(result["split"]["match"], "header:x-beta=1");
    let said: Vec<_> = ended
        .events()
        .iter()
        .filter(|event| {
            event["event"]
                .as_str()
                .is_some_and(|event| event.starts_with("match-"))
        })
        .map(|event| event["event"].clone())
        .collect();
    assert_eq!(said, ["match-set", "match-proven"]);
    // Both loads are alike, so half of the requests carry the header.
    let measured = result["split"]["measured"].as_f64().expect("a share");
    assert!((measured - 0.5).abs() < 0.1, "{result}");
    namespace.result(&["canary", "abort"]);
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], live, "{status}");
    assert!(status["candidate"].is_null(), "{status}");
    end_whole(beta);
    end_whole(traffic);
}
