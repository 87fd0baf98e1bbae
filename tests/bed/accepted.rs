//! Everything that `infer` renders is accepted by the real API server with the real CRDs,
//! every field checked (`dryRun=All`, strict validation).

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::simulated::{self, RELEASE};
use crate::support::{bed::Namespace, fake_pods::FakePods};

#[test]
fn every_example_is_accepted_field_by_field() {
    let namespace = Namespace::waiting("accepted");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut seen = 0;
    for entry in fs::read_dir(&examples).expect("examples") {
        let manifests = entry.expect("an entry").path().join("manifests.yaml");
        if !manifests.is_file() {
            continue;
        }
        seen += 1;
        let text = fs::read_to_string(&manifests).expect("manifests");
        let text = text.replace(
            "namespace: inference\n",
            &format!("namespace: {}\n", namespace.name),
        );
        let path = namespace
            .place
            .write("manifests.yaml", text)
            .display()
            .to_string();
        namespace.kubectl(&[
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            &path,
        ]);
    }
    assert!(seen >= 4, "{seen} examples");
}

/// The whole life of a release by an account that holds examples/rbac.yaml and nothing else.
#[test]
fn the_shipped_rights_are_enough_and_no_more() {
    let namespace = Namespace::new("rights");
    let can = |verb: &str, what: &str| {
        let user = ["--as=someone", "--as-group=inference-operators"];
        let args = [
            &["-n", &namespace.name, "auth", "can-i", verb, what][..],
            &user,
        ]
        .concat();
        namespace.bed.asked(&args).as_deref() == Some("yes")
    };
    for (verb, what) in [
        ("patch", "deployments.apps"),
        ("patch", "httproutes.gateway.networking.k8s.io"),
        ("get", "pods/proxy"),
        ("patch", "leases.coordination.k8s.io"),
        ("patch", "leaderworkersets.leaderworkerset.x-k8s.io"),
        ("patch", "horizontalpodautoscalers.autoscaling"),
    ] {
        assert!(can(verb, what), "{verb} {what}");
    }
    for (verb, what) in [
        ("get", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("delete", "nodes"),
        ("patch", "gateways.gateway.networking.k8s.io"),
        ("delete", "pods"),
        ("*", "*"),
    ] {
        assert!(!can(verb, what), "{verb} {what}");
    }
    // That account, and no administrator, is who runs infer in every test of the bed.
    let own = namespace.bed.setting("KUBECONFIG_INFER");
    let kubeconfig = format!("--kubeconfig={own}");
    let who = namespace
        .bed
        .kubectl(&[&kubeconfig, "auth", "whoami", "-o", "json"]);
    let who: Value = serde_json::from_str(&who).expect("JSON");
    let groups = &who["status"]["userInfo"]["groups"];
    assert_eq!(
        groups,
        &json!(["inference-operators", "system:authenticated"])
    );

    let yaml = simulated::file(&namespace, 1, "");
    namespace.place.write("infer.yaml", &yaml);
    let _pods = FakePods::answer(&namespace);
    let ran = namespace.infer(&["doctor"]);
    assert_eq!(ran.code(), 0, "{}{}", ran.stdout(), ran.stderr());
    let live = || namespace.result(&["status"])["live"].clone();
    namespace.result(&["deploy"]);
    let first = live();
    namespace.result(&["deploy", "--set", "engine.env.REVISION=2"]);
    let second = live();
    assert_ne!(second, first);
    let hold = |weight: &str| {
        let words = ["canary", "--hold", "--for", "10s", "--weight", weight];
        let set = ["--set", "engine.env.REVISION=3"];
        let held = namespace.result(&[&words[..], &set].concat());
        assert_eq!(held["verdict"], "held", "{held}");
    };
    hold("10");
    namespace.result(&["canary", "abort"]);
    assert_eq!(live(), second);
    hold("50");
    namespace.result(&["canary", "promote"]);
    assert_ne!(live(), second);
    assert_eq!(namespace.result(&["rollback"])["version"], second);
    assert_eq!(
        namespace.result(&["rollback", "--to", first.as_str().expect("a version")])["version"],
        first
    );
    namespace.infer(&["logs"]).expect_code(0);
    namespace.result(&["history"]);
    namespace.result(&["delete", RELEASE, "--yes"]);
}
