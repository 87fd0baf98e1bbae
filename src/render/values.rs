//! What templates see: a release and one version of it, as plain values. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::error::Error;
use crate::{
    name::VersionId,
    object::label::{MANAGED_BY, MANAGER, NAME, RELEASE, VERSION},
    registry::Reference,
    spec::{
        Gateway, Metrics, Place, Quantity, Spec, Target,
        engine::{Drain, Kind},
    },
};

/// Labels that are infer's own; no part of a version's id.
pub const OWN_LABELS: [&str; 4] = [NAME, MANAGED_BY, RELEASE, VERSION];

/// Where packed weights lie in their image, and where the engine sees them.
const MODEL_SUB_PATH: &str = "models";
const MODEL_MOUNT_PATH: &str = "/models";

/// Where engines may write: home, compile caches.
const CACHE_PATH: &str = "/cache";

/// The user of upstream images that have one; any other works too, since nothing
/// asks who it is (see [`environment`]).
const USER_ID: u32 = 2000;

/// Time for the node to pull images and weights; an image volume of 100 GB takes
/// this long at 1 Gbit/s.
const PULL_BUDGET_S: u64 = 15 * 60;

/// Slack between the last probe and the deadline.
const DEADLINE_SLACK_S: u64 = 60;

const STARTUP_PERIOD_S: u64 = 10;

/// Long: a restart loads the weights again, so only an engine that is gone may fail it.
const LIVENESS_TIMEOUT_S: u64 = 15;

/// Port of Services where `traffic.port` does not say.
const SERVICE_PORT: u16 = 80;

#[derive(Debug, Serialize)]
pub(super) struct Values {
    name: String,
    version: String,
    namespace: Option<String>,
    /// Of objects of one version.
    labels: BTreeMap<&'static str, String>,
    /// Of objects of all versions.
    shared_labels: BTreeMap<&'static str, String>,
    selector: BTreeMap<&'static str, String>,
    pod_annotations: BTreeMap<&'static str, String>,
    replicas: u32,
    progress_deadline_s: u64,
    strategy: Strategy,
    drain: DrainValues,
    user_id: u32,
    node_selector: BTreeMap<String, String>,
    tolerations: Vec<Value>,
    products: Vec<String>,
    container: Container,
    port: u16,
    probes: Probes,
    model: Option<Model>,
    cache_path: &'static str,
    shm: String,
    service_port: u16,
    gateway: Value,
    host: Option<String>,
    engine: Engine,
}

#[derive(Debug, Serialize)]
struct Strategy {
    max_surge: u32,
    max_unavailable: u32,
}

#[derive(Debug, Serialize)]
struct DrainValues {
    pre_stop_s: u64,
    grace_s: u64,
}

#[derive(Debug, Serialize)]
struct Container {
    image: String,
    command: Vec<String>,
    args: Vec<String>,
    env: Vec<Value>,
    resources: Value,
}

#[derive(Debug, Serialize)]
struct Probes {
    path: &'static str,
    timeout_s: u64,
    liveness_timeout_s: u64,
    startup_period_s: u64,
    startup_failures: u64,
}

#[derive(Debug, Serialize)]
struct Model {
    reference: String,
    mount_path: &'static str,
    sub_path: &'static str,
}

#[derive(Debug, Serialize)]
struct Engine {
    kind: &'static str,
    version: Option<String>,
    simulated: bool,
}

