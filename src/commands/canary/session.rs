//! A canary's release: its target, reached and held by this run.

use crate::{
    canary::{self, Error, RunEnd, RunState, cluster::Locked, fleet::SiteFleet, journal::Journal},
    commands::{
        Session,
        held::{AnySite, Held, Reach, Reached, launch_of, options},
        image::Resolved,
        registry_args::RegistryArgs,
        release_args::Found,
    },
    error::Failure,
    load::Prompts,
    name::{ReleaseName, VersionId},
    release::{
        self,
        event::Event as ReleaseEvent,
        kubernetes::{self, Served},
        lifecycle::{Goal, finish},
    },
    spec::Spec,
    traffic::{Local, Router, Split},
    weight::Weight,
};

/// Old versions kept where no `infer.yaml` says how many.
const HISTORY_DEFAULT: usize = 10;

/// A release that a canary is about, found but not held.
pub(super) struct CanarySession {
    pub(super) release: ReleaseName,
    pub(super) spec: Option<Spec>,
    pub(super) router: Router,
    pub(super) reached: Reached,
}

impl CanarySession {
    pub(super) async fn find(found: Found) -> Result<Self, Failure> {
        let Found { name, target, spec } = found;
        let reached = Reached::find(&name, &target, &launch_of(None)).await?;
        let endpoint = spec.as_ref();
        let endpoint = endpoint.and_then(|spec| spec.traffic.endpoint.as_deref());
        let router = match &reached {
            Reached::Local { client, .. } => Router::Local(Local::new(client.clone()).await?),
            Reached::Cluster(cluster) => {
                let router = kubernetes::router(cluster, &name, endpoint).await?;
                router.ok_or_else(|| release::Error::NoRelease {
                    release: name.clone(),
                })?
            }
        };
        Ok(Self {
            release: name,
            spec,
            router,
            reached,
        })
    }

