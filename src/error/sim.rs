//! How a simulated server fails.

use std::io::ErrorKind;

use super::{Failure, Kind};
use crate::sim::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Law(_) => Self::new(Kind::Usage, &error)
                .hint("`infer sim --help` states the law and its options"),
            Error::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
                Self::failed(&error).hint("name another port with --port, or 0 for a free one")
            }
            Error::Listen { .. } | Error::Crashed | Error::FailedToStart => Self::failed(&error),
        }
    }
}