/// The values of one version. `model` is where nodes pull the weights, by digest.
pub(super) fn values(
    spec: &Spec,
    model: Option<&Reference>,
    version: &VersionId,
) -> Result<Values, Error> {
    let Target::Kubernetes(kubernetes) = &spec.target else {
        return Err(Error::NotKubernetes);
    };
    let volume = match model {
        Some(reference) => Some(model_volume(reference)?),
        None if spec.engine.kind.is_simulated() => None,
        None => return Err(Error::NoModel),
    };
    let facts = spec.engine.kind.facts();
    let drain = spec.drain();
    let labels = labels(spec, Some(version));
    Ok(Values {
        name: spec.name.to_string(),
        version: version.to_string(),
        namespace: kubernetes.namespace.clone(),
        selector: labels
            .iter()
            .filter(|(name, _)| [RELEASE, VERSION].contains(*name))
            .map(|(name, value)| (*name, value.clone()))
            .collect(),
        labels,
        shared_labels: self::labels(spec, None),
        pod_annotations: pod_annotations(spec),
        replicas: spec.scale.replicas,
        progress_deadline_s: PULL_BUDGET_S + spec.rollout.startup_s + DEADLINE_SLACK_S,
        strategy: strategy(spec.hardware.gpus),
        node_selector: spec.hardware.node_selector.clone(),
        tolerations: tolerations(spec),
        products: match spec.hardware.gpus {
            0 => Vec::new(),
            _ => spec.hardware.products.clone(),
        },
        container: container(spec, model)?,
        port: facts.port,
        probes: Probes {
            path: facts.health_path,
            timeout_s: facts.probe_timeout_s,
            liveness_timeout_s: LIVENESS_TIMEOUT_S.max(facts.probe_timeout_s),
            startup_period_s: STARTUP_PERIOD_S,
            startup_failures: spec.rollout.startup_s.div_ceil(STARTUP_PERIOD_S),
        },
        model: volume,
        drain: drain_values(&drain),
        user_id: USER_ID,
        cache_path: CACHE_PATH,
        shm: spec.hardware.shm.to_string(),
        service_port: spec.traffic.port.unwrap_or(SERVICE_PORT),
        gateway: spec.traffic.gateway.as_ref().map_or(Value::Null, parent),
        host: spec.traffic.host.clone(),
        engine: Engine {
            kind: spec.engine.kind.name(),
            version: spec.engine.version.as_ref().map(ToString::to_string),
            simulated: spec.engine.kind.is_simulated(),
        },
    })
}

fn labels(spec: &Spec, version: Option<&VersionId>) -> BTreeMap<&'static str, String> {
    let mut labels = BTreeMap::from([
        (NAME, spec.name.to_string()),
        (MANAGED_BY, MANAGER.to_owned()),
        (RELEASE, spec.name.to_string()),
    ]);
    if let Some(version) = version {
        labels.insert(VERSION, version.to_string());
    }
    labels
}

fn pod_annotations(spec: &Spec) -> BTreeMap<&'static str, String> {
    let facts = spec.engine.kind.facts();
    match spec.observe.metrics {
        Metrics::None => BTreeMap::new(),
        Metrics::Annotations => BTreeMap::from([
            ("prometheus.io/scrape", "true".to_owned()),
            ("prometheus.io/port", facts.port.to_string()),
            ("prometheus.io/path", facts.metrics_path.to_owned()),
        ]),
    }
}

/// With GPUs there is seldom room for one pod more: the default surge would wait
/// for ever (airunway#400).
fn strategy(gpus: u32) -> Strategy {
    match gpus {
        0 => Strategy {
            max_surge: 1,
            max_unavailable: 0,
        },
        _ => Strategy {
            max_surge: 0,
            max_unavailable: 1,
        },
    }
}

fn drain_values(drain: &Drain) -> DrainValues {
    DrainValues {
        pre_stop_s: drain.pre_stop_s,
        grace_s: drain.grace_s,
    }
}

fn tolerations(spec: &Spec) -> Vec<Value> {
    let toleration = |toleration: &crate::spec::Toleration| {
        let mut value = match &toleration.value {
            Some(wanted) => json!({"key": toleration.key, "operator": "Equal", "value": wanted}),
            None => json!({"key": toleration.key, "operator": "Exists"}),
        };
        if let Some(effect) = toleration.effect {
            value["effect"] = json!(effect);
        }
        value
    };
    spec.hardware.tolerations.iter().map(toleration).collect()
}

