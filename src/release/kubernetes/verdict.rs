//! A canary's candidate on a cluster: its room before each raise, and what its end makes
//! of history and pods.

use serde_json::Value;

use super::{
    ends::{Ends, replicas, version_of},
    front::Front,
    objects,
    record::{self, Recipe, Record},
    room,
    up::{Up, deployments},
};
use crate::{
    cluster::Cluster,
    header_match::HeaderMatch,
    interrupt::Interrupt,
    name::{ReleaseName, VersionId},
    release::{Error, event::Event},
    traffic::{Change, Router},
    weight::Weight,
};

/// Drain limit of a version whose record is gone: as `rollout.drain` without a word.
const DRAIN_S: u64 = 60;

/// How a version serves its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The name that requests ask for it by.
    pub model: String,
    /// Whether no model is run.
    pub simulated: bool,
}

impl Served {
    /// From the release's record.
    pub async fn read(
        cluster: &Cluster,
        release: &ReleaseName,
        version: &VersionId,
    ) -> Result<Self, Error> {
        let unknown = || Error::UnknownVersion {
            release: release.clone(),
            version: version.clone(),
        };
        let record = record::read(cluster, release).await?;
        let known = record.history.find(version).ok_or_else(unknown)?;
        let recipe = record::recipe(cluster, release, known.revision).await?;
        Ok(Self {
            model: recipe.ok_or_else(unknown)?.served_model,
            simulated: known.simulated,
        })
    }
}

/// The versions of one release while a canary is open.
pub struct Pools<'a> {
    pub cluster: &'a Cluster,
    pub release: &'a ReleaseName,
    pub router: &'a Router,
    /// The requests that met the candidate by their header until its verdict.
    pub matched: Option<&'a HeaderMatch>,
    /// `traffic.endpoint`, in place of the Gateway's own address.
    pub endpoint: Option<&'a str>,
    pub on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub interrupt: &'a Interrupt,
}

impl Pools<'_> {
    /// Gives the candidate the replicas that `weight` of live's load needs, all Ready;
    /// never fewer than it has.
    pub async fn make_room(
        &self,
        live: &VersionId,
        candidate: &VersionId,
        weight: Weight,
    ) -> Result<(), Error> {
        let there = deployments(self.cluster, self.release).await?;
        let find = |version: &VersionId| {
            let mut there = there.iter();
            there.find(|deployment| version_of(deployment).as_ref() == Some(version))
        };
        let not_up = || Error::UnknownVersion {
            release: self.release.clone(),
            version: candidate.clone(),
        };
        let up = find(candidate).ok_or_else(not_up)?;
        let has = replicas(up);
        let needs = share_of(find(live).map_or(1, |live| replicas(live)), weight);
        if needs <= has && is_ready(up) {
            return Ok(());
        }
        let record = record::read(self.cluster, self.release).await?;
        let recipe = record::recipe_of(self.cluster, self.release, &record, candidate).await?;
        let recipe = recipe.ok_or_else(not_up)?;
        if needs > has {
            self.tell_room(candidate, &recipe, has, needs).await;
        }
        self.up(candidate, &recipe, needs.max(has)).scale().await
    }

    /// What `weight` of live's load needs, for a candidate that is not up yet.
    pub async fn replicas_for(&self, live: &VersionId, weight: Weight) -> Result<u32, Error> {
        let there = deployments(self.cluster, self.release).await?;
        let live = there
            .iter()
            .find(|deployment| version_of(deployment).as_ref() == Some(live));
        Ok(share_of(live.map_or(1, |live| replicas(live)), weight))
    }

    /// `version` has all traffic: it is live from now on, with all its replicas, and
    /// whatever else runs is drained. `keep` old versions stay for `rollback`.
    pub async fn promoted(&self, version: &VersionId, keep: usize) -> Result<(), Error> {
        let (mut record, recipe) = self.known(version).await?;
        record.history.promote(version, keep);
        record::write(self.cluster, self.release, &mut record).await?;
        let ends = self.ends(recipe.as_ref());
        let change = Change::all_to(version, "");
        ends.stable_service(self.router, &change).await?;
        self.wait_for(version).await?;
        if let Some(recipe) = &recipe {
            let own = recipe.objects.iter().find(|object| {
                objects::kind(object) == "Deployment"
                    && version_of(object).as_ref() == Some(version)
            });
            let own = own.map_or(1, replicas);
            self.up(version, recipe, own).scale().await?;
        }
        ends.others(&record, version).await?;
        ends.prune(&record).await
    }

    /// `version` has no traffic any more and will get none, `live` has all: it is drained and
    /// marked refused.
    pub async fn refused(&self, live: &VersionId, version: &VersionId) -> Result<(), Error> {
        let (mut record, recipe) = self.known(version).await?;
        record.history.refuse(version);
        record::write(self.cluster, self.release, &mut record).await?;
        self.wait_for(live).await?;
        self.ends(recipe.as_ref()).one(&record, version).await
    }

    /// A gateway that still sends to a version must not lose it.
    async fn wait_for(&self, winner: &VersionId) -> Result<(), Error> {
        let front = Front::new(self.release, Some(self.router), self.endpoint);
        // A signal that ended the canary has been decided on.
        let interrupt = self.interrupt.later();
        let moved = front.moved(winner, self.matched, self.on_event, &interrupt);
        moved.await
    }

    async fn known(&self, version: &VersionId) -> Result<(Record, Option<Recipe>), Error> {
        let record = record::read(self.cluster, self.release).await?;
        let recipe = record::recipe_of(self.cluster, self.release, &record, version).await?;
        Ok((record, recipe))
    }

    fn up<'a>(&'a self, version: &'a VersionId, recipe: &'a Recipe, replicas: u32) -> Up<'a> {
        Up {
            cluster: self.cluster,
            release: self.release,
            version,
            recipe,
            replicas: Some(replicas),
            on_event: self.on_event,
            interrupt: self.interrupt,
        }
    }

    fn ends(&self, recipe: Option<&Recipe>) -> Ends<'_> {
        Ends {
            cluster: self.cluster,
            release: self.release,
            drain_s: recipe.map_or(DRAIN_S, |recipe| recipe.drain_s),
            on_event: self.on_event,
        }
    }

    async fn tell_room(&self, candidate: &VersionId, recipe: &Recipe, has: u32, needs: u32) {
        let more = objects::with_replicas(&recipe.objects, needs - has);
        let room = room::look(self.cluster, &more).await;
        let room = room
            .map(|room| format!("; {}", room.sentence()))
            .unwrap_or_default();
        (self.on_event)(Event::Noticed {
            message: format!("{candidate} goes from {has} to {needs} replicas{room}"),
        });
    }
}

/// Whether all replicas that a Deployment asks for are Ready.
fn is_ready(deployment: &Value) -> bool {
    let ready = deployment.pointer("/status/readyReplicas");
    ready.and_then(Value::as_u64) >= Some(u64::from(replicas(deployment)))
}

/// max(1, ceil(live × weight / 100)) (DESIGN §2, Room).
fn share_of(live: u32, weight: Weight) -> u32 {
    let share = u64::from(live) * u64::from(weight.percent());
    u32::try_from(share.div_ceil(100))
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_load_needs_its_share_of_the_replicas_and_at_least_one() {
        let of = |live, percent| share_of(live, Weight::try_from(percent).unwrap());
        assert_eq!(
            [of(8, 1), of(8, 5), of(8, 25), of(8, 26), of(8, 100)],
            [1, 1, 2, 3, 8]
        );
        assert_eq!([of(0, 50), of(1, 10)], [1, 1]);
    }
}
