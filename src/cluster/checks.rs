//! What a cluster offers against what a release needs of it: facts read once, judged purely.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Serialize;
use serde_json::Value;

use super::{
    Cluster, Error,
    access::{RIGHTS, Right, allowed},
    gpus::{self, NodeGpus},
    kind::{NODE, POD},
    request::Request,
};

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Ok,
    /// It works, and there is something to know.
    Note,
    /// It is not there, or not enough.
    Missing,
    /// It could not be looked at.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Check {
    pub name: String,
    pub state: State,
    /// What was found, in words.
    pub found: String,
    /// Whether the release at hand cannot do without it.
    pub needed: bool,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Check {
    pub fn new(name: &str, state: State, found: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            state,
            found: found.into(),
            needed: false,
            fix: None,
        }
    }

    #[must_use]
    pub fn needed(mut self, needed: bool) -> Self {
        self.needed = needed;
        self
    }

    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Whether the release cannot run for it.
    pub fn is_in_the_way(&self) -> bool {
        self.needed && self.state == State::Missing
    }
}

/// What a release needs of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// Weights come as an image volume.
    pub image_volume: bool,
    /// Name and namespace of the Gateway its route joins.
    pub gateway: Option<(String, Option<String>)>,
    pub gpu_resource: String,
    pub gpus: u64,
    pub replicas: u64,
    pub products: Vec<String>,
}

/// What a cluster says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// `v1.36.3`
    pub version: String,
    /// Group versions it serves.
    pub apis: BTreeSet<String>,
    /// Node → `containerd://2.1.4`; `None` where nodes may not be listed.
    pub runtimes: Option<BTreeMap<String, String>>,
    pub gpus: Vec<NodeGpus>,
    pub rights: Vec<(Right, bool)>,
    /// Whether the Gateway that is asked for is there.
    pub gateway_found: Option<bool>,
}

/// Reads everything the checks look at.
pub async fn facts(cluster: &Cluster, needs: &Needs) -> Result<Facts, Error> {
    let version = cluster
        .call(&Request::get("read the server's version", "/version"))
        .await?;
    let groups = cluster
        .call(&Request::get("list API groups", "/apis"))
        .await?;
    let mut rights = Vec::new();
    for right in RIGHTS {
        rights.push((right, allowed(cluster, &right).await?));
    }
    let mut facts = Facts {
        version: text(&version, "gitVersion"),
        apis: group_versions(&groups),
        rights,
        ..Facts::default()
    };
    match cluster.list_everywhere(&NODE, "").await {
        Ok(found) => {
            let nodes: Vec<Node> = gpus::typed(found);
            let pods: Vec<Pod> = match cluster.list_everywhere(&POD, "").await {
                Err(error) if error.is_forbidden() => Vec::new(),
                pods => gpus::typed(pods?),
            };
            facts.gpus = gpus::inventory(&nodes, &pods);
            facts.runtimes = Some(nodes.iter().map(runtime).collect());
        }
        Err(error) if error.is_forbidden() => {}
        Err(error) => return Err(error),
    }
    if let Some((name, namespace)) = &needs.gateway {
        let there = cluster.in_namespace(namespace.as_deref().unwrap_or(&cluster.namespace));
        facts.gateway_found = match there.get(&super::kind::GATEWAY, name).await {
            Ok(found) => Some(found.is_some()),
            Err(error) if error.is_forbidden() => None,
            Err(error) => return Err(error),
        };
    }
    Ok(facts)
}

fn runtime(node: &Node) -> (String, String) {
    let info = node
        .status
        .as_ref()
        .and_then(|status| status.node_info.as_ref());
    let runtime = info.map(|info| info.container_runtime_version.clone());
    (
        node.metadata.name.clone().unwrap_or_default(),
        runtime.unwrap_or_default(),
    )
}

