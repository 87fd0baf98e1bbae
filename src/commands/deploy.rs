//! `infer deploy`: the wanted version serves, after its first token and not before.

use std::path::PathBuf;

use super::{
    Session, image,
    registry_args::RegistryArgs,
    release_args::{self, home, run_id},
    release_file::ReleaseFile,
};
use crate::{
    error::{Failure, Outcome},
    local::{self, Holder},
    registry::Location,
    release::{
        self,
        event::{Deployed, Event},
        wanted::Image,
    },
    render::{self, Overrides},
    spec::{Kubernetes, Spec, Target},
    ui::Moved,
};

/// Bring the wanted version up and give it the traffic
///
/// The wanted version is what infer.yaml and infer.lock resolve to. It comes up beside the
/// live one, answers a request with its first token, and then gets all traffic in one write;
/// any failure leaves the live version untouched. The endpoint is printed on stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer deploy                  what infer.yaml and infer.lock say
  infer deploy --env prod
  infer deploy --no-traffic     stop before the traffic moves")]
pub struct DeployArgs {
    #[command(flatten)]
    file: ReleaseFile,
    /// Image to serve instead of infer.yaml's; with a digest, infer.lock is not asked
    #[arg(long, value_name = "REF@sha256:…")]
    image: Option<Location>,
    /// Stop before the traffic moves: the new version waits as candidate
    #[arg(long)]
    no_traffic: bool,
    /// The infer.lock to read; the one beside infer.yaml if left out
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub async fn run(args: DeployArgs, session: &Session) -> Result<Outcome, Failure> {
    let spec = args.file.load()?;
    let image = image::wanted(&spec, args.image.as_ref(), args.lock.as_deref())?;
    if let Some(note) = &image.note {
        session.ui.note(note);
    }
    let deployed = match &spec.target {
        Target::Local => local(&args, &spec, &image, session).await?,
        Target::Kubernetes(place) => kubernetes(&args, &spec, &image, place, session).await?,
    };
    session.ui.answer(&Moved("deploy", &deployed));
    Ok(Outcome::Done)
}

async fn local(
    args: &DeployArgs,
    spec: &Spec,
    image: &Image,
    session: &Session,
) -> Result<Deployed, Failure> {
    let home = home()?;
    let held = local::lock(&home, &spec.name, &Holder::here("deploy", &run_id()))?;
    let deploy = release::local::deploy::Deploy {
        home: &home,
        spec,
        image,
        options: &args.registry.options(&home),
        no_traffic: args.no_traffic,
        on_event: &|event: Event| session.ui.show(&event),
        interrupt: &session.interrupt,
    };
    let deployed = release::local::deploy::deploy(&deploy).await?;
    drop(held);
    Ok(deployed)
}

async fn kubernetes(
    args: &DeployArgs,
    spec: &Spec,
    image: &Image,
    place: &Kubernetes,
    session: &Session,
) -> Result<Deployed, Failure> {
    let model = image::for_nodes(image)?;
    let overrides = Overrides::read(spec.templates.as_deref())?;
    let manifests = render::render(spec, Some(&model), &overrides)?;
    let objects: Vec<_> = manifests
        .objects
        .into_iter()
        .map(|object| object.value)
        .collect();
    let cluster = release_args::cluster(place).await?;
    let run = run_id();
    let lock = release::kubernetes::lock(
        &cluster,
        &spec.name,
        &Holder::here("deploy", &run).to_string(),
    )
    .await?;
    let deploy = release::kubernetes::Deploy {
        cluster: &cluster,
        lock: &lock,
        release: &spec.name,
        version: &manifests.version,
        objects: &objects,
        image: image.place.to_string(),
        simulated: spec.engine.kind.is_simulated(),
        served_model: spec.model.served_name.clone(),
        startup_s: spec.rollout.startup_s,
        drain_s: spec.rollout.drain_s,
        endpoint: spec.traffic.endpoint.clone(),
        history: spec.rollout.history as usize,
        on_failure: spec.rollout.on_failure,
        no_traffic: args.no_traffic,
        run,
        on_event: &|event: Event| session.ui.show(&event),
        interrupt: &session.interrupt,
    };
    let deployed = release::kubernetes::deploy(&deploy).await;
    lock.release(&cluster).await?;
    Ok(deployed?)
}
