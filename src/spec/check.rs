//! From what is written to what is meant: defaults filled in, the impossible refused.

use std::path::Path;

use super::{
    beside,
    checked::{
        Engine, Gates, Gateway, Hardware, Model, Observe, Rollout, Scale, Spec, Target, Toleration,
        Traffic, Via,
    },
    engine::{self, Kind, Version},
    error::Error,
    quantity::Quantity,
    references::{patches, secrets},
    refusal::{Checked, Refusal, refuse, variable, word},
    written::{self, Document},
};

/// The only version of the file's format so far.
const FORMAT: u32 = 1;

/// Replicas of one release; a slip of the finger should not order a data centre.
const REPLICAS_MAX: u32 = 1000;

/// GPUs of one replica; no node has more.
const GPUS_MAX: u32 = 64;

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
        hardware: hardware(document.hardware.unwrap_or_default(), engine.kind)?,
        scale: scale(&document.scale.unwrap_or_default())?,
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
            "add `engine: {kind: vllm}`, or sglang, llama.cpp or sim",
        );
    };
    let said = match &engine.version {
        Some(text) => match Version::parse(text) {
            Some(version) => Some(version),
            None => {
                return refuse(
                    format!("`engine.version` is no version: {text:?}"),
                    "as in 0.18.0",
                );
            }
        },
        None => None,
    };
    let image = match engine.image {
        Some(image) => Some(word("engine.image", image)?),
        None => said
            .as_ref()
            .zip(kind.facts().image)
            .map(|(version, rule)| format!("{}:{}{version}", rule.repository, rule.tag_prefix)),
    };
    let args = engine.args.unwrap_or_default();
    if let Err(error) = engine::flags(kind, &args) {
        return Err(Refusal {
            reason: error.to_string(),
            hint: None,
        });
    }
    if engine.command.as_ref().is_some_and(Vec::is_empty) {
        return refuse(
            "`engine.command` is empty",
            "leave it out for the engine's own command",
        );
    }
    let env = engine.env.unwrap_or_default();
    env.keys()
        .try_for_each(|name| variable("engine.env", name))?;
    Ok(Engine {
        kind,
        command: engine.command,
        version: said.or_else(|| image.as_deref().and_then(Version::of_image)),
        image,
        args,
        env,
    })
}

fn hardware(hardware: written::Hardware, kind: Kind) -> Checked<Hardware> {
    let gpus = hardware.gpus.unwrap_or(kind.facts().gpus);
    if gpus > GPUS_MAX {
        return refuse(
            format!("`hardware.gpus: {gpus}` is more than a node has"),
            "use at most 64",
        );
    }
    let resource = hardware
        .resource
        .unwrap_or_else(|| "nvidia.com/gpu".to_owned());
    let own_taint = || written::Toleration {
        key: Some(resource.clone()),
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
        resource: word("hardware.resource", resource)?,
        products: hardware.products.unwrap_or_default(),
        tolerations,
        node_selector: hardware.node_selector.unwrap_or_default(),
        cpu: hardware.cpu,
        memory: hardware.memory,
        shm: match hardware.shm {
            Some(shm) => shm,
            None => shm_default(kind, gpus)?,
        },
    })
}

/// The runtime's own 64 MiB breaks NCCL, which needs more with every GPU; engines of one
/// process do not use it.
fn shm_default(kind: Kind, gpus: u32) -> Checked<Quantity> {
    let text = match (kind, gpus) {
        (Kind::LlamaCpp | Kind::Sim, _) | (_, 0) => "64Mi",
        (Kind::Vllm | Kind::Sglang, 1) => "2Gi",
        (Kind::Vllm | Kind::Sglang, _) => "8Gi",
    };
    text.parse().map_err(|_| Refusal {
        reason: format!("{text} is no quantity"),
        hint: None,
    })
}

fn scale(scale: &written::Scale) -> Checked<Scale> {
    let replicas = scale.replicas.unwrap_or(1);
    if replicas == 0 {
        return refuse(
            "`scale.replicas: 0` serves nobody",
            "use 1 or more, or `infer delete`",
        );
    }
    if replicas > REPLICAS_MAX {
        return refuse(
            format!("`scale.replicas: {replicas}` is too many"),
            "use at most 1000",
        );
    }
    Ok(Scale { replicas })
}

fn rollout(rollout: &written::Rollout, kind: Kind) -> Checked<Rollout> {
    let startup_s = rollout
        .startup
        .map_or(kind.facts().startup_s, super::Seconds::get);
    if startup_s == 0 {
        return refuse(
            "`rollout.startup: 0s` lets no engine start",
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
        drain_s: rollout.drain.map_or(DRAIN_DEFAULT_S, super::Seconds::get),
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
    let via = match (traffic.via, &gateway) {
        (Some(Via::Gateway), None) => {
            return refuse(
                "`traffic.via: gateway` needs one",
                "add `gateway: {name: …}`",
            );
        }
        (Some(Via::Service), Some(_)) => {
            return refuse(
                "`traffic.via: service` and `traffic.gateway` exclude each other",
                "keep one",
            );
        }
        (None, Some(_)) => Via::Gateway,
        (via, _) => via.unwrap_or_default(),
    };
    if traffic.session.is_some() && *target != Target::Local {
        return refuse(
            "`traffic.session` works with `target: local` only, so far",
            "leave it out: an HTTPRoute splits by request",
        );
    }
    let http = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    if traffic.endpoint.as_deref().is_some_and(|url| !http(url)) {
        return refuse(
            "`traffic.endpoint` is no URL",
            "start it with http:// or https://",
        );
    }
    if traffic.port == Some(0) {
        return refuse(
            "`traffic.port: 0` is no port",
            "leave it out to get a free one",
        );
    }
    Ok(Traffic {
        via,
        gateway,
        host: traffic
            .host
            .map(|host| word("traffic.host", host))
            .transpose()?,
        endpoint: traffic.endpoint,
        session: traffic.session,
        port: traffic.port,
    })
}
