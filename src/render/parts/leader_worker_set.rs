//! One version as a `LeaderWorkerSet`: each replica is a leader, which answers, and its workers.

use serde_json::{Value, json};

use super::{deployment::replicas, pod, workload};
use crate::{
    engine::{Group, Rank},
    object::{Object, kind},
    render::{
        error::Error,
        lint::of_kind,
        part::{Context, Part, Role, template},
    },
    spec::Workload,
};

/// The variable with the leader's address that the controller puts into each container.
pub(super) const LEADER_ADDRESS: &str = "LWS_LEADER_ADDRESS";

pub(in crate::render) const PART: Part = Part {
    template: template!("leader-worker-set.yaml.j2"),
    role: Role::Version,
    namespace: "lws",
    wanted: |spec| workload::is(spec, Workload::LeaderWorkerSet),
    values,
    lint: Some(lint),
};

fn values(context: &Context<'_>) -> Result<Value, Error> {
    Ok(json!({
        "replicas": replicas(context.spec),
        "size": context.spec.hardware.hosts,
        "worker": pod::pod(context, Some(group(context, Rank::Worker)))?,
    }))
}

/// A replica's processes; the controller fills in the variables.
pub(super) fn group(context: &Context<'_>, rank: Rank) -> Group<'static> {
    Group {
        hosts: context.spec.hardware.hosts,
        gpus: context.spec.hardware.gpus,
        rank,
        size: "$(LWS_GROUP_SIZE)",
        leader_address: "$(LWS_LEADER_ADDRESS)",
        worker_index: "$(LWS_WORKER_INDEX)",
    }
}

fn lint(objects: &[&Object]) -> Vec<String> {
    let sets = of_kind(objects, kind::LEADER_WORKER_SET);
    sets.filter(|set| set["spec"]["startupPolicy"] == "LeaderReady")
        .map(|set| {
            format!(
                "{} makes workers once the leader is ready (startupPolicy), which waits for its workers: use LeaderCreated",
                set.title()
            )
        })
        .collect()
}
