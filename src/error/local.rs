//! How a local release's errors end a verb.

use super::{Failure, Kind};
use crate::local::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = if error.is_conflict() {
            Kind::Conflict
        } else {
            Kind::Failed
        };
        Self::new(kind, &error).hints(error.hints())
    }
}
