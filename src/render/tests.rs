use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{explain::Explain, spec};

pub(super) const DIGEST: &str =
    "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

pub(super) const CHAT: &str = "\
name: chat
model: {image: registry.example.com/models/chat}
engine: {kind: vllm, version: 0.18.0}
target: {kubernetes: {namespace: team-a}}
hardware: {memory: 32Gi}
scale: {replicas: 2}
traffic: {gateway: {name: public, namespace: infra}, host: chat.example.com}
";

pub(super) fn model() -> Reference {
    format!("registry.example.com/models/chat@{DIGEST}")
        .parse()
        .unwrap()
}

pub(super) fn read(text: &str, sets: &[&str]) -> Spec {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    spec::parse(Path::new("infer.yaml"), text, None, &sets).unwrap()
}

pub(super) fn rendered(sets: &[&str]) -> Manifests {
    render(&read(CHAT, sets), Some(&model()), &Overrides::default()).unwrap()
}

pub(super) fn with_templates(files: &[(&str, &str)]) -> Result<Manifests, Error> {
    let dir = tempfile::tempdir().unwrap();
    for (name, source) in files {
        std::fs::write(dir.path().join(name), source).unwrap();
    }
    let overrides = Overrides::read(Some(dir.path()))?;
    render(&read(CHAT, &[]), Some(&model()), &overrides)
}

pub(super) fn object<'a>(manifests: &'a Manifests, kind: &str) -> &'a Value {
    let found = manifests
        .objects
        .iter()
        .find(|one| one.object.kind() == kind);
    &found.unwrap_or_else(|| panic!("no {kind}")).object
}

pub(super) fn pod(manifests: &Manifests) -> &Value {
    &object(manifests, "Deployment")["spec"]["template"]["spec"]
}

#[test]
fn objects_come_in_order_and_are_named_after_release_and_version() {
    let manifests = rendered(&[]);
    let version = manifests.version.as_str();
    let named: Vec<String> = manifests
        .objects
        .iter()
        .map(|one| format!("{:?} {}", one.role, one.object.title()))
        .collect();
    assert_eq!(
        named,
        [
            "Shared ServiceAccount chat".to_owned(),
            format!("Version Deployment chat-{version}"),
            format!("Version Service chat-{version}"),
            format!("Version PodDisruptionBudget chat-{version}"),
            "Route Service chat".to_owned(),
            "Route HTTPRoute chat".to_owned(),
        ]
    );
    for one in &manifests.objects {
        assert_eq!(one.object["metadata"]["namespace"], "team-a");
    }
}

