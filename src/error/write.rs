//! The failure of a write, the same whichever verb wrote.

use std::{io, path::Path};

use super::{Failure, Kind};

impl Failure {
    /// A file that could not be written, and why.
    pub fn cannot_write(path: &Path, source: &io::Error) -> Self {
        Self {
            kind: Kind::Failed,
            message: format!("cannot write {}", path.display()),
            causes: vec![source.to_string()],
            hints: way_out(source).into_iter().collect(),
        }
    }
}

/// What helps where a file could not be written, whichever file it was.
fn way_out(error: &io::Error) -> Option<String> {
    let text = match error.kind() {
        // Not the system's word, but ours: somebody else's file is never replaced.
        io::ErrorKind::AlreadyExists if error.raw_os_error().is_none() => {
            "move it away, or choose another place"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a folder is to be: choose another place"
        }
        io::ErrorKind::IsADirectory => "name a file: this is a folder",
        kind => return refused_by_disk(kind),
    };
    Some(text.to_owned())
}

/// What helps against a disk that takes nothing, read or written by whatever verb.
pub(super) fn refused_by_disk(kind: io::ErrorKind) -> Option<String> {
    let text = match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space; nothing half-written was left behind"
        }
        io::ErrorKind::ReadOnlyFilesystem => "choose a folder you may write to",
        io::ErrorKind::PermissionDenied => "choose a place that you have the rights for",
        _ => return None,
    };
    Some(text.to_owned())
}
