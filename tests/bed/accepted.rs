//! Everything that `infer` renders is accepted by the real API server with the real CRDs,
//! every field checked (`dryRun=All`, strict validation).

use std::{fs, path::Path};

use crate::support::bed::Namespace;

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

#[test]
fn the_shipped_rights_are_enough_and_no_more() {
    let namespace = Namespace::waiting("rights");
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
    ] {
        assert!(can(verb, what), "{verb} {what}");
    }
    for (verb, what) in [
        ("get", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("delete", "nodes"),
        ("patch", "gateways.gateway.networking.k8s.io"),
    ] {
        assert!(!can(verb, what), "{verb} {what}");
    }
    namespace.place.write(
        "infer.yaml",
        format!(
            "name: chat\nengine: {{kind: sim, image: \"registry.invalid/infer:1\"}}\n{}",
            namespace.target()
        ),
    );
    let ran = namespace.infer(&["doctor"]);
    assert_eq!(ran.code(), 0, "{}{}", ran.stdout(), ran.stderr());
}
