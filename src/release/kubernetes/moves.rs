//! A version's way to all of the traffic of a release, and what follows it.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    drain::stop,
    ends::Ends,
    front::Front,
    handover::Handover,
    objects::{self, without_traffic},
    record::{self, Recipe, Record},
    room, router,
    up::refuse_foreign,
};
use crate::{
    cluster::{
        Cluster,
        apply::{Apply, apply, create},
        lease::Lock,
    },
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    release::{
        Error,
        event::{self, Deployed, Event, Phase, PhaseSeconds},
        history::Entry,
        plan::{Action, Current, plan},
    },
    spec::OnFailure,
    traffic::{Change, Router, Split},
};

/// What every move of a release on a cluster needs to know.
pub(super) struct Move<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) lock: &'a Lock,
    pub(super) release: &'a ReleaseName,
    pub(super) recipe: &'a Recipe,
    pub(super) history: usize,
    pub(super) on_failure: OnFailure,
    pub(super) no_traffic: bool,
    /// Whether nothing may serve for a while, where there is no room for both versions.
    pub(super) allow_downtime: bool,
    /// Replicas to bring it up with; those of its recipe without.
    pub(super) replicas: Option<u32>,
    /// `traffic.endpoint`, where the file has one.
    pub(super) endpoint: Option<&'a str>,
    pub(super) run: &'a str,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub(super) interrupt: &'a Interrupt,
}

/// What was decided, on the state it was decided on.
pub(super) struct Planned {
    action: Action,
    /// How it takes live's place, where it cannot come up beside it.
    handover: Option<Handover>,
    pub(super) router: Option<Router>,
    pub(super) split: Option<Split>,
    pub(super) record: Record,
}

/// What a failed move did to the live version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    Untouched,
    /// Its place was taken, or a part of it.
    Displaced,
}

impl Planned {
    fn is_live(&self, version: &VersionId) -> bool {
        self.split.as_ref().map(|split| &split.live) == Some(version)
    }
}