    pub(super) async fn hold(&self, run: String) -> Result<Held<'_>, Failure> {
        Held::take(&self.release, &self.reached, "canary", run).await
    }

    /// Which run changes the release now, for people.
    pub(super) async fn holder(&self) -> Result<Option<String>, Failure> {
        self.reached.holder(&self.release).await
    }

    fn history(&self) -> usize {
        let spec = self.spec.as_ref();
        spec.map_or(HISTORY_DEFAULT, |spec| spec.rollout.history as usize)
    }

    fn endpoint(&self) -> Option<&str> {
        self.spec.as_ref()?.traffic.endpoint.as_deref()
    }

    fn site<'a>(
        &'a self,
        held: &'a Held<'a>,
        journal: Option<&'a Journal>,
        on_event: &'a (dyn Fn(ReleaseEvent) + Send + Sync),
    ) -> Result<AnySite<'a>, Failure> {
        let mut site = held.site(None, options(&RegistryArgs::default())?, on_event);
        if let AnySite::Cluster(site) = &mut site {
            site.endpoint = self.endpoint();
            site.matched = journal.and_then(|journal| journal.plan.matches.as_ref());
        }
        Ok(site)
    }

    /// Finishes what an earlier run left; whether there was anything.
    pub(super) async fn settle(&self, held: &Held<'_>, session: &Session) -> Result<bool, Failure> {
        let on_event = |event: ReleaseEvent| session.ui.show(&event);
        let site = self.site(held, None, &on_event)?;
        let run = held.run(&site, self.history(), &on_event, session);
        Ok(finish(&run, None).await?)
    }

    /// The version that served before `serving` did.
    pub(super) async fn served_before(
        &self,
        held: &Held<'_>,
        serving: &VersionId,
        session: &Session,
    ) -> Result<Option<VersionId>, Failure> {
        let on_event = |event: ReleaseEvent| session.ui.show(&event);
        let site = self.site(held, None, &on_event)?;
        let observed = site.as_site().observe(None).await?;
        let before = observed.record.previous(Some(serving));
        Ok(before.map(|known| known.version.clone()))
    }

    /// Brings the wanted version up beside live, with the replicas that its share needs; whether
    /// it was not up before.
    pub(super) async fn bring(
        &self,
        held: &Held<'_>,
        bring: &Bring<'_>,
        session: &Session,
    ) -> Result<bool, Failure> {
        let on_event = |event: ReleaseEvent| {
            // What it plans is a deploy's plan; the canary tells its own.
            if !matches!(event, ReleaseEvent::Planned { .. }) {
                session.ui.show(&event);
            }
        };
        let site = self.site(held, None, &on_event)?;
        let replicas = match &site {
            AnySite::Local(_) => None,
            AnySite::Cluster(site) => Some(site.replicas_for(bring.live, bring.weight).await?),
        };
        let observed = site.as_site().observe(None).await?;
        let was_up = observed.standing(&bring.wanted.version).replicas > 0;
        let reach = Reach {
            goal: Goal::Wait,
            allow_downtime: false,
            replicas,
        };
        let reached = held.reach(bring.wanted, &reach, bring.registry, &on_event, session);
        reached.await.map(|_| !was_up)
    }

    /// Drives the journal's plan to its end; `brought_up` is what [`Self::bring`] answered.
    pub(super) async fn drive(
        &self,
        held: &Held<'_>,
        (journal, split): (&Journal, Split),
        brought_up: bool,
        prompts: Prompts,
        session: &Session,
    ) -> Result<(RunEnd, RunState), Failure> {
        let ui = &session.ui;
        let on_event = |event: ReleaseEvent| show(&event, session);
        let site = self.site(held, Some(journal), &on_event)?;
        let run = held.run(&site, self.history(), &on_event, session);
        let driven = match (&site, &self.reached, held.lease()) {
            (AnySite::Cluster(site), Reached::Cluster(cluster), Some(lock)) => {
                let setting = canary::cluster::Setting {
                    cluster,
                    lock,
                    release: &self.release,
                    router: &self.router,
                    endpoint: self.endpoint(),
                    run: &run,
                    site,
                    interrupt: &session.interrupt,
                    on_terminal: ui.can_ask(),
                    brought_up,
                    on_event: &|event| ui.show(&event),
                };
                canary::cluster::drive(&setting, journal, split, prompts).await
            }
            (_, Reached::Local { client, .. }, _) => {
                let setting = canary::local::Setting {
                    client,
                    router: &self.router,
                    run: &run,
                    interrupt: &session.interrupt,
                    on_terminal: ui.can_ask(),
                    brought_up,
                    on_event: &|event| ui.show(&event),
                };
                canary::local::drive(&setting, journal, split, prompts).await
            }
            _ => return Err(Failure::usage("the release is not held by this run")),
        };
        Ok(driven?)
    }

    /// Gives everything to the candidate, or takes it out; the loser is then ended.
    pub(super) async fn end(
        &self,
        held: &Held<'_>,
        (split, journal): (&Split, &Journal),
        promote: bool,
        session: &Session,
    ) -> Result<Ended, Failure> {
        let ui = &session.ui;
        let on_event = |event: ReleaseEvent| show(&event, session);
        let site = self.site(held, Some(journal), &on_event)?;
        let run = held.run(&site, self.history(), &on_event, session);
        let fleet = SiteFleet {
            run: &run,
            live: &journal.live,
            on_event: &|event| ui.show(&event),
        };
        let (simulated, loser) = match (&site, &self.reached, held.lease()) {
            (AnySite::Cluster(site), _, Some(lock)) => {
                let traffic = Locked {
                    router: &self.router,
                    lock,
                    interrupt: &session.interrupt,
                    on_event: &|event| ui.show(&event),
                };
                let served = Served::read(site, &journal.candidate).await;
                let simulated = served.is_ok_and(|served| served.simulated);
                let ports = (&traffic, &fleet);
                let open = (split, journal);
                let loser = canary::end(ports, &session.interrupt, open, promote).await?;
                (simulated, loser)
            }
            (_, Reached::Local { client, .. }, _) => {
                let simulated = client.state().await?.simulated;
                let ports = (&self.router, &fleet);
                let open = (split, journal);
                let loser = canary::end(ports, &session.interrupt, open, promote).await?;
                (simulated, loser)
            }
            _ => return Err(Failure::usage("the release is not held by this run")),
        };
        Ok(Ended { simulated, loser })
    }
}

/// The canary tells its own moves.
fn show(event: &ReleaseEvent, session: &Session) {
    if !matches!(event, ReleaseEvent::Moved { .. }) {
        session.ui.show(event);
    }
}

/// What is brought up, for which share.
pub(super) struct Bring<'a> {
    pub(super) wanted: &'a Resolved<'a>,
    pub(super) registry: &'a RegistryArgs,
    pub(super) live: &'a VersionId,
    pub(super) weight: Weight,
}

/// What came of `promote` or `abort`.
pub(super) struct Ended {
    pub(super) simulated: bool,
    /// Whether the loser could be ended; the traffic has moved all the same.
    pub(super) loser: Result<(), Error>,
}
