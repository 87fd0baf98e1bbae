use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{engine::Kind, explain::Explain, spec};

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

/// Releases that run must not become other versions by an update of infer.
#[test]
fn a_deployments_id_is_stable_across_releases_of_infer() {
    assert_eq!(rendered(&[]).version.as_str(), "v9de25da6a");
}

const LWS: [&str; 3] = [
    "target={kubernetes: {as: lws, namespace: team-a}}",
    "hardware.hosts=2",
    "hardware.gpus=8",
];

#[test]
fn a_leader_worker_set_has_the_same_pod_twice() {
    let manifests = rendered(&LWS);
    let version = manifests.version.as_str();
    let set = object(&manifests, "LeaderWorkerSet");
    assert_eq!(set["metadata"]["name"], format!("chat-{version}"));
    assert_eq!(
        (
            &set["spec"]["replicas"],
            &set["spec"]["leaderWorkerTemplate"]["size"]
        ),
        (&json!(2), &json!(2))
    );
    let template = &set["spec"]["leaderWorkerTemplate"];
    let (leader, worker) = (&template["leaderTemplate"], &template["workerTemplate"]);
    let deployment = rendered(&["hardware.gpus=8"]);
    let only = &object(&deployment, "Deployment")["spec"]["template"];

    // All three are one pod, but for what tells a leader and a worker.
    let without = |pod: &Value, fields: &[&str]| {
        let mut pod = pod.clone();
        let container = pod["spec"]["containers"][0].as_object_mut().unwrap();
        for field in fields {
            container.remove(*field);
        }
        pod["metadata"]["labels"] = json!({});
        pod["spec"]["topologySpreadConstraints"] = json!([]);
        pod
    };
    assert_eq!(without(leader, &["args"]), without(only, &["args"]));
    let told_apart = [
        "args",
        "ports",
        "startupProbe",
        "readinessProbe",
        "livenessProbe",
        "lifecycle",
    ];
    assert_eq!(without(leader, &told_apart), without(worker, &told_apart));

    let line = |pod: &Value| pod["spec"]["containers"][0]["args"].to_string();
    for part in [
        r#""--tensor-parallel-size","8","--pipeline-parallel-size","2""#,
        r#""--nnodes","$(LWS_GROUP_SIZE)","--node-rank","0","--master-addr","$(LWS_LEADER_ADDRESS)""#,
    ] {
        assert!(line(leader).contains(part), "{}", line(leader));
    }
    assert!(
        line(worker).contains(r#""--node-rank","$(LWS_WORKER_INDEX)""#),
        "{}",
        line(worker)
    );
    assert!(line(worker).contains("--headless") && !line(leader).contains("--headless"));
}

#[test]
fn a_worker_is_probed_by_its_way_to_the_leader_and_goes_last() {
    let manifests = rendered(&LWS);
    let set = object(&manifests, "LeaderWorkerSet");
    let worker = &set["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"];
    let container = &worker["containers"][0];
    assert!(container["ports"].is_null() && container["readinessProbe"].is_null());
    for probe in ["startupProbe", "livenessProbe"] {
        let command = container[probe]["exec"]["command"].to_string();
        assert!(
            command.contains("['LWS_LEADER_ADDRESS'], 29501"),
            "{command}"
        );
    }
    // Leader: 15 s, then its own 45 s. Worker: the sum, and no flag that waits once more.
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 60);
    assert_eq!(worker["terminationGracePeriodSeconds"], 75);
    assert!(!container["args"].to_string().contains("--shutdown-timeout"));
}

