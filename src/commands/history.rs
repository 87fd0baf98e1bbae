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

/// List the revisions of a release, oldest first
///
/// A revision keeps its number. Its state is live, candidate, superseded (served before), refused
/// (lost a canary or failed to start) or withdrawn (interrupted, aborted, undecided, or replaced
/// before a decision).
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
