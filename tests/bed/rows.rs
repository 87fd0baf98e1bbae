//! The second row of each seam, by its real controller where there is one: a LeaderWorkerSet
//! serves, a VirtualService splits, an HPA owns replicas, a MIG slice is scheduled.

use serde_json::{Value, json};

use super::{
    shares::Shares,
    simulated::{self, RELEASE},
    traffic::{end_whole, load, who_answers},
};
use crate::support::{
    bed::Namespace, fake_nodes::FakeNodes, fake_pods::FakePods, process::wait_until,
};

/// Another version, by its number.
fn revision(number: u32) -> String {
    format!("engine.env.REVISION={number}")
}

/// Replicas that a workload asks for, and that it has.
fn replicas(namespace: &Namespace, kind: &str, version: &str) -> (u64, u64) {
    let object = namespace.get(kind, &format!("{RELEASE}-{version}"));
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    (count("/spec/replicas"), count("/status/replicas"))
}

/// The version that a result names.
fn version_of(result: &Value) -> String {
    result["version"].as_str().expect("a version").to_owned()
}

/// Pods of a version that are not about to go, by name.
fn pods_of(namespace: &Namespace, version: &str) -> Vec<Value> {
    let selector = format!("infer.dev/version={version}");
    let json = namespace.kubectl(&["get", "pods", "-l", &selector, "-o", "json"]);
    let list: Value = serde_json::from_str(&json).expect("JSON");
    let pods = list["items"].as_array().cloned().unwrap_or_default();
    pods.into_iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .collect()
}

/// `infer.yaml` of a release of which each replica is two machines.
pub(crate) fn groups(namespace: &Namespace) -> String {
    simulated::file(namespace, 1, "")
        .replace("hardware: {", "hardware: {hosts: 2, ")
        .replace("kind: Deployment", "kind: LeaderWorkerSet")
        .replace(
            "merge: {spec: {template: {metadata: {annotations: {bed.infer.dev/play: hold}}}}}",
            "merge: {spec: {leaderWorkerTemplate: {leaderTemplate: {metadata: {annotations: \
             {bed.infer.dev/play: hold}}}}}}",
        )
        .replace("{kubernetes: {", "{kubernetes: {as: lws, ")
}

/// `infer.yaml` of a release whose way is an Istio `VirtualService`.
pub(crate) fn mesh(namespace: &Namespace, replicas: u32) -> String {
    let yaml = simulated::file(namespace, replicas, "");
    let (rest, _) = yaml.split_once("traffic:").expect("traffic");
    let host = namespace.host();
    format!(
        "{rest}traffic: {{via: virtual-service, host: {host}, mesh: {{gateways: [infra/public]}}}}\n"
    )
}

#[test]
fn a_leader_worker_set_serves_and_is_replaced() {
    let namespace = Namespace::new("groups");
    namespace.place.write("infer.yaml", groups(&namespace));
    let _pods = FakePods::answer(&namespace);
    let shares = Shares::watch(&namespace, "httproute", "leaderworkerset");
    let first = namespace.result(&["deploy"]);
    assert!(
        first["phases_s"]["first_token"].as_f64() > Some(0.0),
        "{first}"
    );
    let first = version_of(&first);

    // Its real controller has made a group: a leader, and a worker that knows where it is.
    let pods = pods_of(&namespace, &first);
    let index = "leaderworkerset.sigs.k8s.io/worker-index";
    let mut indexes: Vec<_> = pods
        .iter()
        .map(|pod| pod["metadata"]["labels"][index].clone())
        .collect();
    indexes.sort_by_key(ToString::to_string);
    assert_eq!(indexes, [json!("0"), json!("1")], "{pods:?}");
    for pod in &pods {
        let env = pod["spec"]["containers"][0]["env"].as_array();
        let mut env = env.expect("an environment").iter();
        assert!(env.any(|one| one["name"] == "LWS_LEADER_ADDRESS"), "{pod}");
    }
    assert_eq!(who_answers(&namespace, 5).get(&first), Some(&5));
    assert_eq!(namespace.result(&["deploy"])["changed"], false);

    let traffic = load(&namespace, "10", "8");
    let second = namespace.result(&["deploy", "--set", &revision(2)]);
    assert_eq!(second["changed"], true, "{second}");
    let second = version_of(&second);
    wait_until("the old group is gone", || {
        let old = replicas(&namespace, "leaderworkerset", &first);
        (old == (0, 0) && pods_of(&namespace, &first).is_empty()).then_some(())
    });
    assert_eq!(replicas(&namespace, "leaderworkerset", &second), (1, 1));
    assert_eq!(who_answers(&namespace, 5).get(&second), Some(&5));

    let back = namespace.result(&["rollback"]);
    assert_eq!(back["version"], first.as_str(), "{back}");
    assert_eq!(who_answers(&namespace, 5).get(&first), Some(&5));
    let status = namespace.result(&["status"]);
    assert_eq!(status["live"], first.as_str(), "{status}");
    end_whole(traffic);
    shares.end();
}