fn text(value: &Value, field: &str) -> String {
    value
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn group_versions(groups: &Value) -> BTreeSet<String> {
    let groups = groups.get("groups").and_then(Value::as_array);
    groups
        .into_iter()
        .flatten()
        .filter_map(|group| group.get("versions")?.as_array())
        .flatten()
        .map(|version| text(version, "groupVersion"))
        .collect()
}

/// Judges the facts by the needs.
pub fn judge(facts: &Facts, needs: &Needs) -> Vec<Check> {
    let mut checks = vec![kubernetes(facts, needs)];
    checks.extend(runtimes(facts, needs));
    checks.push(gateway_api(facts, needs));
    checks.extend(gateway(facts, needs));
    checks.push(gpus_there(facts, needs));
    checks.extend(rights(facts));
    checks.push(extensions(facts));
    checks
}

/// `v1.36.3-gke.100` → (1, 36).
fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn kubernetes(facts: &Facts, needs: &Needs) -> Check {
    /// `volumes[].image` with subPath; on by default from 1.35, stable from 1.36.
    const SUB_PATH: (u32, u32) = (1, 33);
    const BY_DEFAULT: (u32, u32) = (1, 35);
    let check =
        |state, found: String| Check::new("Kubernetes", state, found).needed(needs.image_volume);
    let version = &facts.version;
    match major_minor(version) {
        None => check(
            State::Unknown,
            format!("version {version:?} is not understood"),
        ),
        Some(found) if found < SUB_PATH => check(
            State::Missing,
            format!("{version}: too old to mount weights as an image volume"),
        )
        .fix("use Kubernetes 1.35 or newer (1.33 with the feature gate ImageVolume)"),
        Some(found) if found < BY_DEFAULT => check(
            State::Note,
            format!("{version}: image volumes work only with the feature gate ImageVolume"),
        )
        .fix("switch the gate ImageVolume on for API server and kubelets, or use 1.35"),
        Some(_) => check(State::Ok, format!("{version}: image volumes on by default")),
    }
}

/// Nodes that cannot mount an image.
fn runtimes(facts: &Facts, needs: &Needs) -> Option<Check> {
    let runtimes = facts.runtimes.as_ref()?;
    let check = |state, found: String| {
        Check::new("Container runtime", state, found).needed(needs.image_volume)
    };
    let old: Vec<_> = runtimes
        .iter()
        .filter(|(_, runtime)| !mounts_images(runtime))
        .collect();
    let mut kinds: Vec<_> = runtimes.values().cloned().collect();
    kinds.sort();
    kinds.dedup();
    let kinds = kinds.join(", ");
    Some(match (old.len(), runtimes.len()) {
        (_, 0) => check(State::Missing, "the cluster has no nodes".to_owned()),
        (0, nodes) => check(State::Ok, format!("{kinds} on {nodes} nodes")),
        (old_count, nodes) => {
            let state = if old_count == nodes {
                State::Missing
            } else {
                State::Note
            };
            let names: Vec<_> = old
                .iter()
                .take(3)
                .map(|(node, runtime)| format!("{node} ({runtime})"))
                .collect();
            check(
                state,
                format!(
                    "{old_count} of {nodes} nodes cannot mount images: {}",
                    names.join(", ")
                ),
            )
            .fix("update them to containerd 2.1 or CRI-O 1.31, or keep the release off them")
        }
    })
}

fn mounts_images(runtime: &str) -> bool {
    let Some((name, version)) = runtime.split_once("://") else {
        return false;
    };
    let floor = match name {
        "containerd" => (2, 1),
        "cri-o" => (1, 31),
        _ => return false,
    };
    major_minor(version).is_some_and(|found| found >= floor)
}

const GATEWAY_API: &str = "gateway.networking.k8s.io/v1";

fn gateway_api(facts: &Facts, needs: &Needs) -> Check {
    let needed = needs.gateway.is_some();
    if facts.apis.contains(GATEWAY_API) {
        return Check::new("Gateway API", State::Ok, GATEWAY_API).needed(needed);
    }
    let found = "not installed: no weighted split, canaries compare by probes only";
    Check::new(
        "Gateway API",
        if needed { State::Missing } else { State::Note },
        found,
    )
    .needed(needed)
    .fix("install the Gateway API and a controller for it, or leave traffic.gateway out")
}

fn gateway(facts: &Facts, needs: &Needs) -> Option<Check> {
    let (name, namespace) = needs.gateway.as_ref()?;
    let shown = match namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.clone(),
    };
    Some(match facts.gateway_found {
        Some(true) => Check::new("Gateway", State::Ok, shown).needed(true),
        Some(false) => Check::new("Gateway", State::Missing, format!("{shown} does not exist"))
            .needed(true)
            .fix("correct traffic.gateway in infer.yaml, or create the Gateway"),
        None => Check::new(
            "Gateway",
            State::Unknown,
            format!("{shown} may not be read"),
        )
        .needed(true),
    })
}

