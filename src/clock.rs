//! The wall clock, as Unix time in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds; 0 for a clock set before 1970.
pub fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, milliseconds)
}

/// Whole milliseconds; a duration too long for them is as long as can be.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
