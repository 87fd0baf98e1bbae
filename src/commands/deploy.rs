//! `infer deploy`: the wanted version serves, after its first token and not before.

use std::path::PathBuf;

use super::{
    Session, image,
    registry_args::RegistryArgs,
    release_args::{self, home, run_id},
    release_file::ReleaseFile,
};
use crate::{
    cluster::{Cluster, lease::Lock},
    error::{Failure, Outcome},
    interrupt::Interrupt,
    local::{self, Holder},
    registry::Location,
    release::{
        self,
        event::{Deployed, Event},
        wanted::Image,
    },
    render::{self, Manifests, Overrides},
    spec::{Kubernetes, Spec, Target},
};

/// Bring the wanted version up and give it the traffic
///
/// The wanted version is what infer.yaml and infer.lock resolve to. It comes up beside the
/// live one, answers a request with its first token, and then gets all traffic in one write;
/// any failure leaves the live version untouched. The endpoint is printed on stdout.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  infer deploy                     what infer.yaml and infer.lock say
  infer deploy --env prod
  infer deploy --no-traffic        stop before the traffic moves
  infer deploy --allow-downtime    no room for both versions: stop live, then start")]
pub struct DeployArgs {
    #[command(flatten)]
    file: ReleaseFile,
    /// Image to serve instead of infer.yaml's; with a digest, infer.lock is not asked
    #[arg(long, value_name = "REF@sha256:…")]
    image: Option<Location>,
    /// Stop before the traffic moves: the new version waits as candidate
    #[arg(long)]
    no_traffic: bool,
    /// With rollout.surge none and no room for a second replica: let nothing serve meanwhile
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
    let (over, lock) = (args.image.as_ref(), args.lock.as_deref());
    let deployed = match &spec.target {
        Target::Local => {
            let image = image::wanted(&spec, over, lock)?;
            tell(&image, session);
            local(&args, &spec, &image, session).await?
        }
        Target::Kubernetes(place) => {
            let image = image::wanted_on_cluster(&spec, over, lock)?;
            if let Some(image) = &image {
                tell(image, session);
            }
            kubernetes(&args, &spec, image.as_ref(), place, session).await?
        }
    };
    session.ui.answer(&deployed);
    Ok(Outcome::Done)
}

fn tell(image: &Image, session: &Session) {
    if let Some(note) = &image.note {
        session.ui.note(note);
    }
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
        allow_downtime: args.allow_downtime,
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
    image: Option<&Image>,
    place: &Kubernetes,
    session: &Session,
) -> Result<Deployed, Failure> {
    let cluster = release_args::cluster(place).await?;
    let run = run_id();
    let holder = Holder::here("deploy", &run).to_string();
    let lock = release::kubernetes::lock(&cluster, &spec.name, &holder).await?;
    let deploy = OnCluster {
        cluster: &cluster,
        lock: &lock,
        spec,
        image,
        no_traffic: args.no_traffic,
        allow_downtime: args.allow_downtime,
        replicas: None,
        run,
        on_event: &|event: Event| session.ui.show(&event),
        interrupt: &session.interrupt,
    };
    let deployed = deploy.run().await;
    lock.release(&cluster).await?;
    deployed
}

/// The manifests of a wanted version for a cluster.
pub(super) fn render(spec: &Spec, image: Option<&Image>) -> Result<Manifests, Failure> {
    let model = image.map(image::for_nodes).transpose()?;
    let overrides = Overrides::read(spec.templates.as_deref())?;
    Ok(render::render(spec, model.as_ref(), &overrides)?)
}

/// A wanted version on its way into a cluster.
pub(super) struct OnCluster<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) lock: &'a Lock,
    pub(super) spec: &'a Spec,
    /// None where no model is run.
    pub(super) image: Option<&'a Image>,
    pub(super) no_traffic: bool,
    /// Whether nothing may serve for a while, where there is no room for both versions.
    pub(super) allow_downtime: bool,
    /// Replicas to begin with; those of infer.yaml without.
    pub(super) replicas: Option<u32>,
    pub(super) run: String,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub(super) interrupt: &'a Interrupt,
}

impl OnCluster<'_> {
    pub(super) async fn run(&self) -> Result<Deployed, Failure> {
        let spec = self.spec;
        let manifests = render(spec, self.image)?;
        let objects: Vec<_> = manifests
            .objects
            .into_iter()
            .map(|object| object.value)
            .collect();
        let deploy = release::kubernetes::Deploy {
            cluster: self.cluster,
            lock: self.lock,
            release: &spec.name,
            version: &manifests.version,
            objects: &objects,
            image: self
                .image
                .map_or_else(|| "no model".to_owned(), |image| image.place.to_string()),
            simulated: spec.engine.kind.is_simulated(),
            served_model: spec.model.served_name.clone(),
            startup_s: spec.rollout.startup_s,
            drain_s: spec.rollout.drain_s,
            surge: spec.rollout.surge,
            allow_downtime: self.allow_downtime,
            endpoint: spec.traffic.endpoint.clone(),
            history: spec.rollout.history as usize,
            on_failure: spec.rollout.on_failure,
            no_traffic: self.no_traffic,
            replicas: self.replicas,
            run: self.run.clone(),
            on_event: self.on_event,
            interrupt: self.interrupt,
        };
        Ok(release::kubernetes::deploy(&deploy).await?)
    }
}
