//! `infer status`: what a release is doing, or what all of them are.

use super::{
    Session,
    release_args::{self, ReleaseArgs, home},
};
use crate::{
    cluster,
    error::{Failure, Outcome},
    local,
    release::{
        self,
        status::{Status, StatusList},
    },
    spec::Target,
};

/// Show a release's versions, their traffic and an open canary
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer status            the release of ./infer.yaml; without one, all releases of this\n                          machine and of the cluster's namespace\n  infer status chat\n\nExit code 4: a canary was abandoned."
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
        if cluster::is_configured() {
            match on_cluster(&args.release).await {
                Ok(found) => releases.extend(found),
                // What is on this machine is told all the same.
                Err(failure) if !releases.is_empty() => {
                    let message =
                        format!("the cluster's releases are not listed: {}", failure.message);
                    session.ui.warn(&message);
                }
                Err(failure) => return Err(failure),
            }
        }
        let abandoned = releases.iter().any(Status::abandoned);
        session.ui.answer(&StatusList { releases });
        return Ok(outcome(abandoned));
    }
    let found = args.release.find(&home)?;
    let status = match &found.target {
        Target::Local => release::local::status::status(&home, &found.name).await?,
        Target::Kubernetes(place) => {
            release::kubernetes::status(&release_args::cluster(place).await?, &found.name).await?
        }
    };
    session.ui.answer(&status);
    Ok(outcome(status.abandoned()))
}

/// The releases of the namespace that the flags or the kubeconfig name.
async fn on_cluster(args: &ReleaseArgs) -> Result<Vec<Status>, Failure> {
    let cluster = release_args::cluster(&args.place()).await?;
    Ok(release::kubernetes::statuses(&cluster).await?)
}

fn outcome(abandoned: bool) -> Outcome {
    if abandoned {
        Outcome::Undecided
    } else {
        Outcome::Done
    }
}
