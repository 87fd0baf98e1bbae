//! How a canary's errors end a verb.

use super::{Failure, Kind};
use crate::canary::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let error = match error {
            // A version that did not start shows its pod, node and log beside the cause.
            Error::Release(error) => return error.into(),
            error => error,
        };
        let kind = if matches!(error, Error::LeftAt { .. }) {
            Kind::Interrupted
        } else if error.is_conflict() {
            Kind::Conflict
        } else if error.is_usage() {
            Kind::Usage
        } else {
            Kind::Failed
        };
        let hints = error.hints();
        Self::new(kind, &error).hints(hints)
    }
}
