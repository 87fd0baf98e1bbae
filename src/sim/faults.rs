//! Faults on demand, drawn from the seed: what goes wrong, and with which request.

use std::time::Duration;

use serde::Serialize;

use super::law::{Broken, Purpose, draws, uniform};

/// What goes wrong. The rates are shares of requests; a request has one fault at most.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Faults {
    /// Answered with `error_status`.
    pub errors: f64,
    /// 500 where none is named.
    pub error_status: Option<u16>,
    /// Streams that end halfway, cleanly, without a finish reason.
    pub truncated: f64,
    /// Connections cut halfway through the answer.
    pub reset: f64,
    /// Streams that carry an error object halfway.
    pub stream_errors: f64,
    /// Never answered; the slot stays taken until the client leaves.
    pub hangs: f64,
    /// `/health` answers 503 this long after the start.
    pub startup: Duration,
    /// The engine ends at the end of `startup` instead of getting ready.
    pub fails_to_start: bool,
    /// The engine ends when one request more than this many arrives.
    pub crash_after: Option<u64>,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Error(u16),
    Truncated,
    Reset,
    StreamError,
    Hang,
}

const ERROR_STATUS_DEFAULT: u16 = 500;

impl Faults {
    /// A start-up longer than this is a typing error.
    const STARTUP_MAX: Duration = Duration::from_hours(24);

    pub fn check(&self) -> Result<(), Broken> {
        let rates = [
            ("error-rate", self.errors),
            ("truncate-rate", self.truncated),
            ("reset-rate", self.reset),
            ("stream-error-rate", self.stream_errors),
            ("hang-rate", self.hangs),
            (
                "the sum of all fault rates",
                self.errors + self.truncated + self.reset + self.stream_errors + self.hangs,
            ),
        ];
        for (name, rate) in rates {
            // A sum of decimal fractions may end a little above 1.
            if !(0.0..=1.0 + 1e-9).contains(&rate) {
                return Err(Broken::OutOfRange {
                    name,
                    max: 1,
                    value: rate.to_string(),
                });
            }
        }
        let status = self.error_status.unwrap_or(ERROR_STATUS_DEFAULT);
        if !(400..=599).contains(&status) {
            return Err(Broken::NotAnError(status));
        }
        if self.startup > Self::STARTUP_MAX {
            return Err(Broken::TooLong("startup"));
        }
        Ok(())
    }

    /// The fault of request `number`.
    pub(super) fn of(&self, seed: u64, number: u64) -> Option<Fault> {
        let status = self.error_status.unwrap_or(ERROR_STATUS_DEFAULT);
        let mut left = uniform(&mut draws(seed, number, Purpose::Fault));
        for (rate, fault) in [
            (self.errors, Fault::Error(status)),
            (self.truncated, Fault::Truncated),
            (self.reset, Fault::Reset),
            (self.stream_errors, Fault::StreamError),
            (self.hangs, Fault::Hang),
        ] {
            if left < rate {
                return Some(fault);
            }
            left -= rate;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_takes_its_share_and_the_rest_go_well() {
        let faults = Faults {
            errors: 0.1,
            error_status: Some(503),
            truncated: 0.2,
            ..Faults::default()
        };
        let count = |wanted| {
            (0..10_000)
                .filter(|number| faults.of(1, *number) == wanted)
                .count()
        };
        assert!((900..1100).contains(&count(Some(Fault::Error(503)))));
        assert!((1850..2150).contains(&count(Some(Fault::Truncated))));
        assert_eq!(count(Some(Fault::Hang)), 0);
        assert!((6800..7200).contains(&count(None)));
    }

    #[test]
    fn a_rate_of_one_hits_every_request() {
        let faults = Faults {
            hangs: 1.0,
            ..Faults::default()
        };
        assert!((0..1000).all(|number| faults.of(0, number) == Some(Fault::Hang)));
    }

    #[test]
    fn shares_above_the_whole_and_statuses_that_are_no_error_are_refused() {
        let sum = Faults {
            errors: 0.6,
            hangs: 0.5,
            ..Faults::default()
        };
        let message = sum.check().unwrap_err().to_string();
        assert!(
            message.starts_with("the sum of all fault rates"),
            "{message}"
        );
        let fine = Faults {
            error_status: Some(200),
            ..Faults::default()
        };
        assert_eq!(fine.check(), Err(Broken::NotAnError(200)));
    }
}