impl Move<'_> {
    pub(super) async fn plan(&self, version: &VersionId) -> Result<Planned, Error> {
        let router = router(self.cluster, self.release).await?;
        let split = match &router {
            Some(router) => Some(router.read().await?),
            None => None,
        };
        let current = Current {
            live: split.as_ref().map(|split| split.live.clone()),
            candidate: split.as_ref().and_then(|split| split.candidate.clone()),
            canary: split
                .as_ref()
                .and_then(|split| split.run().map(ToOwned::to_owned)),
        };
        let action = plan(version, &current).map_err(|source| Error::CanaryOpen {
            release: self.release.clone(),
            source,
        })?;
        let handover = match &action {
            Action::Replace { live } => self.handover(live, version, router.as_ref()).await?,
            Action::First | Action::Unchanged => None,
        };
        let what = handover
            .as_ref()
            .map_or_else(|| sentence(&action).to_owned(), Handover::sentence);
        (self.on_event)(Event::Planned {
            release: self.release.clone(),
            target: format!("{}/{}", self.cluster.context, self.cluster.namespace),
            live: current.live,
            version: version.clone(),
            what,
        });
        if action != Action::Unchanged {
            self.room().await;
        }
        let record = record::read(self.cluster, self.release).await?;
        Ok(Planned {
            action,
            handover,
            router,
            split,
            record,
        })
    }

    /// Says how many GPUs the move needs and how many are free; an autoscaler may
    /// add some, so it is said and not refused.
    async fn room(&self) {
        if let Some(room) = room::look(self.cluster, &self.recipe.objects).await {
            let message = room.sentence();
            (self.on_event)(Event::Noticed { message });
        }
    }

    pub(super) async fn serve(
        &self,
        mut planned: Planned,
        entry: Entry<()>,
        holders: &[Value],
    ) -> Result<Deployed, Error> {
        let (version, simulated) = (entry.version.clone(), entry.simulated);
        let mut seconds = PhaseSeconds::default();
        let changed = planned.action != Action::Unchanged;
        if changed {
            planned.record.history.candidate(entry, Timestamp::now());
            self.remember(&mut planned.record, &version).await?;
        }
        let mut downtime = None;
        if let Some(handover) = planned.handover.take() {
            self.hold(holders).await?;
            let handed = self.hand_over(&mut planned, &handover, &version, &mut seconds);
            downtime = handed.await?;
        } else {
            self.come_up(&mut planned, &version, &mut seconds).await?;
            self.hold(holders).await?;
            if changed {
                self.settle(&mut planned, &version, &mut seconds).await?;
            }
        }
        // Nothing was live before, or it is no more.
        if changed && (planned.split.is_none() || planned.is_live(&version)) {
            self.ends().others(&planned.record, &version).await?;
            self.ends().prune(&planned.record).await?;
        }
        let router = router(self.cluster, self.release).await?;
        Ok(Deployed {
            release: self.release.to_string(),
            version: version.to_string(),
            target: "kubernetes".to_owned(),
            changed,
            simulated,
            phases_s: seconds,
            downtime_s: downtime.map(|down| event::downtime(down, self.on_event)),
            endpoint: router
                .map(|router| router.endpoint().to_owned())
                .unwrap_or_default(),
        })
    }

    /// Beside what serves; a version that does not make it goes again.
    async fn come_up(
        &self,
        planned: &mut Planned,
        version: &VersionId,
        seconds: &mut PhaseSeconds,
    ) -> Result<(), Error> {
        let up = self.up(version, self.recipe, self.replicas);
        let brought = tokio::select! {
            brought = up.bring(seconds) => brought,
            lost = self.lock.lost() => Err(lost.into()),
        };
        if let Err(error) = brought {
            // Whoever has the lock now decides what becomes of it.
            if self.lock.check().is_ok() && planned.action != Action::Unchanged {
                self.withdraw(planned, version, Live::Untouched).await?;
            }
            return Err(error);
        }
        Ok(self.lock.check()?)
    }

    /// Creates what holds the traffic, once; later only what is no traffic is applied.
    async fn hold(&self, holders: &[Value]) -> Result<(), Error> {
        for holder in holders {
            if refuse_foreign(self.cluster, holder, self.release).await? {
                apply(self.cluster, &without_traffic(holder), Apply::Keep).await?;
                continue;
            }
            let api_version = holder
                .get("apiVersion")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let kind = self
                .cluster
                .kind(api_version, objects::kind(holder))
                .await?;
            create(self.cluster, &kind, objects::name(holder), holder).await?;
        }
        Ok(())
    }

    /// Moves the traffic, or lets the version wait without; what users do not meet goes back.
    async fn settle(
        &self,
        planned: &mut Planned,
        version: &VersionId,
        seconds: &mut PhaseSeconds,
    ) -> Result<(), Error> {
        if planned.router.is_none() {
            self.accepted().await?;
        }
        let old = planned.split.as_ref().map(|split| split.live.clone());
        if self.no_traffic && old.is_some() {
            self.write(planned, version).await?;
            let message = format!("{version} waits as candidate without traffic");
            (self.on_event)(Event::Noticed { message });
            return Ok(());
        }
        let given = self.give_all(planned, version, seconds).await;
        if let (Err(_), Some(old)) = (&given, &old)
            && planned.is_live(version)
        {
            self.take_back(planned, old, version).await?;
        }
        given
    }

    /// All traffic in one write, and sees that users meet the version.
    pub(super) async fn give_all(
        &self,
        planned: &mut Planned,
        version: &VersionId,
        seconds: &mut PhaseSeconds,
    ) -> Result<(), Error> {
        let from = planned.split.as_ref().map(|split| split.live.clone());
        self.write(planned, version).await?;
        self.met(version, seconds).await?;
        (self.on_event)(Event::Moved {
            version: version.clone(),
            from,
        });
        planned.record.history.promote(version, self.history);
        record::write(self.cluster, self.release, &mut planned.record).await
    }

    /// What the move makes of the split, in one write.
    async fn write(&self, planned: &mut Planned, version: &VersionId) -> Result<(), Error> {
        if let (Some(router), Some(split)) = (&planned.router, &planned.split) {
            let change = self.change(split, version);
            let written = router.write(split, &change, self.interrupt).await?;
            if !self.no_traffic {
                self.ends().stable_service(router, &change).await?;
            }
            planned.split = Some(written);
        }
        Ok(())
    }

    /// Users meet the version through the gateway, first token and all.
    async fn met(&self, version: &VersionId, seconds: &mut PhaseSeconds) -> Result<(), Error> {
        let router = router(self.cluster, self.release).await?;
        let front = Front::new(self.release, router.as_ref(), self.endpoint);
        front
            .moved(version, None, self.on_event, self.interrupt)
            .await?;
        let took = front
            .first_token(version, &self.recipe.served_model)
            .await?;
        if let Some(took) = took {
            seconds.set(Phase::FirstToken, took);
            (self.on_event)(Event::PhaseDone {
                phase: Phase::FirstToken,
                took,
                detail: "through the gateway".to_owned(),
            });
        }
        Ok(())
    }

    /// Live gets everything back; the version that users did not meet goes.
    async fn take_back(
        &self,
        planned: &mut Planned,
        live: &VersionId,
        version: &VersionId,
    ) -> Result<(), Error> {
        if let (Some(router), Some(written)) = (&planned.router, &planned.split) {
            let change = Change {
                live: live.clone(),
                ..self.change(written, version)
            };
            let back = router.write(written, &change, self.interrupt).await?;
            self.ends().stable_service(router, &change).await?;
            planned.split = Some(back);
        }
        self.withdraw(planned, version, Live::Untouched).await
    }

    /// A route that was just created: a gateway that says no is told at once.
    async fn accepted(&self) -> Result<(), Error> {
        if let Some(router) = router(self.cluster, self.release).await? {
            router.wait_accepted(self.interrupt).await?;
        }
        Ok(())
    }

    fn change(&self, split: &Split, version: &VersionId) -> Change {
        let (live, candidate) = if self.no_traffic {
            (split.live.clone(), Some(version.clone()))
        } else {
            (version.clone(), None)
        };
        Change {
            candidate,
            ..Change::all_to(&live, self.run)
        }
    }

    pub(super) fn ends(&self) -> Ends<'_> {
        Ends {
            cluster: self.cluster,
            release: self.release,
            drain_s: self.recipe.drain_s,
            on_event: self.on_event,
        }
    }

    async fn remember(&self, record: &mut Record, version: &VersionId) -> Result<(), Error> {
        let revision = record
            .history
            .find(version)
            .map_or(0, |known| known.revision);
        record::keep(self.cluster, self.release, revision, self.recipe).await?;
        record::write(self.cluster, self.release, record).await
    }

    /// Takes a version that did not make it away again, unless it is what serves.
    pub(super) async fn withdraw(
        &self,
        planned: &mut Planned,
        version: &VersionId,
        state: Live,
    ) -> Result<(), Error> {
        let live = planned.split.as_ref().map(|split| split.live.clone());
        if self.on_failure == OnFailure::Keep || live.as_ref() == Some(version) {
            return Ok(());
        }
        stop(self.cluster, self.release, version, Some(self.recipe)).await?;
        planned.record.history.refuse(version);
        record::write(self.cluster, self.release, &mut planned.record).await?;
        (self.on_event)(Event::Withdrawn {
            version: version.clone(),
            live: live.filter(|_| state == Live::Untouched),
        });
        Ok(())
    }
}

fn sentence(action: &Action) -> &'static str {
    match action {
        Action::First => "start it, see its first token, give it all traffic",
        Action::Unchanged => "unchanged",
        Action::Replace { .. } => {
            "start it beside live, see its first token, move all traffic, drain live"
        }
    }
}
