//! The failure of a write, the same whichever verb wrote.

use std::{io, path::Path};

use super::Failure;

impl Failure {
    /// A file that could not be written, and why.
    pub fn cannot_write(path: &Path, source: &io::Error) -> Self {
        let mut failure = Self::failed(source);
        failure.causes.insert(0, failure.message);
        failure.message = format!("cannot write {}", path.display());
        failure
    }
}
