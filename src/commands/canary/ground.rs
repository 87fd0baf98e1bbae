//! Where a canary happens: the release's target, held by this run.

use std::{path::Path, time::Duration};

use crate::{
    canary::{
        self, Error, Event, RunEnd, RunState,
        cluster::{ClusterFleet, Locked},
        journal::Journal,
        local::LocalFleet,
    },
    cluster::{Cluster, inventory::of_version, lease, pods},
    commands::{
        Session, deploy, image,
        registry_args::RegistryArgs,
        release_args::{self, Found},
    },
    error::Failure,
    header_match::HeaderMatch,
    home::Home,
    load::Prompts,
    local::{self, Client, Holder, Launch, Phase},
    name::{ReleaseName, VersionId},
    registry::Location,
    release::{
        self,
        event::Event as ReleaseEvent,
        kubernetes::{self, Pools, Served},
        wanted::Image,
    },
    spec::{Spec, Target},
    traffic::{Local, Router, Split},
    weight::Weight,
};

/// Longest wait for the lock's release: the verdict is known and waits to be shown.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(5);

/// A release's target, found but not held.
pub(super) struct Ground {
    pub(super) release: ReleaseName,
    pub(super) spec: Option<Spec>,
    pub(super) router: Router,
    place: Place,
}

enum Place {
    Here { home: Home, client: Client },
    There(Cluster),
}

/// A release that is this run's to move until it is let go.
pub(super) struct Held<'a> {
    ground: &'a Ground,
    hold: Hold<'a>,
}

enum Hold<'a> {
    Here {
        home: &'a Home,
        client: &'a Client,
        _lock: local::Lock,
    },
    There {
        cluster: &'a Cluster,
        lock: lease::Lock,
    },
}

impl Ground {
    pub(super) async fn find(found: Found, home: Home) -> Result<Self, Failure> {
        let Found { name, target, spec } = found;
        let (router, place) = match &target {
            Target::Local => {
                let client = Client::ensure_running(&home, &name, &Launch::default()).await?;
                let router = Router::Local(Local::new(client.clone()).await?);
                (router, Place::Here { home, client })
            }
            Target::Kubernetes(place) => {
                let cluster = release_args::cluster(place).await?;
                let router = kubernetes::router(&cluster, &name).await?;
                let router = router.ok_or_else(|| release::Error::NoRelease {
                    release: name.clone(),
                })?;
                (router, Place::There(cluster))
            }
        };
        Ok(Self {
            release: name,
            spec,
            router,
            place,
        })
    }

    /// Old versions kept for `rollback`.
    fn history(&self) -> usize {
        let spec = self.spec.as_ref();
        spec.map_or(release::local::verdict::HISTORY_DEFAULT, |spec| {
            spec.rollout.history as usize
        })
    }

    /// `traffic.endpoint`, where the file has one.
    fn endpoint(&self) -> Option<&str> {
        self.spec.as_ref()?.traffic.endpoint.as_deref()
    }

    /// Takes the release's lock, or says who has it.
    pub(super) async fn hold(&self, run: &str) -> Result<Held<'_>, Failure> {
        let holder = Holder::here("canary", run);
        let hold = match &self.place {
            Place::Here { home, client } => Hold::Here {
                home,
                client,
                _lock: local::lock(home, &self.release, &holder)?,
            },
            Place::There(cluster) => {
                let holder = holder.to_string();
                let lock = kubernetes::lock(cluster, &self.release, &holder).await?;
                Hold::There { cluster, lock }
            }
        };
        Ok(Held { ground: self, hold })
    }

    /// Who is at it now, for people.
    pub(super) async fn holder(&self) -> Result<Option<String>, Failure> {
        Ok(match &self.place {
            Place::Here { home, .. } => {
                let holder = local::holder(home, &self.release)?;
                holder.map(|holder| format!("{} (process {})", holder.who, holder.pid))
            }
            Place::There(cluster) => {
                let holder = kubernetes::holder(cluster, &self.release).await?;
                holder.map(|(who, since)| format!("{who} (since {since})"))
            }
        })
    }

    /// What the flags and `infer.lock` say that the candidate serves.
    pub(super) fn wanted(
        &self,
        spec: &Spec,
        over: Option<&Location>,
        lock: Option<&Path>,
    ) -> Result<Wanted, Failure> {
        Ok(match &self.place {
            Place::Here { .. } => {
                let image = image::wanted(spec, over, lock)?;
                Wanted {
                    version: release::local::engine::version(spec, &image.digest.to_string())?,
                    image: Some(image),
                }
            }
            Place::There(_) => {
                let image = image::wanted_on_cluster(spec, over, lock)?;
                Wanted {
                    version: deploy::render(spec, image.as_ref())?.version,
                    image,
                }
            }
        })
    }
}

