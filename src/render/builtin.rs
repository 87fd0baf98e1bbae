//! The built-in templates: one per object, embedded.

use crate::{
    registry::Digest,
    spec::{Spec, Via},
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

/// One template of ours.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    pub file: &'static str,
    pub source: &'static str,
    pub role: Role,
}

macro_rules! builtin {
    ($file:literal, $role:ident) => {
        Builtin {
            file: $file,
            source: include_str!(concat!("../../templates/", $file)),
            role: Role::$role,
        }
    };
}

/// The template whose pod template is hashed to a version's id.
pub(super) const DEPLOYMENT: &str = "deployment.yaml.j2";

/// In the order of the output.
pub const BUILTINS: [Builtin; 6] = [
    builtin!("service-account.yaml.j2", Shared),
    builtin!("deployment.yaml.j2", Version),
    builtin!("service-version.yaml.j2", Version),
    builtin!("pod-disruption-budget.yaml.j2", Version),
    builtin!("service.yaml.j2", Route),
    builtin!("http-route.yaml.j2", Route),
];

impl Builtin {
    pub fn find(file: &str) -> Option<&'static Self> {
        BUILTINS.iter().find(|builtin| builtin.file == file)
    }

    /// Whether a release has this object.
    pub(super) fn is_wanted(&self, spec: &Spec) -> bool {
        match self.file {
            "http-route.yaml.j2" => spec.traffic.via == Via::Gateway,
            // With one replica a budget of one protects nothing.
            "pod-disruption-budget.yaml.j2" => spec.scale.replicas > 1,
            _ => true,
        }
    }

    /// The first 12 hex digits of its SHA-256: tells one release's from the next.
    pub fn fingerprint(&self) -> String {
        Digest::of(self.source.as_bytes()).hex()[..12].to_owned()
    }

    /// The names of its blocks, in order.
    pub fn blocks(&self) -> Vec<&'static str> {
        self.source
            .split("{% block ")
            .skip(1)
            .filter_map(|rest| rest.split_whitespace().next())
            .collect()
    }
}
