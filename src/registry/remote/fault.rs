//! Why one exchange with a registry failed, before it is known whether to try again.

use std::{io, time::Duration};

use super::{challenge::Challenge, retry};
use crate::registry::{error::Error, refusal::Refusal};

#[derive(Debug)]
pub(super) enum Fault {
    Connection(reqwest::Error),
    /// No connection, and there never was one: it is not there, or its name is wrong.
    Unreached(reqwest::Error),
    /// No answer, or no progress, for so long.
    Silent(Duration),
    /// Connected, but never an answer: not a registry, or a broken one.
    Mute(Duration),
    Status {
        refusal: Refusal,
        retry_after: Option<Duration>,
        challenge: Option<Challenge>,
    },
    /// Our own side: the file being sent cannot be read.
    Source(io::Error),
    Protocol(String),
    /// A login that failed before the request was made.
    Final(Box<Error>),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Final(Box::new(error))
    }
}

impl Fault {
    /// Whether the same may work in a moment.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            // A body that cannot be built or a URL that cannot be used stays so; TLS that
            // does not fit does too.
            Self::Connection(error) => !error.is_builder() && !is_tls(error),
            Self::Silent(_) => true,
            Self::Status { refusal, .. } => retry::is_passing(refusal.status),
            Self::Unreached(_)
            | Self::Mute(_)
            | Self::Source(_)
            | Self::Protocol(_)
            | Self::Final(_) => false,
        }
    }

    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status { refusal, .. } => Some(refusal.status),
            _ => None,
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn into_error(self, registry: &str, act: &str) -> Error {
        let registry = registry.to_owned();
        let act = act.to_owned();
        match self {
            Self::Connection(source) | Self::Unreached(source) => Error::Unreachable {
                registry,
                act,
                source,
            },
            Self::Silent(waited) | Self::Mute(waited) => Error::Silent {
                registry,
                act,
                waited_s: waited.as_secs(),
            },
            Self::Status { refusal, .. } => Error::Refused {
                registry,
                act,
                source: refusal,
            },
            Self::Source(source) => Error::Broken {
                what: "what is to be sent".to_owned(),
                source,
            },
            Self::Protocol(why) => Error::Protocol { registry, why },
            Self::Final(error) => *error,
        }
    }
}

/// One line for a person who watches a retry.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connection(error) | Self::Unreached(error) => {
                let mut cause: &dyn std::error::Error = error;
                while let Some(deeper) = cause.source() {
                    cause = deeper;
                }
                write!(f, "{cause}")
            }
            Self::Silent(waited) | Self::Mute(waited) => {
                write!(f, "no answer for {} s", waited.as_secs())
            }
            Self::Status { refusal, .. } => refusal.fmt(f),
            Self::Source(error) => error.fmt(f),
            Self::Protocol(why) => f.write_str(why),
            Self::Final(error) => error.fmt(f),
        }
    }
}

/// A certificate that is not trusted, or a server that speaks no TLS.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let text = deeper.to_string();
        if text.contains("invalid peer certificate") || text.contains("InvalidContentType") {
            return true;
        }
        cause = deeper.source();
    }
    false
}