fn gpus_there(facts: &Facts, needs: &Needs) -> Check {
    let needed = needs.gpus > 0;
    if facts.runtimes.is_none() {
        return Check::new("GPUs", State::Unknown, "nodes may not be listed").needed(needed);
    }
    let all = gpus::summary(&facts.gpus);
    if !needed {
        return Check::new("GPUs", State::Ok, all);
    }
    let offered = gpus::offered(&facts.gpus, &needs.gpu_resource, &needs.products);
    let wanted = format!("{} × {}", needs.gpus, needs.gpu_resource);
    let check = |state, found: String| Check::new("GPUs", state, found).needed(true);
    if offered.largest < needs.gpus {
        let found = format!(
            "no node has {wanted}{}; there are: {all}",
            of(&needs.products)
        );
        return check(State::Missing, found)
            .fix("choose what the cluster has: hardware.products and hardware.gpus in infer.yaml");
    }
    let all_replicas = needs.gpus * needs.replicas.max(1);
    if offered.free < all_replicas {
        let found = format!(
            "{} of {} free, {all_replicas} needed: {all}",
            offered.free, offered.allocatable
        );
        return check(State::Note, found).fix("free some, or let an autoscaler add nodes");
    }
    check(State::Ok, format!("{wanted} fits: {all}"))
}

fn of(products: &[String]) -> String {
    if products.is_empty() {
        String::new()
    } else {
        format!(" of {}", products.join(" or "))
    }
}

fn rights(facts: &Facts) -> Vec<Check> {
    let mut checks = Vec::new();
    for (right, allowed) in &facts.rights {
        if *allowed {
            continue;
        }
        let state = if right.required {
            State::Missing
        } else {
            State::Note
        };
        let found = format!(
            "may not {} {}: {}",
            right.verb, right.resource, right.purpose
        );
        checks.push(
            Check::new("Rights", state, found)
                .needed(right.required)
                .fix("have an administrator apply examples/rbac.yaml"),
        );
    }
    if checks.is_empty() {
        checks.push(Check::new(
            "Rights",
            State::Ok,
            format!("all {} that infer uses", facts.rights.len()),
        ));
    }
    checks
}

fn extensions(facts: &Facts) -> Check {
    const KNOWN: [(&str, &str); 6] = [
        ("inference.networking.k8s.io/", "InferencePool"),
        ("keda.sh/", "KEDA"),
        ("monitoring.coreos.com/", "Prometheus Operator"),
        ("leaderworkerset.x-k8s.io/", "LeaderWorkerSet"),
        ("serving.kserve.io/", "KServe"),
        ("ray.io/", "KubeRay"),
    ];
    let there: Vec<_> = KNOWN
        .iter()
        .filter(|(group, _)| facts.apis.iter().any(|api| api.starts_with(group)))
        .map(|(_, name)| *name)
        .collect();
    let found = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    Check::new("Extensions", State::Ok, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            version: "v1.36.3".to_owned(),
            apis: BTreeSet::from([GATEWAY_API.to_owned(), "keda.sh/v1alpha1".to_owned()]),
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
            rights: RIGHTS.iter().map(|right| (*right, true)).collect(),
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
            assert!(fine, "{check:?} says no way out");
        }
        checks
            .into_iter()
            .filter(Check::is_in_the_way)
            .map(|check| check.name)
            .collect()
    }

    #[test]
    fn a_cluster_that_has_everything_is_in_nobodys_way() {
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
        bare.rights[0].1 = false;
        let wants = Needs {
            products: vec!["NVIDIA-H100-80GB-HBM3".to_owned()],
            ..needs()
        };
        assert_eq!(
            in_the_way(&bare, &wants),
            ["Gateway API", "Gateway", "GPUs", "Rights"]
        );
        assert_eq!(in_the_way(&bare, &Needs::default()), ["Rights"]);
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
}
