//! From what is written to what is meant: defaults filled in, the impossible refused.

use std::path::Path;

use super::{
    beside,
    checked::{
        Engine, Gates, Gateway, Hardware, Horizontal, Model, Observe, Rollout, Scale, ScaleMetric,
        Spec, Target, Toleration, Traffic, Via, Workload,
    },
    device,
    error::Error,
    references::{patches, secrets},
    refusal::{Checked, Refusal, refuse, variable, word},
    written::{self, Document},
};
use crate::{
    duration::Seconds,
    engine::{self, Kind, Version},
    name::ReleaseName,
};

/// What the device plugin calls whole GPUs.
const GPU: &str = "nvidia.com/gpu";

/// The only version of the file's format so far.
const FORMAT: u32 = 1;

/// Replicas of one release; a slip of the finger should not order a data centre.
const REPLICAS_MAX: u32 = 1000;

/// GPUs of one pod; no node has more.
const GPUS_MAX: u32 = 64;

/// Machines of one replica; more are a slip of the finger.
const HOSTS_MAX: u32 = 64;

/// CPU in use, in percent of what is asked for.
const CPU_PERCENT_MAX: u32 = 1000;

/// Longest name of a release whose workload is a `LeaderWorkerSet`. Its controller names a worker
/// `StatefulSet` called `NAME-VERSION-GROUP`, and the pods' label `controller-revision-hash` is that name
/// and 11 characters more, in at most 63 (lws#410, kubernetes#64023).
const LWS_NAME_LENGTH_MAX: usize = 39;

/// Old versions kept.
const HISTORY_MAX: u32 = 100;

/// Old versions kept if `rollout.history` does not say.
const HISTORY_DEFAULT: u32 = 10;

/// With [`engine::PRE_STOP_S`] and [`engine::MARGIN_S`] this makes a grace period of 75 s.
const DRAIN_DEFAULT_S: u64 = 45;

pub(super) fn check(path: &Path, document: Document) -> Result<Spec, Error> {
    spec(path, document).map_err(|refusal| Error::Refused {
        path: path.to_owned(),
        reason: refusal.reason,
        hint: refusal.hint,
    })
}

fn spec(path: &Path, document: Document) -> Checked<Spec> {
    if let Some(version) = document.version.filter(|version| *version != FORMAT) {
        return refuse(
            format!("`version: {version}` is a format that this infer does not know"),
            "use `version: 1`, or a newer infer",
        );
    }
    let Some(name) = document.name else {
        return refuse("it has no `name`", "add one, as in `name: chat`");
    };
    let target = document.target.unwrap_or_default();
    let engine = engine_of(document.engine.unwrap_or_default())?;
    let hardware = hardware(document.hardware.unwrap_or_default(), engine.kind)?;
    workload(&name, &target, &hardware, &engine)?;
    let traffic = traffic(document.traffic.unwrap_or_default(), &target)?;
    let secrets = secrets(document.secrets.unwrap_or_default(), &engine, &target)?;
    let model = model(
        path,
        document.model.unwrap_or_default(),
        &engine,
        name.as_str(),
    )?;
    Ok(Spec {
        model,
        scale: scale(document.scale.unwrap_or_default(), &hardware)?,
        hardware,
        rollout: rollout(&document.rollout.unwrap_or_default(), engine.kind)?,
        observe: Observe {
            metrics: document
                .observe
                .unwrap_or_default()
                .metrics
                .unwrap_or_default(),
        },
        gates: Gates {
            slo: document.gates.unwrap_or_default().slo.unwrap_or_default(),
        },
        templates: document.templates.map(|folder| beside(path, &folder)),
        patches: patches(document.patches.unwrap_or_default())?,
        path: path.to_owned(),
        name,
        engine,
        target,
        traffic,
        secrets,
    })
}

