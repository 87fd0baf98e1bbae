//! What is wrong with `infer.yaml` is a wrong use, unless it cannot be read at all.

use std::io::ErrorKind;

use super::{Failure, Kind};
use crate::spec::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            // What is named is no text that could be meant: not there, a folder, other bytes.
            Error::Read { source, .. }
                if !matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::InvalidData
                ) =>
            {
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
