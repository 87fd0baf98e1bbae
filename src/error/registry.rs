//! A registry's error as a failure.

use super::{Failure, Kind};
use crate::registry::{DigestError, Error, LocationError, ReferenceError};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::NotALayout { .. } | Error::Option { .. } | Error::Limit { .. } => Kind::Usage,
            Error::LayoutBusy { .. } => Kind::Conflict,
            _ => Kind::Failed,
        };
        let hints = error.hints();
        Self::new(kind, &error).hints(hints)
    }
}

macro_rules! usage {
    ($($error:ty),*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(Kind::Usage, &error)
            }
        }
    )*};
}

usage!(LocationError, ReferenceError, DigestError);
