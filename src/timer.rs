//! Waiting with sub-millisecond precision.
//!
//! tokio's own timer counts in whole milliseconds and rounds up, so an open-loop
//! client that sleeps on it sends less than it was asked for, and a simulated server
//! sends its tokens late. A kernel timer (timerfd) wakes the event loop within some
//! tens of microseconds and costs no spinning, which matters where client and server
//! share a core.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// One kernel timer, waiting for one instant at a time.
#[derive(Debug)]
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// Must be called inside a tokio runtime.
    #[expect(
        deprecated,
        reason = "deprecated for types whose descriptor may change; an OwnedFd's cannot"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self(AsyncFd::new(fd)?))
    }

    /// Waits until `at`; returns at once where that has passed.
    pub async fn until(&self, at: Instant) -> io::Result<()> {
        let wait = at.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        self.arm(wait)?;
        let mut expirations = [0; 8];
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut expirations)?));
            match read {
                Ok(read) => return read.map(drop),
                Err(_would_block) => {}
            }
        }
    }

    fn arm(&self, wait: Duration) -> io::Result<()> {
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: wait.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_at_its_instant_and_not_before() {
        let timer = Timer::new().unwrap();
        let start = Instant::now();
        // Twenty absolute waits of 300 µs: a millisecond timer would need 20 ms.
        for n in 1..=20 {
            let due = start + Duration::from_micros(300) * n;
            timer.until(due).await.unwrap();
            assert!(Instant::now() >= due);
        }
    }

    #[tokio::test]
    async fn an_instant_that_has_passed_costs_nothing() {
        let timer = Timer::new().unwrap();
        timer.until(Instant::now()).await.unwrap();
    }
}
