//! A version that takes the place of live for want of room beside it (`rollout.surge: none`).
//!
//! [`steps`] says what ends and starts in which order; here it is done, and undone where
//! the new version does not make it.

mod steps;

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use self::steps::{Fleet, Ground, Step, has_downtime, steps};
use super::{
    drain::resize,
    ends::{replicas, version_of},
    front::Front,
    moves::{Live, Move, Planned},
    objects,
    record::{self, Recipe},
    room,
    up::{Up, deployments},
};
use crate::{
    cluster::{inventory::of_version, kind::POD},
    name::VersionId,
    release::{
        Error,
        event::{Event, PhaseSeconds},
    },
    spec::{OnFailure, Surge},
    traffic::{Change, Router},
    weight::Weight,
};

/// How often it is looked whether a replica's pod, and with it its GPUs, is gone.
const LOOK: Duration = Duration::from_millis(500);

/// What a kubelet takes for a pod beyond the time that the pod has to end.
const KUBELET: Duration = Duration::from_mins(1);

/// What was decided, before anything was touched.
pub(super) struct Handover {
    live: VersionId,
    /// How live is brought up again; `None` where its record is gone.
    recipe: Option<Recipe>,
    /// Replicas that live has when nothing is handed over.
    was: u32,
    steps: Vec<Step>,
}

impl Handover {
    /// What will happen, for the plan.
    pub(super) fn sentence(&self) -> String {
        if has_downtime(&self.steps) {
            return "stop live, start it in live's place, see its first token; nothing serves meanwhile"
                .to_owned();
        }
        format!(
            "take live's place replica by replica ({} to begin with), each with its part of the traffic",
            self.was
        )
    }
}

/// How far a hand-over came.
#[derive(Default)]
struct Progress {
    old: Option<u32>,
    new: u32,
    /// Whether the new version has had traffic.
    shared: bool,
    /// Since when nothing serves.
    down: Option<Instant>,
}

