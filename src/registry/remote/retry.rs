//! When a failed request is made again, and when to give up.

use std::time::Duration;

/// Failures in a row without any progress; with the waits below some two minutes.
pub(super) const ATTEMPTS_MAX: u32 = 8;
/// Longest wait of our own choosing.
const WAIT_MAX: Duration = Duration::from_secs(30);
const WAIT_FIRST: Duration = Duration::from_millis(500);
/// Longest wait that a registry may ask for; Docker Hub's windows are hours, and
/// the user should hear of those at once.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(2);

/// Counts failures since the last progress.
#[derive(Debug, Clone, Default)]
pub(super) struct Retry {
    failures: u32,
}

impl Retry {
    /// Bytes went through: the count starts again.
    pub(super) fn progress(&mut self) {
        self.failures = 0;
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to wait after one more failure; `None` to give up.
    ///
    /// `jitter` in `0.0..1.0` spreads many clients; `asked` is the registry's own wish.
    pub(super) fn next(&mut self, asked: Option<Duration>, jitter: f64) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= ATTEMPTS_MAX {
            return None;
        }
        let doubled = WAIT_FIRST.saturating_mul(1 << (self.failures - 1).min(16));
        let own = doubled.min(WAIT_MAX).mul_f64(0.5 + jitter / 2.0);
        match asked {
            Some(asked) if asked > RETRY_AFTER_MAX => None,
            Some(asked) => Some(asked.max(own)),
            None => Some(own),
        }
    }
}

/// Statuses that may go away by themselves.
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3) seen from `now`.
pub(super) fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(header.trim()).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_end() {
        let mut retry = Retry::default();
        let waits: Vec<_> = std::iter::from_fn(|| retry.next(None, 1.0)).collect();
        let milliseconds: Vec<_> = waits.iter().map(Duration::as_millis).collect();
        assert_eq!(milliseconds, [500, 1000, 2000, 4000, 8000, 16000, 30000]);
    }

    #[test]
    fn progress_forgives_earlier_failures() {
        let mut retry = Retry::default();
        for _ in 0..100 {
            assert!(retry.next(None, 0.0).is_some());
            retry.progress();
        }
    }

    #[test]
    fn the_registrys_wish_is_honoured_unless_it_is_absurd() {
        let asked = |seconds| Retry::default().next(Some(Duration::from_secs(seconds)), 0.5);
        assert_eq!(asked(7), Some(Duration::from_secs(7)));
        assert_eq!(asked(3600), None);
        assert!(asked(0) > Some(Duration::ZERO));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: jiff::Timestamp = "2015-10-21T07:27:30Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        let date = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(30)));
        let past = "Wed, 21 Oct 2015 07:00:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
