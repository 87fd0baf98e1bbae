//! What can be rendered: one part for each object of a release (pure).
//!
//! A part is a template, the values that it sees under a name of its own, and when it is wanted.
//! Adding an object to releases is one file in `parts`, one template and one line in [`PARTS`].

use serde_json::Value;

use super::{
    error::Error,
    parts::{
        deployment, disruption_budget, horizontal_autoscaler, http_route, leader_worker_set, pod,
        service, service_account, virtual_service,
    },
};
use crate::{
    name::VersionId,
    object::Object,
    registry::{Digest, Reference},
    spec::{DeviceRequest, Kubernetes, Spec},
};

/// What an object belongs to, and so when a deploy applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// All versions: applied at every deploy, kept until the release is deleted.
    Shared,
    /// One version: comes and goes with it.
    Version,
    /// It says which version gets traffic: created once, then written by `traffic` only.
    Route,
}

/// One object of a release.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub template: Template,
    pub role: Role,
    /// What its values are called in templates: `hpa` for `{{ hpa.min }}`.
    pub namespace: &'static str,
    /// Whether a release has this object.
    pub wanted: fn(&Spec) -> bool,
    pub values: fn(&Context<'_>) -> Result<Value, Error>,
    pub lint: Option<Lint>,
}

/// What of the rendered objects contradicts itself, in words.
pub(super) type Lint = fn(&[&Object]) -> Vec<String>;

/// Text that templates of several parts include.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment {
    pub template: Template,
    pub namespace: &'static str,
    pub values: fn(&Context<'_>) -> Result<Value, Error>,
}

/// In the order of the output.
pub static PARTS: &[Part] = &[
    service_account::PART,
    deployment::PART,
    leader_worker_set::PART,
    service::OF_A_VERSION,
    disruption_budget::PART,
    horizontal_autoscaler::PART,
    service::STABLE,
    http_route::PART,
    virtual_service::PART,
];

pub(super) static FRAGMENTS: &[Fragment] = &[pod::FRAGMENT];

/// What the values of a part are made from.
#[derive(Debug, Clone)]
pub struct Context<'a> {
    pub spec: &'a Spec,
    pub kubernetes: &'a Kubernetes,
    pub version: &'a VersionId,
    /// Where nodes pull the weights, by digest; `None` where no model is run.
    pub model: Option<&'a Reference>,
    pub devices: DeviceRequest,
}

impl Context<'_> {
    /// The name of objects of this version.
    pub fn version_name(&self) -> String {
        format!("{}-{}", self.spec.name, self.version)
    }
}

/// An embedded template.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    pub file: &'static str,
    pub source: &'static str,
}

/// The embedded template of that file name.
macro_rules! template {
    ($file:literal) => {
        $crate::render::part::Template {
            file: $file,
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $file)),
        }
    };
}
pub(super) use template;

impl Template {
    /// Those of parts in order, then those that they include.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        let parts = PARTS.iter().map(|part| &part.template);
        parts.chain(FRAGMENTS.iter().map(|fragment| &fragment.template))
    }

    pub fn find(file: &str) -> Option<&'static Self> {
        Self::all().find(|template| template.file == file)
    }

    /// The first 12 hex digits of its SHA-256: tells one release's from the next.
    pub fn fingerprint(&self) -> String {
        Digest::of(self.source.as_bytes()).hex()[..12].to_owned()
    }

    /// The names of its blocks, in order.
    pub fn blocks(&self) -> Vec<&'static str> {
        blocks(self.source).collect()
    }
}

/// The names of a template's blocks, in order.
pub(super) fn blocks(source: &str) -> impl Iterator<Item = &str> {
    tags(source).filter_map(|tag| tag.strip_prefix("block ")?.split_whitespace().next())
}

/// What stands in each `{% … %}` of a template, from its first word on.
pub(super) fn tags(source: &str) -> impl Iterator<Item = &str> {
    let parts = source.split("{%").skip(1);
    parts.map(|tag| tag.trim_start_matches(['-', '+']).trim_start())
}
