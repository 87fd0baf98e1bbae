//! The health of an engine from its probe results, by a kubelet's rules. Pure.

use std::time::Duration;

/// How one kind of probe is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) period: Duration,
    /// An answer that takes longer is a failure.
    pub(super) timeout: Duration,
    /// Failures in a row that count.
    pub(super) failures_max: u32,
}

/// Until the first 200. A kubelet asks every 10 s; on this machine a user waits for it.
/// Ends with the engine's own startup budget, not with a number of failures.
pub(super) const STARTUP: Rule = Rule {
    period: Duration::from_millis(100),
    timeout: Duration::from_secs(5),
    failures_max: u32::MAX,
};

/// A busy vLLM answers late: with a kubelet's default timeout of 1 s it flaps.
pub(super) const READINESS: Rule = Rule {
    period: Duration::from_secs(5),
    timeout: Duration::from_secs(5),
    failures_max: 3,
};

/// A restart loads the weights again, so it takes far more to be thought dead than unready.
pub(super) const LIVENESS: Rule = Rule {
    period: Duration::from_secs(10),
    timeout: Duration::from_secs(15),
    failures_max: 10,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    Startup,
    Readiness,
    Liveness,
}

/// What is to be done about one more answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    Ready,
    Unready,
    /// It hangs: end it, and start it again.
    Restart,
}

/// The health of one run of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Health {
    started: bool,
    ready: bool,
    readiness_failures: u32,
    liveness_failures: u32,
}

impl Health {
    /// An engine that is taken over was ready when it was left.
    pub(super) fn of_ready() -> Self {
        Self {
            started: true,
            ready: true,
            ..Self::default()
        }
    }

    pub(super) fn has_started(self) -> bool {
        self.started
    }

    pub(super) fn is_ready(self) -> bool {
        self.ready
    }

    pub(super) fn take(&mut self, probe: Probe, ok: bool) -> Change {
        match probe {
            Probe::Startup if ok && !self.started => {
                self.started = true;
                self.ready = true;
                Change::Ready
            }
            Probe::Startup => Change::Nothing,
            Probe::Readiness => self.readiness(ok),
            Probe::Liveness => self.liveness(ok),
        }
    }

    fn readiness(&mut self, ok: bool) -> Change {
        if ok {
            self.readiness_failures = 0;
            if self.started && !self.ready {
                self.ready = true;
                return Change::Ready;
            }
        } else {
            self.readiness_failures += 1;
            if self.ready && self.readiness_failures >= READINESS.failures_max {
                self.ready = false;
                return Change::Unready;
            }
        }
        Change::Nothing
    }

    fn liveness(&mut self, ok: bool) -> Change {
        self.liveness_failures = if ok { 0 } else { self.liveness_failures + 1 };
        if self.started && self.liveness_failures >= LIVENESS.failures_max {
            self.liveness_failures = 0;
            return Change::Restart;
        }
        Change::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_counts_before_the_first_good_answer() {
        let mut health = Health::default();
        for _ in 0..50 {
            assert_eq!(health.take(Probe::Startup, false), Change::Nothing);
            assert_eq!(health.take(Probe::Liveness, false), Change::Nothing);
        }
        assert_eq!(health.take(Probe::Startup, true), Change::Ready);
    }

    #[test]
    fn three_bad_answers_make_it_unready_and_one_good_one_ready_again() {
        let mut health = Health::of_ready();
        let answers = [false, false, true, false, false, false, false, true];
        let changes = answers.map(|ok| health.take(Probe::Readiness, ok));
        assert_eq!(changes[5], Change::Unready);
        assert_eq!(changes[7], Change::Ready);
        let nothing = changes.iter().filter(|c| **c == Change::Nothing).count();
        assert_eq!(nothing, 6);
    }

    #[test]
    fn ten_silent_liveness_probes_restart_it_and_nine_do_not() {
        let mut health = Health::of_ready();
        for _ in 0..9 {
            assert_eq!(health.take(Probe::Liveness, false), Change::Nothing);
        }
        assert_eq!(health.take(Probe::Liveness, true), Change::Nothing);
        for _ in 0..9 {
            assert_eq!(health.take(Probe::Liveness, false), Change::Nothing);
        }
        assert_eq!(health.take(Probe::Liveness, false), Change::Restart);
    }

    proptest! {
        #[test]
        fn ready_and_unready_always_alternate(
            answers in prop::collection::vec((0_u8..3, any::<bool>()), 0..200),
        ) {
            let mut health = Health::default();
            let mut last = Change::Unready;
            for (probe, ok) in answers {
                let probe = [Probe::Startup, Probe::Readiness, Probe::Liveness][usize::from(probe)];
                match health.take(probe, ok) {
                    change @ (Change::Ready | Change::Unready) => {
                        prop_assert_ne!(change, last);
                        prop_assert_eq!(ok, change == Change::Ready);
                        last = change;
                    }
                    Change::Restart => prop_assert!(health.has_started() && !ok),
                    Change::Nothing => {}
                }
            }
        }
    }
}
