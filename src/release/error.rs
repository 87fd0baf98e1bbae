//! Why a release did not change, and the way out.

use std::{io, path::PathBuf};

use super::event::Phase;
use crate::{
    cluster,
    explain::{Evidence, Explain, Kind},
    local,
    name::{ReleaseName, VersionId},
    pack, registry, traffic,
};

/// A version that did not come up, with the evidence at hand.
#[derive(Debug, thiserror::Error)]
#[error("{release} {version} did not start: {reason}")]
pub struct NotReady {
    pub release: ReleaseName,
    pub version: VersionId,
    pub phase: Phase,
    pub reason: String,
    /// The last lines the engine wrote.
    pub log_tail: Vec<String>,
    pub log: PathBuf,
    pub live: Option<VersionId>,
}

/// A run that failed, and whose clean-up failed too.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Failed {
    #[source]
    pub cause: Error,
    /// What could not be undone, each in one sentence.
    pub also: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Failed(Box<Failed>),
    #[error(transparent)]
    Local(#[from] local::Error),
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    #[error(transparent)]
    Traffic(#[from] traffic::Error),
    #[error("{release} {version} gave no first token: {reason}")]
    NoFirstToken {
        release: ReleaseName,
        version: VersionId,
        reason: String,
    },
    #[error(
        "the gateway of {release} did not send requests to {version} within {seconds} s: {reason}"
    )]
    GatewayBehind {
        release: ReleaseName,
        version: VersionId,
        url: String,
        seconds: u64,
        reason: String,
    },
    #[error("cannot deploy {release}: a canary of {candidate} is open (run {run})")]
    CanaryOpen {
        release: ReleaseName,
        candidate: String,
        run: String,
    },
    #[error("there is no room for {release} {version} beside the live version: {lack}")]
    NoRoom {
        release: ReleaseName,
        version: VersionId,
        /// What it needs and what is there.
        lack: String,
        /// Whether stopping the live version makes the room.
        alone: bool,
    },
    #[error("{release} has no release on this machine")]
    NoRelease { release: ReleaseName },
    #[error(transparent)]
    NotReady(Box<NotReady>),
    #[error("{release} has no earlier version to go back to")]
    NoPrevious { release: ReleaseName },
    #[error("{release} never served {version}")]
    UnknownVersion {
        release: ReleaseName,
        version: VersionId,
    },
    #[error("cannot {act} {}", path.display())]
    File {
        act: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    Pack(#[from] pack::Error),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error("no image is named: neither `model.image` nor --image")]
    NoImage,
    #[error("{image} is not in infer.lock, so its digest is not known")]
    NotPacked { image: String },
    #[error("{program} is not on PATH")]
    NoEngine { program: String, how: String },
    #[error("{0}")]
    Engine(String),
    #[error("secret {name} needs the environment variable {variable}, which is not set")]
    NoSecret { name: String, variable: String },
    #[error("interrupted")]
    Interrupted,
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Failed(failed) => Some(&failed.cause),
            Self::Local(error) => Some(error),
            Self::Cluster(error) => Some(error),
            Self::Traffic(error) => Some(error),
            Self::Pack(error) => Some(error),
            Self::Registry(error) => Some(error),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::CanaryOpen { .. } => Kind::Conflict,
            Self::Interrupted => Kind::Interrupted,
            Self::Engine(_)
            | Self::NoImage
            | Self::NotPacked { .. }
            | Self::NoSecret { .. }
            | Self::UnknownVersion { .. } => Kind::Usage,
            _ => self.inner().map_or(Kind::Failed, Explain::kind),
        }
    }

    fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::NotReady(failed) => Some(Evidence {
                lines: failed
                    .log_tail
                    .iter()
                    .map(|line| format!("log: {line}"))
                    .collect(),
                ..Evidence::default()
            }),
            _ => self.inner()?.evidence(),
        }
    }

    fn also(&self) -> Vec<String> {
        let mut also = self.inner().map_or_else(Vec::new, Explain::also);
        if let Self::Failed(failed) = self {
            also.extend(failed.also.iter().cloned());
        }
        also
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoFirstToken { release, .. } => {
                vec![format!("see its log: `infer logs {release}`")]
            }
            Self::GatewayBehind { release, url, .. } => vec![
                format!("see what the gateway answers: `curl -i {url}/v1/models`"),
                format!(
                    "see whether its controller has accepted the route: `kubectl describe httproute {release}`"
                ),
            ],
            Self::CanaryOpen { release, .. } => ["status", "resume", "promote", "abort"]
                .iter()
                .map(|verb| format!("infer canary {verb} {release}"))
                .collect(),
            Self::NoRoom { alone: true, .. } => vec![
                "accept downtime: `infer deploy --allow-downtime` stops the live version first"
                    .to_owned(),
                "or free GPUs for both versions and remove rollout.surge: `infer doctor` shows what is taken"
                    .to_owned(),
            ],
            Self::NoRoom { .. } => vec![
                "the GPUs of the live version are not enough either: ask for fewer (hardware.gpus, scale.replicas), or free some"
                    .to_owned(),
            ],
            Self::NoRelease { .. } => vec!["bring it up with `infer deploy`".to_owned()],
            Self::NotReady(failed) => {
                let mut hints = vec![format!("the whole log is {}", failed.log.display())];
                if let Some(live) = &failed.live {
                    hints.push(format!("live {live} still serves 100%"));
                }
                hints
            }
            Self::NoPrevious { release } | Self::UnknownVersion { release, .. } => {
                vec![format!(
                    "see the versions that it has served: `infer history {release}`"
                )]
            }
            Self::NoImage => vec!["name one in infer.yaml, such as model.image: oci:./image".to_owned()],
            Self::NotPacked { .. } => vec!["run `infer pack`".to_owned()],
            Self::NoEngine { how, .. } => vec![how.clone()],
            Self::NoSecret { variable, .. } => {
                vec![format!(
                    "set it for this command: `{variable}=… infer deploy`"
                )]
            }
            _ => self.inner().map_or_else(Vec::new, Explain::hints),
        }
    }
}

impl Error {
    /// Adds clean-up that failed after this failure; it is reported beside the cause.
    #[must_use]
    pub fn beside(self, warning: impl Into<String>) -> Self {
        let mut failed = match self {
            Self::Failed(failed) => failed,
            cause => Box::new(Failed {
                cause,
                also: Vec::new(),
            }),
        };
        failed.also.push(warning.into());
        Self::Failed(failed)
    }

    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(failed) => failed.cause.is_transient(),
            Self::Cluster(error) => error.is_transient(),
            Self::Traffic(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether a signal ended it.
    pub fn is_interrupted(&self) -> bool {
        self.kind() == Kind::Interrupted
    }
}
