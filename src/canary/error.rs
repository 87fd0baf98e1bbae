//! Why a canary could not go on, and the way out.

use super::{journal::Unreadable, plan::PlanError};
use crate::{cluster, load, local, name::VersionId, release, traffic, weight::Weight};

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

impl Error {
    /// Where and by what words a version did not start.
    pub fn evidence(&self) -> Vec<String> {
        let Self::Release(release::Error::Cluster(
            cluster::Error::NotStarted { finding, .. }
            | cluster::Error::Deadline {
                finding: Some(finding),
                ..
            },
        )) = self
        else {
            return Vec::new();
        };
        let place = [("pod", &finding.pod), ("node", &finding.node)];
        let named = |(what, name): (&str, &Option<String>)| {
            let name = name.as_ref()?;
            Some(format!("{what} {name}"))
        };
        let place: Vec<_> = place.into_iter().filter_map(named).collect();
        let place = (!place.is_empty()).then(|| place.join(", "));
        place.into_iter().chain(finding.evidence.clone()).collect()
    }

    /// The commands that lead out of it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Open { release, .. } => four_commands(release),
            Self::NothingToCanary { .. } => vec![
                "change infer.yaml or run `infer pack`, or name another with --version".to_owned(),
            ],
            Self::NoneOpen { release } => vec![format!("infer canary {release} --weight 10")],
            Self::NotUp { .. } => vec!["bring it up with `infer deploy --no-traffic`".to_owned()],
            Self::Traffic(error) => error.hints(),
            Self::Local(error) => error.hints(),
            Self::Release(error) => error.hints(),
            Self::Probes(error) => error.hints(),
            Self::LeftAt { release, .. } => vec![format!("infer canary abort {release}")],
            Self::Blind { release, .. } => vec![
                "the weight stays as it is".to_owned(),
                format!("infer canary abort {release}"),
            ],
            Self::Plan(_) | Self::Journal(_) | Self::Endpoint { .. } => Vec::new(),
        }
    }

    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Traffic(error) => error.is_transient(),
            Self::Release(error) => error.is_transient(),
            _ => false,
        }
    }

    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Open { .. } => true,
            Self::Traffic(error) => error.is_conflict(),
            Self::Local(error) => error.is_conflict(),
            Self::Release(error) => error.is_conflict(),
            _ => false,
        }
    }

    pub fn is_usage(&self) -> bool {
        match self {
            Self::Plan(_)
            | Self::NothingToCanary { .. }
            | Self::NoneOpen { .. }
            | Self::NotUp { .. } => true,
            Self::Probes(error) => error.is_usage(),
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
