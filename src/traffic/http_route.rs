//! The split of a release behind a Gateway API route.
//!
//! `rules` of an `HTTPRoute` are one atomic list, so a weight is never
//! server-side-applied: every change is one JSON Patch that holds only for the
//! generation, the backends and the run it was built from.

mod acceptance;
mod gateway;
mod look;
mod owner;
mod passage;
mod patch;
mod rules;
#[cfg(test)]
mod rules_tests;

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

pub use self::{
    acceptance::{Acceptance, acceptance},
    gateway::Endpoint,
    look::{Looked, Looker, Seen},
    patch::{JOURNAL, RUN, SPLIT, record as split_record},
    rules::{Identify, VERSION_HEADER, WEIGHT_HEADER, service_name},
};
use self::{
    owner::{foreign, last_writer},
    passage::between,
    patch::{Basis, Unpatchable, admits, annotation, build, restore},
    rules::{Own, shares},
};
use super::{Change, Error, Split};
use crate::{
    cluster::{self, Cluster, apply::json_patch, kind::HTTP_ROUTE},
    header_match::HeaderMatch,
    name::{ReleaseName, VersionId},
    object::Object,
    weight::Weight,
};

/// Times a write is tried again where others changed what it does not touch.
const ATTEMPTS: u32 = 5;

/// How long a gateway's controller may take to say yes or no to a write. One that
/// says nothing is not an error: whether users see the split is measured.
const ACCEPTANCE_TIME_MAX: Duration = Duration::from_secs(10);

/// How long proxies may take to send by a weight that another write follows; then it follows.
const TAKES_OVER: Duration = Duration::from_secs(3);

/// A proxy that sends by a route learns of the route's backends at about the same time.
const SETTLES: Duration = Duration::from_millis(500);

const ACCEPTANCE_LOOK: Duration = Duration::from_millis(250);

/// The route `<name>` of a release.
#[derive(Clone)]
pub struct HttpRoute {
    cluster: Cluster,
    release: ReleaseName,
    identify: Identify,
    endpoint: Option<Endpoint>,
}

impl HttpRoute {
    /// Looks the release's route and its gateway's address up.
    pub async fn new(
        cluster: Cluster,
        release: ReleaseName,
        identify: Identify,
    ) -> Result<Self, Error> {
        let mut route = Self {
            cluster,
            release,
            identify,
            endpoint: None,
        };
        let object = route.object().await?;
        let found = gateway::endpoint(&route.cluster, &object).await;
        route.endpoint = found.map_err(|error| route.failed("read", error))?;
        Ok(route)
    }

    /// Where users send requests; empty where the gateway has no address yet.
    pub fn endpoint(&self) -> &str {
        self.endpoint
            .as_ref()
            .map_or("", |endpoint| endpoint.url.as_str())
    }

    /// The `Host` a request needs to meet the route.
    pub fn host(&self) -> Option<&str> {
        self.endpoint.as_ref()?.host.as_deref()
    }

