//! A version brought up beside what serves: applied, followed, asked for its first token.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::time::{sleep, timeout};

use super::{objects, record::Recipe};
use crate::{
    cluster::{
        self, Cluster,
        apply::{self, Apply},
        explain::explain,
        follow::{self, Budget, Rollout, follow},
        inventory::{is_ours, of_release, of_version},
        kind::DEPLOYMENT,
        pods,
        rollout::Phase as Rolling,
        workload::{self, WORKLOADS, Workload},
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

/// Which version, and where to.
pub(super) struct Up<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) release: &'a ReleaseName,
    pub(super) version: &'a VersionId,
    pub(super) recipe: &'a Recipe,
    /// Replicas it is to have; those of its recipe without.
    pub(super) replicas: Option<u32>,
    pub(super) on_event: &'a (dyn Fn(Event) + Send + Sync),
    pub(super) interrupt: &'a Interrupt,
}

impl Up<'_> {
    /// Applies the version's objects and waits for its first token.
    pub(super) async fn bring(&self, seconds: &mut PhaseSeconds) -> Result<(), Error> {
        let objects = match self.replicas {
            Some(replicas) => objects::with_replicas(&self.recipe.objects, replicas),
            None => self.recipe.objects.clone(),
        };
        for object in &objects {
            refuse_foreign(self.cluster, object, self.release).await?;
            apply::apply(self.cluster, object, Apply::Keep).await?;
        }
        self.follow(seconds).await?;
        self.first_token(seconds).await
    }

    /// Takes it to `self.replicas` and waits until all of them are Ready.
    pub(super) async fn scale(&self) -> Result<(), Error> {
        let replicas = self.replicas.unwrap_or(1);
        for object in objects::scaled(&self.recipe.objects, replicas) {
            apply::apply(self.cluster, &object, Apply::Keep).await?;
        }
        self.follow(&mut PhaseSeconds::default()).await
    }

    async fn follow(&self, seconds: &mut PhaseSeconds) -> Result<(), Error> {
        let (workload, name) = self.workload();
        let rollout = Rollout {
            workload,
            name,
            selector: of_version(self.release, self.version),
            budget: Budget {
                load: Duration::from_secs(self.recipe.startup_s),
                ..Budget::default()
            },
        };
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
        Ok(())
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
    async fn first_token(&self, seconds: &mut PhaseSeconds) -> Result<(), Error> {
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
                    return Ok(());
                }
                Ok(Err(Error::Cluster(error))) if error.is_forbidden() => return Err(error.into()),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => {
                    reason = format!("nothing in {} s", FIRST_TOKEN_TIME_MAX.as_secs());
                    break;
                }
            }
            if attempt < ASKED_MAX {
                sleep(Duration::from_secs(1)).await;
            }
        }
        Err(self.why(reason).await)
    }

    /// What is wrong with the pods, where that can be seen; else what was answered.
    async fn why(&self, reason: String) -> Error {
        let (workload, name) = self.workload();
        let selector = of_version(self.release, self.version);
        match explain(self.cluster, workload, &name, &selector).await {
            Some(finding) => Error::Cluster(cluster::Error::NotStarted {
                object: workload.kind().name(&self.cluster.namespace, &name),
                finding: Box::new(finding.evidence(reason)),
            }),
            None => Error::NoFirstToken {
                release: self.release.clone(),
                version: self.version.clone(),
                reason,
            },
        }
    }

    /// The version's workload and its name.
    fn workload(&self) -> (&'static dyn Workload, String) {
        let objects: Vec<Object> = self
            .recipe
            .objects
            .iter()
            .cloned()
            .map(Object::from)
            .collect();
        match workload::of(&objects) {
            Some((workload, object)) => (workload, object.name().to_owned()),
            None => (WORKLOADS[0], String::new()),
        }
    }

    async fn ask(&self) -> Result<String, Error> {
        let no_token = |reason: String| Error::NoFirstToken {
            release: self.release.clone(),
            version: self.version.clone(),
            reason,
        };
        let pods = pods::find(self.cluster, &of_version(self.release, self.version)).await?;
        let ready = pods.into_iter().find(|pod| pod.ready);
        let pod = ready.ok_or_else(|| no_token("no pod is Ready".to_owned()))?;
        let port = pod
            .port
            .ok_or_else(|| no_token(format!("pod {} has no port", pod.pod)))?;
        let body = one_word::json(&self.recipe.served_model);
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

/// Refuses to apply over an object of somebody else's.
pub(super) async fn refuse_foreign(
    cluster: &Cluster,
    object: &serde_json::Value,
    release: &ReleaseName,
) -> Result<bool, Error> {
    let api_version = object.get("apiVersion").and_then(serde_json::Value::as_str);
    let kind = cluster
        .kind(api_version.unwrap_or_default(), objects::kind(object))
        .await?;
    let name = objects::name(object);
    match cluster.get(&kind, name).await? {
        None => Ok(false),
        Some(found) if is_ours(&found, release) => Ok(true),
        Some(_) => Err(cluster::Error::NotOurs {
            object: kind.name(&cluster.namespace, name),
        }
        .into()),
    }
}

/// The Deployment of a version, as the cluster has it.
pub(super) async fn deployments(
    cluster: &Cluster,
    release: &ReleaseName,
) -> Result<Vec<Object>, Error> {
    let selector = of_release(release);
    Ok(cluster.list(&DEPLOYMENT, &selector).await?)
}
