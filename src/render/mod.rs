//! From a checked `infer.yaml` to Kubernetes objects: offline, and the same bytes every time.
//!
//! Values go through templates, patches and checks ([`render`]); nothing is ever
//! sent. Only [`Overrides::read`] and [`folder`] touch files.

pub mod eject;
mod error;
pub mod folder;
mod lint;
mod overrides;
mod part;
mod parts;
mod patch;
mod template;
mod values;
mod version;

use std::{collections::BTreeSet, fmt::Write as _};

use serde_json::Value;

pub use self::{
    error::Error,
    overrides::Overrides,
    part::{PARTS, Role, Template},
    version::version_of,
};
use self::{
    part::{Context, Part},
    parts::workload::pod_templates,
    template::Templates,
};
use crate::{
    name::VersionId,
    object::{self, Object, label},
    registry::Reference,
    spec::{Spec, Target},
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
    let templates = Templates::new(overrides)?;
    let version = version(&templates, spec, model)?;
    let values = values::values(&context(spec, model, &version)?)?;
    let added = overrides
        .files()
        .filter(|file| Template::find(file).is_none() && !is_fragment(file))
        .map(|file| (file, None));
    let own = wanted(spec).map(|part| (part.template.file, Some(part.role)));
    let mut objects = Vec::new();
    for (file, role) in added.chain(own) {
        for mut value in templates.objects(file, &values)? {
            patch::apply(spec, &version, std::slice::from_mut(&mut value))?;
            check(file, &value)?;
            let object = Object::from(value);
            objects.push(Rendered {
                role: role.unwrap_or_else(|| role_of_added(&object)),
                object,
            });
        }
    }
    let all: Vec<&Object> = objects.iter().map(|one| &one.object).collect();
    patch::unused(spec, &version, &all)?;
    let mut findings = twice(&all);
    findings.extend(lint::findings(&all));
    if findings.is_empty() {
        Ok(Manifests { version, objects })
    } else {
        Err(Error::Contradiction { findings })
    }
}

fn context<'a>(
    spec: &'a Spec,
    model: Option<&'a Reference>,
    version: &'a VersionId,
) -> Result<Context<'a>, Error> {
    let Target::Kubernetes(kubernetes) = &spec.target else {
        return Err(Error::NotKubernetes);
    };
    Ok(Context {
        spec,
        kubernetes,
        version,
        model,
        devices: spec.hardware.devices(),
    })
}

/// The parts that a release has.
fn wanted(spec: &Spec) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(|part| (part.wanted)(spec))
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
    templates: &Templates<'_>,
    spec: &Spec,
    model: Option<&Reference>,
) -> Result<VersionId, Error> {
    let placeholder: VersionId = VERSION_PLACEHOLDER.parse().expect("v and nine digits");
    let values = values::values(&context(spec, model, &placeholder)?)?;
    let mut pods = Vec::new();
    for part in wanted(spec).filter(|part| part.role == Role::Version) {
        let mut objects = templates.objects(part.template.file, &values)?;
        patch::apply(spec, &placeholder, &mut objects)?;
        for object in objects.into_iter().map(Object::from) {
            let found = pod_templates(&object).into_iter();
            pods.extend(found.map(|pod| version::identity_of(pod.template)));
        }
    }
    Ok(match pods.as_slice() {
        [one] => version_of(one),
        several => version_of(&Value::Array(several.to_vec())),
    })
}

/// Files that start with `_` are there to be included.
fn is_fragment(file: &str) -> bool {
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

fn twice(objects: &[&Object]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for object in objects {
        if !seen.insert((object.kind(), object.name(), object.namespace())) {
            findings.push(format!("{} is there twice", object.title()));
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
