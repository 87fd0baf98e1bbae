//! `deploy` on this machine: the wanted version's engine, and the move to it.

use super::{engine, models, moves::Move, record::Recipe};
use crate::{
    home::Home,
    interrupt::Interrupt,
    local::{Client, Launch, SessionKey},
    registry::Options,
    release::{
        error::Error,
        event::{Deployed, Event, PhaseSeconds},
        history::Entry,
        wanted::Image,
    },
    spec::{Session, Spec},
};

/// What is to be deployed, and how.
pub struct Deploy<'a> {
    pub home: &'a Home,
    pub spec: &'a Spec,
    pub image: &'a Image,
    /// How the image's registry is spoken to.
    pub options: &'a Options,
    /// Stop before the traffic moves.
    pub no_traffic: bool,
    /// Whether nothing may serve for a while, as `rollout.surge: none` means here.
    pub allow_downtime: bool,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

/// Makes the wanted version what serves the release; any failure leaves live untouched.
pub async fn deploy(this: &Deploy<'_>) -> Result<Deployed, Error> {
    let (spec, digest) = (this.spec, this.image.digest.to_string());
    let version = engine::version(spec, &digest)?;
    let client = Client::ensure_running(this.home, &spec.name, &launch(spec)).await?;
    if let Some(message) = port_kept(spec, &client.state().await?.endpoint) {
        (this.on_event)(Event::Noticed { message });
    }
    let action = Move {
        home: this.home,
        client: &client,
        history: spec.rollout.history as usize,
        on_failure: spec.rollout.on_failure,
        no_traffic: this.no_traffic,
        surge: spec.rollout.surge,
        allow_downtime: this.allow_downtime,
        on_event: this.on_event,
        interrupt: this.interrupt,
    };
    let planned = action.plan(&version).await?;
    let mut seconds = PhaseSeconds::default();
    let entry = prepare(this, &version, &digest, &mut seconds).await;
    match entry {
        Ok(entry) => action.serve(planned, entry, seconds).await,
        Err(error) => {
            action.end_if_idle(&planned).await?;
            Err(error)
        }
    }
}

/// Says that a port which infer.yaml asks for is not the one that clients know already.
fn port_kept(spec: &Spec, endpoint: &str) -> Option<String> {
    let asked = spec.traffic.port?;
    let kept = endpoint.rsplit(':').next()?.trim_end_matches('/');
    (kept != asked.to_string()).then(|| {
        format!(
            "{} keeps {endpoint}, which its clients know; to move it to port {asked}, delete it first",
            spec.name
        )
    })
}

async fn prepare(
    this: &Deploy<'_>,
    version: &crate::name::VersionId,
    digest: &str,
    seconds: &mut PhaseSeconds,
) -> Result<Entry<Recipe>, Error> {
    let (spec, place) = (this.spec, &this.image.place);
    let folder = models::pull(
        this.home,
        place,
        this.options,
        seconds,
        this.on_event,
        this.interrupt,
    )
    .await?;
    let engine = engine::engine(spec, version, &folder, digest)?;
    Ok(Entry {
        version: version.clone(),
        image: place.to_string(),
        simulated: engine.simulated,
        engine: Recipe {
            engine,
            secrets: engine::secret_variables(spec),
        },
    })
}

/// How the release is served: its port, and what keeps a user on one version.
fn launch(spec: &Spec) -> Launch {
    let session = spec.traffic.session.as_ref().map(|session| match session {
        Session::Header(name) => SessionKey::Header(name.clone()),
        Session::Cookie(name) => SessionKey::Cookie(name.clone()),
    });
    Launch {
        port: spec.traffic.port,
        session,
        executable: None,
    }
}