fn container(spec: &Spec, model: Option<&Reference>) -> Result<Container, Error> {
    let image = spec.engine.image.clone().ok_or(Error::NoEngineImage {
        kind: spec.engine.kind,
    })?;
    let port = spec.engine.kind.facts().port.to_string();
    let line = spec.argv(&Place {
        program: None,
        model: model.map(|_| MODEL_MOUNT_PATH),
        file: None,
        host: "0.0.0.0",
        port: &port,
    })?;
    let words = match (&spec.engine.command, spec.engine.kind) {
        (Some(command), _) => command.len(),
        (None, Kind::Vllm | Kind::Sim) => 2,
        (None, Kind::Sglang) => 3,
        (None, Kind::LlamaCpp) => 1,
    };
    let (command, args) = line.split_at(words.min(line.len()));
    Ok(Container {
        image,
        command: command.to_vec(),
        args: args.to_vec(),
        env: environment(spec)?,
        resources: resources(spec),
    })
}

/// Environment variables by name: the release's own, then what engines need to
/// run as any user, offline, below one writable folder.
fn environment(spec: &Spec) -> Result<Vec<Value>, Error> {
    let mut variables: BTreeMap<&str, Value> = BTreeMap::new();
    let defaults: &[(&str, &str)] = match spec.engine.kind {
        // getpass asks for USER before it looks up a user id that the image may
        // not know (dynamo#12457).
        Kind::Vllm | Kind::Sglang => &[
            ("HOME", CACHE_PATH),
            ("USER", "infer"),
            ("VLLM_CACHE_ROOT", "/cache/vllm"),
            ("TORCHINDUCTOR_CACHE_DIR", "/cache/torchinductor"),
            ("TRITON_CACHE_DIR", "/cache/triton"),
            ("HF_HUB_OFFLINE", "1"),
        ],
        Kind::LlamaCpp | Kind::Sim => &[("HOME", CACHE_PATH)],
    };
    for (name, value) in defaults {
        variables.insert(name, json!({"name": name, "value": value}));
    }
    if let (Kind::LlamaCpp, Some(memory)) = (spec.engine.kind, &spec.hardware.memory) {
        let name = "LLAMA_ARG_CACHE_RAM";
        let mebibytes = prompt_cache_mebibytes(memory).to_string();
        variables.insert(name, json!({"name": name, "value": mebibytes}));
    }
    for (name, value) in &spec.engine.env {
        variables.insert(name, json!({"name": name, "value": value}));
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

/// llama-server keeps prompts of up to 8 GiB in memory, whatever the container may have, and
/// is killed for it. A quarter is its share; a version that does not know the variable ignores
/// it, and `engine.args.cache_ram` overrides it.
fn prompt_cache_mebibytes(memory: &Quantity) -> u128 {
    memory.thousandths() / 1000 / 4 / (1 << 20)
}

fn resources(spec: &Spec) -> Value {
    let hardware = &spec.hardware;
    let mut requests = serde_json::Map::new();
    let mut limits = serde_json::Map::new();
    if let Some(cpu) = &hardware.cpu {
        requests.insert("cpu".to_owned(), json!(cpu));
    }
    if let Some(memory) = &hardware.memory {
        requests.insert("memory".to_owned(), json!(memory));
        limits.insert("memory".to_owned(), json!(memory));
    }
    if hardware.gpus > 0 {
        // An extended resource: the request is the limit. Quantities are text.
        limits.insert(hardware.resource.clone(), json!(hardware.gpus.to_string()));
    }
    json!({"requests": requests, "limits": limits})
}

fn model_volume(reference: &Reference) -> Result<Model, Error> {
    if reference.digest().is_none() {
        return Err(Error::NoDigest {
            image: reference.to_string(),
        });
    }
    Ok(Model {
        reference: reference.to_string(),
        mount_path: MODEL_MOUNT_PATH,
        sub_path: MODEL_SUB_PATH,
    })
}

fn parent(gateway: &Gateway) -> Value {
    let mut parent = json!({"name": gateway.name});
    if let Some(namespace) = &gateway.namespace {
        parent["namespace"] = json!(namespace);
    }
    if let Some(section) = &gateway.section {
        parent["sectionName"] = json!(section);
    }
    parent
}