/// What the kind of workload allows.
fn workload(
    name: &ReleaseName,
    target: &Target,
    hardware: &Hardware,
    engine: &Engine,
) -> Checked<()> {
    let Target::Kubernetes(kubernetes) = target else {
        return Ok(());
    };
    if kubernetes.workload == Workload::Deployment {
        return match hardware.hosts {
            1 if engine.worker_command.is_none() => Ok(()),
            1 => refuse(
                "`engine.worker_command` is for replicas that span several machines",
                "add `target: {kubernetes: {as: lws}}` and `hardware: {hosts: 2}`, or leave it out",
            ),
            hosts => refuse(
                format!("`hardware.hosts: {hosts}` needs a workload of several pods a replica"),
                "add `target: {kubernetes: {as: lws}}`",
            ),
        };
    }
    if hardware.hosts < 2 {
        return refuse(
            "`target.kubernetes.as: lws` is for replicas that span several machines",
            "add `hardware: {hosts: 2}`, or leave `as` out for a Deployment",
        );
    }
    if name.as_str().len() > LWS_NAME_LENGTH_MAX {
        return refuse(
            format!(
                "the name {name} is too long for a LeaderWorkerSet: no worker pod would be made, \
                 since the pods' label controller-revision-hash would exceed 63 characters"
            ),
            format!("use a name of at most {LWS_NAME_LENGTH_MAX} characters"),
        );
    }
    if hardware.share.is_some() {
        return refuse(
            "`hardware.share` and `hardware.hosts` exclude each other: slices of GPUs cannot work together",
            "keep one",
        );
    }
    let knows_how = engine.command.is_none() && engine.kind.row().spanning.is_some();
    if engine.worker_command.is_none() && !knows_how {
        return refuse(
            "nothing says what the other machines of a replica run",
            "add `engine: {worker_command: […]}`",
        );
    }
    Ok(())
}

fn model(path: &Path, model: written::Model, engine: &Engine, name: &str) -> Checked<Model> {
    let outward = |file: &str| file.starts_with('/') || file.split('/').any(|part| part == "..");
    if model.file.as_deref().is_some_and(outward) {
        return refuse(
            "`model.file` is outside the model",
            "name it from the model's folder",
        );
    }
    if model.image.is_none() && model.source.is_none() && !engine.kind.is_simulated() {
        return refuse(
            "it has no `model`",
            "add `model: {source: DIR, image: REGISTRY/REPOSITORY}`",
        );
    }
    let served_name = word(
        "model.served_name",
        model.served_name.unwrap_or_else(|| name.to_owned()),
    )?;
    let file = model.file.or_else(|| gguf_name(model.source.as_deref()?));
    Ok(Model {
        source: model.source.map(|source| beside(path, &source)),
        image: model.image,
        file,
        served_name,
    })
}

/// A source that is one GGUF file needs no word on which file of it is loaded.
fn gguf_name(source: &Path) -> Option<String> {
    let is_gguf = source
        .extension()
        .is_some_and(|extension| extension == "gguf");
    let name = source.file_name().filter(|_| is_gguf)?;
    name.to_str().map(ToOwned::to_owned)
}

fn engine_of(engine: written::Engine) -> Checked<Engine> {
    let Some(kind) = engine.kind else {
        return refuse(
            "it does not say which engine",
            "add `engine: {kind: vllm}`; `infer schema` lists the others",
        );
    };
    let written_version = match &engine.version {
        Some(text) => match Version::parse(text) {
            Some(version) => Some(version),
            None => {
                return refuse(
                    format!("`engine.version: {text}` is not a valid version"),
                    "as in 0.18.0",
                );
            }
        },
        None => None,
    };
    let image = match engine.image {
        Some(image) => Some(word("engine.image", image)?),
        None => written_version
            .as_ref()
            .zip(kind.row().image)
            .map(|(version, rule)| format!("{}:{}{version}", rule.repository, rule.tag_prefix)),
    };
    let args = engine.args.unwrap_or_default();
    if let Err(error) = engine::flags(kind.row(), &args) {
        return Err(Refusal {
            reason: error.to_string(),
            hint: None,
        });
    }
    for (key, command) in [
        ("engine.command", &engine.command),
        ("engine.worker_command", &engine.worker_command),
    ] {
        if command.as_ref().is_some_and(Vec::is_empty) {
            return refuse(
                format!("`{key}` is empty"),
                "leave it out for the engine's own command",
            );
        }
    }
    let env = engine.env.unwrap_or_default();
    env.keys()
        .try_for_each(|name| variable("engine.env", name))?;
    Ok(Engine {
        kind,
        command: engine.command,
        worker_command: engine.worker_command,
        version: written_version.or_else(|| image.as_deref().and_then(Version::of_image)),
        image,
        args,
        env,
    })
}

