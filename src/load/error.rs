//! Why a load test could not be done at all.

use std::{io, path::PathBuf};

use super::{fault::Failed, fault::Fault, prompt::PromptError};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{url:?} is not a server address: {reason}")]
    Url { url: String, reason: String },
    #[error("cannot read certificates from {}", path.display())]
    Ca { path: PathBuf, source: io::Error },
    #[error("cannot set up an HTTP client")]
    Client(#[source] reqwest::Error),
    #[error("cannot read prompts from {}", path.display())]
    PromptsUnread { path: PathBuf, source: io::Error },
    #[error("{} does not hold prompts", path.display())]
    Prompts { path: PathBuf, source: PromptError },
    #[error("cannot reach {url}")]
    Unreachable { url: String, source: Failed },
    #[error("{url} does not list the model that it serves")]
    NoModel { url: String, source: Failed },
    #[error("{url} serves {} models: {}", models.len(), models.join(", "))]
    ManyModels { url: String, models: Vec<String> },
    #[error("all {count} warm-up requests to {url} failed")]
    WarmUp {
        url: String,
        count: u64,
        source: Failed,
    },
    #[error("none of the {sent} requests succeeded")]
    NothingSucceeded { sent: u64, source: Failed },
    #[error("cannot start the clock or the threads that send")]
    Machine(#[source] io::Error),
    #[error("{} does not hold the requests of a load test: {reason}", path.display())]
    NoRun { path: PathBuf, reason: String },
    #[error("cannot read {}", path.display())]
    RunUnread { path: PathBuf, source: io::Error },
    #[error("cannot write {}", path.display())]
    Unwritten { path: PathBuf, source: io::Error },
}

impl Error {
    /// Whether the command line is wrong rather than the world.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::Ca { .. }
                | Self::PromptsUnread { .. }
                | Self::Prompts { .. }
                | Self::ManyModels { .. }
                | Self::NoRun { .. }
                | Self::RunUnread { .. }
        )
    }

    /// What to do about it.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Url { .. } => "give it as http://HOST:PORT",
            Self::NoModel { .. } | Self::ManyModels { .. } => "name one with --model",
            Self::Prompts { .. } => {
                "one JSON object a line: {\"prompt\": \"…\"} or {\"messages\": […]}"
            }
            Self::NoRun { .. } => "write one with `infer load … --output json > run.ndjson`",
            Self::Unreachable { source, .. }
            | Self::WarmUp { source, .. }
            | Self::NothingSucceeded { source, .. } => return of_fault(source),
            Self::Ca { .. }
            | Self::Client(_)
            | Self::PromptsUnread { .. }
            | Self::Machine(_)
            | Self::RunUnread { .. }
            | Self::Unwritten { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

fn of_fault(failed: &Failed) -> Vec<String> {
    let hint = match failed.fault {
        Fault::Connect => "is the server running, and is this its address?",
        Fault::Tls => "trust its certificate with --ca FILE, or take any with --insecure",
        Fault::Http4xx if failed.detail.starts_with("401") || failed.detail.starts_with("403") => {
            "name the variable that holds the key with --api-key-env VAR"
        }
        Fault::Http4xx if failed.detail.starts_with("404") => {
            "check the address, --api and --model"
        }
        Fault::Http3xx => "give the address that it redirects to",
        Fault::TimeoutFirst => "wait longer with --timeout first=300s",
        Fault::TimeoutIdle => "wait longer with --timeout idle=120s",
        Fault::TimeoutTotal => "wait longer with --timeout total=20m",
        _ => return Vec::new(),
    };
    vec![hint.to_owned()]
}
