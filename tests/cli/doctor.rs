//! `infer doctor`: offline for the local target, and against a (fake) cluster.

use serde_json::json;

use crate::support::{
    fake_apiserver::{Call, FakeApiserver, Reply, Store},
    infer::Workplace,
};

const SIM: &str = "version: 1\nname: chat\nengine: {kind: sim}\n";

#[test]
fn help_has_an_example_and_says_what_exit_code_3_means() {
    let ran = Workplace::new().run(["doctor", "--help"]).expect_code(0);
    let help = ran.stdout();
    assert!(help.contains("infer doctor --context prod-eu"), "{help}");
    assert!(help.contains("Exit code 3"), "{help}");
}

#[test]
fn the_local_target_is_checked_without_any_cluster() {
    let place = Workplace::new().env("KUBECONFIG", "/nonexistent");
    place.write("infer.yaml", SIM);
    let ran = place.run(["doctor"]).expect_code(0);
    let text = ran.stdout();
    assert!(text.contains("simulated by infer itself"), "{text}");
    assert!(text.ends_with("ready for target local\n"), "{text}");
    assert!(!text.contains("Cluster"), "{text}");
}

#[test]
fn a_missing_engine_is_exit_3_with_how_to_get_it() {
    let place = Workplace::new().env("PATH", "/usr/bin:/bin");
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\nengine: {kind: vllm}\nmodel: {source: weights}\n",
    );
    let ran = place.run(["doctor", "--output", "json"]).expect_code(3);
    let result = ran.result();
    assert_eq!(
        (&result["ready"], &result["target"]),
        (&json!(false), &json!("local"))
    );
    let engine = &result["machine"].as_array().unwrap()[0];
    assert_eq!(
        (&engine["state"], &engine["needed"]),
        (&json!("missing"), &json!(true))
    );
    assert!(
        engine["fix"].as_str().unwrap().contains("pip install vllm"),
        "{engine}"
    );
}

#[test]
fn a_context_that_is_not_there_is_named_with_those_that_are() {
    let server = FakeApiserver::start(|_, _| None);
    let place = Workplace::new();
    let kubeconfig = place.write("kubeconfig", server.kubeconfig());
    let place = place.env("KUBECONFIG", kubeconfig.to_str().unwrap());
    let ran = place.run(["doctor", "--context", "prod"]).expect_code(3);
    assert!(
        ran.stdout().contains("contexts there are: fake"),
        "{}",
        ran.stdout()
    );
}

fn cluster(call: &Call, _: &mut Store) -> Option<Reply> {
    let body = match call.path.as_str() {
        "/version" => json!({"major": "1", "minor": "36", "gitVersion": "v1.36.3"}),
        "/apis" => json!({"groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1"}]}]}),
        "/api/v1/nodes" => {
            json!({"items": [{"metadata": {"name": "gpu-1", "labels": {"nvidia.com/gpu.product": "NVIDIA-L40S"}},
            "status": {"allocatable": {"nvidia.com/gpu": "4"}, "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"containerRuntimeVersion": "containerd://2.1.4", "architecture": "amd64", "bootID": "", "kernelVersion": "",
                    "kubeProxyVersion": "", "kubeletVersion": "v1.36.3", "machineID": "", "operatingSystem": "linux", "osImage": "", "systemUUID": ""}}}]})
        }
        path if path.ends_with("selfsubjectaccessreviews") => {
            let asked = &call.body["spec"]["resourceAttributes"];
            json!({"status": {"allowed": asked["resource"] != "leases"}})
        }
        _ => return None,
    };
    Some(Reply::json(200, &body))
}

#[test]
fn a_cluster_is_judged_by_what_the_file_asks_of_it() {
    let server = FakeApiserver::start(cluster);
    let place = Workplace::new();
    let kubeconfig = place.write("kubeconfig", server.kubeconfig());
    let place = place.env("KUBECONFIG", kubeconfig.to_str().unwrap());
    place.write(
        "infer.yaml",
        "version: 1\nname: chat\ntarget: kubernetes\nengine: {kind: vllm, version: 0.18.0}\n\
         model: {image: \"registry.example.com/models/chat:1\"}\nhardware: {gpus: 2, products: [NVIDIA-H100-80GB-HBM3]}\n",
    );
    let ran = place.run(["doctor"]).expect_code(3);
    let text = ran.stdout();
    for line in [
        "v1.36.3: image volumes on by default",
        "containerd://2.1.4 on 1 nodes",
        "no node has 2 × nvidia.com/gpu of NVIDIA-H100-80GB-HBM3; there are: 4 × NVIDIA-L40S (4 free)",
        "may not get, list, create, patch, update, delete leases: hold the release's lock",
        "2 things are missing",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_server_that_does_not_answer_is_said_and_does_not_hang() {
    let place = Workplace::new();
    let kubeconfig = place.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\nclusters: [{name: gone, cluster: {server: \"https://127.0.0.1:1\"}}]\n\
         users: [{name: u, user: {}}]\ncontexts: [{name: gone, context: {cluster: gone, user: u}}]\n",
    );
    let place = place.env("KUBECONFIG", kubeconfig.to_str().unwrap());
    let started = std::time::Instant::now();
    let ran = place.run(["doctor", "--context", "gone"]).expect_code(3);
    assert!(ran.stdout().contains("API server"), "{}", ran.stdout());
    assert!(started.elapsed().as_secs() < 20);
}
