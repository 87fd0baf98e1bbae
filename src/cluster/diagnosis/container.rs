//! A container's state: why it waits, and why it ended.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStateWaiting};

use super::{Code, Finding, log};

/// The finding in a waiting container's reason; `None` for ordinary waiting.
pub(super) fn waiting(state: &ContainerStateWaiting, image: &str) -> Option<Finding> {
    let reason = state.reason.as_deref().unwrap_or_default();
    let message = state.message.as_deref().unwrap_or_default();
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" | "RegistryUnavailable" => {
            Some(pull(message, image))
        }
        "InvalidImageName" | "ErrImageNeverPull" => Some(
            Finding::new(
                Code::ImageNameInvalid,
                format!("{image} is not a valid image reference"),
            )
            .evidence(message)
            .fix("correct engine.image or model.image in infer.yaml"),
        ),
        "CreateContainerConfigError" => Some(
            Finding::new(
                Code::ConfigMissing,
                "something the container refers to is not there",
            )
            .evidence(message)
            .fix(
                "create what the message names (a secret of `secrets`), in the release's namespace",
            ),
        ),
        "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
            Some(refused(message))
        }
        _ => None,
    }
}

/// Why an image was not pulled, from the runtime's message. A back-off carries only
/// "Back-off pulling image", so `message` may be that of an event.
pub(super) fn pull(message: &str, image: &str) -> Finding {
    let lower = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let finding = if has(&[
        "no match for platform",
        "no image found in manifest list for architecture",
        "exec format error",
    ]) {
        Finding::new(
            Code::ImagePlatform,
            format!("{image} has no build for the node's processor"),
        )
        .fix("choose an image with the node's architecture, or other nodes")
    } else if has(&[
        "unauthorized",
        "authentication required",
        "403 forbidden",
        "401",
        "denied",
        "no basic auth credentials",
    ]) {
        Finding::new(
            Code::ImageUnauthorized,
            format!("the node may not pull {image}"),
        )
        .fix("give the release's ServiceAccount an imagePullSecret with `patches` in infer.yaml")
        .fix("some registries answer so for a name that does not exist: check it too")
    } else if has(&["not found", "manifest unknown", "name unknown", "404"]) {
        Finding::new(
            Code::ImageNotFound,
            format!("{image} is not in its registry"),
        )
        .fix("push it: `infer pack`, or correct engine.image or model.image")
    } else if has(&["subpath", "image volume", "imagevolume"])
        && has(&["not supported", "unsupported"])
    {
        volume_unsupported()
    } else {
        Finding::new(Code::ImageUnreachable, format!("{image} cannot be pulled"))
            .fix("check that the nodes reach the registry, over https or as an allowed plain one")
    };
    finding.evidence(message)
}

pub(super) fn volume_unsupported() -> Finding {
    Finding::new(Code::ImageVolumeUnsupported, "the node cannot mount an image as a volume")
        .fix("use nodes with containerd 2.1 or CRI-O 1.31 and Kubernetes 1.33: `infer doctor` lists them")
        .fix("or bring the weights another way with `templates` in infer.yaml")
}

fn refused(message: &str) -> Finding {
    let lower = message.to_lowercase();
    if lower.contains("nvidia-container") || lower.contains("nvml") || lower.contains("cdi device")
    {
        return Finding::new(Code::DriverTooOld, "the node's GPU driver did not answer")
            .evidence(message)
            .fix("check the node's driver and device plugin: `infer doctor`");
    }
    if lower.contains("image volume") || lower.contains("failed to mount image") {
        return volume_unsupported().evidence(message);
    }
    let cause = if lower.contains("executable file not found")
        || lower.contains("no such file or directory")
    {
        "the engine's command is not in its image"
    } else {
        "the container could not be started"
    };
    Finding::new(Code::StartRefused, cause)
        .evidence(message)
        .fix("see the command with `infer render`, and correct engine.command or engine.image")
}

