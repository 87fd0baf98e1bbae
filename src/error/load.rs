//! How a load test fails.

use super::{Failure, Kind};
use crate::load::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Unwritten { path, source } = &error {
            return Self::cannot_write(path, source);
        }
        let kind = if error.is_usage() {
            Kind::Usage
        } else {
            Kind::Failed
        };
        let hints = error.hints();
        Self::new(kind, &error).hints(hints)
    }
}
