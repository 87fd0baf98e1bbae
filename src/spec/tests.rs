use std::path::Path;

use super::*;
use crate::explain::Explain;

const CHAT: &str = "\
name: chat
model: {source: weights, image: oci:./image}
engine: {kind: vllm, version: 0.18.0, args: {max_model_len: 16384}}
gates: {slo: [ttft.p99<500ms]}
environments:
  prod:
    target: {kubernetes: {context: prod-eu, namespace: team-a}}
    model: {image: registry.example.com/models/chat}
    scale: {replicas: 4}
";

fn read(text: &str) -> Result<Spec, Error> {
    parse(Path::new("app/infer.yaml"), text, None, &[])
}

#[track_caller]
fn refused(text: &str) -> (String, String) {
    let error = read(text).unwrap_err();
    let mut shown = error.to_string();
    if let Some(source) = std::error::Error::source(&error) {
        shown = format!("{shown}\n{source}");
    }
    (shown, error.hints().join("\n"))
}

#[test]
fn defaults_are_filled_in_and_paths_start_beside_the_file() {
    let spec = read(CHAT).unwrap();
    assert_eq!(spec.target, Target::Local);
    assert_eq!(spec.model.source.as_deref(), Some(Path::new("app/weights")));
    assert_eq!(spec.model.served_name, "chat");
    assert_eq!(
        spec.engine.image.as_deref(),
        Some("vllm/vllm-openai:v0.18.0")
    );
    assert_eq!((spec.hardware.gpus, spec.scale.replicas), (1, 1));
    assert_eq!((spec.rollout.drain_s, spec.rollout.history), (45, 10));
    assert_eq!(spec.hardware.tolerations[0].key, "nvidia.com/gpu");
    assert_eq!(
        spec.model.image.as_ref().unwrap().to_string(),
        "oci:./image"
    );
    assert_eq!(spec.image_place().unwrap().to_string(), "oci:app/./image");
}

#[test]
fn an_environment_then_the_sets_lie_over_the_file() {
    let sets = [
        "scale.replicas=5".to_owned(),
        "engine.version=0.9.2".to_owned(),
    ];
    let spec = parse(Path::new("infer.yaml"), CHAT, Some("prod"), &sets).unwrap();
    assert_eq!(spec.scale.replicas, 5);
    assert_eq!(
        spec.engine.image.as_deref(),
        Some("vllm/vllm-openai:v0.9.2")
    );
    assert_eq!(spec.engine.args["max_model_len"], 16384);
    let Target::Kubernetes(kubernetes) = spec.target else {
        panic!("prod is a cluster");
    };
    assert_eq!(kubernetes.namespace.as_deref(), Some("team-a"));
    let error = parse(Path::new("infer.yaml"), CHAT, Some("dev"), &[]).unwrap_err();
    assert_eq!(error.hints(), ["it has prod"]);
}