fn hardware(hardware: written::Hardware, kind: Kind) -> Checked<Hardware> {
    let gpus_default = match &hardware.share {
        Some(_) => 1,
        None => kind.row().gpus,
    };
    let gpus = hardware.gpus.unwrap_or(gpus_default);
    if gpus > GPUS_MAX {
        return refuse(
            format!("`hardware.gpus: {gpus}` is more than a node has"),
            "use at most 64",
        );
    }
    let hosts = hardware.hosts.unwrap_or(1);
    if hosts == 0 || hosts > HOSTS_MAX {
        return refuse(
            format!("`hardware.hosts: {hosts}` is not a valid number of machines"),
            "use 1 to 64",
        );
    }
    share(&hardware, gpus)?;
    let resource = match (hardware.resource, &hardware.share) {
        (Some(resource), _) => word("hardware.resource", resource)?,
        (None, Some(share)) => share.resource(),
        (None, None) => GPU.to_owned(),
    };
    // Nodes with slices are tainted as GPU nodes are.
    let own_taint = || written::Toleration {
        key: Some(match &hardware.share {
            Some(_) => GPU.to_owned(),
            None => resource.clone(),
        }),
        value: None,
        effect: Some(written::TaintEffect::NoSchedule),
    };
    let tolerate = match hardware.tolerate {
        Some(tolerate) => tolerate,
        None if gpus > 0 => vec![own_taint()],
        None => Vec::new(),
    };
    let mut tolerations = Vec::new();
    for toleration in tolerate {
        let Some(key) = toleration.key else {
            return refuse(
                "`hardware.tolerate` has an entry without `key`",
                "name the taint",
            );
        };
        tolerations.push(Toleration {
            key,
            value: toleration.value,
            effect: toleration.effect,
        });
    }
    Ok(Hardware {
        gpus,
        resource,
        hosts,
        share: hardware.share,
        products: hardware.products.unwrap_or_default(),
        tolerations,
        node_selector: hardware.node_selector.unwrap_or_default(),
        cpu: hardware.cpu,
        memory: hardware.memory,
        shm: match hardware.shm {
            Some(shm) => shm,
            None => (kind.row().shm)(gpus).parse().map_err(|error| Refusal {
                reason: format!("{error}"),
                hint: None,
            })?,
        },
    })
}

/// A part of a GPU: one, of a name that there can be, on nodes that offer it by name.
fn share(hardware: &written::Hardware, gpus: u32) -> Checked<()> {
    let Some(share) = &hardware.share else {
        return Ok(());
    };
    if !share.is_valid() {
        let written::Share::Mig(profile) = share;
        return refuse(
            format!("`hardware.share.mig: {profile}` is not a valid MIG profile"),
            "as in 1g.10gb; a node's resources list the profiles that it offers",
        );
    }
    if hardware.resource.is_some() {
        return refuse(
            "`hardware.share` and `hardware.resource` exclude each other: the slice names the resource",
            "keep one",
        );
    }
    if gpus != 1 {
        return refuse(
            format!(
                "`hardware.gpus: {gpus}` with `hardware.share`: an engine cannot use several slices as one (vllm#7211)"
            ),
            "leave `hardware.gpus` out, and choose a larger slice",
        );
    }
    let products = hardware.products.as_deref().unwrap_or_default();
    if let Some(product) = products
        .iter()
        .find(|product| device::is_single_strategy(product))
    {
        return refuse(
            format!(
                "{product} in `hardware.products` is the label of nodes whose slices are offered as {GPU} (MIG strategy single), so `hardware.share` finds nothing there"
            ),
            "leave `hardware.share` out for such nodes, or name the product without the slice",
        );
    }
    Ok(())
}

fn scale(scale: written::Scale, hardware: &Hardware) -> Checked<Scale> {
    let Some(horizontal) = scale.horizontal else {
        return Ok(Scale {
            replicas: replicas("scale.replicas", scale.replicas.unwrap_or(1))?,
            horizontal: None,
        });
    };
    if scale.replicas.is_some() {
        return refuse(
            "`scale.replicas` and `scale.horizontal` exclude each other: an autoscaler sets the replicas",
            "keep one",
        );
    }
    let Some(max) = horizontal.max else {
        return refuse("`scale.horizontal` has no `max`", "as in `max: 4`");
    };
    let min = replicas("scale.horizontal.min", horizontal.min.unwrap_or(1))?;
    let max = replicas("scale.horizontal.max", max)?;
    if min > max {
        return refuse(
            format!("`scale.horizontal` has `min: {min}` above `max: {max}`"),
            "raise `max`, or lower `min`",
        );
    }
    let Some(metric) = horizontal.metric else {
        return refuse(
            "`scale.horizontal` has no `metric`",
            "as in `metric: {pods: {name: vllm_num_requests_waiting, average: 5}}` or `metric: {cpu: 80}`",
        );
    };
    match &metric {
        ScaleMetric::Cpu(percent) if *percent == 0 || *percent > CPU_PERCENT_MAX => refuse(
            format!("`scale.horizontal.metric.cpu: {percent}` is not a valid percentage"),
            "use 1 to 1000, in percent of hardware.cpu",
        ),
        ScaleMetric::Cpu(_) if hardware.cpu.is_none() => refuse(
            "`scale.horizontal.metric.cpu` is in percent of `hardware.cpu`, which is not there",
            "add `hardware: {cpu: 4}`",
        ),
        ScaleMetric::Pods(pods) if pods.name.is_empty() => refuse(
            "`scale.horizontal.metric.pods` has no `name`",
            "name a metric of the custom metrics API",
        ),
        _ => Ok(Scale {
            replicas: min,
            horizontal: Some(Horizontal { max, metric }),
        }),
    }
}

