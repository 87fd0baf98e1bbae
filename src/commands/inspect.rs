//! `infer inspect`: what is in a packed model, without fetching it.

use super::{Session, image_args::ImageArgs};
use crate::{
    error::{Failure, Outcome},
    pack,
    ui::InspectView,
};

/// Show the contents of a packed model
///
/// Reads only the image's manifests and configs, a few kilobytes, not the weights.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer inspect oci:./image\n  infer inspect ghcr.io/acme/chat:v3 --files"
)]
pub struct InspectArgs {
    /// List each file of each layer
    #[arg(long)]
    files: bool,
    #[command(flatten)]
    image: ImageArgs,
}

pub async fn run(args: InspectArgs, session: &Session) -> Result<Outcome, Failure> {
    let image = args.image.open().await?;
    let found = pack::inspect(&image.store, &image.name, image.wanted.as_deref()).await?;
    session.ui.answer(&InspectView {
        found: &found,
        files: args.files,
    });
    Ok(Outcome::Done)
}