#[test]
fn services_of_a_leader_worker_set_send_to_leaders_alone() {
    let manifests = rendered(&LWS);
    let version = manifests.version.as_str();
    let services = manifests
        .objects
        .iter()
        .filter(|one| one.object.kind() == "Service");
    let selectors: Vec<_> = services
        .map(|one| &one.object["spec"]["selector"])
        .collect();
    let leaders = json!({
        "infer.dev/release": "chat", "infer.dev/version": version,
        "leaderworkerset.sigs.k8s.io/worker-index": "0",
    });
    assert_eq!(selectors, [&leaders, &leaders]);
    let budget = &object(&manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"];
    assert_eq!(
        budget["leaderworkerset.sigs.k8s.io/worker-index"],
        Value::Null
    );
}

#[test]
fn the_worker_is_part_of_the_version() {
    let version = |sets: &[&str]| rendered(&[&LWS, sets].concat()).version;
    let own = "engine.worker_command=[join, '{model}']";
    assert_ne!(version(&[own]), version(&[]));
    assert_eq!(version(&["scale.replicas=1"]), version(&[]));
}

#[test]
fn each_engine_spans_machines_in_its_own_way() {
    let worker = |sets: &[&str]| {
        let image = ["engine.image=example.com/engine:1", "model.file=a.gguf"];
        let manifests = rendered(&[&LWS, &image[..], sets].concat());
        let set = object(&manifests, "LeaderWorkerSet").clone();
        let pod = set["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"].clone();
        pod["containers"][0].clone()
    };
    let sglang = worker(&["engine.kind=sglang"]);
    let args = sglang["args"].to_string();
    assert!(
        args.contains(r#""--tp-size","16","--dist-init-addr","$(LWS_LEADER_ADDRESS):20000""#),
        "{args}"
    );
    let args = worker(&["engine.kind=sglang", "engine.args.tp=4"])["args"].to_string();
    assert!(
        !args.contains("--tp-size") && args.contains(r#""--tp","4""#),
        "{args}"
    );
    let sim = worker(&["engine.kind=sim"]);
    assert_eq!(sim["command"], json!(["infer", "sim"]));
    assert!(sim["startupProbe"].is_null() && !sim["args"].to_string().contains("--drain"));
    let llama = worker(&[
        "engine.kind=llama.cpp",
        "engine.worker_command=[rpc-server, -p, '50052']",
    ]);
    assert_eq!(llama["command"], json!(["rpc-server", "-p", "50052"]));
    assert!(llama["args"].is_null());
}

#[test]
fn a_leader_that_waits_for_its_workers_is_refused() {
    let text = format!(
        "{CHAT}patches:\n  - kind: LeaderWorkerSet\n    merge: {{spec: {{startupPolicy: LeaderReady}}}}\n"
    );
    let error = render(&read(&text, &LWS), Some(&model()), &Overrides::default()).unwrap_err();
    assert!(error.to_string().contains("use LeaderCreated"), "{error}");
}

#[test]
fn a_virtual_service_has_one_destination_and_sends_no_prompt_twice() {
    let mesh = "traffic.mesh.gateways=[infra/public]";
    let text = CHAT.replace(
        "traffic: {gateway: {name: public, namespace: infra}, host: chat.example.com}\n",
        "",
    );
    let with =
        |sets: &[&str]| render(&read(&text, sets), Some(&model()), &Overrides::default()).unwrap();
    let manifests = with(&[mesh, "traffic.host=chat.example.com"]);
    let version = manifests.version.as_str();
    let found = manifests
        .objects
        .iter()
        .find(|one| one.object.kind() == "VirtualService");
    let found = found.unwrap();
    assert_eq!((found.role, found.object.name()), (Role::Route, "chat"));
    assert_eq!(
        found.object["spec"],
        json!({
            "hosts": ["chat.example.com"],
            "gateways": ["infra/public"],
            "http": [{
                "route": [{
                    "destination": {"host": format!("chat-{version}"), "port": {"number": 80}},
                    "weight": 100,
                    "headers": {"response": {"set": {"x-infer-version": version}}},
                }],
                "retries": {"attempts": 0},
            }],
        })
    );
    assert!(
        manifests
            .objects
            .iter()
            .all(|one| one.object.kind() != "HTTPRoute")
    );
    let hosts = |sets: &[&str]| object(&with(sets), "VirtualService")["spec"]["hosts"].clone();
    assert_eq!(hosts(&["traffic.via=virtual-service"]), json!(["chat"]));
    assert_eq!(hosts(&["traffic.mesh.gateways=[mesh]"]), json!(["chat"]));
    assert_eq!(hosts(&["traffic.mesh.gateways=[public]"]), json!(["*"]));
}

#[test]
fn an_autoscaler_owns_the_replicas_of_its_version() {
    let text = CHAT.replace("scale: {replicas: 2}\n", "");
    let pods = "scale.horizontal={by: hpa, min: 2, max: 6, metric: {pods: {name: vllm_num_requests_waiting, average: 5}}}";
    let with =
        |sets: &[&str]| render(&read(&text, sets), Some(&model()), &Overrides::default()).unwrap();
    let manifests = with(&[pods]);
    let version = manifests.version.as_str();
    let found = manifests
        .objects
        .iter()
        .find(|one| one.object.kind() == "HorizontalPodAutoscaler");
    let found = found.unwrap();
    assert_eq!(found.role, Role::Version);
    assert_eq!(
        found.object["spec"],
        json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": format!("chat-{version}")},
            "minReplicas": 2,
            "maxReplicas": 6,
            "metrics": [{"type": "Pods", "pods": {
                "metric": {"name": "vllm_num_requests_waiting"},
                "target": {"type": "AverageValue", "averageValue": "5"},
            }}],
        })
    );
    let deployment = &object(&manifests, "Deployment")["spec"];
    assert!(deployment.get("replicas").is_none(), "{deployment}");
    assert_eq!(manifests.version, with(&[]).version);
    let cpu = with(&[
        "hardware.cpu=4",
        "scale.horizontal={max: 3, metric: {cpu: 80}}",
    ]);
    assert_eq!(
        object(&cpu, "HorizontalPodAutoscaler")["spec"]["metrics"][0]["resource"]["target"],
        json!({"type": "Utilization", "averageUtilization": 80})
    );
    let groups = with(&[&LWS[..], &[pods]].concat());
    let target = &object(&groups, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"];
    assert_eq!(target["kind"], "LeaderWorkerSet");
    assert!(
        object(&groups, "LeaderWorkerSet")["spec"]
            .get("replicas")
            .is_none()
    );
}

#[test]
fn a_slice_is_asked_for_by_its_name_and_the_engine_is_kept_within_it() {
    let manifests = rendered(&[
        "hardware.share={mig: 1g.10gb}",
        "hardware.products=[NVIDIA-H100-80GB-HBM3]",
    ]);
    let found = pod(&manifests);
    let engine = &found["containers"][0];
    assert_eq!(
        engine["resources"]["limits"],
        json!({"memory": "32Gi", "nvidia.com/mig-1g.10gb": "1"})
    );
    assert_eq!(found["tolerations"][0]["key"], "nvidia.com/gpu");
    let terms =
        &found["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let product = &terms["nodeSelectorTerms"][0]["matchExpressions"][0]["values"];
    assert_eq!(*product, json!(["NVIDIA-H100-80GB-HBM3"]));
    let args = |sets: &[&str]| {
        let sets = [&["hardware.share={mig: 3g.40gb}"], sets].concat();
        pod(&rendered(&sets))["containers"][0]["args"].to_string()
    };
    let small = engine["args"].to_string();
    assert!(
        small.contains(r#""--max-num-seqs","256","--max-num-batched-tokens","2048""#),
        "{small}"
    );
    assert!(args(&[]).contains(r#""--max-num-batched-tokens","8192""#));
    let own = args(&["engine.args.max_num_seqs=64"]);
    assert_eq!(own.matches("--max-num-seqs").count(), 1, "{own}");
    // CPU engines take a slice too where one is asked for.
    let llama = rendered(&[
        "engine.kind=llama.cpp",
        "engine.image=example.com/engine:1",
        "model.file=a.gguf",
        "hardware.share={mig: 1g.10gb}",
    ]);
    assert_eq!(
        pod(&llama)["containers"][0]["resources"]["limits"]["nvidia.com/mig-1g.10gb"],
        "1"
    );
}

#[test]
fn a_block_of_the_pod_is_changed_in_every_workload() {
    let files = [(
        "_pod.yaml.j2",
        "{% extends \"builtin/_pod.yaml.j2\" %}\n{% block init_containers %}\n          priorityClassName: high\n{% endblock %}\n",
    )];
    let manifests = with_templates(&files).unwrap();
    assert_eq!(pod(&manifests)["priorityClassName"], "high");
    assert_ne!(manifests.version, rendered(&[]).version);
}

#[test]
fn a_block_that_moved_is_told_by_its_new_template() {
    let files = [(
        "deployment.yaml.j2",
        "{% extends \"builtin/deployment.yaml.j2\" %}\n{% block probes %}{% endblock %}\n",
    )];
    let error = with_templates(&files).unwrap_err().to_string();
    assert!(
        error.contains("block `probes` is not in deployment.yaml.j2 but in _pod.yaml.j2"),
        "{error}"
    );
}

#[test]
fn every_engine_renders() {
    for kind in Kind::ALL {
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
        ("_data.yaml.j2", "{a: {{ http_route.host }}}"),
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
    let pod = Template::find("_pod.yaml.j2").unwrap();
    assert!(pod.blocks().contains(&"probes"));
}
