//! Releases: what failed, and the way out.

use super::{Failure, Kind};
use crate::release::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let error = match error {
            // Its own face shows the diagnosis beside the cause.
            Error::Cluster(error) => return error.into(),
            error => error,
        };
        let hints = error.hints();
        let kind = match &error {
            Error::Local(_) | Error::Traffic(_) | Error::CanaryOpen { .. }
                if error.is_conflict() =>
            {
                Kind::Conflict
            }
            Error::Interrupted => Kind::Interrupted,
            Error::Engine(_)
            | Error::NoImage
            | Error::NotPacked { .. }
            | Error::NoSecret { .. }
            | Error::UnknownVersion { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        let mut failure = Self::new(kind, &error);
        if let Error::NotReady(failed) = &error {
            failure
                .causes
                .extend(failed.log_tail.iter().map(|line| format!("log: {line}")));
        }
        failure.hints(hints)
    }
}