/// Each destination of the release's `VirtualService` and its weight; one without others has all.
fn destinations(namespace: &Namespace) -> Vec<(String, u64)> {
    let service = namespace.get("virtualservices.networking.istio.io", RELEASE);
    let rules = service["spec"]["http"].as_array().expect("rules");
    let routes = rules.last().expect("a rule")["route"].as_array();
    let routes = routes.expect("destinations");
    let mut shares: Vec<_> = routes
        .iter()
        .map(|route| {
            let host = route["destination"]["host"].as_str().expect("a host");
            let version = host.trim_start_matches(&format!("{RELEASE}-"));
            let weight = route["weight"].as_u64().filter(|_| routes.len() > 1);
            (version.to_owned(), weight.unwrap_or(100))
        })
        .collect();
    shares.sort();
    shares
}

fn shared(shares: &[(&str, u64)]) -> Vec<(String, u64)> {
    let mut shares: Vec<_> = shares
        .iter()
        .map(|(version, weight)| ((*version).to_owned(), *weight))
        .collect();
    shares.sort();
    shares
}

/// Its CRD is real and no proxy follows it: what is written is read from the object.
#[test]
fn a_virtual_service_splits_moves_and_rolls_back() {
    let namespace = Namespace::new("mesh");
    namespace.place.write("infer.yaml", mesh(&namespace, 1));
    let _pods = FakePods::answer(&namespace);
    let shares = Shares::watch(
        &namespace,
        "virtualservices.networking.istio.io",
        "deployment",
    );
    let first = version_of(&namespace.result(&["deploy"]));
    assert_eq!(destinations(&namespace), shared(&[(&first, 100)]));

    let second = version_of(&namespace.result(&["deploy", "--set", &revision(2)]));
    assert_eq!(destinations(&namespace), shared(&[(&second, 100)]));
    assert_eq!(replicas(&namespace, "deployment", &first).0, 0);

    // By probes to the pods, for no gateway's address is known.
    let held = [
        "canary",
        "--weight",
        "10",
        "--hold",
        "--for",
        "20s",
        "--set",
        &revision(3),
    ];
    let result = namespace.result(&held);
    assert_eq!(
        (&result["verdict"], &result["weight"]),
        (&json!("held"), &json!(10)),
        "{result}"
    );
    let third = version_of(&result["versions"]["candidate"]);
    let split = shared(&[(&second, 90), (&third, 10)]);
    assert_eq!(destinations(&namespace), split);
    namespace.result(&["canary", "abort"]);
    assert_eq!(destinations(&namespace), shared(&[(&second, 100)]));
    assert_eq!(namespace.result(&["status"])["live"], second.as_str());

    namespace.result(&held);
    assert_eq!(destinations(&namespace), split);
    namespace.result(&["canary", "promote"]);
    assert_eq!(destinations(&namespace), shared(&[(&third, 100)]));

    let back = namespace.result(&["rollback"]);
    assert_eq!(back["version"], second.as_str(), "{back}");
    assert_eq!(destinations(&namespace), shared(&[(&second, 100)]));
    assert_eq!(namespace.result(&["status"])["live"], second.as_str());
    shares.end();
}

