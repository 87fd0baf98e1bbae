//! How a verb ends: an [`Outcome`] where the tool worked, a [`Failure`] where it did not.

mod canary;
mod cluster;
mod load;
mod local;
mod model;
mod pack;
mod registry;
mod release;
mod render;
mod sim;
mod spec;
mod traffic;
mod write;

use std::error::Error;

/// A verb that did its work, and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The answer is no: an SLO missed, a canary rolled back, a difference found.
    AnswerIsNo,
    /// Too few samples, client invalid, load not delivered, not decided in time.
    Undecided,
    /// Stopped by a signal after leaving things as documented.
    Interrupted,
}

impl Outcome {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::AnswerIsNo => 3,
            Self::Undecided => 4,
            Self::Interrupted => 130,
        }
    }
}

/// The kinds of failure that pipelines tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Failed,
    Usage,
    /// Somebody else holds the lock, owns the field or moved the live state.
    Conflict,
    Interrupted,
}

impl Kind {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Conflict => 5,
            Self::Interrupted => 130,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Conflict => "conflict",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What happened, why, and the commands that fix it.
#[derive(Debug)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub causes: Vec<String>,
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure whose causes are the sources of `error`; a disk that refuses has its hint.
    pub fn new(kind: Kind, error: &(dyn Error + 'static)) -> Self {
        let mut causes = Vec::new();
        let mut hint = disk_hint(error);
        let mut source = error.source();
        while let Some(cause) = source {
            hint = hint.or_else(|| disk_hint(cause));
            let text = cause.to_string();
            // Many libraries paste their source into their own message.
            if causes
                .last()
                .is_none_or(|last: &String| !last.contains(&text))
            {
                causes.push(text);
            }
            source = cause.source();
        }
        Self {
            kind,
            message: error.to_string(),
            causes,
            hints: hint.into_iter().collect(),
        }
    }

    pub fn failed(error: &(dyn Error + 'static)) -> Self {
        Self::new(Kind::Failed, error)
    }

    /// A wrong use of the command line or of `infer.yaml`.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            kind: Kind::Usage,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// Adds what to do about it; shown after `hint:`.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.hints.extend(hints);
        self
    }
}

fn disk_hint(error: &(dyn Error + 'static)) -> Option<String> {
    let error = error.downcast_ref::<std::io::Error>()?;
    write::refused_by_disk(error.kind())
}

impl From<crate::yaml::Error> for Failure {
    fn from(error: crate::yaml::Error) -> Self {
        Self::new(Kind::Usage, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("registry refused the layer")]
    struct Refused {
        source: std::io::Error,
    }

    #[test]
    fn causes_are_the_sources_in_order() {
        let failure = Failure::failed(&Refused {
            source: std::io::Error::other("403 DENIED"),
        })
        .hint("log in with `docker login ghcr.io`");
        assert_eq!(failure.message, "registry refused the layer");
        assert_eq!(failure.causes, ["403 DENIED"]);
        assert_eq!(failure.hints.len(), 1);
        assert_eq!(failure.kind.exit_code(), 1);
    }
}
