//! What is missing, in the way or only worth a note.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        access::{RightReview, rights},
        gpus::NodeGpus,
    },
    *,
};

fn facts() -> Facts {
    Facts {
        version: "v1.36.3".to_owned(),
        apis: BTreeSet::from(
            ["gateway.networking.k8s.io/v1", "keda.sh/v1alpha1"].map(str::to_owned),
        ),
        runtimes: Some(BTreeMap::from([(
            "gpu-1".to_owned(),
            "containerd://2.1.4".to_owned(),
        )])),
        gpus: vec![NodeGpus {
            node: "gpu-1".to_owned(),
            resource: "nvidia.com/gpu".to_owned(),
            product: "NVIDIA-L40S".to_owned(),
            memory_mib: None,
            allocatable: 4,
            used: 3,
            usable: true,
            taints: Vec::new(),
        }],
        rights: rights(|_| true)
            .into_iter()
            .map(|(kind, right)| RightReview {
                kind,
                right,
                denied: Vec::new(),
            })
            .collect(),
        gateway_found: Some(true),
    }
}

fn needs() -> Needs {
    Needs {
        image_volume: true,
        gateway: Some(("public".to_owned(), Some("infra".to_owned()))),
        gpu_resource: "nvidia.com/gpu".to_owned(),
        gpus: 1,
        replicas: 1,
        products: Vec::new(),
    }
}

fn in_the_way(facts: &Facts, needs: &Needs) -> Vec<String> {
    let checks = judge(facts, needs);
    for check in &checks {
        let fine = matches!(check.state, State::Ok | State::Unknown) || check.fix.is_some();
        assert!(fine, "{check:?} names no fix");
    }
    checks
        .into_iter()
        .filter(Check::is_in_the_way)
        .map(|check| check.name)
        .collect()
}

#[test]
fn a_cluster_that_has_everything_lacks_nothing() {
    assert_eq!(in_the_way(&facts(), &needs()), Vec::<String>::new());
}

#[test]
fn image_volumes_need_their_kubernetes() {
    for (version, state) in [
        ("v1.32.9", State::Missing),
        ("v1.33.0", State::Note),
        ("v1.34.2-eks-1", State::Note),
        ("v1.35.0+k3s1", State::Ok),
        ("v1.36.3-gke.100", State::Ok),
        ("nightly", State::Unknown),
    ] {
        let found = Facts {
            version: version.to_owned(),
            ..facts()
        };
        assert_eq!(kubernetes(&found, &needs()).state, state, "{version}");
    }
}

#[test]
fn image_volumes_need_their_runtime() {
    for (runtime, fine) in [
        ("containerd://2.1.0", true),
        ("containerd://1.7.27", false),
        ("cri-o://1.31.2", true),
        ("cri-o://1.30.0", false),
        ("docker://28.0.0", false),
        ("", false),
    ] {
        assert_eq!(mounts_images(runtime), fine, "{runtime}");
    }
    let mut some = facts();
    let nodes = some.runtimes.as_mut().unwrap();
    nodes.insert("old-1".to_owned(), "containerd://1.7.27".to_owned());
    let check = runtimes(&some, &needs()).unwrap();
    assert_eq!(check.state, State::Note);
    assert!(check.found.contains("old-1"), "{}", check.found);
}

#[test]
fn each_missing_thing_is_named() {
    let mut bare = facts();
    bare.apis.clear();
    bare.gateway_found = Some(false);
    let of = |plural: &str| {
        let mut rights = facts().rights.into_iter();
        rights
            .position(|review| review.kind.plural == plural)
            .unwrap()
    };
    bare.rights[of("deployments")].denied = vec!["watch", "delete"];
    bare.rights[of("nodes")].denied = vec!["list"];
    let wants = Needs {
        products: vec!["NVIDIA-H100-80GB-HBM3".to_owned()],
        ..needs()
    };
    assert_eq!(
        in_the_way(&bare, &wants),
        ["Gateway API", "Gateway", "GPUs", "Rights"]
    );
    assert_eq!(in_the_way(&bare, &Needs::default()), ["Rights"]);
    let found: Vec<_> = judge(&bare, &wants)
        .into_iter()
        .filter(|check| check.name == "Rights")
        .map(|check| (check.state, check.found))
        .collect();
    assert_eq!(
        found,
        [
            (
                State::Note,
                "may not list nodes: count free GPUs".to_owned()
            ),
            (
                State::Missing,
                "may not watch, delete deployments: apply, follow and delete the engines"
                    .to_owned()
            ),
        ]
    );
}

#[test]
fn busy_gpus_are_a_note_and_too_few_on_any_node_are_missing() {
    let two = Needs { gpus: 2, ..needs() };
    assert_eq!(gpus_there(&facts(), &two).state, State::Note);
    let eight = Needs { gpus: 8, ..needs() };
    assert_eq!(gpus_there(&facts(), &eight).state, State::Missing);
    let blind = Facts {
        runtimes: None,
        ..facts()
    };
    assert_eq!(gpus_there(&blind, &two).state, State::Unknown);
}
