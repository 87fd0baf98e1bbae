//! What can go wrong with a local release, and the way out.

use std::{io, path::PathBuf};

use super::lock::Holder;
use crate::{
    explain::{Explain, Kind},
    name::ReleaseName,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{release} is not served on this machine")]
    NotRunning { release: ReleaseName },
    #[error("infer serve {release} does not answer on its control socket")]
    NoAnswer {
        release: ReleaseName,
        source: io::Error,
    },
    #[error("infer serve {release} refused: {message}")]
    Refused {
        release: ReleaseName,
        message: String,
    },
    /// A precondition did not hold: another run has changed the release.
    #[error("infer serve {release} refused: {message}")]
    Conflict {
        release: ReleaseName,
        message: String,
        /// The run that owns the split.
        run: Option<String>,
    },
    #[error("{release} is held by {}", holder_text(holder.as_deref()))]
    Held {
        release: ReleaseName,
        holder: Option<Box<Holder>>,
    },
    #[error("{release} is served already{}", pid_text(*pid))]
    ServedAlready {
        release: ReleaseName,
        pid: Option<u32>,
    },
    #[error("port {port} on 127.0.0.1 is in use{}", user_text(by.as_deref()))]
    PortInUse {
        release: ReleaseName,
        port: u16,
        /// The process that listens there, where this user may see it.
        by: Option<String>,
    },
    #[error("no port from {first} to {last} is free on 127.0.0.1")]
    NoFreePort {
        release: ReleaseName,
        first: u16,
        last: u16,
    },
    #[error("cannot start infer serve {release}")]
    Spawn {
        release: ReleaseName,
        source: io::Error,
    },
    #[error("infer serve {release} ended before it answered: {said}")]
    EndedEarly {
        release: ReleaseName,
        /// The last lines of its log.
        said: String,
        log: PathBuf,
    },
    #[error("infer serve {release} did not answer within {waited_s} s")]
    NotInTime {
        release: ReleaseName,
        waited_s: u64,
        log: PathBuf,
    },
    #[error("{version} of {release} did not stop within {waited_s} s")]
    NotStopped {
        release: ReleaseName,
        version: String,
        waited_s: u64,
    },
    #[error("cannot use {}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} was not written by this version of infer", path.display())]
    Record {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("cannot listen on {what}")]
    Listen { what: String, source: io::Error },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Conflict { .. } | Self::Held { .. } | Self::ServedAlready { .. } => {
                Kind::Conflict
            }
            _ => Kind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotRunning { release } => vec![
                format!("infer serve {release}    serves what was deployed before"),
                "infer deploy    starts what infer.yaml says".to_owned(),
            ],
            Self::NoAnswer { release, .. } => {
                vec![format!(
                    "the engines keep running: end infer serve {release} and start it again"
                )]
            }
            Self::Conflict { .. } => vec!["infer status    shows what changed it".to_owned()],
            Self::Held { holder, .. } => holder
                .iter()
                .map(|held| format!("wait for it, or end process {}", held.pid))
                .collect(),
            Self::ServedAlready { .. } => {
                vec!["infer status    shows what it serves".to_owned()]
            }
            Self::PortInUse { release, .. } | Self::NoFreePort { release, .. } => {
                vec![format!(
                    "end that process, or give the release another port for good: infer serve {release} --port N"
                )]
            }
            Self::EndedEarly { log, .. } | Self::NotInTime { log, .. } => {
                vec![format!("its log is {}", log.display())]
            }
            Self::Record { path, .. } => vec![format!(
                "end its engines by hand, then remove {}",
                path.display()
            )],
            Self::Refused { .. }
            | Self::Spawn { .. }
            | Self::NotStopped { .. }
            | Self::File { .. }
            | Self::Listen { .. } => Vec::new(),
        }
    }
}

fn holder_text(holder: Option<&Holder>) -> String {
    let Some(holder) = holder else {
        return "another infer that has just taken it".to_owned();
    };
    let since = i64::try_from(holder.since_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(String::new, |time| {
            time.strftime(" since %Y-%m-%d %H:%M:%S UTC").to_string()
        });
    format!(
        "infer {} of {} (run {}, process {}){since}",
        holder.verb, holder.who, holder.run_id, holder.pid
    )
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", by process {pid}"))
}

fn user_text(by: Option<&str>) -> String {
    by.map_or_else(String::new, |by| format!(" by {by}"))
}
