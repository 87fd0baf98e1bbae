//! The pod that serves the model: one template, whatever kind of workload makes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::leader_worker_set as lws;
use crate::{
    engine::{CACHE_PATH, Group, PRE_STOP_S, Rank},
    registry::Reference,
    render::{
        error::Error,
        part::{Context, Fragment, template},
    },
    spec::{Launch, Metrics, Toleration, Workload},
};

/// Where packed weights lie in their image, and where the engine sees them.
const MODEL_SUB_PATH: &str = "models";
const MODEL_MOUNT_PATH: &str = "/models";

/// The user of upstream images that have one; any other works too, since nothing
/// asks for its name (see [`environment`]).
const USER_ID: u32 = 2000;

const STARTUP_PERIOD_S: u64 = 10;

/// Long: a restart loads the weights again, so only an engine that is gone may fail it.
const LIVENESS_TIMEOUT_S: u64 = 15;

pub(in crate::render) const FRAGMENT: Fragment = Fragment {
    template: template!("_pod.yaml.j2"),
    namespace: "pod",
    values,
};

/// The pod that answers requests.
fn values(context: &Context<'_>) -> Result<Value, Error> {
    let group = match context.kubernetes.workload {
        Workload::Deployment => None,
        Workload::LeaderWorkerSet => Some(lws::group(context, Rank::Leader)),
    };
    pod(context, group)
}

/// A pod by its place in a replica; `None` for the only one.
pub(super) fn pod(context: &Context<'_>, group: Option<Group<'_>>) -> Result<Value, Error> {
    let spec = context.spec;
    let is_worker = group.is_some_and(|group| group.rank == Rank::Worker);
    let engine = spec.engine.kind.row();
    let drain = spec.drain();
    let mut node_selector = context.devices.node_labels.clone();
    node_selector.extend(spec.hardware.node_selector.clone());
    let model = model(context)?;
    let (command, args) = command(context, group)?;
    let tolerations: Vec<_> = spec.hardware.tolerations.iter().map(toleration).collect();
    Ok(json!({
        "annotations": annotations(context, is_worker),
        "grace_s": drain.grace_s,
        // A worker goes after the requests of its leader.
        "pre_stop_s": if is_worker {
            PRE_STOP_S + spec.rollout.drain_s
        } else {
            drain.pre_stop_s
        },
        "user_id": USER_ID,
        "node_selector": node_selector,
        "tolerations": tolerations,
        "products": context.devices.products,
        "image": image(context)?,
        "command": command,
        "args": args,
        "env": environment(context)?,
        "resources": resources(context),
        "resource_claims": resource_claims(context),
        // A worker has no HTTP server.
        "port": (!is_worker).then_some(engine.port),
        "probes": {
            "http": (!is_worker).then_some(engine.health_path),
            "exec": if is_worker { rendezvous_probe(context) } else { None },
            "timeout_s": engine.probe_timeout_s,
            "liveness_timeout_s": LIVENESS_TIMEOUT_S.max(engine.probe_timeout_s),
            "startup_period_s": STARTUP_PERIOD_S,
            "startup_failures": spec.rollout.startup_s.div_ceil(STARTUP_PERIOD_S),
        },
        "model": model,
        "cache_path": CACHE_PATH,
        "shm": spec.hardware.shm,
    }))
}

fn annotations(context: &Context<'_>, is_worker: bool) -> BTreeMap<String, String> {
    let mut annotations = context.devices.annotations.clone();
    if context.spec.observe.metrics == Metrics::Annotations && !is_worker {
        let engine = context.spec.engine.kind.row();
        for (name, value) in [
            ("scrape", "true".to_owned()),
            ("port", engine.port.to_string()),
            ("path", engine.metrics_path.to_owned()),
        ] {
            annotations.insert(format!("prometheus.io/{name}"), value);
        }
    }
    annotations
}

fn toleration(toleration: &Toleration) -> Value {
    let mut value = match &toleration.value {
        Some(wanted) => json!({"key": toleration.key, "operator": "Equal", "value": wanted}),
        None => json!({"key": toleration.key, "operator": "Exists"}),
    };
    if let Some(effect) = toleration.effect {
        value["effect"] = json!(effect);
    }
    value
}

fn image<'a>(context: &Context<'a>) -> Result<&'a str, Error> {
    let engine = &context.spec.engine;
    let image = engine.image.as_deref();
    image.ok_or(Error::NoEngineImage { kind: engine.kind })
}

