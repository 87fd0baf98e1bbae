//! A model that cannot be taken is a failure; one that is not there, a wrong use.

use super::{Failure, Kind};
use crate::model;

impl From<model::Error> for Failure {
    fn from(error: model::Error) -> Self {
        let kind = match error {
            model::Error::Missing { .. } | model::Error::NotAModel { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, &error).hints(error.hints())
    }
}
