//! Which packed model a verb works on: `--image`, else `infer.yaml` pinned by `infer.lock`.

use std::path::Path;

use crate::{
    error::Failure,
    pack::lock::{self, Lock},
    registry::{LayoutPath, Location, Reference},
    release::wanted::{self, Image},
    spec::Spec,
};

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
