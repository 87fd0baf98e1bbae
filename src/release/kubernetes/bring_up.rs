//! A version brought up beside what serves: applied, followed, asked for its first token.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::{site::refuse_foreign, store::RevisionSpec};
use crate::{
    cluster::{
        self, Cluster,
        apply::{self, Apply},
        conflict::owners,
        explain::explain,
        follow::{self, Budget, Rollout, follow},
        inventory::{self, of_version},
        pods,
        rollout::Phase as Rolling,
        scale,
        workload::{self, Workload},
    },
    interrupt::Interrupt,
    load::{Api, Chunk, sse},
    name::{ReleaseName, VersionId},
    object::Object,
    release::{
        Error,
        event::{Event, Phase, PhaseSeconds},
        one_word,
    },
};

/// A model that is Ready and has not said a word in this time will not say one.
const FIRST_TOKEN_TIME_MAX: Duration = Duration::from_mins(2);

/// A pod is Ready a moment before every API server knows how to reach it.
const ASKED_MAX: u32 = 5;

/// Which version, and what it is made of.
pub(super) struct BringUp<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) release: &'a ReleaseName,
    pub(super) version: &'a VersionId,
    pub(super) spec: &'a RevisionSpec,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub(super) interrupt: &'a Interrupt,
}

impl BringUp<'_> {
    /// Applies the version's objects with that many replicas and waits until all are Ready.
    pub(super) async fn apply(&self, replicas: u32) -> Result<PhaseSeconds, Error> {
        self.put(replicas).await?;
        self.follow().await
    }

    /// Applies the version's objects with that many replicas; where an autoscaler owns them,
    /// with no fewer.
    pub(super) async fn put(&self, replicas: u32) -> Result<(), Error> {
        let is_scaled = scale::limits(&self.spec.objects).is_some();
        if !is_scaled {
            self.end_scalers(replicas).await?;
        }
        for object in &self.spec.objects {
            refuse_foreign(self.cluster, object, self.release).await?;
            if let Some(row) = workload::find(object).filter(|_| is_scaled) {
                self.put_scaled(row, object, replicas).await?;
            } else {
                let object = workload::scaled(object, replicas);
                apply::apply(self.cluster, &object, Apply::Keep).await?;
            }
        }
        Ok(())
    }

    /// Deletes the autoscalers that an earlier deploy gave the version, after the replicas that
    /// they owned have become `infer`'s.
    async fn end_scalers(&self, replicas: u32) -> Result<(), Error> {
        let scalers = scale::list(self.cluster, self.release, self.version).await?;
        if scalers.is_empty() {
            return Ok(());
        }
        let (row, object) = self.workload()?;
        match apply::scale(self.cluster, row.kind(), object.name(), replicas).await {
            Err(error) if error.is_not_found() => {}
            scaled => scaled?,
        }
        for (_, scaler) in scalers {
            inventory::delete(self.cluster, &scaler).await?;
        }
        Ok(())
    }

    /// Applies a workload whose replicas are an autoscaler's, which takes over from the number
    /// that it is given to begin with.
    async fn put_scaled(
        &self,
        row: &dyn Workload,
        object: &Object,
        replicas: u32,
    ) -> Result<(), Error> {
        let before = self.cluster.get(row.kind(), object.name()).await?;
        let stands = before.as_ref().map_or(0, |before| row.replicas(before));
        let wanted = replicas.max(stands);
        // To leave out a field that only an apply owns is to take it out: the number would be 1.
        let is_ours = before.as_ref().is_some_and(applied_replicas);
        let object = if is_ours {
            workload::scaled(object, wanted)
        } else {
            object.clone()
        };
        let applied = apply::apply(self.cluster, &object, Apply::Keep).await?;
        if row.replicas(&applied) < wanted {
            apply::scale(self.cluster, row.kind(), object.name(), wanted).await?;
        }
        Ok(())
    }

    pub(super) async fn follow(&self) -> Result<PhaseSeconds, Error> {
        let (workload, object) = self.workload()?;
        let rollout = Rollout {
            workload,
            name: object.name().to_owned(),
            selector: of_version(self.release, self.version),
            budget: Budget {
                load: Duration::from_secs(self.spec.startup_s),
                ..Budget::default()
            },
        };
        let mut seconds = PhaseSeconds::default();
        (self.on_event)(Event::PhaseStarted {
            phase: Phase::Schedule,
            detail: String::new(),
        });
        let tell = |event| self.tell(event);
        let took = follow(self.cluster, &rollout, self.interrupt, &tell).await?;
        for (phase, took) in [
            (Phase::Schedule, took.schedule),
            (Phase::Pull, took.pull),
            (Phase::Load, took.load),
        ] {
            if let Some(took) = took {
                seconds.set(phase, Duration::from_secs_f64(took));
            }
        }
        Ok(seconds)
    }

    fn tell(&self, event: follow::Event) {
        match event {
            follow::Event::Progress(_) => {}
            follow::Event::PhaseDone {
                phase,
                seconds,
                nodes,
            } => {
                let (done, next) = match phase {
                    Rolling::Schedule => (Phase::Schedule, Some(Phase::Pull)),
                    Rolling::Pull => (Phase::Pull, Some(Phase::Load)),
                    Rolling::Load | Rolling::Ready => (Phase::Load, None),
                };
                let mut nodes = nodes;
                nodes.sort();
                nodes.dedup();
                let detail = if done == Phase::Schedule {
                    nodes.join(", ")
                } else {
                    String::new()
                };
                let took = Duration::from_secs_f64(seconds);
                (self.on_event)(Event::PhaseDone {
                    phase: done,
                    took,
                    detail,
                });
                if let Some(phase) = next {
                    (self.on_event)(Event::PhaseStarted {
                        phase,
                        detail: String::new(),
                    });
                }
            }
            follow::Event::Waiting(finding) => {
                let pod = finding
                    .pod
                    .map(|pod| format!(" (pod {pod})"))
                    .unwrap_or_default();
                (self.on_event)(Event::Noticed {
                    message: format!("{}{pod}", finding.cause),
                });
            }
        }
    }

    /// Asks one Ready pod through the API server: no traffic has to reach it for that.
    pub(super) async fn first_token(&self) -> Result<PhaseSeconds, Error> {
        let mut seconds = PhaseSeconds::default();
        (self.on_event)(Event::PhaseStarted {
            phase: Phase::FirstToken,
            detail: String::new(),
        });
        let started = Instant::now();
        let mut reason = "no pod is Ready".to_owned();
        for attempt in 1..=ASKED_MAX {
            let asked = tokio::select! {
                asked = timeout(FIRST_TOKEN_TIME_MAX, self.ask()) => asked,
                _ = self.interrupt.any() => return Err(Error::Interrupted),
            };
            match asked {
                Ok(Ok(pod)) => {
                    let took = started.elapsed();
                    seconds.set(Phase::FirstToken, took);
                    let detail = format!("pod {pod}, through the API server");
                    (self.on_event)(Event::PhaseDone {
                        phase: Phase::FirstToken,
                        took,
                        detail,
                    });
                    return Ok(seconds);
                }
                Ok(Err(Error::Cluster(error))) if error.is_forbidden() => return Err(error.into()),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => {
                    reason = format!("nothing in {} s", FIRST_TOKEN_TIME_MAX.as_secs());
                    break;
                }
            }
            if attempt < ASKED_MAX {
                tokio::select! {
                    () = sleep(Duration::from_secs(1)) => {}
                    _ = self.interrupt.any() => return Err(Error::Interrupted),
                }
            }
        }
        Err(self.why(reason).await)
    }

    /// What is wrong with the pods, where that can be seen; else what was answered.
    async fn why(&self, reason: String) -> Error {
        let (workload, object) = match self.workload() {
            Ok(found) => found,
            Err(error) => return error,
        };
        let selector = of_version(self.release, self.version);
        match explain(self.cluster, workload, object.name(), &selector).await {
            Some(finding) => Error::Cluster(cluster::Error::NotStarted {
                object: workload.kind().name(&self.cluster.namespace, object.name()),
                finding: Box::new(finding.evidence(reason)),
            }),
            None => Error::NoFirstToken {
                release: self.release.clone(),
                version: self.version.clone(),
                reason,
            },
        }
    }

    /// What makes the version's pods.
    fn workload(&self) -> Result<(&'static dyn Workload, &Object), Error> {
        workload::of(&self.spec.objects).ok_or_else(|| Error::UnknownVersion {
            release: self.release.clone(),
            version: self.version.clone(),
        })
    }

    async fn ask(&self) -> Result<String, Error> {
        let no_token = |reason: String| Error::NoFirstToken {
            release: self.release.clone(),
            version: self.version.clone(),
            reason,
        };
        let (workload, _) = self.workload()?;
        let answering = workload.answering(self.release, self.version);
        let pods = pods::find(self.cluster, &answering).await?;
        let ready = pods.into_iter().find(|pod| pod.ready);
        let pod = ready.ok_or_else(|| no_token("no pod is Ready".to_owned()))?;
        let port = pod
            .port
            .ok_or_else(|| no_token(format!("pod {} has no port", pod.pod)))?;
        let body = one_word::json(&self.spec.served_model);
        let path = format!("/{}", Api::Chat.path());
        let mut pieces = Box::pin(pods::post(self.cluster, &pod.pod, port, &path, &body).await?);
        let mut parser = sse::Parser::default();
        let mut seen = Seen::default();
        while let Some(piece) = pieces.next().await {
            let fed = parser.feed(&piece?, |event| seen.take(event.data));
            fed.map_err(|error| no_token(error.to_string()))?;
            if seen.token {
                return Ok(pod.pod);
            }
            if let Some(error) = seen.error.take() {
                return Err(no_token(error));
            }
        }
        Err(no_token("the answer ended without one".to_owned()))
    }
}

/// Whether the replicas were applied by `infer`, and no one has changed them since.
fn applied_replicas(object: &Object) -> bool {
    owners(object, &["spec", "replicas"])
        .iter()
        .any(|owner| owner.manager == apply::FIELD_MANAGER && owner.operation == "Apply")
}

#[derive(Debug, Default)]
struct Seen {
    token: bool,
    error: Option<String>,
}

impl Seen {
    fn take(&mut self, data: &[u8]) {
        if let Ok(chunk) = Chunk::parse(data) {
            self.token |= chunk.is_token();
            self.error = self.error.take().or(chunk.error);
        }
    }
}
