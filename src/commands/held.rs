//! A release that a verb changes: its target, reached and locked.

use std::time::Duration;

use super::{Session, image::Resolved, registry_args::RegistryArgs, release_args};
use crate::{
    cluster::{Cluster, lease, scale},
    error::Failure,
    home::Home,
    local::{self, Client, Holder, Launch},
    name::{ReleaseName, VersionId},
    registry::Options,
    release::{
        self,
        event::{Deployed, Event},
        kubernetes::ClusterSite,
        lifecycle::{self, Aim, Goal, Run, Site, Wanted},
        local::{LocalSite, WantedEngine, launch, port_kept},
        record::Entry,
    },
    spec::{OnFailure, Spec, Target},
};

/// Longest wait for the lock's release: what the run has done is known and waits to be shown.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(5);

/// Where a release runs, reached.
pub(super) enum Reached {
    Local { home: Home, client: Client },
    Cluster(Cluster),
}

/// The lock of a release; given back by [`Held::release`], or when it is dropped on this machine.
enum Lock {
    Local(local::Lock),
    Cluster(lease::Lock),
}

/// A release that is this run's to change until it is released.
pub(super) struct Held<'a> {
    pub(super) name: &'a ReleaseName,
    pub(super) reached: &'a Reached,
    /// Names the run in the split and in the lock.
    pub(super) run: String,
    lock: Lock,
}

impl Reached {
    /// Reaches the cluster, or this machine's `infer serve`, which is started as `launch` says
    /// where it does not run.
    pub(super) async fn find(
        name: &ReleaseName,
        target: &Target,
        launch: &Launch,
    ) -> Result<Self, Failure> {
        Ok(match target {
            Target::Local => {
                let home = release_args::home()?;
                let client = Client::ensure_running(&home, name, launch).await?;
                Self::Local { home, client }
            }
            Target::Kubernetes(place) => Self::Cluster(release_args::cluster(place).await?),
        })
    }

    /// Who changes the release now, for people.
    pub(super) async fn holder(&self, name: &ReleaseName) -> Result<Option<String>, Failure> {
        Ok(match self {
            Self::Local { home, .. } => {
                let holder = local::holder(home, name)?;
                holder.map(|holder| format!("{} (process {})", holder.who, holder.pid))
            }
            Self::Cluster(cluster) => {
                let holder = lease::holder(cluster, name).await;
                let holder = holder.map_err(release::Error::from)?;
                holder.map(|(who, since)| format!("{who} (since {since})"))
            }
        })
    }
}

/// One release's site, whatever its target.
pub(super) enum AnySite<'a> {
    Local(LocalSite<'a>),
    Cluster(ClusterSite<'a>),
}

impl AnySite<'_> {
    pub(super) fn as_site(&self) -> &dyn Site {
        match self {
            Self::Local(site) => site,
            Self::Cluster(site) => site,
        }
    }
}

/// How a version is to be reached.
pub(super) struct Reach {
    pub(super) goal: Goal,
    pub(super) allow_downtime: bool,
    /// Replicas to begin with, in place of those of infer.yaml.
    pub(super) replicas: Option<u32>,
}

impl<'a> Held<'a> {
    /// Takes the release's lock, or says which run has it.
    pub(super) async fn take(
        name: &'a ReleaseName,
        reached: &'a Reached,
        verb: &str,
        run: String,
    ) -> Result<Self, Failure> {
        let holder = Holder::here(verb, &run);
        let lock = match reached {
            Reached::Local { home, .. } => Lock::Local(local::lock(home, name, &holder)?),
            Reached::Cluster(cluster) => {
                let lock = lease::lock(cluster, name, &holder.to_string()).await;
                Lock::Cluster(lock.map_err(release::Error::from)?)
            }
        };
        Ok(Self {
            name,
            reached,
            run,
            lock,
        })
    }

    pub(super) fn lease(&self) -> Option<&lease::Lock> {
        match &self.lock {
            Lock::Local(_) => None,
            Lock::Cluster(lock) => Some(lock),
        }
    }

    /// What an earlier run meant to do and was cut off in.
    pub(super) fn unfinished(&self) -> Option<&str> {
        match &self.lock {
            Lock::Local(lock) => lock.unfinished(),
            Lock::Cluster(lock) => lock.unfinished(),
        }
    }

    /// Writes down what this run means to do, before it does anything of it.
    pub(super) async fn intend(&mut self, intent: &str) -> Result<(), Failure> {
        match (&mut self.lock, self.reached) {
            (Lock::Local(lock), _) => lock.intend(intent)?,
            (Lock::Cluster(lock), Reached::Cluster(cluster)) => {
                let intended = lock.intend(cluster, intent).await;
                intended.map_err(release::Error::from)?;
            }
            (Lock::Cluster(_), Reached::Local { .. }) => {}
        }
        Ok(())
    }

