//! What cannot be rendered is a wrong use of `infer.yaml`, unless the disk says no.

use super::{Failure, Kind};
use crate::render::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if let Error::Write { path, source } = &error {
            return Self::cannot_write(path, source);
        }
        let kind = match &error {
            Error::Write { .. } | Error::Yaml(_) => Kind::Failed,
            Error::NotKubernetes
            | Error::NoModel
            | Error::NoDigest { .. }
            | Error::NoEngineImage { .. }
            | Error::NoSecret { .. }
            | Error::Argument(_)
            | Error::Templates { .. }
            | Error::Override { .. }
            | Error::Template { .. }
            | Error::Object { .. }
            | Error::Patch { .. }
            | Error::Contradiction { .. } => Kind::Usage,
        };
        Self::new(kind, &error).hints(error.hints())
    }
}
