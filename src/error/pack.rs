//! Packing's errors: what the user asked wrongly is usage, what is broken a failure.

use super::{Failure, Kind};
use crate::pack::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Model(inner) => inner.into(),
            Error::Store(inner) => inner.into(),
            other => {
                let kind = match other {
                    Error::Interrupted => Kind::Interrupted,
                    Error::SourceDate { .. } | Error::Exists { .. } => Kind::Usage,
                    _ => Kind::Failed,
                };
                let hints = other.hints();
                Self::new(kind, &other).hints(hints)
            }
        }
    }
}
