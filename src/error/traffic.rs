//! How a traffic split's errors end a verb.

use super::{Failure, Kind};
use crate::traffic::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = if error.is_conflict() {
            Kind::Conflict
        } else if matches!(error, Error::Interrupted { .. }) {
            Kind::Interrupted
        } else if matches!(
            error,
            Error::Unsupported { .. } | Error::Rejected { .. } | Error::NothingLive { .. }
        ) {
            Kind::Usage
        } else {
            Kind::Failed
        };
        let hints = error.hints();
        Self::new(kind, &error).hints(hints)
    }
}
