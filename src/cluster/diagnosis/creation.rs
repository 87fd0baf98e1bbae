//! Why a pod is not created at all: quota, admission, names.

use k8s_openapi::api::core::v1::Event;

use super::{Code, Finding};

/// Reads `FailedCreate` events of the objects that create a version's pods, newest last.
pub fn diagnose_creation(events: &[Event]) -> Option<Finding> {
    let failed = events
        .iter()
        .rev()
        .find(|event| event.reason.as_deref() == Some("FailedCreate"))?;
    let message = failed.message.as_deref().unwrap_or_default();
    Some(refused(message))
}

fn refused(message: &str) -> Finding {
    let finding = if message.contains("exceeded quota") {
        Finding::new(Code::QuotaExceeded, format!("the namespace's quota is used up{}", quota(message)))
            .fix("free something in the namespace, or ask for a larger quota: `kubectl describe resourcequota`")
    } else if message.contains("violates PodSecurity") {
        Finding::new(Code::AdmissionDenied, "the namespace's Pod Security level refuses the pod")
            .fix("remove what the message names from templates or patches, or relax the namespace's level")
    } else if message.contains("must be no more than 63 characters") {
        Finding::new(
            Code::AdmissionDenied,
            "the release's name is too long for its pods' labels",
        )
        .fix("shorten `name` in infer.yaml")
    } else if message.contains("serviceaccount") && message.contains("not found") {
        Finding::new(
            Code::ConfigMissing,
            "the pod's service account is not there",
        )
        .fix("run `infer deploy` again: it applies the account first")
    } else if message.contains("is forbidden") || message.contains("denied the request") {
        Finding::new(
            Code::AdmissionDenied,
            "an admission rule of the cluster refuses the pod",
        )
        .fix("change what the message names in infer.yaml, or ask the cluster's administrators to change the rule")
    } else {
        Finding::new(
            Code::AdmissionDenied,
            "the pod was not accepted by the API server",
        )
    };
    finding.evidence(message)
}

/// `: requested requests.nvidia.com/gpu=2, used 7, limited to 8`.
fn quota(message: &str) -> String {
    let part = |name: &str| {
        let start = message.find(name)? + name.len();
        let rest = &message[start..];
        let end = rest.find(", ").unwrap_or(rest.len());
        Some(rest[..end].trim().to_owned())
    };
    match (part("requested: "), part("used: "), part("limited: ")) {
        (Some(requested), Some(used), Some(limited)) => {
            format!(": {requested} requested, {used} used, {limited} allowed")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(message: &str) -> Event {
        Event {
            reason: Some("FailedCreate".to_owned()),
            message: Some(message.to_owned()),
            ..Event::default()
        }
    }

    #[test]
    fn a_quota_is_named_with_its_numbers() {
        let found = diagnose_creation(&[event(
            "Error creating: pods \"chat-v1-abc\" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=7, limited: requests.nvidia.com/gpu=8",
        )])
        .unwrap();
        assert_eq!(found.code, Code::QuotaExceeded);
        assert_eq!(
            found.cause,
            "the namespace's quota is used up: requests.nvidia.com/gpu=2 requested, requests.nvidia.com/gpu=7 used, requests.nvidia.com/gpu=8 allowed"
        );
    }

    #[test]
    fn admission_and_accounts_have_their_codes() {
        let table = [
            (
                "create Pod chat-v1-0-1 in StatefulSet chat-v1-0 failed error: pods \"chat-v1-0-1\" is forbidden: exceeded quota: gpus, requested: requests.nvidia.com/gpu=2, used: requests.nvidia.com/gpu=7, limited: requests.nvidia.com/gpu=8",
                Code::QuotaExceeded,
            ),
            (
                "Error creating: pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                Code::AdmissionDenied,
            ),
            (
                "Error creating: admission webhook \"policy.example.com\" denied the request: no latest tags",
                Code::AdmissionDenied,
            ),
            (
                "Error creating: pods \"a\" is forbidden: error looking up service account team-a/chat: serviceaccount \"chat\" not found",
                Code::ConfigMissing,
            ),
        ];
        for (message, code) in table {
            assert_eq!(
                diagnose_creation(&[event(message)]).unwrap().code,
                code,
                "{message}"
            );
        }
        assert_eq!(diagnose_creation(&[]), None);
    }
}