impl Held<'_> {
    /// Gives the release back, so that the next one need not wait. What the run has decided
    /// stands where that fails: the lock expires by itself.
    pub(super) async fn let_go(self, session: &Session) {
        let Hold::There { cluster, lock } = self.hold else {
            return;
        };
        let released = tokio::time::timeout(RELEASE_TIME_MAX, lock.release(cluster)).await;
        let why = match released {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(late) => late.to_string(),
        };
        let text = format!("the lock was not released and expires by itself: {why}");
        session.ui.show(&Event::Warning { text });
    }

    /// Brings the wanted version up beside live, without traffic; answers whether it was not
    /// up before.
    pub(super) async fn bring(
        &self,
        bring: &Bring<'_>,
        session: &Session,
    ) -> Result<bool, Failure> {
        let on_event = |event: ReleaseEvent| {
            // What it plans is a deploy's plan; the canary tells its own.
            if !matches!(event, ReleaseEvent::Planned { .. }) {
                session.ui.show(&event);
            }
        };
        let version = &bring.wanted.version;
        Ok(match &self.hold {
            Hold::Here { home, client, .. } => {
                let state = client.state().await?;
                let before = state.version(version).map(|known| &known.phase);
                let was_up = before.is_some_and(|phase| *phase != Phase::Stopped);
                let deploy = release::local::deploy::Deploy {
                    home,
                    spec: bring.spec,
                    image: bring.wanted.image.as_ref().ok_or(release::Error::NoImage)?,
                    options: &bring.registry.options(home),
                    no_traffic: true,
                    allow_downtime: false,
                    on_event: &on_event,
                    interrupt: &session.interrupt,
                };
                release::local::deploy::deploy(&deploy).await?;
                !was_up
            }
            Hold::There { cluster, lock } => {
                let selector = of_version(&self.ground.release, version);
                let was_up = !pods::find(cluster, &selector).await?.is_empty();
                let pools = self.pools(cluster, None, session, &on_event);
                let replicas = pools.replicas_for(bring.live, bring.weight).await?;
                let deploy = deploy::OnCluster {
                    cluster,
                    lock,
                    spec: bring.spec,
                    image: bring.wanted.image.as_ref(),
                    no_traffic: true,
                    allow_downtime: false,
                    replicas: Some(replicas),
                    run: bring.run.to_owned(),
                    on_event: &on_event,
                    interrupt: &session.interrupt,
                };
                deploy.run().await?;
                !was_up
            }
        })
    }

    /// Drives the journal's plan to its end; `brought_up` is what [`Self::bring`] answered.
    pub(super) async fn drive(
        &self,
        (journal, split): (&Journal, Split),
        brought_up: bool,
        prompts: Prompts,
        session: &Session,
    ) -> Result<(RunEnd, RunState), Failure> {
        let ui = &session.ui;
        let driven = match &self.hold {
            Hold::Here { home, client, .. } => {
                let setting = canary::local::Setting {
                    home,
                    client,
                    router: &self.ground.router,
                    history: self.ground.history(),
                    interrupt: &session.interrupt,
                    on_terminal: ui.can_ask(),
                    brought_up,
                    on_event: &|event| ui.show(&event),
                    on_release_event: &|event| ui.show(&event),
                };
                Box::pin(canary::local::drive(&setting, journal, split, prompts)).await
            }
            Hold::There { cluster, lock } => {
                let setting = canary::cluster::Setting {
                    cluster,
                    lock,
                    release: &self.ground.release,
                    router: &self.ground.router,
                    endpoint: self.ground.endpoint(),
                    history: self.ground.history(),
                    interrupt: &session.interrupt,
                    on_terminal: ui.can_ask(),
                    brought_up,
                    on_event: &|event| ui.show(&event),
                    on_release_event: &|event| ui.show(&event),
                };
                Box::pin(canary::cluster::drive(&setting, journal, split, prompts)).await
            }
        };
        Ok(driven?)
    }

    /// Gives everything to the candidate, or takes it out; the loser is then ended.
    pub(super) async fn end(
        &self,
        split: &Split,
        journal: &Journal,
        promote: bool,
        session: &Session,
    ) -> Result<Ended, Failure> {
        let ui = &session.ui;
        let on_event = |event: ReleaseEvent| ui.show(&event);
        match &self.hold {
            Hold::Here { home, client, .. } => {
                let fleet = LocalFleet {
                    home,
                    client,
                    history: self.ground.history(),
                    on_event: &on_event,
                };
                let simulated = client.state().await?.simulated;
                let ports = (&self.ground.router, &fleet);
                let open = (split, journal);
                let loser = canary::end(ports, &session.interrupt, open, promote).await?;
                Ok(Ended { simulated, loser })
            }
            Hold::There { cluster, lock } => {
                let fleet = ClusterFleet {
                    pools: self.pools(cluster, split.matches.as_ref(), session, &on_event),
                    live: &journal.live,
                    history: self.ground.history(),
                    on_event: &|event| ui.show(&event),
                };
                let traffic = Locked {
                    router: &self.ground.router,
                    lock,
                    on_event: &|event| ui.show(&event),
                };
                let served = Served::read(cluster, &self.ground.release, &journal.candidate).await;
                let (ports, open) = ((&traffic, &fleet), (split, journal));
                let loser = canary::end(ports, &session.interrupt, open, promote).await?;
                Ok(Ended {
                    simulated: served.is_ok_and(|served| served.simulated),
                    loser,
                })
            }
        }
    }

    fn pools<'a>(
        &'a self,
        cluster: &'a Cluster,
        matched: Option<&'a HeaderMatch>,
        session: &'a Session,
        on_event: &'a (dyn Fn(ReleaseEvent) + Send + Sync),
    ) -> Pools<'a> {
        Pools {
            cluster,
            release: &self.ground.release,
            router: &self.ground.router,
            matched,
            endpoint: self.ground.endpoint(),
            on_event,
            interrupt: &session.interrupt,
        }
    }
}

/// The candidate that infer.yaml asks for.
pub(super) struct Wanted {
    pub(super) version: VersionId,
    /// None where no model is run.
    pub(super) image: Option<Image>,
}

/// What is brought up, for which share.
pub(super) struct Bring<'a> {
    pub(super) spec: &'a Spec,
    pub(super) wanted: &'a Wanted,
    pub(super) registry: &'a RegistryArgs,
    pub(super) live: &'a VersionId,
    pub(super) weight: Weight,
    pub(super) run: &'a str,
}

/// What came of `promote` or `abort`.
pub(super) struct Ended {
    pub(super) simulated: bool,
    /// Whether the loser could be ended; the traffic has moved all the same.
    pub(super) loser: Result<(), Error>,
}
