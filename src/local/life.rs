//! The phases of an engine's life and what leads from one to the next. Pure.

use super::control::Phase;

/// What can happen to one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happened {
    /// Somebody asked for it.
    StartAsked,
    /// A process was started.
    Spawned,
    /// A process of an earlier `infer serve` was found running.
    Adopted { was_ready: bool },
    /// Its health path answers 200.
    Answers,
    /// Its health path does not answer 200 any more.
    Silent,
    /// Somebody asked for its end.
    StopAsked,
    /// Somebody asked for it again before it was terminated.
    StopCalledOff { was_ready: bool },
    /// Its process is gone, or there was none.
    Gone,
    /// Its process ended by itself; it is tried again at `until_ms`.
    EndedAlone { until_ms: u64, reason: String },
    /// It cannot be started.
    CannotRun { reason: String },
}

/// The phase after `happened`; what cannot happen in a phase leaves it as it is.
pub(super) fn next(phase: &Phase, happened: Happened) -> Phase {
    let running = |ready: bool| if ready { Phase::Ready } else { Phase::Starting };
    match (phase, happened) {
        (_, Happened::Spawned)
        | (Phase::Stopped | Phase::BackOff { .. } | Phase::Failed { .. }, Happened::StartAsked) => {
            Phase::Starting
        }
        (_, Happened::Adopted { was_ready })
        | (Phase::Draining, Happened::StopCalledOff { was_ready }) => running(was_ready),
        (_, Happened::CannotRun { reason }) => Phase::Failed { reason },
        (Phase::Starting | Phase::Unready, Happened::Answers) => Phase::Ready,
        (Phase::Ready, Happened::Silent) => Phase::Unready,
        (Phase::Starting | Phase::Ready | Phase::Unready, Happened::StopAsked) => Phase::Draining,
        // Where nothing runs there is nothing to drain; and on the way out it does not
        // matter how it ended.
        (Phase::BackOff { .. } | Phase::Failed { .. }, Happened::StopAsked)
        | (Phase::Draining, Happened::EndedAlone { .. })
        | (_, Happened::Gone) => Phase::Stopped,
        (
            Phase::Starting | Phase::Ready | Phase::Unready,
            Happened::EndedAlone { until_ms, reason },
        ) => Phase::BackOff { until_ms, reason },
        (
            unchanged,
            Happened::StartAsked
            | Happened::Answers
            | Happened::Silent
            | Happened::StopAsked
            | Happened::StopCalledOff { .. }
            | Happened::EndedAlone { .. },
        ) => unchanged.clone(),
    }
}

/// Whether a process belongs to this phase, or is about to.
pub(super) fn has_process(phase: &Phase) -> bool {
    match phase {
        Phase::Starting | Phase::Ready | Phase::Unready | Phase::Draining => true,
        Phase::Stopped | Phase::BackOff { .. } | Phase::Failed { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn anything() -> impl Strategy<Value = Happened> {
        prop_oneof![
            Just(Happened::StartAsked),
            Just(Happened::Spawned),
            any::<bool>().prop_map(|was_ready| Happened::Adopted { was_ready }),
            Just(Happened::Answers),
            Just(Happened::Silent),
            Just(Happened::StopAsked),
            any::<bool>().prop_map(|was_ready| Happened::StopCalledOff { was_ready }),
            Just(Happened::Gone),
            Just(Happened::EndedAlone {
                until_ms: 1,
                reason: "exit status 1".to_owned()
            }),
            Just(Happened::CannotRun {
                reason: "not found".to_owned()
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_version_that_is_to_stop_is_never_ready_until_it_is_asked_for_again(
            before in prop::collection::vec(anything(), 0..12),
            after in prop::collection::vec(anything(), 0..12),
        ) {
            let live = |phase: Phase, happened| next(&phase, happened);
            let phase = before.into_iter().fold(Phase::Stopped, live);
            let mut phase = next(&phase, Happened::StopAsked);
            for happened in after {
                let again = matches!(
                    happened,
                    Happened::StartAsked | Happened::Spawned | Happened::Adopted { .. } | Happened::StopCalledOff { .. }
                );
                phase = next(&phase, happened);
                if again {
                    break;
                }
                prop_assert!(!matches!(phase, Phase::Ready | Phase::Unready | Phase::Starting));
            }
        }

        #[test]
        fn only_a_process_can_become_ready(events in prop::collection::vec(anything(), 0..20)) {
            let mut phase = Phase::Stopped;
            for happened in events {
                let after = next(&phase, happened.clone());
                if after == Phase::Ready && phase != Phase::Ready {
                    let adopted = matches!(happened, Happened::Adopted { .. });
                    prop_assert!(has_process(&phase) || adopted);
                }
                phase = after;
            }
        }
    }

    #[test]
    fn a_crash_backs_off_and_a_crash_while_draining_is_just_the_end() {
        let crash = || Happened::EndedAlone {
            until_ms: 9,
            reason: "signal 9".to_owned(),
        };
        let backed_off = next(&Phase::Ready, crash());
        assert!(matches!(backed_off, Phase::BackOff { until_ms: 9, .. }));
        assert_eq!(next(&Phase::Draining, crash()), Phase::Stopped);
        assert_eq!(next(&backed_off, Happened::StopAsked), Phase::Stopped);
    }
}