impl Move<'_> {
    /// Whether the version must take live's place; `None` where it comes up beside it.
    pub(super) async fn handover(
        &self,
        live: &VersionId,
        version: &VersionId,
        router: Option<&Router>,
    ) -> Result<Option<Handover>, Error> {
        if self.recipe.surge != Surge::None || self.no_traffic {
            return Ok(None);
        }
        let there = deployments(self.cluster, self.release).await?;
        let find = |version: &VersionId| {
            let mut there = there.iter();
            there.find(|deployment| version_of(deployment).as_ref() == Some(version))
        };
        let up = find(version).map_or(0, |up| ready(up));
        let Some(old) = find(live).filter(|old| replicas(old) > 0) else {
            return Ok(None);
        };
        let wanted = self.replicas;
        let wanted = wanted.unwrap_or_else(|| own_replicas(&self.recipe.objects));
        let asked = self.recipe.objects.iter().find_map(objects::gpus_each);
        // Cards of another kind are of no use to the new version.
        let given = objects::gpus_each(old)
            .filter(|(resource, _)| asked.as_ref().is_some_and(|(other, _)| other == resource));
        let missing = objects::with_replicas(&self.recipe.objects, wanted.saturating_sub(up));
        let room = room::look(self.cluster, &missing).await;
        if room.as_ref().is_some_and(room::Room::fits) {
            return Ok(None);
        }
        let mut ground = Ground {
            old: Fleet {
                replicas: replicas(old),
                gpus: given.map_or(0, |(_, each)| each),
            },
            new: Fleet {
                replicas: wanted,
                gpus: asked.map_or(0, |(_, each)| each),
            },
            up,
            free: room.as_ref().map_or(0, room::Room::free),
            weighted: router.is_some_and(|router| router.capabilities().weights),
        };
        if room.is_none() {
            // What is free cannot be seen: each replica takes the place of one.
            (ground.old.gpus, ground.new.gpus) = (1, 1);
        }
        let no_room = |alone: bool| Error::NoRoom {
            release: self.release.clone(),
            version: version.clone(),
            lack: room.as_ref().map_or_else(
                || "what is free cannot be seen".to_owned(),
                room::Room::sentence,
            ),
            alone,
        };
        let steps = steps(&ground).ok_or_else(|| no_room(false))?;
        if has_downtime(&steps) && !self.allow_downtime {
            return Err(no_room(true));
        }
        let known = record::read(self.cluster, self.release).await?;
        let recipe = record::recipe_of(self.cluster, self.release, &known, live).await?;
        let was = recipe.as_ref().map(|recipe| own_replicas(&recipe.objects));
        Ok(Some(Handover {
            live: live.clone(),
            recipe,
            was: was.unwrap_or(ground.old.replicas).max(ground.old.replicas),
            steps,
        }))
    }

    /// Hands over, step by step; a failure before the new version has all traffic gives
    /// everything back to live. Answers how long nothing served.
    pub(super) async fn hand_over(
        &self,
        planned: &mut Planned,
        handover: &Handover,
        version: &VersionId,
        seconds: &mut PhaseSeconds,
    ) -> Result<Option<Duration>, Error> {
        let mut progress = Progress::default();
        let mut down = None;
        let mut moved = false;
        for step in &handover.steps {
            let done = tokio::select! {
                done = self.step(*step, planned, handover, version, &mut progress, seconds) => done,
                lost = self.lock.lost() => Err(lost.into()),
            };
            if let Err(error) = done {
                // Whoever has the lock now decides what becomes of it.
                if !moved && self.lock.check().is_ok() {
                    self.hand_back(planned, handover, version, &progress)
                        .await?;
                }
                return Err(error);
            }
            moved |= *step == Step::All;
            if moved {
                down = down.or_else(|| progress.down.map(|since| since.elapsed()));
            }
        }
        Ok(down)
    }

    async fn step(
        &self,
        step: Step,
        planned: &mut Planned,
        handover: &Handover,
        version: &VersionId,
        progress: &mut Progress,
        seconds: &mut PhaseSeconds,
    ) -> Result<(), Error> {
        match step {
            Step::Old(count) => {
                if count == 0 && progress.new == 0 {
                    progress.down = Some(Instant::now());
                }
                progress.old = Some(count);
                self.shrink(handover, count).await?;
            }
            Step::New(count) => {
                let up = self.up(version, self.recipe, Some(count));
                if progress.new == 0 {
                    up.bring(seconds).await?;
                } else {
                    up.scale().await?;
                }
                progress.new = count;
            }
            Step::Share(weight) => {
                progress.shared = true;
                self.share(planned, handover, version, weight).await?;
            }
            Step::All => {
                progress.shared = true;
                self.give_all(planned, version, seconds).await?;
            }
        }
        (self.on_event)(Event::HandingOver {
            version: version.clone(),
            new: progress.new,
            live: handover.live.clone(),
            old: progress.old.unwrap_or(handover.was),
        });
        Ok(())
    }

    /// A part of the traffic, in one write.
    async fn share(
        &self,
        planned: &mut Planned,
        handover: &Handover,
        version: &VersionId,
        weight: Weight,
    ) -> Result<(), Error> {
        let (Some(router), Some(split)) = (&planned.router, &planned.split) else {
            return Ok(());
        };
        let change = Change {
            candidate: Some(version.clone()),
            weight,
            ..Change::all_to(&handover.live, self.run)
        };
        let written = router.write(split, &change, self.interrupt).await?;
        planned.split = Some(written);
        Ok(())
    }

    /// Takes live to `count` replicas and waits until the others' GPUs are free: until their
    /// pods are gone, requests in flight and all.
    async fn shrink(&self, handover: &Handover, count: u32) -> Result<(), Error> {
        let live = &handover.live;
        let recipe = handover.recipe.as_ref();
        resize(self.cluster, self.release, live, recipe, count).await?;
        let drain_s = recipe.map_or(0, |recipe| recipe.drain_s);
        self.gone(live, count, Duration::from_secs(drain_s) + KUBELET)
            .await
    }

    /// Waits until no more than `count` pods of `version` are there.
    async fn gone(&self, version: &VersionId, count: u32, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        let selector = of_version(self.release, version);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        loop {
            match self.cluster.list(&POD, &selector).await {
                Ok(pods) if pods.iter().filter(|pod| holds_gpus(pod)).count() <= count => {
                    return Ok(());
                }
                // Its scheduling tells what holds the place, if anything does.
                Ok(_) if started.elapsed() > limit => return Ok(()),
                Err(error) if !error.is_transient() || started.elapsed() > limit => {
                    return Err(error.into());
                }
                Ok(_) | Err(_) => {}
            }
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = self.interrupt.any() => return Err(Error::Interrupted),
            }
        }
    }

    /// Live gets its traffic and its replicas again; the version that did not make it goes.
    async fn hand_back(
        &self,
        planned: &mut Planned,
        handover: &Handover,
        version: &VersionId,
        progress: &Progress,
    ) -> Result<(), Error> {
        if progress.shared
            && let Some(router) = &planned.router
        {
            let split = router.read().await?;
            let change = Change::all_to(&handover.live, self.run);
            planned.split = Some(router.write(&split, &change, self.interrupt).await?);
            self.ends().stable_service(router, &change).await?;
            // A gateway that is behind must not lose what it still sends to.
            let front = Front::new(self.release, Some(router), self.endpoint);
            let interrupt = self.interrupt.later();
            let moved = front.moved(&handover.live, None, self.on_event, &interrupt);
            drop(moved.await);
        }
        if self.on_failure == OnFailure::Keep {
            let old = progress.old.unwrap_or(handover.was);
            let message = format!(
                "{version} is kept to look at, so {} has {old} of {} replicas",
                handover.live, handover.was
            );
            (self.on_event)(Event::Noticed { message });
            return Ok(());
        }
        self.withdraw(planned, version, Live::Displaced).await?;
        let (live, was) = (&handover.live, handover.was);
        let Some(recipe) = &handover.recipe else {
            return resize(self.cluster, self.release, live, None, was).await;
        };
        match self.up(live, recipe, Some(was)).scale().await {
            // The replicas are asked for; who interrupts does not want to wait for them.
            Err(Error::Interrupted) => Ok(()),
            scaled => {
                scaled?;
                let message = format!("{live} serves again with {was} replicas");
                (self.on_event)(Event::Noticed { message });
                Ok(())
            }
        }
    }

    pub(super) fn up<'a>(
        &'a self,
        version: &'a VersionId,
        recipe: &'a Recipe,
        replicas: Option<u32>,
    ) -> Up<'a> {
        Up {
            cluster: self.cluster,
            release: self.release,
            version,
            recipe,
            replicas,
            on_event: self.on_event,
            interrupt: self.interrupt,
        }
    }
}

/// A pod that has ended has given its GPUs back, whoever keeps it.
fn holds_gpus(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Replicas that rendered objects ask for.
fn own_replicas(objects: &[Value]) -> u32 {
    let mut objects = objects.iter();
    let deployment = objects.find(|object| objects::kind(object) == "Deployment");
    deployment.map_or(1, replicas)
}

/// Replicas that answer, of those asked for.
fn ready(deployment: &Value) -> u32 {
    let ready = deployment.pointer("/status/readyReplicas");
    let ready = ready.and_then(Value::as_u64).unwrap_or(0);
    u32::try_from(ready)
        .unwrap_or(u32::MAX)
        .min(replicas(deployment))
}
