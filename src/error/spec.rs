//! What is wrong with `infer.yaml` is a wrong use, unless it cannot be read at all.

use super::{Failure, Kind};
use crate::spec::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Read { source, .. } if source.kind() != std::io::ErrorKind::NotFound => {
                Kind::Failed
            }
            Error::Read { .. }
            | Error::TooLarge { .. }
            | Error::Written { .. }
            | Error::Unsupported { .. }
            | Error::Set { .. }
            | Error::NoEnvironment { .. }
            | Error::Refused { .. } => Kind::Usage,
        };
        Self::new(kind, &error).hints(error.hints())
    }
}
