//! How long an engine that ended by itself waits before it is started again. Pure.

use std::time::Duration;

/// The first wait. A kubelet waits 10 s; on one machine a quick retry harms no other workload.
const FIRST: Duration = Duration::from_secs(1);

/// The longest wait, as a kubelet's.
const LONGEST: Duration = Duration::from_mins(5);

/// A run that was ready for this long was a good one: earlier failures are forgotten.
const GOOD_RUN: Duration = Duration::from_mins(2);

/// Failures in a row so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct BackOff {
    failures: u32,
}

impl BackOff {
    /// The wait after a run that was ready for `ready_for`; each one doubles.
    pub(super) fn next(&mut self, ready_for: Option<Duration>) -> Duration {
        if ready_for.is_some_and(|time| time >= GOOD_RUN) {
            self.failures = 0;
        }
        let factor = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        FIRST.saturating_mul(factor).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = BackOff::default();
        let waits: Vec<u64> = (0..11).map(|_| backoff.next(None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_good_run_starts_over_and_a_short_one_does_not() {
        let mut backoff = BackOff::default();
        backoff.next(None);
        assert_eq!(backoff.next(Some(Duration::from_secs(119))).as_secs(), 2);
        assert_eq!(backoff.next(Some(Duration::from_mins(2))).as_secs(), 1);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_the_first_nor_longer_than_the_longest(
            runs in prop::collection::vec(prop::option::of(0_u64..500), 0..80),
        ) {
            let mut backoff = BackOff::default();
            for ready_for in runs {
                let wait = backoff.next(ready_for.map(Duration::from_secs));
                prop_assert!((FIRST..=LONGEST).contains(&wait));
            }
        }
    }
}
