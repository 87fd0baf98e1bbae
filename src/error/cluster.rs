//! A cluster's errors as failures of a verb.

use super::{Failure, Kind};
use crate::cluster::Error;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Interrupted { .. } => Kind::Interrupted,
            error if error.is_conflict() => Kind::Conflict,
            _ => Kind::Failed,
        };
        let hints = error.hints();
        let mut failure = Self::new(kind, &error);
        if let Error::NotStarted { finding, .. }
        | Error::Deadline {
            finding: Some(finding),
            ..
        } = &error
        {
            failure.causes.extend(place(finding));
            failure.causes.extend(finding.evidence.iter().cloned());
        }
        failure.hints(hints)
    }
}

/// `pod chat-v…-x, container vllm, on gpu-3`.
fn place(finding: &crate::cluster::diagnosis::Finding) -> Option<String> {
    let parts: Vec<_> = [
        finding.pod.as_ref().map(|pod| format!("pod {pod}")),
        finding
            .container
            .as_ref()
            .map(|container| format!("container {container}")),
        finding.node.as_ref().map(|node| format!("on {node}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
