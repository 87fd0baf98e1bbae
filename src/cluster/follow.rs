//! Follows a version by watches until every pod is ready, a cause is found or time is up.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{BoxStream, select_all},
};
use k8s_openapi::api::core::v1::{Event as CoreEvent, Pod};
use kube::{
    Api,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{interrupt::Interrupt, object::Object};

use super::{
    Cluster, Error,
    client::WATCH_SECONDS,
    diagnosis::{Code, Finding},
    observed::Observed,
    rollout::{Phase, Progress},
    typed::{Typed, Watched, of_kind, plain},
    workload::{GaveUp, Workload},
};

/// What is followed.
#[derive(Debug, Clone)]
pub struct Rollout {
    pub workload: &'static dyn Workload,
    /// The name of the workload's object.
    pub name: String,
    /// Selects all its pods.
    pub selector: String,
    pub budget: Budget,
}

impl Rollout {
    /// `Deployment team-a/chat-v1`, as messages name it.
    fn title(&self, cluster: &Cluster) -> String {
        self.workload.kind().name(&cluster.namespace, &self.name)
    }
}

/// How long each phase may take. Not one timeout: a pull of 100 GB may take far longer than a
/// pod may wait for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// An autoscaler needs minutes for a GPU node.
    pub schedule: Duration,
    pub pull: Duration,
    pub load: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            schedule: Duration::from_mins(15),
            pull: Duration::from_mins(30),
            load: Duration::from_mins(30),
        }
    }
}

impl Budget {
    fn of(self, phase: Phase) -> Duration {
        match phase {
            Phase::Schedule => self.schedule,
            Phase::Pull => self.pull,
            // The pods are ready, and the controller has yet to report so.
            Phase::Load | Phase::Ready => self.load,
        }
    }
}

/// Seconds each phase took; `None` where it was over before we looked.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct PhaseSeconds {
    pub schedule: Option<f64>,
    pub pull: Option<f64>,
    pub load: Option<f64>,
}

/// What is reported meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The pods or the workload have changed.
    Progress(Progress),
    /// A phase is over.
    PhaseDone {
        phase: Phase,
        seconds: f64,
        nodes: Vec<String>,
    },
    /// A cause that keeps the version from starting, and that may still go away.
    Waiting(Finding),
}

/// One message of one of the three watches.
enum Seen {
    Workload(watcher::Event<Object>),
    Pod(Box<watcher::Event<Pod>>),
    Event(Box<watcher::Event<CoreEvent>>),
    Failed {
        events_only: bool,
        error: watcher::Error,
    },
}

/// Follows until ready. Nothing is changed by it, whatever the end.
pub async fn follow(
    cluster: &Cluster,
    rollout: &Rollout,
    interrupt: &Interrupt,
    on_event: &(dyn Fn(Event) + Sync),
) -> Result<PhaseSeconds, Error> {
    /// How often patience and budgets are looked at.
    const TICK: Duration = Duration::from_millis(250);
    let mut watches = watches(cluster, rollout);
    let mut state = State::new(rollout);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            seen = watches.next() => match seen {
                Some(Seen::Failed { events_only, error }) => {
                    if let Some(error) = fatal(error, events_only) {
                        return Err(error);
                    }
                }
                Some(seen) => { state.observe(seen); continue; }
                None => return Err(deadline(cluster, &state, "the watches ended")),
            },
            _ = ticks.tick() => {}
            _ = interrupt.any() => return Err(Error::Interrupted {
                object: rollout.title(cluster),
            }),
        }
        state.observed.complete(cluster).await;
        if let Some(seconds) = state.step(cluster, on_event)? {
            return Ok(seconds);
        }
    }
}

fn watches<'a>(
    cluster: &Cluster,
    rollout: &Rollout,
) -> futures_util::stream::SelectAll<BoxStream<'a, Seen>> {
    let (client, namespace) = (cluster.kube(), &cluster.namespace);
    let config = || watcher::Config::default().timeout(WATCH_SECONDS);
    let named = config().fields(&format!("metadata.name={}", rollout.name));
    let kind = rollout.workload.kind();
    let failed = |events_only| move |error| Seen::Failed { events_only, error };
    let workloads = watcher(
        Api::<Watched>::namespaced_with(client.clone(), namespace, kind),
        named,
    )
    .default_backoff()
    .map(move |event| {
        event.map_or_else(failed(false), |event| Seen::Workload(of_kind(event, kind)))
    });
    let pods = watcher(
        Api::<Typed<Pod>>::namespaced(client.clone(), namespace),
        config().labels(&rollout.selector),
    )
    .default_backoff()
    .map(move |event| event.map_or_else(failed(false), |event| Seen::Pod(Box::new(plain(event)))));
    let events = Api::<Typed<CoreEvent>>::namespaced(client, namespace);
    let events = watcher(events, config())
        .default_backoff()
        .map(move |event| {
            event.map_or_else(failed(true), |event| Seen::Event(Box::new(plain(event))))
        });
    select_all([workloads.boxed(), pods.boxed(), events.boxed()])
}

/// A watch that is forbidden will stay so; anything else is tried again by the
/// watch itself, within the phase's budget. Events only explain, so the rollout goes on
/// without them.
fn fatal(error: watcher::Error, events_only: bool) -> Option<Error> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))) = error
    else {
        return None;
    };
    let refused = matches!(status.code, 401 | 403) && !events_only;
    refused.then(|| Error::Refused {
        act: "follow the rollout".to_owned(),
        status,
    })
}

