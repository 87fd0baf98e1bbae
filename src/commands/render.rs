//! `infer render`: manifests on stdout, or one file an object in a folder.

use std::path::PathBuf;

use super::{Session, image, release_file::ReleaseFile};
use crate::{
    error::{Failure, Outcome},
    registry::{Location, Reference},
    render::{self, Overrides, folder},
    spec::Spec,
    ui::render::{Manifests, WrittenFolder},
};

/// Print the Kubernetes manifests of a release, offline
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer render | kubectl apply --server-side -f -
  infer render --env prod --into manifests/")]
pub struct RenderArgs {
    #[command(flatten)]
    file: ReleaseFile,
    /// Packed model to use instead of the one in infer.lock
    #[arg(long, value_name = "REF@sha256:…")]
    image: Option<Location>,
    /// The infer.lock to read; the one beside infer.yaml if left out
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Write one file for each object into this folder, and remove old ones that infer wrote
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

#[expect(clippy::unused_async, reason = "every verb has the same signature")]
pub async fn run(args: RenderArgs, session: &Session) -> Result<Outcome, Failure> {
    let spec = args.file.load()?;
    let model = model(&spec, &args)?;
    let overrides = Overrides::read(spec.templates.as_deref())?;
    for file in overrides.stale() {
        session.ui.warn(&format!(
            "template {file} was ejected from another built-in: see `infer template diff {file}`"
        ));
    }
    let manifests = render::render(&spec, model.as_ref(), &overrides)?;
    match args.into {
        Some(into) => {
            let written = folder::write(&manifests, &into)?;
            session
                .ui
                .answer(&WrittenFolder::new(&spec.name, &manifests, &written));
        }
        None => session.ui.answer(&Manifests::new(&spec.name, &manifests)?),
    }
    Ok(Outcome::Done)
}

/// Where nodes pull the weights, by digest; a simulated engine does without.
fn model(spec: &Spec, args: &RenderArgs) -> Result<Option<Reference>, Failure> {
    match args.image.as_ref().or(spec.model.image.as_ref()) {
        None => return Ok(None),
        // Said before the lock is asked: packing into the folder again would not help.
        Some(Location::Layout(layout)) => return Err(image::not_for_nodes(layout)),
        Some(Location::Registry(_)) => {}
    }
    let wanted = image::wanted(spec, args.image.as_ref(), args.lock.as_deref())?;
    image::for_nodes(&wanted).map(Some)
}
