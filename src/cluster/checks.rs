//! What a cluster offers against what a release needs of it (pure).

use serde::Serialize;

pub use super::facts::{Facts, facts};
use super::gpus;
use crate::object::{KINDS, kind, kinds::Presence};

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
    /// What was found, as a sentence for people.
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
            format!("version {version:?} cannot be read"),
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

fn gateway_api(facts: &Facts, needs: &Needs) -> Check {
    let needed = needs.gateway.is_some();
    let api = kind::HTTP_ROUTE.api_version();
    if facts.apis.contains(&api) {
        return Check::new("Gateway API", State::Ok, api).needed(needed);
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
    for review in facts
        .rights
        .iter()
        .filter(|review| !review.denied.is_empty())
    {
        let right = review.right;
        let state = if right.required {
            State::Missing
        } else {
            State::Note
        };
        let found = format!(
            "may not {} {}: {}",
            review.denied.join(", "),
            review.resource(),
            right.purpose
        );
        checks.push(
            Check::new("Rights", state, found)
                .needed(right.required)
                .fix("have an administrator apply examples/rbac.yaml"),
        );
    }
    if checks.is_empty() {
        checks.push(Check::new("Rights", State::Ok, "all that infer uses"));
    }
    checks
}

fn extensions(facts: &Facts) -> Check {
    let there: Vec<_> = KINDS
        .iter()
        .filter(|row| row.presence == Presence::Extension && row.in_release)
        .filter(|row| facts.apis.contains(&row.kind.api_version()))
        .map(|row| row.kind.kind.as_ref())
        .collect();
    let found = if there.is_empty() {
        "none".to_owned()
    } else {
        there.join(", ")
    };
    Check::new("Extensions", State::Ok, found)
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
