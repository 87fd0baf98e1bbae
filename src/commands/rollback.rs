//! `infer rollback`: back to a version that has served before.

use super::{
    Session,
    held::{AnySite, Held, Reached, launch_of, options, rollback_intent},
    registry_args::RegistryArgs,
    release_args::{Found, ReleaseArgs, home, run_id},
};
use crate::{
    cluster::scale,
    error::{Failure, Outcome},
    name::{ReleaseName, VersionId},
    release::{
        self,
        event::{Deployed, Event},
        lifecycle::{self, Aim, Goal, Observed, Wanted},
        record::{Entry, Revision},
    },
    spec::Surge,
};

/// Give the traffic back to a version that has served before
///
/// The same command again finishes a rollback that was killed; it does not go back one version further.
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
    /// With rollout.surge none and no room for both versions: stop the live one first
    #[arg(long)]
    allow_downtime: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub async fn run(args: RollbackArgs, session: &Session) -> Result<Outcome, Failure> {
    let found = args.release.find(&home()?)?;
    let reached = Reached::find(&found.name, &found.target, &launch_of(None)).await?;
    let mut held = Held::take(&found.name, &reached, "rollback", run_id()).await?;
    let back = back(&args, &found, &mut held, session).await;
    held.release(back.is_ok(), session).await;
    session.ui.answer(&back?);
    Ok(Outcome::Done)
}

async fn back(
    args: &RollbackArgs,
    found: &Found,
    held: &mut Held<'_>,
    session: &Session,
) -> Result<Deployed, Failure> {
    let on_event = |event: Event| session.ui.show(&event);
    let observed = {
        let site = held.site(None, options(&args.registry)?, &on_event);
        site.as_site().observe(None).await?
    };
    let revision = to(args, &observed, held, &found.name)?;
    // A run that is cut off is finished by the next, not taken for the step back before it.
    held.intend(&rollback_intent(&revision.version)).await?;
    let mut site = held.site(None, options(&args.registry)?, &on_event);
    let endpoint = found.spec.as_ref();
    let endpoint = endpoint.and_then(|spec| spec.traffic.endpoint.as_deref());
    let (surge, replicas_max) = match &mut site {
        AnySite::Cluster(site) => {
            site.endpoint = endpoint;
            let spec = site.spec_of(&revision.version).await?;
            let limits = scale::limits(&spec.objects);
            (spec.surge, limits.map(|limits| limits.ceiling))
        }
        AnySite::Local(_) if args.allow_downtime => (Surge::None, None),
        AnySite::Local(_) => (Surge::Auto, None),
    };
    let entry = Entry {
        version: revision.version.clone(),
        image: revision.image.clone(),
        simulated: revision.simulated,
        replicas: revision.replicas,
    };
    let aim = Aim {
        entry: &entry,
        wanted: &Wanted {
            version: revision.version.clone(),
            replicas: revision.replicas,
            replicas_max,
            goal: Goal::Serve,
        },
        options: lifecycle::Options {
            surge,
            allow_downtime: args.allow_downtime,
        },
    };
    let history = observed.record.revisions.len();
    let run = held.run(&site, history, &on_event, session);
    Ok(lifecycle::reach(&run, &aim).await?)
}

/// Where to: what the flag names, what a rollback that was cut off went to, else the version
/// that served before the one that users reach now.
fn to(
    args: &RollbackArgs,
    observed: &Observed,
    held: &Held<'_>,
    name: &ReleaseName,
) -> Result<Revision, Failure> {
    let record = &observed.record;
    let known = |version: &VersionId| {
        let revision = record.find(version).cloned();
        revision.ok_or_else(|| release::Error::UnknownVersion {
            release: name.clone(),
            version: version.clone(),
        })
    };
    if let Some(version) = &args.to {
        return Ok(known(version)?);
    }
    let mut revisions = record.revisions.iter();
    let cut_off =
        revisions.find(|known| held.unfinished() == Some(rollback_intent(&known.version).as_str()));
    let to = cut_off.or_else(|| record.previous(observed.before()));
    Ok(to.cloned().ok_or_else(|| release::Error::NoPrevious {
        release: name.clone(),
    })?)
}
