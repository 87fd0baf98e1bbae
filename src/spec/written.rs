//! `infer.yaml` as it is written: every key optional, nothing filled in.
//!
//! The doc comments are what `infer schema` shows in an editor.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{quantity::Quantity, target::Target};
use crate::{duration::Seconds, engine::Kind, name::ReleaseName, registry::Location, slo::Gate};

/// Makes the document and the environment from one list, so that an environment
/// can say all that a document can, and nothing else.
macro_rules! settings {
    ($($(#[$attribute:meta])* $key:ident: $kind:ty,)*) => {
        /// A release of a model: what to serve, with which engine, where.
        #[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        #[schemars(title = "infer.yaml")]
        pub struct Document {
            /// Version of this file's format; 1 if left out.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub version: Option<u32>,
            $($(#[$attribute])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)*
            /// What differs per environment; chosen with `--env NAME`.
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            pub environments: BTreeMap<String, Environment>,
        }

        /// What differs from the rest of the file in one environment.
        #[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct Environment {
            $($(#[$attribute])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)*
        }
    };
}

settings! {
    /// The release's name: a DNS label of at most 40 characters.
    #[schemars(with = "Option<String>", regex(pattern = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"))]
    name: ReleaseName,
    /// The weights.
    model: Model,
    /// The program that serves them.
    engine: Engine,
    /// Where it runs: `local` (the default), `kubernetes`, or `{kubernetes: {…}}`.
    target: Target,
    /// What each replica needs of a node.
    hardware: Hardware,
    /// How many replicas.
    scale: Scale,
    /// How a version comes up and goes.
    rollout: Rollout,
    /// How requests reach it.
    traffic: Traffic,
    /// How it is watched.
    observe: Observe,
    /// What must hold before a version is let through.
    gates: Gates,
    /// Environment variables of the engine whose values are secret: name → where the value is.
    secrets: BTreeMap<String, Secret>,
    /// Folder with templates that replace or extend the built-in ones.
    templates: PathBuf,
    /// Changes to rendered objects, for what no key says.
    patches: Vec<Patch>,
}

/// Makes a section: all keys optional, unknown ones refused.
macro_rules! sections {
    ($($(#[$about:meta])* $name:ident { $($(#[$attribute:meta])* $key:ident: $kind:ty,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$attribute])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$kind>,)*
        }
    )*};
}

sections! {
    /// The weights.
    Model {
        /// Folder (or one GGUF file) with the weights, for `infer pack`; relative to this file.
        source: PathBuf,
        /// Where the packed weights are: REGISTRY/REPOSITORY[:TAG], or `oci:DIR` for an OCI layout.
        #[schemars(with = "Option<String>")]
        image: Location,
        /// The file that llama.cpp loads, below the packed folder.
        file: String,
        /// Name that clients ask for; the release's name if left out.
        served_name: String,
    }

    /// The program that serves the weights.
    Engine {
        /// Which engine.
        kind: Kind,
        /// Command that starts it, for `target: local` and in the container; `{model}`, `{port}` and
        /// `{served_name}` are filled in. The engine's own command if left out.
        command: Vec<String>,
        /// With `target.kubernetes.as: lws`: what the other machines of a replica run, for an engine
        /// whose own way `infer` does not know.
        worker_command: Vec<String>,
        /// Container image; made from `version` if left out.
        image: String,
        /// The engine's version, such as 0.18.0; decides which flags it is given.
        version: String,
        /// More flags: `max_model_len: 16384` becomes `--max-model-len 16384`.
        args: BTreeMap<String, Value>,
        /// Environment variables that are no secret.
        env: BTreeMap<String, String>,
    }

    /// What each replica needs of a node.
    Hardware {
        /// GPUs per replica; 1 for vllm and sglang, else 0.
        gpus: u32,
        /// Name under which the device plugin offers them; nvidia.com/gpu if left out.
        resource: String,
        /// A part of a GPU instead of whole ones: `{mig: 1g.10gb}`.
        share: Share,
        /// Machines that one replica spans, each with `gpus`; needs `target.kubernetes.as: lws`.
        hosts: u32,
        /// Products that will do, as in the node label nvidia.com/gpu.product.
        products: Vec<String>,
        /// Taints to tolerate; the GPU resource's own if left out.
        tolerate: Vec<Toleration>,
        /// Labels that a node must have.
        node_selector: BTreeMap<String, String>,
        /// CPU to ask for, such as 4 or 500m.
        cpu: Quantity,
        /// Memory to ask for and be limited to, such as 32Gi.
        memory: Quantity,
        /// Size of /dev/shm, counted within `memory`.
        shm: Quantity,
    }

    /// A taint to tolerate.
    Toleration {
        /// The taint's key.
        key: String,
        /// The taint's value; any value if left out.
        value: String,
        /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`; all if left out.
        effect: TaintEffect,
    }

    /// How many replicas.
    Scale {
        /// Replicas of the live version; 1 if left out.
        replicas: u32,
        /// Replicas by load, instead of `replicas`.
        horizontal: Horizontal,
    }

    /// Replicas that follow the load.
    Horizontal {
        /// What scales: `hpa`, a `HorizontalPodAutoscaler`.
        by: Autoscaler,
        /// Fewest replicas; 1 if left out.
        min: u32,
        /// Most replicas.
        max: u32,
        /// What is measured, and what each replica is to have of it.
        metric: ScaleMetric,
    }

    /// How a version comes up and goes.
    Rollout {
        /// `auto`: the new version starts beside the old one. `none`: in its place, for want of room.
        surge: Surge,
        /// Time a replica may take from start to ready, weights loaded.
        startup: Seconds,
        /// Time that requests in flight get to finish; 45s if left out.
        drain: Seconds,
        /// Old versions kept, without replicas, for `infer rollback`; 10 if left out.
        history: u32,
        /// What a failed deploy leaves: `rollback` removes the new version, `keep` leaves it to look at.
        on_failure: OnFailure,
    }

    /// How requests reach it.
    Traffic {
        /// `gateway` (an HTTPRoute), `virtual-service` (Istio) or `service`; the first where
        /// `gateway` is given, the second where `mesh` is.
        via: Via,
        /// The Gateway that the route joins.
        gateway: Gateway,
        /// The mesh whose `VirtualService` routes.
        mesh: Mesh,
        /// Host name that clients ask for.
        host: String,
        /// URL to measure and probe through, where it cannot be found out.
        endpoint: String,
        /// What keeps a client on one version.
        session: Session,
        /// Port of the local gateway, or of the Service; 8080 or the next free one, or 80.
        port: u16,
    }

    /// The Gateway that the route joins.
    Gateway {
        /// Its name.
        name: String,
        /// Its namespace; the release's if left out.
        namespace: String,
        /// One of its listeners; all if left out.
        section: String,
    }

    /// The mesh whose `VirtualService` routes.
    Mesh {
        /// Istio gateways that take it, as `NAME` or `NAMESPACE/NAME`; `mesh` means the sidecars,
        /// which are meant too if the list is left out.
        gateways: Vec<String>,
    }

    /// How it is watched.
    Observe {
        /// `annotations` marks pods for Prometheus with prometheus.io/scrape; `none` does not.
        metrics: Metrics,
    }

    /// What must hold before a version is let through.
    Gates {
        /// Promises such as `ttft.p99<500ms`, checked by `infer load`.
        #[schemars(with = "Option<Vec<String>>")]
        slo: Vec<Gate>,
    }

    /// Where a secret value is.
    Secret {
        /// Kubernetes: name of the Secret.
        secret: String,
        /// Kubernetes: key in the Secret.
        key: String,
        /// Local: variable of the caller's environment; the same name if left out.
        env: String,
    }

    /// A change to rendered objects.
    Patch {
        /// Kind of the objects to change, such as Deployment.
        kind: String,
        /// Name of the object; all of the kind if left out. The release's version is written {version}.
        name: String,
        /// Fields to set; lists merge by their Kubernetes keys (containers by name). null removes a key.
        merge: Value,
        /// JSON Patch (RFC 6902), after `merge`.
        json: Vec<Value>,
    }
}

/// What keeps a client on one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
}

/// A part of a GPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Share {
    /// A MIG slice by its profile, such as 1g.10gb, on nodes that offer slices by name (the
    /// device plugin's mixed strategy).
    Mig(String),
}

/// What a horizontal autoscaler measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScaleMetric {
    /// CPU in use, in percent of `hardware.cpu`.
    Cpu(u32),
    /// A metric of the pods, as an adapter of the custom metrics API offers it.
    Pods(PodMetric),
}

/// A metric of pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PodMetric {
    /// The metric's name.
    pub name: String,
    /// Average per pod that is aimed at.
    pub average: Quantity,
}

/// Makes an enum that is written as one word.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$attribute:meta])* $word:ident,)* })*) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$attribute])* $word,)* }
    )*};
}

words! {
    /// How a new version finds room.
    Surge {
        #[default]
        Auto,
        None,
    }

    /// What a failed deploy leaves.
    OnFailure {
        #[default]
        Rollback,
        Keep,
    }

    /// How requests reach a release.
    Via {
        #[default]
        Service,
        Gateway,
        VirtualService,
    }

    /// What scales replicas.
    Autoscaler {
        #[default]
        Hpa,
    }

    /// How pods say that they have metrics.
    Metrics {
        #[default]
        None,
        Annotations,
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}
