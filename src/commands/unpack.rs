//! `infer unpack`: the files of a packed model, back on disk.

use std::path::PathBuf;

use super::{Session, image_args::ImageArgs};
use crate::{
    error::{Failure, Outcome},
    pack::{self, Event},
};

/// Write the files of a packed model into a folder
///
/// Every byte is checked against its digest before the folder appears; nothing is ever
/// written outside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer unpack oci:./image --into ./model")]
pub struct UnpackArgs {
    #[command(flatten)]
    image: ImageArgs,
    /// Folder to make; it must not exist yet
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
}

pub async fn run(args: UnpackArgs, session: &Session) -> Result<Outcome, Failure> {
    let image = args.image.open().await?;
    let on_event = |event: Event| session.ui.show(&event);
    let unpacked = pack::unpack(
        &image.store,
        &image.name,
        image.wanted.as_deref(),
        &args.into,
        &session.interrupt,
        &on_event,
    )
    .await?;
    session.ui.answer(&unpacked);
    Ok(Outcome::Done)
}