    pub fn name(&self) -> String {
        HTTP_ROUTE.name(&self.cluster.namespace, self.release.as_str())
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    pub async fn read(&self) -> Result<Split, Error> {
        let object = self.object().await?;
        self.split(&object)
    }

    /// Whether its rules have room for a match.
    pub async fn admits(&self, wanted: &HeaderMatch) -> Result<(), Error> {
        let route = self.object().await?;
        admits(&route, &self.release, wanted).map_err(|why| self.unpatchable(&why))
    }

    /// Whether every gateway has taken the route over as it stands now.
    pub async fn acceptance(&self) -> Result<Acceptance, Error> {
        let object = self.object().await?;
        Ok(acceptance(&object))
    }

    /// Waits for the gateways' word on a route just created; silence is no error.
    pub async fn wait_accepted(&self) -> Result<(), Error> {
        let deadline = Instant::now() + ACCEPTANCE_TIME_MAX;
        loop {
            match self.acceptance().await? {
                Acceptance::Pending { .. } if Instant::now() < deadline => {}
                Acceptance::Accepted | Acceptance::Pending { .. } => return Ok(()),
                Acceptance::Rejected { parent, reason } => {
                    let reason = format!("gateway {parent} rejects it ({reason})");
                    return Err(Error::Unsupported {
                        object: self.name(),
                        reason,
                    });
                }
            }
            sleep(ACCEPTANCE_LOOK).await;
        }
    }

    /// Writes on top of `read`, by way of splits in which backends come and go without traffic.
    pub async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        let mut read = read.clone();
        let mut steps = between(&read, change);
        if !steps.is_empty() {
            // A write that was cut off on its way goes on where it was.
            let now = self.read().await?;
            if let Some(done) = steps.iter().rposition(|step| now.is_made_by(step)) {
                steps.drain(..=done);
                read = now;
            }
        }
        for step in steps {
            // Its senders are the last to meet a candidate that goes.
            let ended = read.matches.clone();
            read = self.write_once(&read, &step).await?;
            self.taken_over(step.weight, ended.as_ref()).await;
        }
        self.write_once(&read, change).await
    }

    /// Waits a while for proxies to send by `weight`; more than waiting cannot be done here.
    async fn taken_over(&self, weight: Weight, ended: Option<&HeaderMatch>) {
        if let Some(Ok(looker)) = self.endpoint.as_ref().map(Looker::new) {
            drop(timeout(TAKES_OVER, looker.wait_for_weight(weight, ended)).await);
        }
        sleep(SETTLES).await;
    }

    /// Writes on top of `read`. Where the route has moved but its backends, weights
    /// and run have not, the write is made on what it is now. A write that a
    /// gateway rejects is taken back.
    async fn write_once(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        let before = self.object().await?;
        if let Some(manager) = foreign(&before) {
            return Err(Error::Managed {
                object: self.name(),
                manager,
            });
        }
        let now = self.split(&before)?;
        if !now.says_the_same(read) {
            return Err(self.conflict(&before));
        }
        if let Some(run) = now.run().filter(|run| *run != change.run) {
            return Err(Error::Conflict {
                object: self.name(),
                who: format!("canary run {run}"),
            });
        }
        let written = self.patch(&before, change).await?;
        self.accepted(&before, &written).await?;
        self.split(&written)
    }

    async fn patch(&self, before: &Object, change: &Change) -> Result<Object, Error> {
        let basis = Basis::of(before);
        let mut object = before.clone();
        for _ in 0..ATTEMPTS {
            let patch = build(&object, &self.release, change, self.identify)
                .map_err(|why| self.unpatchable(&why))?;
            match json_patch(&self.cluster, &HTTP_ROUTE, self.release.as_str(), &patch).await {
                Ok(written) => return Ok(written),
                // Lost between us and the server: it may have been made.
                Err(error) if error.is_transient() => {
                    let now = self
                        .object()
                        .await
                        .map_err(|_| self.failed("write", error))?;
                    if self.split(&now).is_ok_and(|split| split.is_made_by(change)) {
                        return Ok(now);
                    }
                    object = now;
                }
                Err(cluster::Error::Changed { .. }) => object = self.object().await?,
                Err(error) => return Err(self.failed("write", error)),
            }
            if Basis::of(&object) != basis {
                return Err(self.conflict(&object));
            }
        }
        Err(self.conflict(&object))
    }

    /// Waits for the gateways' word; takes the write back on a no.
    async fn accepted(&self, before: &Object, written: &Object) -> Result<(), Error> {
        let deadline = Instant::now() + ACCEPTANCE_TIME_MAX;
        let mut object = written.clone();
        loop {
            match acceptance(&object) {
                Acceptance::Accepted => return Ok(()),
                Acceptance::Pending { .. } if Instant::now() >= deadline => return Ok(()),
                Acceptance::Pending { .. } => {}
                Acceptance::Rejected { parent, reason } => {
                    self.take_back(before, &object).await?;
                    let reason =
                        format!("gateway {parent} rejects it ({reason}); it was taken back");
                    return Err(Error::Unsupported {
                        object: self.name(),
                        reason,
                    });
                }
            }
            sleep(ACCEPTANCE_LOOK).await;
            object = match self.object().await {
                Ok(now) => now,
                // The write stands; only its confirmation is late.
                Err(Error::Transport { .. }) if Instant::now() < deadline => continue,
                Err(error) => return Err(error),
            };
            if Basis::of(&object) != Basis::of(written) {
                return Err(self.conflict(&object));
            }
        }
    }

