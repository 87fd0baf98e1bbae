//! Why a canary could not go on, and the way out.

use super::{journal::Unreadable, plan::PlanError};
use crate::{
    explain::{Explain, Kind},
    load, local,
    name::VersionId,
    release, traffic,
    weight::Weight,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("nothing to canary: {version} is the live version")]
    NothingToCanary { version: VersionId },
    #[error("a canary of {release} is open: {candidate} (run {run})")]
    Open {
        release: String,
        candidate: String,
        run: String,
    },
    #[error("no canary of {release} is open")]
    NoneOpen { release: String },
    #[error("{version} of {release} is not up")]
    NotUp { release: String, version: VersionId },
    #[error(transparent)]
    Journal(#[from] Unreadable),
    #[error(transparent)]
    Traffic(#[from] traffic::Error),
    #[error(transparent)]
    Local(#[from] local::Error),
    #[error(transparent)]
    Release(#[from] release::Error),
    #[error("cannot send probes")]
    Probes(#[source] load::Error),
    #[error("{endpoint} is not a valid address for probes")]
    Endpoint {
        endpoint: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the gateway of {release} has not answered for {waited_s} s")]
    Blind {
        release: String,
        waited_s: u64,
        source: local::Error,
    },
    #[error(
        "interrupted while the traffic of {release} was taken back: the candidate keeps {weight}"
    )]
    LeftAt { release: String, weight: Weight },
}

impl Explain for Error {
    fn inner(&self) -> Option<&dyn Explain> {
        match self {
            Self::Traffic(error) => Some(error),
            Self::Local(error) => Some(error),
            Self::Release(error) => Some(error),
            Self::Probes(error) => Some(error),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Open { .. } => Kind::Conflict,
            Self::LeftAt { .. } => Kind::Interrupted,
            Self::Plan(_)
            | Self::NothingToCanary { .. }
            | Self::NoneOpen { .. }
            | Self::NotUp { .. } => Kind::Usage,
            _ => self.inner().map_or(Kind::Failed, Explain::kind),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Open { release, .. } => four_commands(release),
            Self::NothingToCanary { .. } => vec![
                "change infer.yaml or run `infer pack`, or name another with --version".to_owned(),
            ],
            Self::NoneOpen { release } => vec![format!("infer canary {release} --weight 10")],
            Self::NotUp { .. } => vec!["bring it up with `infer deploy --no-traffic`".to_owned()],
            Self::LeftAt { release, .. } => vec![format!("infer canary abort {release}")],
            Self::Blind { release, .. } => vec![
                "the weight stays as it is".to_owned(),
                format!("infer canary abort {release}"),
            ],
            _ => self.inner().map_or_else(Vec::new, Explain::hints),
        }
    }
}

impl Error {
    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Traffic(error) => error.is_transient(),
            Self::Release(error) => error.is_transient(),
            _ => false,
        }
    }
}

/// What can be done about an open canary.
pub fn four_commands(release: impl std::fmt::Display) -> Vec<String> {
    ["status", "resume", "promote", "abort"]
        .map(|verb| format!("infer canary {verb} {release}"))
        .to_vec()
}
