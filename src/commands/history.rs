//! `infer history`: what a release has served.

use super::{
    Session,
    release_args::{ReleaseArgs, cluster, home},
};
use crate::{
    error::{Failure, Outcome},
    release::{self, history_rows::HistoryRows},
    spec::Target,
};

/// Show what a release has served, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  infer history chat")]
pub struct HistoryArgs {
    #[command(flatten)]
    release: ReleaseArgs,
}

pub async fn run(args: HistoryArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    let found = args.release.find(&home)?;
    let rows = match &found.target {
        Target::Local => {
            let stored = release::local::store::read(&home, &found.name)?;
            HistoryRows::new(found.name.as_str(), &stored.record)
        }
        Target::Kubernetes(place) => {
            release::kubernetes::history(&cluster(place).await?, &found.name).await?
        }
    };
    if rows.revisions.is_empty() {
        return Err(release::Error::NoRelease {
            release: found.name,
        }
        .into());
    }
    session.ui.answer(&rows);
    Ok(Outcome::Done)
}