/// The floor of a version's autoscaler, and what `infer` has noted about it.
fn floor(namespace: &Namespace, version: &str) -> (u64, Value) {
    let scaler = namespace.get("hpa", &format!("{RELEASE}-{version}"));
    let floor = scaler["spec"]["minReplicas"].as_u64().expect("a floor");
    let noted = &scaler["metadata"]["annotations"]["infer.dev/floor"];
    (floor, noted.clone())
}

/// Asks for a number of replicas as nobody should, and waits for what the HPA makes of it.
fn scaled_by_hand(namespace: &Namespace, version: &str, asked: u32, becomes: u64) {
    let name = format!("deployment/{RELEASE}-{version}");
    namespace.kubectl(&["scale", &name, &format!("--replicas={asked}")]);
    wait_until("the HPA sets the replicas", || {
        let (wanted, _) = replicas(namespace, "deployment", version);
        (wanted == becomes).then_some(())
    });
}

/// Without a metrics server the HPA cannot follow the load; its limits it enforces all the same.
#[test]
fn an_hpa_owns_replicas_and_is_floored_while_a_canary_is_open() {
    let namespace = Namespace::new("scaled");
    let _nodes = FakeNodes::like_h100(&namespace, 1);
    let yaml = simulated::file(&namespace, 1, "")
        .replace(
            "scale: {replicas: 1}",
            "scale: {horizontal: {by: hpa, min: 2, max: 5, metric: {cpu: 70}}}",
        )
        .replace("hardware: {", "hardware: {cpu: 1, ");
    let (namespace, _pods) = {
        namespace.place.write("infer.yaml", yaml);
        let pods = FakePods::answer(&namespace);
        (namespace, pods)
    };
    let first = version_of(&namespace.result(&["deploy"]));
    assert_eq!(replicas(&namespace, "deployment", &first), (2, 2));
    assert_eq!(floor(&namespace, &first), (2, Value::Null));

    // Its controller owns them: more than it allows are taken back, and deploy leaves it be.
    scaled_by_hand(&namespace, &first, 7, 5);
    let same = namespace.result(&["deploy"]);
    assert_eq!(same["changed"], false, "{same}");
    assert_eq!(replicas(&namespace, "deployment", &first).0, 5);

    // What replaces it begins with as many as serve; the old one stays down.
    let second = version_of(&namespace.result(&["deploy", "--set", &revision(2)]));
    assert_eq!(replicas(&namespace, "deployment", &second).0, 5);
    assert_eq!(replicas(&namespace, "deployment", &first).0, 0);
    assert_eq!(floor(&namespace, &second), (2, Value::Null));

    let third = revision(3);
    let open = [
        "canary", "--weight", "60", "--hold", "--for", "10m", "--set", &third,
    ];
    let mut run = namespace.start(&open);
    run.event("weight-set");
    let candidate = candidate(&namespace);
    assert_eq!(floor(&namespace, &second), (5, json!("2/5")));
    assert_eq!(floor(&namespace, &candidate), (3, json!("2/3")));
    assert_eq!(replicas(&namespace, "deployment", &candidate).0, 3);
    // What is measured does not shrink, whoever asks.
    scaled_by_hand(&namespace, &second, 1, 5);

    // A run that is killed leaves the floors, and what ends its canary takes them back.
    run.kill();
    free_the_lock(&namespace);
    namespace.result(&["canary", "abort"]);
    assert_eq!(floor(&namespace, &second), (2, Value::Null));
    assert_eq!(floor(&namespace, &candidate), (2, Value::Null));
    assert_eq!(replicas(&namespace, "deployment", &candidate).0, 0);

    // And what goes back begins with as many as serve, too.
    let back = namespace.result(&["rollback"]);
    assert_eq!(back["version"], first.as_str(), "{back}");
    assert_eq!(replicas(&namespace, "deployment", &first).0, 5);
    assert_eq!(replicas(&namespace, "deployment", &second).0, 0);
}

