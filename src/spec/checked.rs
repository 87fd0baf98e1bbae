//! A release as checked: defaults filled in, nothing left to doubt.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use super::{beside, quantity::Quantity};
pub use super::{
    target::{Kubernetes, Target, Workload},
    written::{Metrics, OnFailure, ScaleMetric, Session, Share, Surge, TaintEffect, Via},
};
use crate::{
    engine::{Kind, Version},
    name::ReleaseName,
    registry::{LayoutPath, Location},
    slo::Gate,
};

/// What `infer.yaml`, its environment and the flags say together.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    pub name: ReleaseName,
    pub model: Model,
    pub engine: Engine,
    pub target: Target,
    pub hardware: Hardware,
    pub scale: Scale,
    pub rollout: Rollout,
    pub traffic: Traffic,
    pub observe: Observe,
    pub gates: Gates,
    /// Environment variable → where its value is; never the value.
    pub secrets: BTreeMap<String, Secret>,
    /// Folder with template overrides; the file's folder is already in front.
    pub templates: Option<PathBuf>,
    pub patches: Vec<Patch>,
    /// The file this was read from.
    pub path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Folder or file to pack; the file's folder is already in front.
    pub source: Option<PathBuf>,
    /// As written: its text without tag is the key in `infer.lock`. A relative
    /// layout is found with [`Spec::image_place`].
    pub image: Option<Location>,
    /// File below the packed folder that llama.cpp loads.
    pub file: Option<String>,
    /// Name that clients ask for.
    pub served_name: String,
}

impl Spec {
    /// Where the packed model lies, a relative layout seen from the file's folder.
    pub fn image_place(&self) -> Option<Location> {
        let Location::Layout(written) = self.model.image.as_ref()? else {
            return self.model.image.clone();
        };
        let place = Location::Layout(LayoutPath::new(beside(&self.path, written.dir())));
        let tagged = match written.tag() {
            // A tag that was read from a location is a tag.
            Some(tag) => place.clone().with_tag(tag).unwrap_or(place),
            None => place,
        };
        Some(match written.digest() {
            Some(digest) => tagged.with_digest(digest),
            None => tagged,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    pub kind: Kind,
    /// With `{model}`, `{port}` and `{served_name}` still in it.
    pub command: Option<Vec<String>>,
    /// What the other machines of a replica run, where it is not the engine's own way.
    pub worker_command: Option<Vec<String>>,
    /// Container image.
    pub image: Option<String>,
    /// As written, else as the image's tag says.
    pub version: Option<Version>,
    /// Scalars, lists of scalars, and maps (which become JSON).
    pub args: BTreeMap<String, Value>,
    pub env: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardware {
    /// Per machine; slices of GPUs under `share`.
    pub gpus: u32,
    /// What the device plugin calls them.
    pub resource: String,
    pub share: Option<Share>,
    /// Machines that one replica spans.
    pub hosts: u32,
    pub products: Vec<String>,
    pub tolerations: Vec<Toleration>,
    pub node_selector: BTreeMap<String, String>,
    pub cpu: Option<Quantity>,
    pub memory: Option<Quantity>,
    pub shm: Quantity,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toleration {
    pub key: String,
    pub value: Option<String>,
    pub effect: Option<TaintEffect>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// Replicas to begin with; the fewest where an autoscaler owns them.
    pub replicas: u32,
    pub horizontal: Option<Horizontal>,
}

/// Replicas that follow the load, from `Scale::replicas` up to `max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Horizontal {
    pub max: u32,
    pub metric: ScaleMetric,
}

impl Scale {
    /// The most replicas that there may be.
    pub fn replicas_max(&self) -> u32 {
        let horizontal = self.horizontal.as_ref();
        horizontal.map_or(self.replicas, |horizontal| horizontal.max)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    pub surge: Surge,
    /// Time from start to ready.
    pub startup_s: u64,
    /// Time that requests in flight get.
    pub drain_s: u64,
    pub history: u32,
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traffic {
    pub via: Via,
    pub gateway: Option<Gateway>,
    /// Gateways of the mesh that take the route; empty for its sidecars.
    pub mesh_gateways: Vec<String>,
    pub host: Option<String>,
    pub endpoint: Option<String>,
    pub session: Option<Session>,
    pub port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    pub name: String,
    pub namespace: Option<String>,
    pub section: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observe {
    pub metrics: Metrics,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Gates {
    pub slo: Vec<Gate>,
}

/// Where a secret value is, on either target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Kubernetes: (Secret, key).
    pub reference: Option<(String, String)>,
    /// Local: variable of the caller's environment.
    pub env: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    pub kind: String,
    pub name: Option<String>,
    pub merge: Option<Value>,
    pub json: Vec<Value>,
}
