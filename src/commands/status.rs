//! `infer status`: what a release is doing, or what all of them are.

use super::{
    Session,
    release_args::{ReleaseArgs, cluster, home},
};
use crate::{
    error::{Failure, Outcome},
    local,
    release::{
        self,
        status::{Status, StatusList},
    },
    spec::Target,
};

/// Show what a release is doing: versions, traffic, an open canary
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer status            the release of ./infer.yaml, or all of this machine\n  infer status chat\n\nExit code 4: a canary was abandoned."
)]
pub struct StatusArgs {
    #[command(flatten)]
    release: ReleaseArgs,
}

pub async fn run(args: StatusArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    if args.release.says_nothing() {
        let mut releases = Vec::new();
        for name in local::releases(&home).map_err(|error| Failure::failed(&error))? {
            releases.push(release::local::status::status(&home, &name).await?);
        }
        let abandoned = releases.iter().any(Status::abandoned);
        session.ui.answer(&StatusList { releases });
        return Ok(outcome(abandoned));
    }
    let found = args.release.find(&home)?;
    let status = match &found.target {
        Target::Local => release::local::status::status(&home, &found.name).await?,
        Target::Kubernetes(place) => {
            release::kubernetes::status(&cluster(place).await?, &found.name).await?
        }
    };
    session.ui.answer(&status);
    Ok(outcome(status.abandoned()))
}

fn outcome(abandoned: bool) -> Outcome {
    if abandoned {
        Outcome::Undecided
    } else {
        Outcome::Done
    }
}
