//! Two versions that do not fit side by side, and what ends before what.

use serde_json::{Value, json};

use super::{
    simulated::{self, RELEASE},
    traffic::{end_whole, load},
};
use crate::support::{
    bed::Namespace,
    fake_nodes::FakeNodes,
    fake_pods::{FakePods, HOLD},
    infer::Ran,
};

/// A release that fills the only node with its product: one card a replica, and no surge.
fn full(product: &str, replicas: u32) -> (Namespace, FakeNodes, FakePods) {
    let namespace = Namespace::new(&product.to_lowercase());
    let nodes = FakeNodes::of_one_product(&namespace, product, replicas);
    let yaml = simulated::file(&namespace, replicas, "")
        .replace("NVIDIA-H100-80GB-HBM3, NVIDIA-L40S", product)
        .replace("startup: 60s", "surge: none, startup: 60s");
    namespace.place.write("infer.yaml", yaml);
    let pods = FakePods::answer(&namespace);
    namespace.result(&["deploy"]);
    (namespace, nodes, pods)
}

/// `infer deploy` of another version.
fn next(namespace: &Namespace, more: &[&str]) -> Ran {
    namespace.infer(&[&["deploy", "--set", "engine.env.REVISION=2"], more].concat())
}

/// Replicas that each Deployment has, by version.
fn fleets(namespace: &Namespace) -> Vec<(String, Value)> {
    let deployments = namespace.list("deployment");
    let deployments = deployments.as_array().expect("a list");
    deployments
        .iter()
        .map(|one| {
            let name = one["metadata"]["name"].as_str().expect("a name");
            let version = name.trim_start_matches(&format!("{RELEASE}-"));
            (version.to_owned(), one["spec"]["replicas"].clone())
        })
        .collect()
}

#[test]
fn replicas_give_their_cards_to_the_new_version_one_by_one_and_no_stream_is_cut() {
    let (namespace, _nodes, _pods) = full("NVIDIA-B200", 3);
    let old = namespace.result(&["status"])["live"].clone();
    let traffic = load(&namespace, "20", "16");
    let ran = next(&namespace, &[]).expect_code(0);
    let result = ran.result();
    assert_eq!(result["downtime_s"], Value::Null, "{result}");
    let steps: Vec<_> = ran
        .events()
        .iter()
        .filter(|event| event["event"] == "handing-over")
        .map(|event| (event["old"].as_u64(), event["new"].as_u64()))
        .collect();
    assert!(
        steps
            .windows(2)
            .all(|pair| pair[0].0 >= pair[1].0 && pair[0].1 <= pair[1].1),
        "{steps:?}"
    );
    // Never both fleets, never less than all but one.
    assert!(
        steps
            .iter()
            .all(|(old, new)| (2..=3).contains(&(old.unwrap() + new.unwrap()))),
        "{steps:?}"
    );
    assert_eq!(steps.last(), Some(&(Some(0), Some(3))), "{steps:?}");
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], result["version"], "{status}");
    for (version, replicas) in fleets(&namespace) {
        let wanted = if version == old { json!(0) } else { json!(3) };
        assert_eq!(replicas, wanted, "{version}");
    }
    end_whole(traffic);
}

#[test]
fn a_single_replica_ends_first_only_where_downtime_is_allowed_and_comes_back_after_a_failure() {
    let (namespace, _nodes, _pods) = full("NVIDIA-B300", 1);
    let old = namespace.result(&["status"])["live"].clone();
    let before = namespace.list("pod")[0]["metadata"]["uid"].clone();

    let refused = next(&namespace, &[]).expect_code(1).result().to_string();
    for part in [
        "no room",
        "NVIDIA-B300",
        "nvidia.com/gpu",
        "--allow-downtime",
    ] {
        assert!(refused.contains(part), "no {part:?} in {refused}");
    }
    let pods = namespace.list("pod");
    assert_eq!(pods.as_array().map(Vec::len), Some(1), "{pods}");
    assert_eq!(pods[0]["metadata"]["uid"], before, "it was not touched");

    let play = |yaml: &str, what: &str| yaml.replace(HOLD, &format!("bed.infer.dev/play: {what}"));
    let good = namespace.place.read("infer.yaml");
    namespace.place.write("infer.yaml", play(&good, "cuda-oom"));
    let failed = next(&namespace, &["--allow-downtime"]).expect_code(1);
    assert!(failed.result().to_string().contains("CUDA out of memory"));
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], old, "{status}");
    assert_eq!(super::traffic::who_answers(&namespace, 5).len(), 1);

    namespace.place.write("infer.yaml", good);
    let result = next(&namespace, &["--allow-downtime"])
        .expect_code(0)
        .result();
    assert!(result["downtime_s"].as_f64() > Some(0.0), "{result}");
    let answered = super::traffic::who_answers(&namespace, 5);
    let version = result["version"].as_str().expect("a version");
    assert_eq!(answered.get(version), Some(&5), "{answered:?}");
}

#[test]
fn a_version_is_scaled_down_only_after_its_last_stream_has_ended() {
    let namespace = Namespace::new("drained");
    let yaml = simulated::file(&namespace, 2, "").replace("drain: 10s", "drain: 60s");
    namespace.place.write("infer.yaml", yaml);
    let _pods = FakePods::answer(&namespace);
    namespace.result(&["deploy"]);
    let status = namespace.result(&["status"]);
    let old = status["live"].as_str().expect("a version");
    let host = format!("Host:{}", namespace.host());
    // 2 streams of about 12 s.
    let mut streams = namespace.start(&[
        "load",
        namespace.bed.setting("GATEWAY_URL"),
        "--header",
        &host,
        "--concurrency",
        "2",
        "--requests",
        "2",
        "--warmup",
        "0",
        "--output-tokens",
        "3000",
    ]);
    let mut deploy = namespace.start(&["deploy", "--set", "engine.env.REVISION=2"]);
    deploy.event("moved");
    while deploy.event("draining")["in_flight"] != 0 {
        let fleet = fleets(&namespace);
        // What was in flight may have ended since; then its two quiet looks are still to come.
        let fleet = fleet.iter().find(|(version, _)| version == old);
        assert_eq!(fleet.map(|(_, replicas)| replicas), Some(&json!(2)));
    }
    deploy.event("drained");
    let ended = streams.event("result");
    assert_eq!(ended["requests"]["ok"], 2, "{ended}");
    assert_eq!(deploy.exit_code(), Some(0));
}

#[test]
fn a_version_that_replaces_another_amid_traffic_loses_no_request() {
    let (namespace, _pods) = simulated::deployed("replaced", 2);
    let traffic = load(&namespace, "50", "4");
    for revision in 2..4 {
        let set = format!("engine.env.REVISION={revision}");
        let result = namespace.result(&["deploy", "--set", &set]);
        assert_eq!(result["changed"], true, "{result}");
    }
    end_whole(traffic);
}
