//! From a checked `infer.yaml` to Kubernetes objects: offline, and the same bytes every time.
//!
//! Values go through templates, patches and checks ([`render`]); nothing is ever
//! sent. Only [`Overrides::read`] and [`folder`] touch files.

mod builtin;
pub mod eject;
mod engine;
mod error;
pub mod folder;
mod lint;
mod overrides;
mod patch;
mod values;
mod version;

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

use self::{builtin::DEPLOYMENT, engine::Engine};
pub use self::{
    builtin::{BUILTINS, Builtin, Role},
    error::Error,
    overrides::{Overrides, SUFFIX},
    values::OWN_LABELS,
    version::version_of,
};
use crate::{
    name::VersionId,
    object::{self, Object, label},
    registry::Reference,
    spec::Spec,
    yaml,
};

/// The objects of one version of a release, in the order to apply them.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifests {
    pub version: VersionId,
    pub objects: Vec<Rendered>,
}

/// One object, and when a deploy applies it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    pub role: Role,
    pub object: Object,
}

/// Stands for the version while its id is found out.
const VERSION_PLACEHOLDER: &str = "v000000000";

/// Renders a release. `model` is where nodes pull the weights, pinned by digest;
/// only a simulated engine does without.
pub fn render(
    spec: &Spec,
    model: Option<&Reference>,
    overrides: &Overrides,
) -> Result<Manifests, Error> {
    let engine = Engine::new(overrides)?;
    let version = version(&engine, spec, model)?;
    let values = values::values(spec, model, &version)?;
    let mut objects = Vec::new();
    let wanted = BUILTINS.iter().filter(|builtin| builtin.is_wanted(spec));
    let own = wanted.map(|builtin| (builtin.file, Some(builtin.role)));
    let added = overrides
        .files()
        .filter(|file| Builtin::find(file).is_none() && !is_partial(file))
        .map(|file| (file, None));
    for (file, role) in added.chain(own) {
        for mut value in engine.objects(file, &values)? {
            patch::apply(spec, &version, std::slice::from_mut(&mut value))?;
            check(file, &value)?;
            let object = Object::from(value);
            objects.push(Rendered {
                role: role.unwrap_or_else(|| role_of_added(&object)),
                object,
            });
        }
    }
    let all: Vec<Value> = objects
        .iter()
        .map(|one| one.object.clone().into_value())
        .collect();
    patch::unused(spec, &version, &all)?;
    let mut findings = twice(&all);
    findings.extend(lint::findings(&all));
    if findings.is_empty() {
        Ok(Manifests { version, objects })
    } else {
        Err(Error::Contradiction { findings })
    }
}

/// The role of an object from a user's own template: it comes and goes with the version whose
/// label it carries.
fn role_of_added(object: &Object) -> Role {
    match object.label(label::VERSION) {
        Some(_) => Role::Version,
        None => Role::Shared,
    }
}

/// All pod templates with a placeholder for the version, hashed.
fn version(
    engine: &Engine<'_>,
    spec: &Spec,
    model: Option<&Reference>,
) -> Result<VersionId, Error> {
    let placeholder: VersionId = VERSION_PLACEHOLDER.parse().expect("v and nine digits");
    let values = values::values(spec, model, &placeholder)?;
    let mut objects = engine.objects(DEPLOYMENT, &values)?;
    patch::apply(spec, &placeholder, &mut objects)?;
    let pods: Vec<Value> = objects
        .iter()
        .map(|object| version::identity_of(&object["spec"]["template"]))
        .collect();
    Ok(match pods.as_slice() {
        [one] => version_of(one),
        several => version_of(&Value::Array(several.to_vec())),
    })
}

/// Files that start with `_` are there to be included.
fn is_partial(file: &str) -> bool {
    file.starts_with('_')
}

fn check(file: &str, value: &Value) -> Result<(), Error> {
    let refuse = |reason: String| Error::Object {
        file: file.to_owned(),
        reason,
    };
    for (key, found) in [
        ("apiVersion", &value["apiVersion"]),
        ("kind", &value["kind"]),
        ("metadata.name", &value["metadata"]["name"]),
    ] {
        if found.as_str().is_none_or(str::is_empty) {
            return Err(refuse(format!("it has no {key}")));
        }
    }
    object::check(value).map_err(refuse)
}

fn twice(objects: &[Value]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for object in objects {
        let metadata = &object["metadata"];
        let key = format!("{} {}", object["kind"], metadata["name"]);
        if !seen.insert((key.clone(), metadata["namespace"].to_string())) {
            findings.push(format!("{key} is there twice"));
        }
    }
    findings
}

impl Manifests {
    /// One YAML stream, for stdout and `kubectl apply -f -`.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let mut text = String::new();
        for object in &self.objects {
            write!(text, "---\n{}", yaml::write(&object.object)?).expect("a string grows");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod injection_tests;
#[cfg(test)]
mod tests;