    /// Gives the lock back. That it could not be given back is a warning: what the run has
    /// done, and its exit code, stay what they are.
    pub(super) async fn release(self, done: bool, session: &Session) {
        let released = match (self.lock, self.reached) {
            (Lock::Local(lock), _) => {
                lock.release(done);
                Ok(())
            }
            (Lock::Cluster(lock), Reached::Cluster(cluster)) => {
                let released = tokio::time::timeout(RELEASE_TIME_MAX, lock.release(cluster, done));
                match released.await {
                    Ok(released) => released.map_err(|error| error.to_string()),
                    Err(late) => Err(late.to_string()),
                }
            }
            (Lock::Cluster(_), Reached::Local { .. }) => Ok(()),
        };
        warn_unreleased(released, session);
    }

    /// Removes the lock with the release that it was for.
    pub(super) async fn remove(self, session: &Session) {
        let removed = match (self.lock, self.reached) {
            (Lock::Cluster(lock), Reached::Cluster(cluster)) => {
                let removed = lock.remove(cluster).await;
                removed.map_err(|error| error.to_string())
            }
            // The release's folder has gone with everything in it.
            (Lock::Local(_), _) | (Lock::Cluster(_), Reached::Local { .. }) => Ok(()),
        };
        warn_unreleased(removed, session);
    }

    /// The site of the release; `wanted` is what `infer.yaml` asks for, where that counts.
    pub(super) fn site<'b>(
        &'b self,
        wanted: Option<&'b Resolved<'b>>,
        options: Options,
        on_event: &'b (dyn Fn(Event) + Send + Sync),
    ) -> AnySite<'b> {
        match self.reached {
            Reached::Local { home, client } => {
                let mut site = LocalSite::new(home, client, options, on_event);
                site.wanted = wanted.and_then(|wanted| {
                    Some(WantedEngine {
                        version: wanted.version.clone(),
                        spec: wanted.spec,
                        image: wanted.image.as_ref()?,
                    })
                });
                AnySite::Local(site)
            }
            Reached::Cluster(cluster) => {
                let mut site =
                    ClusterSite::new(cluster, self.name, self.lease(), &self.run, on_event);
                site.wanted = wanted.and_then(|wanted| wanted.objects.as_ref());
                site.endpoint = wanted.and_then(|wanted| wanted.spec.traffic.endpoint.as_deref());
                AnySite::Cluster(site)
            }
        }
    }

    /// Makes the wanted version serve, or wait beside what serves.
    pub(super) async fn reach(
        &self,
        wanted: &Resolved<'_>,
        reach: &Reach,
        registry: &RegistryArgs,
        on_event: &(dyn Fn(Event) + Send + Sync),
        session: &Session,
    ) -> Result<Deployed, Failure> {
        let spec = wanted.spec;
        let site = self.site(Some(wanted), options(registry)?, on_event);
        if let Reached::Local { client, .. } = self.reached
            && let Some(message) = port_kept(spec, &client.state().await?.endpoint)
        {
            on_event(Event::Noticed { message });
        }
        let full = match self.reached {
            Reached::Local { .. } => 1,
            Reached::Cluster(_) => spec.scale.replicas,
        };
        // Where an autoscaler owns the replicas, its floor is what is wanted.
        let objects = wanted.objects.as_ref();
        let limits = objects.and_then(|objects| scale::limits(&objects.spec.objects));
        let least = limits.map_or(0, |limits| limits.floor);
        let entry = Entry {
            version: wanted.version.clone(),
            image: wanted.image_title(),
            simulated: spec.engine.kind.is_simulated(),
            replicas: full.max(least),
        };
        let aim = Aim {
            entry: &entry,
            wanted: &Wanted {
                version: wanted.version.clone(),
                replicas: reach.replicas.unwrap_or(full).max(least),
                replicas_max: limits.map(|limits| limits.ceiling),
                goal: reach.goal,
            },
            options: lifecycle::Options {
                surge: spec.rollout.surge,
                allow_downtime: reach.allow_downtime,
            },
        };
        let run = Run {
            site: site.as_site(),
            run: &self.run,
            on_failure: spec.rollout.on_failure,
            history: spec.rollout.history as usize,
            on_event,
            interrupt: &session.interrupt,
        };
        Ok(lifecycle::reach(&run, &aim).await?)
    }

    /// A run over the release as it is, without anything that is wanted.
    pub(super) fn run<'b>(
        &'b self,
        site: &'b AnySite<'b>,
        history: usize,
        on_event: &'b (dyn Fn(Event) + Send + Sync),
        session: &'b Session,
    ) -> Run<'b> {
        Run {
            site: site.as_site(),
            run: &self.run,
            on_failure: OnFailure::Rollback,
            history,
            on_event,
            interrupt: &session.interrupt,
        }
    }
}

/// The registry options of this user.
pub(super) fn options(registry: &RegistryArgs) -> Result<Options, Failure> {
    Ok(registry.options(&release_args::home()?))
}

/// How this machine is to serve a release that a file describes.
pub(super) fn launch_of(spec: Option<&Spec>) -> Launch {
    spec.map_or_else(Launch::default, launch)
}

fn warn_unreleased(released: Result<(), String>, session: &Session) {
    if let Err(error) = released {
        session.ui.warn(&format!(
            "the lock could not be given back ({error}); it ends by itself within 45 s"
        ));
    }
}

/// What a rollback writes down before it does anything of it.
pub(super) fn rollback_intent(version: &VersionId) -> String {
    format!("rollback {version}")
}