/// The container's `command` and `args`.
fn command(
    context: &Context<'_>,
    group: Option<Group<'_>>,
) -> Result<(Vec<String>, Vec<String>), Error> {
    let engine = &context.spec.engine;
    let port = engine.kind.row().port.to_string();
    let mut command = context.spec.argv(&Launch {
        program: None,
        model: context.model.map(|_| MODEL_MOUNT_PATH),
        file: None,
        host: "0.0.0.0",
        port: &port,
        group,
    })?;
    let is_worker = group.is_some_and(|group| group.rank == Rank::Worker);
    let own = engine.worker_command.as_ref().filter(|_| is_worker);
    let words = match own.or(engine.command.as_ref()) {
        Some(command) => command.len(),
        None => engine.kind.row().command_words,
    };
    let args = command.split_off(words.min(command.len()));
    Ok((command, args))
}

/// Dials the leader where a replica's processes meet: a worker serves no HTTP, and one that has
/// lost its leader would stay for hours (LLMKube#1781).
fn rendezvous_probe(context: &Context<'_>) -> Option<[String; 3]> {
    let engine = &context.spec.engine;
    if engine.worker_command.is_some() {
        return None;
    }
    let port = engine.kind.row().spanning?.rendezvous_port?;
    let variable = lws::LEADER_ADDRESS;
    let program = format!(
        "import os, socket; socket.create_connection((os.environ['{variable}'], {port}), 5)"
    );
    Some(["python3".to_owned(), "-c".to_owned(), program])
}

/// Environment variables by name: what the engine needs, then the devices', then the user's.
fn environment(context: &Context<'_>) -> Result<Vec<Value>, Error> {
    let spec = context.spec;
    let engine = spec.engine.kind.row();
    let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
    let mut set = |name, value: &str| {
        variables.insert(name, json!({"name": name, "value": value}));
    };
    for (name, value) in engine.environment {
        set(name, value);
    }
    if let Some(memory) = &spec.hardware.memory {
        let variable = (engine.memory_variable)(memory.thousandths() / 1000);
        if let Some((name, value)) = variable {
            set(name, &value);
        }
    }
    for (name, value) in context.devices.environment.iter().chain(&spec.engine.env) {
        set(name, value);
    }
    for (name, secret) in &spec.secrets {
        let Some((secret, key)) = &secret.reference else {
            return Err(Error::NoSecret { name: name.clone() });
        };
        let from = json!({"secretKeyRef": {"name": secret, "key": key}});
        variables.insert(name, json!({"name": name, "valueFrom": from}));
    }
    Ok(variables.into_values().collect())
}

fn resources(context: &Context<'_>) -> Value {
    let hardware = &context.spec.hardware;
    let mut requests = Map::new();
    let mut limits = Map::new();
    if let Some(cpu) = &hardware.cpu {
        requests.insert("cpu".to_owned(), json!(cpu));
    }
    if let Some(memory) = &hardware.memory {
        requests.insert("memory".to_owned(), json!(memory));
        limits.insert("memory".to_owned(), json!(memory));
    }
    for (resource, count) in &context.devices.limits {
        // An extended resource: the request is the limit. Quantities are text.
        limits.insert(resource.clone(), json!(count.to_string()));
    }
    let mut resources = json!({"requests": requests, "limits": limits});
    let claims = context.devices.claims.iter();
    let claims: Vec<_> = claims.map(|claim| json!({"name": claim.name})).collect();
    if !claims.is_empty() {
        resources["claims"] = Value::Array(claims);
    }
    resources
}

fn resource_claims(context: &Context<'_>) -> Vec<Value> {
    let claims = context.devices.claims.iter();
    claims
        .map(|claim| json!({"name": claim.name, "resourceClaimTemplateName": claim.template}))
        .collect()
}

fn model(context: &Context<'_>) -> Result<Option<Value>, Error> {
    match context.model {
        Some(reference) => model_volume(reference).map(Some),
        None if context.spec.engine.kind.is_simulated() => Ok(None),
        None => Err(Error::NoModel),
    }
}

fn model_volume(reference: &Reference) -> Result<Value, Error> {
    if reference.digest().is_none() {
        return Err(Error::NoDigest {
            image: reference.to_string(),
        });
    }
    Ok(json!({
        "reference": reference.to_string(),
        "mount_path": MODEL_MOUNT_PATH,
        "sub_path": MODEL_SUB_PATH,
    }))
}