#[test]
fn a_misspelt_key_names_file_line_snippet_and_the_nearest_key() {
    let (shown, hints) = refused("name: chat\nengine:\n  kind: vllm\n  imgae: x\n");
    for part in ["app/infer.yaml", "line 4", "imgae: x"] {
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
    assert_eq!(hints, "did you mean `image`?");
}

#[test]
fn a_misspelt_key_in_an_environment_is_found_without_choosing_it() {
    let (shown, hints) = refused("name: chat\nenvironments:\n  prod:\n    scal: {replicas: 2}\n");
    assert!(shown.contains("line 4"), "{shown}");
    assert_eq!(hints, "did you mean `scale`?");
}

#[test]
fn what_is_not_supported_yet_says_so_and_where() {
    let (shown, hints) = refused("name: chat\nscale:\n  vertical: recommend\n");
    assert!(
        shown.starts_with("`scale.vertical` is not supported yet"),
        "{shown}"
    );
    assert!(shown.contains("line 3"), "{shown}");
    assert!(hints.contains("infer schema"), "{hints}");
}

#[test]
fn wrong_types_are_said_with_their_line() {
    for (text, part) in [
        ("name: chat\nscale:\n  replicas: two\n", "line 3"),
        ("name: chat\nscale: 3\n", "line 2"),
        ("name: chat\nrollout:\n  drain: 90\n", "90s"),
        ("name: Chat\n", "release name"),
        ("name: chat\ngates: {slo: [ttft<1ms]}\n", "METRIC.STAT"),
        ("name: chat\nhardware: {memory: lots}\n", "quantity"),
        ("name: chat\nname: chat\n", "duplicate"),
        ("name: [\n", "line"),
        ("- a\n- b\n", "line 1"),
    ] {
        let (shown, _) = refused(text);
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_a_way_out() {
    let with = |rest: &str| format!("name: chat\nengine: {{kind: sim}}\n{rest}");
    for (text, part) in [
        ("engine: {kind: sim}\n".to_owned(), "no `name`"),
        ("name: chat\n".to_owned(), "which engine"),
        (
            "name: chat\nengine: {kind: vllm}\n".to_owned(),
            "no `model`",
        ),
        (with("version: 2"), "format"),
        (with("scale: {replicas: 0}"), "leaves nothing to answer"),
        (with("hardware: {gpus: 65}"), "more than a node"),
        (with("target: kubernetes\nhardware: {hosts: 2}"), "needs a workload"),
        (
            "name: chat\nengine: {kind: sim, worker_command: [x]}\ntarget: kubernetes\n".to_owned(),
            "worker_command",
        ),
        (with("target: {kubernetes: {as: lws}}"), "several machines"),
        (
            with("target: {kubernetes: {as: lws}}\nhardware: {hosts: 2}").replace("name: chat", "name: a123456789-123456789-123456789-123456789"),
            "controller-revision-hash",
        ),
        (
            with("target: {kubernetes: {as: lws}}\nhardware: {hosts: 2, share: {mig: 1g.10gb}}"),
            "cannot work together",
        ),
        (
            "name: chat\nmodel: {image: 'oci:x'}\nengine: {kind: llama.cpp}\ntarget: {kubernetes: {as: lws}}\nhardware: {hosts: 2}\n".to_owned(),
            "what the other machines",
        ),
        (with("hardware: {hosts: 0}"), "not a valid number"),
        (with("hardware: {share: {mig: 10gb}}"), "not a valid MIG profile"),
        (with("hardware: {share: {mig: 1g.10gb}, gpus: 2}"), "several slices"),
        (with("hardware: {share: {mig: 1g.10gb}, resource: x/y}"), "exclude"),
        (
            with("hardware: {share: {mig: 1g.5gb}, products: [NVIDIA-A100-SXM4-40GB-MIG-1g.5gb]}"),
            "strategy single",
        ),
        (with("scale: {replicas: 2, horizontal: {max: 3}}"), "exclude"),
        (with("scale: {horizontal: {min: 1}}"), "no `max`"),
        (with("scale: {horizontal: {min: 4, max: 3, metric: {cpu: 80}}}"), "above"),
        (with("scale: {horizontal: {max: 3}}"), "no `metric`"),
        (with("scale: {horizontal: {min: 0, max: 3}}"), "leaves nothing to answer"),
        (with("scale: {horizontal: {max: 3, metric: {cpu: 80}}}"), "hardware.cpu"),
        (with("hardware: {cpu: 1}\nscale: {horizontal: {max: 3, metric: {cpu: 0}}}"), "percentage"),
        (with("traffic: {gateway: {name: g}, mesh: {}}"), "exclude"),
        (with("traffic: {via: service, mesh: {}}"), "virtual-service"),
        (with("traffic: {mesh: {gateways: ['a b']}}"), "traffic.mesh.gateways"),
        (with("traffic: {via: gateway}"), "needs one"),
        (with("traffic: {gateway: {namespace: infra}}"), "no `name`"),
        (
            with("traffic: {via: service, gateway: {name: g}}"),
            "exclude",
        ),
        (with("traffic: {endpoint: example.com}"), "not a valid URL"),
        (
            with("target: kubernetes\ntraffic: {session: {header: x}}"),
            "local` only",
        ),
        (
            with("target: kubernetes\nsecrets: {KEY: {secret: a}}"),
            "where the value is",
        ),
        (with("secrets: {1KEY: {}}"), "variable name"),
        (with("model: {file: ../x}"), "outside"),
        (with("patches: [{kind: Service}]"), "changes nothing"),
    ] {
        let (shown, hints) = refused(&text);
        assert!(shown.contains(part), "{part} is not in:\n{shown}");
        assert!(!hints.is_empty(), "{shown} has no hint");
    }
}

#[test]
fn an_empty_file_lacks_a_name() {
    assert!(refused("").0.contains("no `name`"));
}

#[test]
fn a_command_of_ones_own_gets_its_places_filled_in() {
    let spec = read(
        "name: chat\nmodel: {image: 'oci:x'}\nengine:\n  kind: llama.cpp\n  command: [my-server, '--weights={model}/x', '{port}', '{served_name}']\n  args: {c: 512}\n",
    )
    .unwrap();
    let launch = Launch {
        model: Some("/m"),
        port: "{port}",
        host: "127.0.0.1",
        ..Launch::default()
    };
    let argv = spec.argv(&launch).unwrap();
    assert_eq!(
        argv,
        ["my-server", "--weights=/m/x", "{port}", "chat", "-c", "512"]
    );
}

#[test]
fn the_schema_has_the_keys_that_work_and_no_others() {
    let schema = serde_json::to_value(schema()).unwrap();
    let keys: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert!(keys.iter().any(|key| *key == "environments"));
    assert!(!schema.to_string().contains("tenancy"));
    assert_eq!(schema["additionalProperties"], false);
}