#[test]
fn the_pod_is_as_production_wants_it() {
    let manifests = rendered(&[]);
    let pod = pod(&manifests);
    let engine = &pod["containers"][0];
    assert_eq!(pod["enableServiceLinks"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["terminationGracePeriodSeconds"], 75);
    assert_eq!(engine["lifecycle"]["preStop"]["sleep"]["seconds"], 15);
    assert_eq!(engine["startupProbe"]["failureThreshold"], 180);
    assert_eq!(engine["livenessProbe"]["timeoutSeconds"], 15);
    assert_eq!(engine["resources"]["limits"]["nvidia.com/gpu"], "1");
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        engine["volumeMounts"][0],
        json!({"name": "model", "mountPath": "/models", "subPath": "models", "readOnly": true})
    );
    let image = &pod["volumes"][0]["image"];
    assert!(image["reference"].as_str().unwrap().ends_with(DIGEST));
    assert_eq!(pod["volumes"][1]["emptyDir"]["medium"], "Memory");
    assert_eq!(engine["command"], json!(["vllm", "serve"]));
    let args = engine["args"].to_string();
    assert!(args.contains(r#""--shutdown-timeout","45""#), "{args}");
    let deployment = &object(&manifests, "Deployment")["spec"];
    assert_eq!(deployment["progressDeadlineSeconds"], 900 + 1800 + 60);
    assert_eq!(deployment["strategy"]["rollingUpdate"]["maxSurge"], 0);
}

#[test]
fn a_route_has_one_backend_whose_answers_name_their_version() {
    let manifests = rendered(&[]);
    let route = &object(&manifests, "HTTPRoute")["spec"];
    let backend = &route["rules"][0]["backendRefs"][0];
    let version = manifests.version.as_str();
    assert_eq!(backend["name"], format!("chat-{version}"));
    assert_eq!(backend["weight"], 100);
    assert_eq!(
        backend["filters"][0]["responseHeaderModifier"]["set"][0],
        json!({"name": "x-infer-version", "value": version})
    );
    assert_eq!(
        route["parentRefs"][0],
        json!({"name": "public", "namespace": "infra"})
    );
    assert_eq!(route["hostnames"], json!(["chat.example.com"]));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(
        rendered(&[]).to_yaml().unwrap(),
        rendered(&[]).to_yaml().unwrap()
    );
}

#[test]
fn a_version_changes_with_its_pods_and_with_nothing_else() {
    let version = rendered(&[]).version;
    for same in [
        "scale.replicas=5",
        "traffic.host=x.example.com",
        "rollout.history=3",
        "gates.slo=[error_rate<1%]",
    ] {
        assert_eq!(rendered(&[same]).version, version, "{same}");
    }
    for other in [
        "engine.args.max_model_len=8",
        "engine.env.A=b",
        "engine.version=0.19.0",
        "rollout.drain=50s",
        "hardware.gpus=2",
        "observe.metrics=annotations",
    ] {
        assert_ne!(rendered(&[other]).version, version, "{other}");
    }
}

#[test]
fn every_engine_renders() {
    for kind in ["vllm", "sglang", "llama.cpp", "sim"] {
        let kind = format!("engine.kind={kind}");
        let sets = [
            kind.as_str(),
            "engine.image=example.com/engine:1",
            "model.file=a.gguf",
        ];
        let manifests = rendered(&sets);
        assert_eq!(
            pod(&manifests)["containers"][0]["image"],
            "example.com/engine:1"
        );
    }
}

#[test]
fn llama_servers_prompt_cache_fits_its_memory() {
    let cache = |more: &[&str]| {
        let sets = [
            "engine.kind=llama.cpp",
            "engine.image=example.com/engine:1",
            "model.file=a.gguf",
        ];
        let manifests = rendered(&[&sets, more].concat());
        let env = pod(&manifests)["containers"][0]["env"].clone();
        let env = env.as_array().unwrap().iter();
        let mut found = env.filter(|one| one["name"] == "LLAMA_ARG_CACHE_RAM");
        found.next().map(|one| one["value"].clone())
    };
    assert_eq!(cache(&["hardware.memory=512Mi"]), Some(json!("128")));
    let own = "engine.env.LLAMA_ARG_CACHE_RAM=64";
    assert_eq!(cache(&["hardware.memory=4Gi", own]), Some(json!("64")));
}

#[test]
fn a_user_overrides_one_block() {
    let manifests = with_templates(&[(
        "service.yaml.j2",
        "{% extends \"builtin/service.yaml.j2\" %}\n{% block spec %}\n  type: NodePort\n{% endblock %}\n",
    )])
    .unwrap();
    let services = manifests
        .objects
        .iter()
        .filter(|one| one.object.kind() == "Service");
    let types: Vec<&Value> = services.map(|one| &one.object["spec"]["type"]).collect();
    assert_eq!(types, ["ClusterIP", "NodePort"]);
}

#[test]
fn a_user_adds_objects_and_partials_are_only_included() {
    let manifests = with_templates(&[
        ("config.yaml.j2", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ name }}}\ndata: {% include \"_data.yaml.j2\" %}\n"),
        ("_data.yaml.j2", "{a: {{ host }}}"),
    ])
    .unwrap();
    assert_eq!(
        object(&manifests, "ConfigMap")["data"]["a"],
        "chat.example.com"
    );
}

