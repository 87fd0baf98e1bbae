//! The phases of an engine and the transitions between them. Pure.

use super::control::Phase;

/// What moves a version from one phase to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Transition {
    /// A verb asked for it to run.
    StartAsked,
    /// A process was started.
    Spawned,
    /// A process of an earlier `infer serve` was found running.
    Adopted { was_ready: bool },
    /// Its health path answers 200.
    Answers,
    /// Its health path does not answer 200 any more.
    Silent,
    /// A verb asked for it to stop.
    StopAsked,
    /// A verb asked for it to run again before it was terminated.
    StopCalledOff { was_ready: bool },
    /// Its process is gone, or there was none.
    Gone,
    /// Its process ended by itself; it is tried again at `until_ms`.
    EndedAlone { until_ms: u64, reason: String },
    /// It cannot be started.
    CannotRun { reason: String },
}

/// The phase after `transition`; a transition that a phase does not have leaves it unchanged.
pub(super) fn next(phase: &Phase, transition: Transition) -> Phase {
    let running = |ready: bool| if ready { Phase::Ready } else { Phase::Starting };
    match (phase, transition) {
        (_, Transition::Spawned)
        | (Phase::Stopped | Phase::BackOff { .. } | Phase::Failed { .. }, Transition::StartAsked) => {
            Phase::Starting
        }
        (_, Transition::Adopted { was_ready })
        | (Phase::Draining, Transition::StopCalledOff { was_ready }) => running(was_ready),
        (_, Transition::CannotRun { reason }) => Phase::Failed { reason },
        (Phase::Starting | Phase::Unready, Transition::Answers) => Phase::Ready,
        (Phase::Ready, Transition::Silent) => Phase::Unready,
        (Phase::Starting | Phase::Ready | Phase::Unready, Transition::StopAsked) => Phase::Draining,
        // Where nothing runs there is nothing to drain; and on the way out it does not
        // matter how it ended.
        (Phase::BackOff { .. } | Phase::Failed { .. }, Transition::StopAsked)
        | (Phase::Draining, Transition::EndedAlone { .. })
        | (_, Transition::Gone) => Phase::Stopped,
        (
            Phase::Starting | Phase::Ready | Phase::Unready,
            Transition::EndedAlone { until_ms, reason },
        ) => Phase::BackOff { until_ms, reason },
        (
            unchanged,
            Transition::StartAsked
            | Transition::Answers
            | Transition::Silent
            | Transition::StopAsked
            | Transition::StopCalledOff { .. }
            | Transition::EndedAlone { .. },
        ) => unchanged.clone(),
    }
}

/// Whether a version in this phase has a process, or is about to have one.
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

    fn anything() -> impl Strategy<Value = Transition> {
        prop_oneof![
            Just(Transition::StartAsked),
            Just(Transition::Spawned),
            any::<bool>().prop_map(|was_ready| Transition::Adopted { was_ready }),
            Just(Transition::Answers),
            Just(Transition::Silent),
            Just(Transition::StopAsked),
            any::<bool>().prop_map(|was_ready| Transition::StopCalledOff { was_ready }),
            Just(Transition::Gone),
            Just(Transition::EndedAlone {
                until_ms: 1,
                reason: "exit status 1".to_owned()
            }),
            Just(Transition::CannotRun {
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
            let live = |phase: Phase, transition| next(&phase, transition);
            let phase = before.into_iter().fold(Phase::Stopped, live);
            let mut phase = next(&phase, Transition::StopAsked);
            for transition in after {
                let again = matches!(
                    transition,
                    Transition::StartAsked | Transition::Spawned | Transition::Adopted { .. } | Transition::StopCalledOff { .. }
                );
                phase = next(&phase, transition);
                if again {
                    break;
                }
                prop_assert!(!matches!(phase, Phase::Ready | Phase::Unready | Phase::Starting));
            }
        }

        #[test]
        fn only_a_process_can_become_ready(events in prop::collection::vec(anything(), 0..20)) {
            let mut phase = Phase::Stopped;
            for transition in events {
                let after = next(&phase, transition.clone());
                if after == Phase::Ready && phase != Phase::Ready {
                    let adopted = matches!(transition, Transition::Adopted { .. });
                    prop_assert!(has_process(&phase) || adopted);
                }
                phase = after;
            }
        }
    }

    #[test]
    fn a_crash_backs_off_and_a_crash_while_draining_is_just_the_end() {
        let crash = || Transition::EndedAlone {
            until_ms: 9,
            reason: "signal 9".to_owned(),
        };
        let backed_off = next(&Phase::Ready, crash());
        assert!(matches!(backed_off, Phase::BackOff { until_ms: 9, .. }));
        assert_eq!(next(&Phase::Draining, crash()), Phase::Stopped);
        assert_eq!(next(&backed_off, Transition::StopAsked), Phase::Stopped);
    }
}
