//! Durations in JSON: seconds as a number, to the millisecond.

use std::time::Duration;

use serde::{Serialize, Serializer};

/// For `#[serde(serialize_with)]` on a `Duration` or an `Option` of one.
pub fn as_seconds<D, S>(duration: &D, serializer: S) -> Result<S::Ok, S::Error>
where
    D: Copy + Into<Option<Duration>>,
    S: Serializer,
{
    let duration: Option<Duration> = (*duration).into();
    duration.map(seconds).serialize(serializer)
}

/// Whole milliseconds, in seconds.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