/// Why a container that ran has ended; `log` is the tail of that run's log.
pub(super) fn ended(
    state: &ContainerStateTerminated,
    log: Option<&str>,
    memory_limit: Option<&str>,
) -> Finding {
    /// 128 + SIGKILL.
    const KILLED: i32 = 137;
    /// 128 + SIGBUS: an mmap beyond a full /dev/shm.
    const BUS_ERROR: i32 = 135;
    let words = log.and_then(log::last_words);
    let reason = state.reason.as_deref().unwrap_or_default();
    if reason == "OOMKilled" {
        let limit = memory_limit
            .map(|limit| format!(" of {limit}"))
            .unwrap_or_default();
        let mut found = Finding::new(
            Code::OutOfMemory,
            format!("out of memory: killed at its limit{limit}"),
        )
        .evidence(format!("OOMKilled, exit {}", state.exit_code))
        .fix("raise hardware.memory in infer.yaml; /dev/shm counts towards it");
        if let Some(words) = words {
            found = found.evidence(words);
        }
        return found;
    }
    if let Some(found) = log.and_then(log::read) {
        return found;
    }
    if state.exit_code == 0 && reason == "Completed" {
        return Finding::new(
            Code::Crashed,
            "the engine ended by itself, without an error",
        )
        .evidence(words.unwrap_or_default())
        .fix("see its log: `infer logs`");
    }
    let cause = match state.exit_code {
        BUS_ERROR => {
            return Finding::new(
                Code::SharedMemoryTooSmall,
                "killed by SIGBUS: /dev/shm is full",
            )
            .evidence(words.unwrap_or_default())
            .fix("raise hardware.shm in infer.yaml");
        }
        KILLED => "killed by SIGKILL".to_owned(),
        139 => "crashed with a segmentation fault".to_owned(),
        126 | 127 => "the engine's command is not in its image, or may not run".to_owned(),
        143 => "ended by SIGTERM".to_owned(),
        code => format!("the engine ended with exit code {code}"),
    };
    let code = if matches!(state.exit_code, 126 | 127) {
        Code::StartRefused
    } else {
        Code::Crashed
    };
    Finding::new(code, cause)
        .evidence(words.unwrap_or_default())
        .evidence(state.message.clone().unwrap_or_default())
        .fix("see its log: `infer logs`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pull_failures_are_told_apart_by_the_runtimes_words() {
        let table = [
            (
                "rpc error: code = NotFound desc = failed to pull and unpack image \"r/m:1\": r/m:1: not found",
                Code::ImageNotFound,
            ),
            (
                "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
                Code::ImageUnauthorized,
            ),
            (
                "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
                Code::ImageUnauthorized,
            ),
            (
                "no match for platform in manifest: not found",
                Code::ImagePlatform,
            ),
            (
                "dial tcp: lookup registry.example.com on 10.0.0.10:53: no such host",
                Code::ImageUnreachable,
            ),
            ("net/http: TLS handshake timeout", Code::ImageUnreachable),
            (
                "tls: failed to verify certificate: x509: certificate signed by unknown authority",
                Code::ImageUnreachable,
            ),
        ];
        for (message, code) in table {
            let found = pull(message, "r/m:1");
            assert_eq!(found.code, code, "{message}");
            assert!(found.cause.contains("r/m:1"));
        }
    }

    fn terminated(code: i32, reason: &str) -> ContainerStateTerminated {
        ContainerStateTerminated {
            exit_code: code,
            reason: Some(reason.to_owned()),
            ..ContainerStateTerminated::default()
        }
    }

    #[test]
    fn the_kernels_verdict_comes_before_the_log() {
        let found = ended(
            &terminated(137, "OOMKilled"),
            Some("torch.OutOfMemoryError"),
            Some("8Gi"),
        );
        assert_eq!(found.code, Code::OutOfMemory);
        assert_eq!(found.cause, "out of memory: killed at its limit of 8Gi");
    }

    #[test]
    fn exit_codes_speak_where_the_log_does_not() {
        let table = [
            (135, Code::SharedMemoryTooSmall),
            (127, Code::StartRefused),
            (139, Code::Crashed),
            (1, Code::Crashed),
        ];
        for (exit, code) in table {
            let found = ended(&terminated(exit, "Error"), Some("some words"), None);
            assert_eq!(found.code, code, "{exit}");
            assert_eq!(found.evidence, ["some words"], "{exit}");
        }
    }

    #[test]
    fn ordinary_waiting_is_no_finding() {
        let state = ContainerStateWaiting {
            reason: Some("ContainerCreating".to_owned()),
            message: None,
        };
        assert_eq!(waiting(&state, "x"), None);
    }
}
