//! `infer deploy`: the wanted version serves, after its first token and not before.

use std::path::PathBuf;

use super::{
    Session,
    held::{Held, Reach, Reached, launch_of},
    image::Resolved,
    registry_args::RegistryArgs,
    release_args::run_id,
    release_file::ReleaseFile,
};
use crate::{
    error::{Failure, Outcome},
    registry::Location,
    release::{event::Event, lifecycle::Goal},
};

/// Start the wanted version and give it the traffic
///
/// The wanted version is the one that infer.yaml and infer.lock describe. It starts beside the
/// live version, answers a test request, and then gets all traffic in one write; after a failure
/// the live version goes on serving. The same command again finishes a deploy that was
/// killed. The endpoint is printed on stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer deploy                     what infer.yaml and infer.lock say
  infer deploy --env prod
  infer deploy --no-traffic        start the new version, leave the traffic where it is
  infer deploy --allow-downtime    no room for both versions: stop live, then start")]
pub struct DeployArgs {
    #[command(flatten)]
    file: ReleaseFile,
    /// Image to serve instead of infer.yaml's; with a digest, infer.lock is not asked
    #[arg(long, value_name = "REF@sha256:…")]
    image: Option<Location>,
    /// Start the new version as candidate; the traffic does not move
    #[arg(long)]
    no_traffic: bool,
    /// With rollout.surge none and no room for both versions: stop the live one first
    #[arg(long)]
    allow_downtime: bool,
    /// The infer.lock to read; the one beside infer.yaml if left out
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub async fn run(args: DeployArgs, session: &Session) -> Result<Outcome, Failure> {
    let spec = args.file.load()?;
    let wanted = Resolved::new(&spec, args.image.as_ref(), args.lock.as_deref())?;
    if let Some(note) = wanted.note() {
        session.ui.note(note);
    }
    let reached = Reached::find(&spec.name, &spec.target, &launch_of(Some(&spec))).await?;
    let held = Held::take(&spec.name, &reached, "deploy", run_id()).await?;
    let reach = Reach {
        goal: if args.no_traffic {
            Goal::Wait
        } else {
            Goal::Serve
        },
        allow_downtime: args.allow_downtime,
        replicas: None,
    };
    let on_event = |event: Event| session.ui.show(&event);
    let deployed = held.reach(&wanted, &reach, &args.registry, &on_event, session);
    let deployed = deployed.await;
    held.release(deployed.is_ok(), session).await;
    session.ui.answer(&deployed?);
    Ok(Outcome::Done)
}
