//! `infer verify`: every blob of a packed model read again and held against its digest.

use super::{Session, image_args::ImageArgs};
use crate::{
    error::{Failure, Kind, Outcome},
    pack::{self, Event},
};

/// Check every digest of a packed model
///
/// Reads every byte again: manifests, configs and layers. Exit code 1 names what is
/// damaged.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer verify oci:./image")]
pub struct VerifyArgs {
    #[command(flatten)]
    image: ImageArgs,
}

pub async fn run(args: VerifyArgs, session: &Session) -> Result<Outcome, Failure> {
    let image = args.image.open().await?;
    let on_event = |event: Event| session.ui.show(&event);
    let wanted = image.wanted.as_deref();
    let verified = pack::verify(
        &image.store,
        &image.name,
        wanted,
        &session.interrupt,
        &on_event,
    )
    .await?;
    if verified.damaged.is_empty() {
        session.ui.answer(&verified);
        return Ok(Outcome::Done);
    }
    let mut failure = Failure::new(Kind::Failed, format!("{} is damaged", verified.image))
        .hint("pack it again, or restore the blob from another copy");
    for damage in &verified.damaged {
        failure = failure.cause(format!("{}: {}", damage.digest, damage.reason));
    }
    Err(failure)
}