fn deadline(cluster: &Cluster, state: &State<'_>, why: &str) -> Error {
    Error::Deadline {
        object: state.rollout.title(cluster),
        seconds: state.started.elapsed().as_secs(),
        state: why.to_owned(),
        finding: state.shown.clone().map(Box::new),
    }
}

/// Why the controller gave up since the rollout began. The same spec followed again still
/// carries the condition of the attempt before.
fn newly(now: Option<&GaveUp>, before: &Before) -> Option<String> {
    let (now, Before::Known(before)) = (now?, before) else {
        return None;
    };
    (Some(now) != before.as_ref()).then(|| now.reason.clone())
}

/// What the controller reported when it first saw the spec that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before {
    Unknown,
    Known(Option<GaveUp>),
}

struct State<'a> {
    rollout: &'a Rollout,
    observed: Observed,
    started: Instant,
    phase: Phase,
    phase_began: Instant,
    last: Option<Progress>,
    before: Before,
    /// Since when each finding has lasted.
    since: BTreeMap<Code, Instant>,
    shown: Option<Finding>,
    seconds: PhaseSeconds,
}

impl<'a> State<'a> {
    fn new(rollout: &'a Rollout) -> Self {
        let now = Instant::now();
        Self {
            rollout,
            observed: Observed::new(rollout.workload, &rollout.name),
            started: now,
            phase: Phase::Schedule,
            phase_began: now,
            last: None,
            before: Before::Unknown,
            since: BTreeMap::new(),
            shown: None,
            seconds: PhaseSeconds::default(),
        }
    }

    fn observe(&mut self, seen: Seen) {
        match seen {
            Seen::Workload(event) => self.observed.workload(event),
            Seen::Pod(event) => self.observed.pod(*event),
            Seen::Event(event) => self.observed.event(*event),
            Seen::Failed { .. } => {}
        }
    }

    /// Looks at all that was observed; the phases' seconds once it is done.
    fn step(
        &mut self,
        cluster: &Cluster,
        on_event: &(dyn Fn(Event) + Sync),
    ) -> Result<Option<PhaseSeconds>, Error> {
        let now = self.observed.progress();
        if self.before == Before::Unknown && self.observed.is_observed() {
            self.before = Before::Known(now.gave_up.clone());
        }
        self.advance(&now, on_event);
        if self.last.as_ref() != Some(&now) {
            on_event(Event::Progress(now.clone()));
        }
        let done = now.done;
        let gave_up = newly(now.gave_up.as_ref(), &self.before);
        self.last = Some(now);
        if done {
            return Ok(Some(self.seconds));
        }
        self.judge(cluster, on_event)?;
        if let Some(reason) = gave_up {
            return Err(deadline(cluster, self, &reason));
        }
        let budget = self.rollout.budget.of(self.phase);
        if self.phase_began.elapsed() >= budget {
            let why = match self.phase {
                Phase::Schedule => "its pods have no node",
                Phase::Pull => "its images are not pulled",
                Phase::Load | Phase::Ready => "the engine is not ready",
            };
            return Err(deadline(cluster, self, why));
        }
        Ok(None)
    }

    fn advance(&mut self, now: &Progress, on_event: &(dyn Fn(Event) + Sync)) {
        let reached = if now.done { Phase::Ready } else { now.phase };
        while self.phase < reached {
            let seconds = self.phase_began.elapsed().as_secs_f64();
            let nodes = now.pods.iter().filter_map(|pod| pod.node.clone()).collect();
            on_event(Event::PhaseDone {
                phase: self.phase,
                seconds,
                nodes,
            });
            let (slot, next) = match self.phase {
                Phase::Schedule => (&mut self.seconds.schedule, Phase::Pull),
                Phase::Pull => (&mut self.seconds.pull, Phase::Load),
                Phase::Load | Phase::Ready => (&mut self.seconds.load, Phase::Ready),
            };
            *slot = Some(seconds);
            self.phase = next;
            self.phase_began = Instant::now();
        }
    }

    /// Ends the rollout where a finding has lasted as long as it may.
    fn judge(&mut self, cluster: &Cluster, on_event: &(dyn Fn(Event) + Sync)) -> Result<(), Error> {
        let findings = self.observed.findings();
        self.since
            .retain(|code, _| findings.iter().any(|finding| finding.code == *code));
        for finding in &findings {
            let since = *self.since.entry(finding.code).or_insert_with(Instant::now);
            let over = finding
                .code
                .patience()
                .is_some_and(|patience| since.elapsed() >= patience);
            if over {
                return Err(Error::NotStarted {
                    object: self.rollout.title(cluster),
                    finding: Box::new(finding.clone()),
                });
            }
        }
        let first = findings.into_iter().next();
        let changed = first.as_ref().map(|finding| (finding.code, &finding.cause))
            != self
                .shown
                .as_ref()
                .map(|finding| (finding.code, &finding.cause));
        if changed {
            if let Some(finding) = &first {
                on_event(Event::Waiting(finding.clone()));
            }
            self.shown = first;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_of_the_attempt_before_does_not_end_this_one() {
        let gave_up = |at: &str| GaveUp {
            reason: "its progress deadline has passed".to_owned(),
            at: at.to_owned(),
        };
        let (old, new) = (gave_up("03:00"), gave_up("04:00"));
        let known = Before::Known(Some(old.clone()));
        assert_eq!(newly(Some(&old), &Before::Unknown), None);
        assert_eq!(newly(Some(&old), &known), None);
        assert_eq!(newly(None, &known), None);
        for before in [Before::Known(None), known] {
            let reason = newly(Some(&new), &before);
            assert_eq!(reason.as_deref(), Some("its progress deadline has passed"));
        }
    }
}
