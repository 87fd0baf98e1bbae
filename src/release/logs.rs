//! Which log lines are asked for.

use crate::name::VersionId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `None` is live and candidate.
    pub version: Option<VersionId>,
    pub follow: bool,
    /// Lines to start with.
    pub tail: usize,
}