    async fn take_back(&self, before: &Value, written: &Value) -> Result<(), Error> {
        let patch = restore(written, before).map_err(|why| self.unpatchable(&why))?;
        let restored = json_patch(&self.cluster, &HTTP_ROUTE, self.release.as_str(), &patch).await;
        restored
            .map(drop)
            .map_err(|error| self.failed("write", error))
    }

    async fn object(&self) -> Result<Object, Error> {
        let found = self.cluster.get(&HTTP_ROUTE, self.release.as_str()).await;
        match found {
            Ok(Some(route)) => Ok(route),
            Ok(None) => Err(Error::NothingLive {
                object: self.name(),
            }),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    /// The split a route says: which version is which comes from its record, and
    /// only a single backend speaks for itself.
    fn split(&self, route: &Value) -> Result<Split, Error> {
        let basis = Basis::of(route);
        let matches = basis.matches();
        let own = Own {
            release: &self.release,
            matches: matches.as_ref(),
        };
        let shares = shares(&basis.rules, &own);
        let (live, candidate) = match (basis.recorded("live"), shares.as_slice()) {
            (Some(live), _) => (live, basis.recorded("candidate")),
            (None, [(only, _)]) => (only.clone(), None),
            (None, []) => {
                return Err(Error::NothingLive {
                    object: self.name(),
                });
            }
            (None, _) => {
                return Err(Error::Unsupported {
                    object: self.name(),
                    reason: format!(
                        "it has {} backends and no record of which is live",
                        shares.len()
                    ),
                });
            }
        };
        let known = |version: &VersionId| *version == live || Some(version) == candidate.as_ref();
        if let Some((stranger, _)) = shares.iter().find(|(version, _)| !known(version)) {
            return Err(Error::Conflict {
                object: self.name(),
                who: format!("{} (it sends traffic to {stranger})", last_writer(route)),
            });
        }
        let journal = annotation(route, JOURNAL).and_then(|text| serde_json::from_str(&text).ok());
        let weight = weight(&shares, candidate.as_ref());
        let token = route
            .pointer("/metadata/generation")
            .map(Value::to_string)
            .unwrap_or_default();
        Ok(Split {
            live,
            candidate,
            weight,
            matches,
            token,
            journal,
            writer: Some(last_writer(route)),
        })
    }

    fn conflict(&self, route: &Value) -> Error {
        Error::Conflict {
            object: self.name(),
            who: last_writer(route),
        }
    }

    fn unpatchable(&self, why: &Unpatchable) -> Error {
        Error::Unsupported {
            object: self.name(),
            reason: why.to_string(),
        }
    }

    fn failed(&self, act: &'static str, error: cluster::Error) -> Error {
        Error::Transport {
            act,
            object: self.name(),
            source: Box::new(error),
        }
    }
}

impl std::fmt::Debug for HttpRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpRoute")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

/// The candidate's share of all, as written.
fn weight(shares: &[(VersionId, u64)], candidate: Option<&VersionId>) -> Weight {
    let all: u64 = shares.iter().map(|(_, share)| share).sum();
    let own: u64 = shares
        .iter()
        .filter(|(version, _)| Some(version) == candidate)
        .map(|(_, share)| share)
        .sum();
    let percent = own.saturating_mul(100).checked_div(all).unwrap_or(0);
    u8::try_from(percent)
        .ok()
        .and_then(|percent| Weight::try_from(percent).ok())
        .unwrap_or(Weight::ALL)
}