#[test]
fn wrong_templates_say_which_and_why() {
    for (source, part) in [
        ("a: {{ nmae }}", "undefined"),
        ("a: {{ name | safe }}", "safe"),
        ("{% for x in range(9999999) %}{% endfor %}", "range"),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}",
            "fuel",
        ),
        (
            "{% autoescape false %}{{ name }}{% endautoescape %}",
            "autoescape",
        ),
        ("{% if %}", "syntax"),
        ("a: 1\na: 2", "duplicate"),
        ("a: 1", "no apiVersion"),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {portz: []}",
            "spec.portz",
        ),
        (
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {selector: {a: b}}",
            "selects no pods",
        ),
        (
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: chat, namespace: team-a}",
            "there twice",
        ),
    ] {
        let error = with_templates(&[("bad.yaml.j2", source)]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn patches_change_what_no_key_says() {
    let text = format!(
        "{CHAT}patches:\n  - kind: Deployment\n    merge: {{spec: {{template: {{spec: {{priorityClassName: high}}}}}}}}\n  - kind: Service\n    name: chat-{{version}}\n    json: [{{op: add, path: /metadata/annotations, value: {{a: b}}}}]\n"
    );
    let manifests = render(&read(&text, &[]), Some(&model()), &Overrides::default()).unwrap();
    assert_eq!(pod(&manifests)["priorityClassName"], "high");
    assert_ne!(manifests.version, rendered(&[]).version);
    let annotated = manifests
        .objects
        .iter()
        .filter(|one| !one.object["metadata"]["annotations"].is_null());
    assert_eq!(
        annotated.map(|one| one.object.kind()).collect::<Vec<_>>(),
        ["Service"]
    );
}

#[test]
fn a_patch_that_breaks_what_fits_together_is_refused() {
    let pod = |merge: &str| {
        format!(
            "{CHAT}patches:\n  - kind: Deployment\n    merge: {{spec: {{template: {{spec: {merge}}}}}}}\n"
        )
    };
    for (text, part) in [
        (
            pod("{terminationGracePeriodSeconds: 30}"),
            "draining takes 75 s",
        ),
        (
            pod("{containers: [{name: engine, resources: {limits: {memory: 1Gi}}}]}"),
            "leaves nothing",
        ),
        (
            pod("{containers: [{name: engine, volumeMounts: [{name: gone, mountPath: /x}]}]}"),
            "no volume",
        ),
        (
            pod("{containers: [{name: engine, readinessProbe: {httpGet: {port: web}}}]}"),
            "port \"web\"",
        ),
        (pod("{contaners: []}"), "contaners"),
        (
            format!(
                "{CHAT}patches:\n  - kind: Deployment\n    merge: {{spec: {{selector: {{matchLabels: {{a: b}}}}}}}}\n"
            ),
            "own pods",
        ),
        (
            format!(
                "{CHAT}patches:\n  - kind: Deployment\n    merge: {{spec: {{progressDeadlineSeconds: 600}}}}\n"
            ),
            "gives up",
        ),
        (
            format!(
                "{CHAT}patches:\n  - kind: Deployment\n    merge: {{spec: {{strategy: {{rollingUpdate: {{maxUnavailable: 0}}}}}}}}\n"
            ),
            "neither add nor take",
        ),
        (
            format!(
                "{CHAT}patches:\n  - kind: HTTPRoute\n    json: [{{op: replace, path: /spec/rules/0/backendRefs/0/weight, value: 0}}]\n"
            ),
            "weight 0",
        ),
        (
            format!(
                "{CHAT}patches:\n  - kind: HTTPRoute\n    json: [{{op: replace, path: /spec/rules/0/backendRefs/0/port, value: 81}}]\n"
            ),
            "no Service here",
        ),
        (
            format!("{CHAT}patches:\n  - kind: Deploymnet\n    merge: {{a: b}}\n"),
            "no object",
        ),
        (
            format!("{CHAT}patches:\n  - kind: Service\n    json: [{{op: remove, path: /nope}}]\n"),
            "cannot be applied",
        ),
    ] {
        let error = render(&read(&text, &[]), Some(&model()), &Overrides::default()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn what_is_missing_for_a_cluster_is_said_with_a_way_out() {
    let tagged: Reference = "registry.example.com/models/chat:1".parse().unwrap();
    let refused = |sets: &[&str], model: Option<&Reference>| {
        let error = render(&read(CHAT, sets), model, &Overrides::default()).unwrap_err();
        assert!(!error.hints().is_empty(), "{error}");
        error.to_string()
    };
    assert!(refused(&["target=local"], Some(&model())).contains("no manifests"));
    assert!(refused(&[], None).contains("no image"));
    assert!(refused(&[], Some(&tagged)).contains("digest"));
    assert!(refused(&["engine.kind=sim"], Some(&model())).contains("container image"));
    assert!(refused(&["engine.kind=llama.cpp"], Some(&model())).contains("one file"));
}

#[test]
fn block_names_are_read_from_the_templates() {
    let deployment = Builtin::find("deployment.yaml.j2").unwrap();
    assert!(deployment.blocks().contains(&"probes"));
}
