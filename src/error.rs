//! How a verb ends: an [`Outcome`] where the tool worked, a [`Failure`] where it did not.

use std::error::Error;

use schemars::JsonSchema;
use serde::Serialize;

pub use crate::explain::Kind;
use crate::explain::{self, Evidence, Explain};

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
            Self::AnswerIsNo => Kind::AnswerIsNo.exit_code(),
            Self::Undecided => Kind::Undecided.exit_code(),
            Self::Interrupted => Kind::Interrupted.exit_code(),
        }
    }
}

/// What happened, why, and the commands that fix it; the last line of a JSON stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "event", rename = "error")]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    /// The messages of the error's sources, then those of its evidence.
    pub causes: Vec<String>,
    pub hints: Vec<String>,
    /// Clean-up that failed too; it never replaces the cause.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Box<Evidence>>,
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut failure = Self::new(error.kind(), error.to_string());
        failure.causes = explain::causes(&error);
        failure.evidence = error.evidence().map(Box::new);
        let texts = failure
            .evidence
            .iter()
            .flat_map(|evidence| evidence.texts());
        failure.causes.extend(texts);
        failure.also = error.also();
        failure
            .hints(error.hints())
            .hints(explain::disk_hint(&error))
    }
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            also: Vec::new(),
            evidence: None,
        }
    }

    /// A failure of something that has no explanation of its own.
    pub fn failed(error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(Kind::Failed, error.to_string());
        failure.causes = explain::causes(error);
        failure.hints(explain::disk_hint(error))
    }

    /// A wrong use of the command line or of `infer.yaml`.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A file that could not be written, and why.
    pub fn cannot_write(path: &std::path::Path, source: &std::io::Error) -> Self {
        Self::new(Kind::Failed, format!("cannot write {}", path.display()))
            .cause(source.to_string())
            .hints(explain::write_hint(source))
    }

    #[must_use]
    pub fn cause(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Adds what to do about it; shown after `hint:`.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.hints([hint.into()])
    }

    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        canary,
        cluster::{
            self,
            diagnosis::{Code, Finding},
        },
        pack, release, traffic,
    };

    fn not_started() -> cluster::Error {
        cluster::Error::NotStarted {
            object: "Deployment chat-v3c1f2a90b".to_owned(),
            finding: Box::new(Finding {
                code: Code::CudaOutOfMemory,
                cause: "CUDA out of memory while loading weights".to_owned(),
                pod: Some("chat-v3c1f2a90b-x".to_owned()),
                container: Some("engine".to_owned()),
                node: Some("gpu-3".to_owned()),
                evidence: vec!["Tried to allocate 2.00 GiB".to_owned()],
                fix: vec!["lower engine.args.gpu_memory_utilization".to_owned()],
            }),
        }
    }

    fn interrupted() -> cluster::Error {
        cluster::Error::Interrupted {
            object: "Deployment chat".to_owned(),
        }
    }

    fn sent(error: cluster::Error) -> traffic::Error {
        traffic::Error::Transport {
            act: "write",
            object: "HTTPRoute chat".to_owned(),
            source: Box::new(error),
        }
    }

    #[test]
    fn evidence_survives_every_conversion() {
        let direct = Failure::from(not_started());
        assert_eq!(
            direct.causes,
            [
                "pod chat-v3c1f2a90b-x, container engine, on gpu-3",
                "Tried to allocate 2.00 GiB"
            ]
        );
        let deep = release::Error::Cluster(not_started()).beside("cannot scale it to 0");
        for (wrapped, also) in [
            (Failure::from(release::Error::from(not_started())), 0),
            (
                Failure::from(canary::Error::from(release::Error::from(not_started()))),
                0,
            ),
            (Failure::from(canary::Error::from(deep)), 1),
        ] {
            assert_eq!(wrapped.also.len(), also);
            let also = Vec::new();
            assert_eq!(Failure { also, ..wrapped }, direct);
        }
        let sent = Failure::from(canary::Error::from(sent(not_started())));
        assert_eq!(sent.evidence, direct.evidence);
        assert_eq!(sent.hints, direct.hints);
    }

    #[test]
    fn in_json_evidence_and_failed_clean_up_stand_beside_the_cause() {
        let error = release::Error::from(not_started())
            .beside("cannot scale it to 0: timed out")
            .beside("cannot release the lock");
        let failure = Failure::from(canary::Error::from(error));
        assert_eq!(
            json!(failure),
            json!({
                "event": "error",
                "kind": "failed",
                "message": "Deployment chat-v3c1f2a90b did not start: CUDA out of memory while loading weights",
                "causes": [
                    "pod chat-v3c1f2a90b-x, container engine, on gpu-3",
                    "Tried to allocate 2.00 GiB",
                ],
                "hints": ["lower engine.args.gpu_memory_utilization"],
                "also": ["cannot scale it to 0: timed out", "cannot release the lock"],
                "evidence": {
                    "code": "cuda-out-of-memory",
                    "pod": "chat-v3c1f2a90b-x",
                    "container": "engine",
                    "node": "gpu-3",
                    "lines": ["Tried to allocate 2.00 GiB"],
                },
            })
        );
        let bare = json!(Failure::usage("no model is named"));
        assert_eq!(
            bare,
            json!({
                "event": "error", "kind": "usage", "message": "no model is named",
                "causes": [], "hints": [],
            })
        );
    }

    #[test]
    fn an_interrupt_ends_in_130_wherever_it_is_noticed() {
        let of = |failure: Failure| failure.kind.exit_code();
        for code in [
            of(interrupted().into()),
            of(release::Error::from(interrupted()).into()),
            of(release::Error::Interrupted.beside("cannot drain").into()),
            of(release::Error::from(pack::Error::Interrupted).into()),
            of(canary::Error::from(release::Error::Interrupted).into()),
            of(canary::Error::from(release::Error::from(interrupted())).into()),
            of(canary::Error::from(sent(interrupted())).into()),
        ] {
            assert_eq!(code, 130);
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot upload: {0}")]
    struct Pasted(#[source] Refused);

    #[derive(Debug, thiserror::Error)]
    #[error("the registry refused the layer")]
    struct Refused {
        source: std::io::Error,
    }

    #[test]
    fn causes_are_the_sources_in_order_and_each_once() {
        let failure = Failure::failed(&Pasted(Refused {
            source: std::io::Error::other("403 DENIED"),
        }));
        assert_eq!(
            failure.message,
            "cannot upload: the registry refused the layer"
        );
        assert_eq!(failure.causes, ["403 DENIED"]);
    }
}
