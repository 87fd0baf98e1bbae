//! A version that gets no more requests: its last ones end, then its pods do.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::store::RevisionSpec;
use crate::{
    cluster::{
        Cluster,
        apply::{self, Apply},
        inventory::of_version,
        pods, scale,
        workload::{self, Workload},
    },
    interrupt::Interrupt,
    load::ServerFigures,
    name::{ReleaseName, VersionId},
    object::{Object, kind::POD},
    release::{Error, event::Event},
    traffic,
};

/// Looks in a row without a request: one may be between two of a connection's.
const QUIET_LOOKS: u32 = 2;

/// How long to wait between looks; tests have no time to lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Gateways learn of a move a moment after the API server does.
    pub settle: Duration,
    /// How often the engines are asked how much is left.
    pub quiet: Duration,
    /// How often it is looked whether a pod, and with it its GPUs, is gone.
    pub gone: Duration,
    /// Between the writes of one move.
    pub traffic: traffic::Pace,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(2),
            quiet: Duration::from_secs(1),
            gone: Duration::from_millis(500),
            traffic: traffic::Pace::default(),
        }
    }
}

/// The replicas of one version that are to end.
pub(super) struct Drain<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) release: &'a ReleaseName,
    pub(super) version: &'a VersionId,
    /// How it was brought up, where that is still known.
    pub(super) spec: Option<&'a RevisionSpec>,
    /// Its workload as the cluster has it.
    pub(super) object: &'a Object,
    pub(super) pace: Pace,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub(super) interrupt: &'a Interrupt,
}

impl Drain<'_> {
    /// Waits until nothing runs on the version's engines, or for `limit`; then takes it to no
    /// replicas. The kubelet's own drain (preStop, grace) comes after that.
    pub(super) async fn all(&self, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        self.pause(self.pace.settle.min(limit)).await?;
        let (mut quiet, mut told) = (0, None);
        while quiet < QUIET_LOOKS && started.elapsed() < limit {
            // What cannot be read cannot be waited for: the limit decides.
            let left = self.in_flight().await.unwrap_or(None);
            if left != told {
                let in_flight = left.unwrap_or(0);
                (self.on_event)(Event::Draining {
                    version: self.version.clone(),
                    in_flight,
                });
                told = left;
            }
            quiet = if left == Some(0) { quiet + 1 } else { 0 };
            if left.is_none() && self.spec.is_none() {
                break;
            }
            self.pause(self.pace.quiet).await?;
        }
        self.resize(0).await?;
        (self.on_event)(Event::Drained {
            version: self.version.clone(),
            took: started.elapsed(),
        });
        Ok(())
    }

    /// To `replicas`, without waiting for them.
    pub(super) async fn resize(&self, replicas: u32) -> Result<(), Error> {
        // Applied, where it is known how it was applied: then the field has one owner.
        if let Some(spec) = self
            .spec
            .filter(|spec| scale::limits(&spec.objects).is_none())
        {
            if let Some((_, object)) = workload::of(&spec.objects) {
                let object = workload::scaled(object, replicas);
                apply::apply(self.cluster, &object, Apply::Keep).await?;
            }
            return Ok(());
        }
        let Some(workload) = workload::find(self.object) else {
            return Ok(());
        };
        match apply::scale(self.cluster, workload.kind(), self.object.name(), replicas).await {
            Err(error) if error.is_not_found() => Ok(()),
            scaled => Ok(scaled?),
        }
    }

    /// Waits until no more pods of the version are there than `replicas` have.
    pub(super) async fn gone(&self, replicas: u32, limit: Duration) -> Result<(), Error> {
        let started = Instant::now();
        let selector = of_version(self.release, self.version);
        let each = workload::find(self.object).map_or(1, |row| row.pods_per_replica(self.object));
        let count = usize::try_from(replicas * each).unwrap_or(usize::MAX);
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
            self.pause(self.pace.gone).await?;
        }
    }

    async fn in_flight(&self) -> Result<Option<u64>, Error> {
        let workload = workload::find(self.object);
        in_flight(self.cluster, self.release, self.version, workload).await
    }

    async fn pause(&self, time: Duration) -> Result<(), Error> {
        tokio::select! {
            () = sleep(time) => Ok(()),
            _ = self.interrupt.any() => Err(Error::Interrupted),
        }
    }
}

/// Requests running and waiting on all pods of a version; `None` where no engine says.
pub(super) async fn in_flight(
    cluster: &Cluster,
    release: &ReleaseName,
    version: &VersionId,
    workload: Option<&'static dyn Workload>,
) -> Result<Option<u64>, Error> {
    let selector = workload.map_or_else(
        || of_version(release, version),
        |row| row.answering(release, version),
    );
    let mut sum = None;
    for pod in pods::find(cluster, &selector).await? {
        let Some(port) = pod.port.filter(|_| pod.ready) else {
            continue;
        };
        let text = pods::get(cluster, &pod.pod, port, "/metrics").await?;
        let figures = ServerFigures::parse(&text);
        if let Some(running) = figures.running {
            let all = whole(running) + figures.waiting.map_or(0, whole);
            sum = Some(sum.unwrap_or(0) + all);
        }
    }
    Ok(sum)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of requests"
)]
fn whole(count: f64) -> u64 {
    count.max(0.0) as u64
}

/// A pod that has ended has given its GPUs back.
fn holds_gpus(pod: &Object) -> bool {
    let phase = pod
        .pointer("/status/phase")
        .and_then(|phase| phase.as_str());
    !matches!(phase, Some("Succeeded" | "Failed"))
}
