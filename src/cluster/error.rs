//! What can go wrong between `infer` and a cluster, and the way out.

use std::error::Error as StdError;

use kube::core::Status;

use super::{conflict::FieldConflict, diagnosis::Finding};
use crate::explain::{Evidence, Explain, Kind};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no cluster is configured")]
    NotConfigured {
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("the kubeconfig has no usable context{}", name.as_ref().map(|name| format!(" {name}")).unwrap_or_default())]
    Context {
        name: Option<String>,
        /// The contexts there are.
        known: Vec<String>,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("the connection to {server} would not be secure: {reason}")]
    Insecure { server: String, reason: String },
    #[error("cannot {act}: no answer from {server} in {seconds} s")]
    TimedOut {
        act: String,
        server: String,
        seconds: u64,
    },
    #[error("cannot {act} at {server}")]
    Unreachable {
        act: String,
        server: String,
        source: Box<dyn StdError + Send + Sync>,
    },
    #[error("cannot {act}: the API server refused it ({})", status.code)]
    Refused {
        act: String,
        /// The server's answer.
        #[source]
        status: Box<Status>,
    },
    #[error("cannot {act}: the answer is not valid JSON")]
    Malformed {
        act: String,
        source: serde_json::Error,
    },
    #[error("cannot {act}: the answer is larger than {bytes_max} bytes")]
    TooLarge { act: String, bytes_max: usize },
    #[error("the cluster does not know {kind} in {api_version}")]
    KindUnknown { api_version: String, kind: String },
    #[error("{} of {object} {} owned by another manager: {}", fields(conflicts.len()), if conflicts.len() == 1 { "is" } else { "are" }, list(conflicts))]
    FieldConflicts {
        object: String,
        conflicts: Vec<FieldConflict>,
    },
    #[error("{object} was changed by another client meanwhile")]
    Changed { object: String },
    #[error("{object} exists and is not managed by infer")]
    NotOurs { object: String },
    #[error("{object} has no {field}")]
    Incomplete { object: String, field: &'static str },
    #[error("{lease} is held by {holder} since {since}")]
    Held {
        lease: String,
        holder: String,
        since: String,
    },
    #[error("the lock {lease} could not be renewed for {seconds} s")]
    LockStale { lease: String, seconds: u64 },
    #[error("the lock {lease} was lost: {reason}")]
    LockLost { lease: String, reason: String },
    #[error("{object} did not start: {}", finding.cause)]
    NotStarted {
        object: String,
        finding: Box<Finding>,
    },
    #[error("{object} was not ready after {seconds} s: {state}")]
    Deadline {
        object: String,
        seconds: u64,
        state: String,
        finding: Option<Box<Finding>>,
    },
    #[error("interrupted while waiting for {object}")]
    Interrupted { object: String },
}

fn fields(count: usize) -> String {
    if count == 1 {
        "one field".to_owned()
    } else {
        format!("{count} fields")
    }
}

fn list(conflicts: &[FieldConflict]) -> String {
    let shown: Vec<_> = conflicts.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

impl Error {
    /// Whether another manager, client or operator is in the way, and not a fault (exit code 5).
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::FieldConflicts { .. }
            | Self::Changed { .. }
            | Self::NotOurs { .. }
            | Self::Held { .. }
            | Self::LockLost { .. } => true,
            Self::Refused { status, .. } => status.is_conflict(),
            _ => false,
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_not_found())
    }

    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status.is_forbidden())
    }

    /// Whether the same request may work a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::LockStale { .. } => true,
            Self::Refused { status, .. } => matches!(status.code, 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Interrupted { .. } => Kind::Interrupted,
            error if error.is_conflict() => Kind::Conflict,
            _ => Kind::Failed,
        }
    }

    fn evidence(&self) -> Option<Evidence> {
        match self {
            Self::NotStarted { finding, .. } => Some(evidence(finding)),
            Self::Deadline { finding, .. } => finding.as_deref().map(evidence),
            _ => None,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotConfigured { .. } => vec![
                "set KUBECONFIG, or name a context: `infer doctor --context NAME`".to_owned(),
                "without a cluster, use `target: local` in infer.yaml".to_owned(),
            ],
            Self::Context { known, .. } if known.is_empty() => {
                vec!["set one with `kubectl config use-context NAME`".to_owned()]
            }
            Self::Context { known, .. } => vec![format!("contexts there are: {}", known.join(", "))],
            Self::Insecure { .. } => {
                vec!["give the kubeconfig `certificate-authority-data` and an https server".to_owned()]
            }
            Self::TimedOut { .. } | Self::Unreachable { .. } => {
                vec!["check the cluster with `infer doctor`".to_owned()]
            }
            Self::Refused { status, .. } => refused_hints(status),
            Self::KindUnknown { api_version, .. } => vec![format!(
                "install the custom resource definitions of {}",
                api_version.split('/').next().unwrap_or_default()
            )],
            Self::FieldConflicts { .. } => vec![
                "let the other manager give the fields up, or take them out of infer's manifests with `patches`"
                    .to_owned(),
            ],
            Self::Changed { .. } => vec!["run the command again".to_owned()],
            Self::NotOurs { .. } => {
                vec!["choose another `name` in infer.yaml, or delete the object first".to_owned()]
            }
            Self::Held { .. } => vec![
                "wait for it, or see what it does with `infer status`".to_owned(),
                "a holder that was killed frees the lock within 45 s".to_owned(),
            ],
            Self::NotStarted { finding, .. } => finding.fix.clone(),
            Self::Deadline { finding, .. } => finding
                .as_ref()
                .map(|finding| finding.fix.clone())
                .unwrap_or_default(),
            Self::Malformed { .. }
            | Self::TooLarge { .. }
            | Self::Incomplete { .. }
            | Self::LockLost { .. }
            | Self::LockStale { .. }
            | Self::Interrupted { .. } => Vec::new(),
        }
    }
}

/// What a diagnosis shows beside its cause and its fix.
fn evidence(finding: &Finding) -> Evidence {
    let code = serde_json::to_value(finding.code).ok();
    Evidence {
        code: code.and_then(|code| Some(code.as_str()?.to_owned())),
        pod: finding.pod.clone(),
        container: finding.container.clone(),
        node: finding.node.clone(),
        lines: finding.evidence.clone(),
    }
}

fn refused_hints(status: &Status) -> Vec<String> {
    match status.code {
        401 => vec!["log in to the cluster again".to_owned()],
        403 => vec![
            "see every right infer needs and lacks: `infer doctor`".to_owned(),
            "apply examples/rbac.yaml with an administrator's account".to_owned(),
        ],
        _ => Vec::new(),
    }
}
