//! `infer delete`: a release and everything of it, gone.

use std::time::Duration;

use super::{
    Session,
    held::{Held, Reached, launch_of},
    release_args::{ReleaseArgs, home, run_id},
};
use crate::{
    error::{Failure, Outcome},
    local::{self, Holder},
    release::{
        self,
        event::Event,
        kubernetes::{self, ClusterSite},
    },
    spec::Target,
    ui::Deleted,
};

/// Stop a release and delete all of its objects, processes and state
///
/// On a cluster that includes its Lease. The same command again finishes a delete that was killed.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  infer delete chat --yes\n\nUnpacked models stay in the cache for the next deploy."
)]
pub struct DeleteArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Seconds that requests in flight get to finish
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

pub async fn run(args: DeleteArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    let found = args.release.find(&home)?;
    let question = format!("Delete {} and end its traffic?", found.name);
    if !session.ui.confirm(&question, args.yes)? {
        return Ok(Outcome::AnswerIsNo);
    }
    let drain = Duration::from_secs(args.drain);
    match &found.target {
        Target::Local => {
            let lock = local::lock(&home, &found.name, &Holder::here("delete", &run_id()))?;
            release::local::delete::delete(&home, &found.name, drain).await?;
            drop(lock);
        }
        Target::Kubernetes(_) => {
            let reached = Reached::find(&found.name, &found.target, &launch_of(None)).await?;
            let held = Held::take(&found.name, &reached, "delete", run_id()).await?;
            let deleted = on_cluster(&held, drain, session).await;
            match &deleted {
                // Nothing is left that a lock could guard.
                Ok(()) | Err(release::Error::NoRelease { .. }) => held.remove(session).await,
                Err(_) => held.release(false, session).await,
            }
            deleted?;
        }
    }
    session.ui.note(&format!("{} is deleted", found.name));
    session.ui.answer(&Deleted {
        release: found.name.as_str(),
    });
    Ok(Outcome::Done)
}

async fn on_cluster(
    held: &Held<'_>,
    drain: Duration,
    session: &Session,
) -> Result<(), release::Error> {
    let Reached::Cluster(cluster) = held.reached else {
        return Ok(());
    };
    let on_event = |event: Event| session.ui.show(&event);
    let site = ClusterSite::new(cluster, held.name, held.lease(), &held.run, &on_event);
    kubernetes::delete(&site, drain, &session.interrupt).await
}