/// The number of replicas is handed to an autoscaler and taken back, and no pod ends for that.
#[test]
fn an_hpa_takes_replicas_over_and_gives_them_back() {
    let namespace = Namespace::new("handed");
    let fixed = simulated::file(&namespace, 3, "").replace("hardware: {", "hardware: {cpu: 1, ");
    let scaled = fixed.replace(
        "scale: {replicas: 3}",
        "scale: {horizontal: {by: hpa, min: 2, max: 4, metric: {cpu: 70}}}",
    );
    namespace.place.write("infer.yaml", &fixed);
    let _pods = FakePods::answer(&namespace);
    let version = version_of(&namespace.result(&["deploy"]));
    let names = || {
        let mut names: Vec<_> = pods_of(&namespace, &version)
            .iter()
            .map(|pod| pod["metadata"]["name"].clone())
            .collect();
        names.sort_by_key(ToString::to_string);
        names
    };
    let before = names();

    namespace.place.write("infer.yaml", &scaled);
    let same = namespace.result(&["deploy"]);
    assert_eq!(same["version"], version.as_str(), "{same}");
    assert_eq!(names(), before);
    scaled_by_hand(&namespace, &version, 6, 4);
    namespace.result(&["deploy"]);
    assert_eq!(replicas(&namespace, "deployment", &version).0, 4);

    namespace.place.write("infer.yaml", &fixed);
    namespace.result(&["deploy"]);
    assert_eq!(replicas(&namespace, "deployment", &version), (3, 3));
    assert_eq!(namespace.list("hpa"), json!([]));
    assert_eq!(namespace.result(&["deploy"])["changed"], false);
}

fn candidate(namespace: &Namespace) -> String {
    let status = namespace.infer(&["status"]).result();
    status["candidate"]
        .as_str()
        .expect("a candidate")
        .to_owned()
}

/// What half a minute does, for which other tests wait: the lock of a killed run is free.
pub(crate) fn free_the_lock(namespace: &Namespace) {
    let free = json!({"spec": {"holderIdentity": ""}}).to_string();
    let lease = format!("infer-{RELEASE}");
    namespace.kubectl(&["patch", "lease", &lease, "--type=merge", "-p", &free]);
}

#[test]
fn a_mig_slice_is_asked_for_and_scheduled() {
    let namespace = Namespace::new("slice");
    let whole = "hardware: {gpus: 1, products: [NVIDIA-H100-80GB-HBM3, NVIDIA-L40S]}";
    let of = |profile: &str| {
        let yaml = simulated::file(&namespace, 2, "");
        assert!(yaml.contains(whole), "{yaml}");
        yaml.replace(whole, &format!("hardware: {{share: {{mig: {profile}}}}}"))
    };
    namespace.place.write("infer.yaml", of("1g.10gb"));
    let _pods = FakePods::answer(&namespace);
    let version = version_of(&namespace.result(&["deploy"]));
    let pods = pods_of(&namespace, &version);
    assert_eq!(pods.len(), 2, "{pods:?}");
    for pod in &pods {
        assert_eq!(pod["spec"]["nodeName"], "a100-mig", "{pod}");
        let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
        assert_eq!(limits["nvidia.com/mig-1g.10gb"], "1", "{limits}");
        assert_eq!(limits["nvidia.com/gpu"], Value::Null, "{limits}");
    }
    assert_eq!(who_answers(&namespace, 5).get(&version), Some(&5));

    // A slice that no node has: live is untouched, and the error names it.
    namespace.place.write("infer.yaml", of("2g.20gb"));
    let refused = namespace.infer(&["deploy"]).expect_code(1).result();
    assert!(
        refused.to_string().contains("nvidia.com/mig-2g.20gb"),
        "{refused}"
    );
    assert_eq!(namespace.result(&["status"])["live"], version.as_str());
}
