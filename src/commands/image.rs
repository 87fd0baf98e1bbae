//! Which packed model a verb works on: `--image`, else `infer.yaml` pinned by `infer.lock`.

use std::path::Path;

use crate::{
    error::Failure,
    name::VersionId,
    pack::lock::{self, Lock},
    registry::{LayoutPath, Location, Reference},
    release::{
        kubernetes::{RevisionSpec, WantedObjects},
        local::engine,
        wanted::{self, Image},
    },
    render::{self, Manifests, Overrides},
    spec::{Spec, Target},
};

/// What `infer.yaml` and `infer.lock` come to: a version, and what it is made of.
pub struct Resolved<'a> {
    pub spec: &'a Spec,
    pub version: VersionId,
    /// `None` where no model is run.
    pub image: Option<Image>,
    /// For a cluster.
    pub objects: Option<WantedObjects>,
}

impl<'a> Resolved<'a> {
    /// `image` is `--image`, `lock` is `--lock`.
    pub fn new(
        spec: &'a Spec,
        image: Option<&Location>,
        lock: Option<&Path>,
    ) -> Result<Self, Failure> {
        if spec.target == Target::Local {
            let image = wanted(spec, image, lock)?;
            return Ok(Self {
                spec,
                version: engine::version(spec, &image.digest.to_string())?,
                image: Some(image),
                objects: None,
            });
        }
        let image = wanted_on_cluster(spec, image, lock)?;
        let manifests = manifests(spec, image.as_ref())?;
        let revision = RevisionSpec {
            objects: Vec::new(),
            served_model: spec.model.served_name.clone(),
            startup_s: spec.rollout.startup_s,
            drain_s: spec.rollout.drain_s,
            surge: spec.rollout.surge,
        };
        let version = manifests.version.clone();
        Ok(Self {
            spec,
            objects: Some(WantedObjects::new(
                version.clone(),
                &manifests.objects,
                revision,
            )),
            version,
            image,
        })
    }

    /// The model, by digest; for people.
    pub fn image_title(&self) -> String {
        let image = self.image.as_ref();
        image.map_or_else(|| "no model".to_owned(), |image| image.place.to_string())
    }

    /// Why `infer.lock` was not asked, for people.
    pub fn note(&self) -> Option<&str> {
        self.image.as_ref()?.note.as_deref()
    }
}

/// The manifests of a wanted version for a cluster.
fn manifests(spec: &Spec, image: Option<&Image>) -> Result<Manifests, Failure> {
    let model = image.map(for_nodes).transpose()?;
    let overrides = Overrides::read(spec.templates.as_deref())?;
    Ok(render::render(spec, model.as_ref(), &overrides)?)
}

/// Pins the wanted image; `lock` is `--lock`, else the file beside `infer.yaml` counts.
pub fn wanted(
    spec: &Spec,
    image: Option<&Location>,
    lock: Option<&Path>,
) -> Result<Image, Failure> {
    if let Some(lock) = lock.filter(|lock| !lock.exists()) {
        return Err(
            Failure::usage(format!("there is no lock file {}", lock.display()))
                .hint("run `infer pack`, which writes infer.lock, or name another with --lock"),
        );
    }
    let beside = spec.path.with_file_name(lock::FILE_NAME);
    let lock = Lock::read(lock.unwrap_or(&beside))?;
    Ok(wanted::image(spec, image, &lock)?)
}

/// The same for a release on a cluster, where a simulated engine needs no model at all.
pub fn wanted_on_cluster(
    spec: &Spec,
    image: Option<&Location>,
    lock: Option<&Path>,
) -> Result<Option<Image>, Failure> {
    if image.is_none() && spec.model.image.is_none() && spec.engine.kind.is_simulated() {
        return Ok(None);
    }
    wanted(spec, image, lock).map(Some)
}

/// The image as nodes pull it; they cannot reach into a folder of this machine.
pub fn for_nodes(image: &Image) -> Result<Reference, Failure> {
    match &image.place {
        Location::Registry(reference) => Ok(reference.clone()),
        Location::Layout(layout) => Err(not_for_nodes(layout)),
    }
}

/// The refusal of a folder where a cluster is to pull.
pub fn not_for_nodes(layout: &LayoutPath) -> Failure {
    Failure::usage(format!(
        "nodes cannot pull from a folder of this machine: {layout}"
    ))
    .hint("pack to a registry: `infer pack --to REGISTRY/REPOSITORY`")
}
