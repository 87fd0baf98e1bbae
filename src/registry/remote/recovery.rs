//! What to do about a failed step of an upload.

use super::{fault::Fault, profile::Mode, session::is_lost};
use crate::registry::refusal::Reason;

/// The step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// POST for a session.
    Begin,
    /// PUT of everything.
    Whole,
    /// PATCH of some bytes.
    Chunk,
    /// PUT of nothing, with the digest.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Fail,
    /// A new session from the first byte.
    Restart,
    /// Ask what the registry has and go on there.
    Synchronise,
    RestartAs(Mode),
    SynchroniseAs(Mode),
}

/// Where a body is too large for a proxy, chunks shrink to this at the least: nginx's
/// own default limit.
const CHUNK_BYTES_MIN: u64 = 1024 * 1024;
/// First chunk size where one PUT was too large.
const CHUNK_BYTES_AFTER_WHOLE: u64 = 64 * 1024 * 1024;
const SHRINK_FACTOR: u64 = 4;

/// Decides from the fault alone; waits and counts are the caller's.
///
/// `trusted`: every byte in the session was acknowledged to this run, so that a
/// wrong digest cannot come from an older or a broken request.
pub(super) fn decide(
    stage: Stage,
    fault: &Fault,
    mode: Mode,
    offset: u64,
    trusted: bool,
) -> Action {
    let again = match stage {
        // The POST has been made again and again already.
        Stage::Begin => Action::Fail,
        Stage::Whole => Action::Restart,
        Stage::Chunk | Stage::Finish => Action::Synchronise,
    };
    let Fault::Status { refusal, .. } = fault else {
        return if fault.is_passing() {
            again
        } else {
            Action::Fail
        };
    };
    if fault.is_passing() {
        return again;
    }
    match (stage, refusal.status, refusal.reason) {
        (Stage::Whole | Stage::Chunk, 413, _) => smaller(mode),
        (Stage::Whole | Stage::Finish, _, Reason::DigestInvalid) if !trusted => Action::Restart,
        (_, _, Reason::DigestInvalid) => Action::Fail,
        (Stage::Chunk | Stage::Finish, _, Reason::UploadUnknown) => Action::Restart,
        // Too large a chunk for GHCR and its like, or not where the registry stands.
        (Stage::Chunk, 416, _) => match smaller(mode) {
            Action::Fail => Action::Synchronise,
            smaller => smaller,
        },
        // No PATCH here, or not in this way; one PUT is what every registry must take.
        (Stage::Chunk, 400 | 404 | 405 | 411 | 415 | 501, _) if offset == 0 => {
            Action::RestartAs(Mode::Whole)
        }
        (Stage::Chunk | Stage::Finish, status, _) if is_lost(status) => Action::Restart,
        _ => Action::Fail,
    }
}

fn smaller(mode: Mode) -> Action {
    match mode {
        Mode::Whole => Action::RestartAs(Mode::Chunks(CHUNK_BYTES_AFTER_WHOLE)),
        Mode::Chunks(bytes) if bytes > CHUNK_BYTES_MIN => {
            let bytes = (bytes / SHRINK_FACTOR).max(CHUNK_BYTES_MIN);
            Action::SynchroniseAs(Mode::Chunks(bytes))
        }
        Mode::Chunks(_) => Action::Fail,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::registry::refusal::Refusal;

    const CHUNKS: Mode = Mode::Chunks(64 * 1024 * 1024);

    fn status(status: u16, code: &str) -> Fault {
        let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
        Fault::Status {
            refusal: Refusal::new(status, body.as_bytes()),
            retry_after: None,
            challenge: None,
        }
    }

    fn after(stage: Stage, fault: &Fault) -> Action {
        decide(stage, fault, CHUNKS, 7, true)
    }

    #[test]
    fn a_broken_patch_is_never_sent_again_before_asking() {
        let silent = Fault::Silent(Duration::from_mins(1));
        for fault in [&silent, &status(502, ""), &status(429, "")] {
            assert_eq!(after(Stage::Chunk, fault), Action::Synchronise);
            assert_eq!(after(Stage::Finish, fault), Action::Synchronise);
            assert_eq!(after(Stage::Whole, fault), Action::Restart);
            assert_eq!(after(Stage::Begin, fault), Action::Fail);
        }
    }

    #[test]
    fn bodies_too_large_shrink_down_to_a_megabyte() {
        let large = status(413, "");
        let whole = decide(Stage::Whole, &large, Mode::Whole, 0, true);
        assert_eq!(whole, Action::RestartAs(CHUNKS));
        let mut mode = CHUNKS;
        let mut sizes = Vec::new();
        while let Action::SynchroniseAs(next) = decide(Stage::Chunk, &large, mode, 0, true) {
            mode = next;
            sizes.push(next);
        }
        let mib = |n: u64| Mode::Chunks(n * 1024 * 1024);
        assert_eq!(sizes, [mib(16), mib(4), mib(1)]);
    }

    #[test]
    fn a_registry_without_patch_gets_one_put() {
        let fault = status(405, "UNSUPPORTED");
        let first = decide(Stage::Chunk, &fault, CHUNKS, 0, true);
        assert_eq!(first, Action::RestartAs(Mode::Whole));
        assert_eq!(after(Stage::Chunk, &fault), Action::Restart);
    }

    #[test]
    fn a_wrong_digest_is_final_only_for_bytes_that_we_vouch_for() {
        let wrong = status(400, "DIGEST_INVALID");
        assert_eq!(decide(Stage::Finish, &wrong, CHUNKS, 9, true), Action::Fail);
        assert_eq!(
            decide(Stage::Finish, &wrong, CHUNKS, 9, false),
            Action::Restart
        );
    }

    #[test]
    fn refusals_are_final_and_lost_sessions_are_not() {
        for (code, name) in [
            (401, "UNAUTHORIZED"),
            (403, "DENIED"),
            (400, "SIZE_INVALID"),
        ] {
            assert_eq!(after(Stage::Begin, &status(code, name)), Action::Fail);
        }
        assert_eq!(after(Stage::Chunk, &status(403, "DENIED")), Action::Fail);
        for stage in [Stage::Chunk, Stage::Finish] {
            let lost = status(404, "BLOB_UPLOAD_UNKNOWN");
            assert_eq!(after(stage, &lost), Action::Restart);
        }
        assert_eq!(
            after(Stage::Chunk, &Fault::Protocol(String::new())),
            Action::Fail
        );
    }
}
