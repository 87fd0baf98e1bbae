//! `infer rollback`: back to a version that has served before.

use super::{
    Session,
    registry_args::RegistryArgs,
    release_args::{ReleaseArgs, cluster, home, run_id},
};
use crate::{
    error::{Failure, Outcome},
    local::{self, Holder},
    name::VersionId,
    release::{self, event::Event},
    spec::Target,
};

/// Go back to a version that has served before
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  infer rollback chat                    the version before the live one\n  infer rollback chat --to v3c1f2a90b    see infer history chat"
)]
pub struct RollbackArgs {
    #[command(flatten)]
    release: ReleaseArgs,
    /// Version to go back to; the one before live if left out
    #[arg(long, value_name = "VERSION")]
    to: Option<VersionId>,
    /// With rollout.surge none and no room for a second replica: let nothing serve meanwhile
    #[arg(long)]
    allow_downtime: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub async fn run(args: RollbackArgs, session: &Session) -> Result<Outcome, Failure> {
    let home = home()?;
    let found = args.release.find(&home)?;
    let on_event = |event: Event| session.ui.show(&event);
    let deployed = match &found.target {
        Target::Local => {
            let lock = local::lock(&home, &found.name, &Holder::here("rollback", &run_id()))?;
            let back = release::local::rollback::Rollback {
                home: &home,
                release: &found.name,
                to: args.to.as_ref(),
                allow_downtime: args.allow_downtime,
                options: &args.registry.options(&home),
                on_event: &on_event,
                interrupt: &session.interrupt,
            };
            let deployed = release::local::rollback::rollback(&back).await?;
            drop(lock);
            deployed
        }
        Target::Kubernetes(place) => {
            let cluster = cluster(place).await?;
            let run = run_id();
            let holder = Holder::here("rollback", &run).to_string();
            let lock = release::kubernetes::lock(&cluster, &found.name, &holder).await?;
            let back = release::kubernetes::Rollback {
                cluster: &cluster,
                lock: &lock,
                release: &found.name,
                to: args.to.as_ref(),
                allow_downtime: args.allow_downtime,
                run,
                on_event: &on_event,
                interrupt: &session.interrupt,
            };
            let deployed = release::kubernetes::rollback(&back).await;
            lock.release(&cluster).await?;
            deployed?
        }
    };
    session.ui.answer(&deployed);
    Ok(Outcome::Done)
}