fn replicas(key: &str, replicas: u32) -> Checked<u32> {
    match replicas {
        0 => refuse(
            format!("`{key}: 0` leaves nothing to answer requests"),
            "use 1 or more, or `infer delete`",
        ),
        1..=REPLICAS_MAX => Ok(replicas),
        _ => refuse(
            format!("`{key}: {replicas}` is too many"),
            "use at most 1000",
        ),
    }
}

fn rollout(rollout: &written::Rollout, kind: Kind) -> Checked<Rollout> {
    let startup_s = rollout.startup.map_or(kind.row().startup_s, Seconds::get);
    if startup_s == 0 {
        return refuse(
            "`rollout.startup: 0s` leaves no time to start",
            "leave it out, or use 20m",
        );
    }
    let history = rollout.history.unwrap_or(HISTORY_DEFAULT);
    if history > HISTORY_MAX {
        return refuse(
            format!("`rollout.history: {history}` is too many"),
            "use at most 100",
        );
    }
    Ok(Rollout {
        surge: rollout.surge.unwrap_or_default(),
        startup_s,
        drain_s: rollout.drain.map_or(DRAIN_DEFAULT_S, Seconds::get),
        history,
        on_failure: rollout.on_failure.unwrap_or_default(),
    })
}

fn traffic(traffic: written::Traffic, target: &Target) -> Checked<Traffic> {
    let gateway = match traffic.gateway {
        Some(written::Gateway {
            name: Some(name),
            namespace,
            section,
        }) => Some(Gateway {
            name,
            namespace,
            section,
        }),
        Some(_) => return refuse("`traffic.gateway` has no `name`", "add the Gateway's name"),
        None => None,
    };
    let via = via(traffic.via, gateway.is_some(), traffic.mesh.is_some())?;
    let mesh = traffic.mesh.unwrap_or_default();
    let mesh_gateways = mesh.gateways.unwrap_or_default().into_iter();
    let mesh_gateways = mesh_gateways
        .map(|name| word("traffic.mesh.gateways", name))
        .collect::<Checked<Vec<_>>>()?;
    if traffic.session.is_some() && *target != Target::Local {
        return refuse(
            "`traffic.session` works with `target: local` only, so far",
            "leave it out: routes in a cluster split by request",
        );
    }
    let http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    if traffic.endpoint.as_deref().is_some_and(|url| !http(url)) {
        return refuse(
            "`traffic.endpoint` is not a valid URL",
            "start it with http:// or https://",
        );
    }
    if traffic.port == Some(0) {
        return refuse(
            "`traffic.port: 0` is not a valid port",
            "leave it out to get a free one",
        );
    }
    Ok(Traffic {
        via,
        gateway,
        mesh_gateways,
        host: traffic
            .host
            .map(|host| word("traffic.host", host))
            .transpose()?,
        endpoint: traffic.endpoint,
        session: traffic.session,
        port: traffic.port,
    })
}

/// How requests reach a release: as `via` says, else as what is named beside it suggests.
fn via(via: Option<Via>, has_gateway: bool, has_mesh: bool) -> Checked<Via> {
    let implied = match (has_gateway, has_mesh) {
        (true, true) => {
            return refuse(
                "`traffic.gateway` and `traffic.mesh` exclude each other",
                "keep one",
            );
        }
        (true, false) => Some(Via::Gateway),
        (false, true) => Some(Via::VirtualService),
        (false, false) => None,
    };
    match (via, implied) {
        (Some(Via::Gateway), None) => refuse(
            "`traffic.via: gateway` needs one",
            "add `gateway: {name: …}`",
        ),
        (Some(via), Some(implied)) if via != implied => refuse(
            match implied {
                Via::VirtualService => "`traffic.mesh` needs `traffic.via: virtual-service`",
                _ => "`traffic.gateway` needs `traffic.via: gateway`: other ways exclude it",
            },
            "keep one",
        ),
        (via, implied) => Ok(via.or(implied).unwrap_or_default()),
    }
}
