//! Waking at an instant, to some 0.1 ms; tokio's own timer rounds up to whole milliseconds.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Instant,
};

use tokio::sync::oneshot;

/// One thread that sleeps until the earliest instant asked for; ends when dropped.
#[derive(Debug)]
pub(super) struct Alarms(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    alarms: BinaryHeap<Reverse<Alarm>>,
    stopped: bool,
}

#[derive(Debug)]
struct Alarm {
    due: Instant,
    ring: oneshot::Sender<()>,
}

impl Alarms {
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        thread::Builder::new()
            .name("sim-alarms".to_owned())
            .spawn(move || own.ring_when_due())?;
        Ok(Self(shared))
    }

    /// Returns at `due`, never before; at once if it has passed.
    pub(super) async fn until(&self, due: Instant) {
        if due <= Instant::now() {
            return;
        }
        let (ring, heard) = oneshot::channel();
        let earliest = {
            let mut pending = self.0.lock();
            let earliest = pending
                .alarms
                .peek()
                .is_none_or(|Reverse(first)| due < first.due);
            pending.alarms.push(Reverse(Alarm { due, ring }));
            earliest
        };
        if earliest {
            self.0.changed.notify_one();
        }
        // An error means that the thread has ended, with the server.
        drop(heard.await);
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.0.lock().stopped = true;
        self.0.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_when_due(&self) {
        let mut pending = self.lock();
        while !pending.stopped {
            let now = Instant::now();
            while let Some(alarm) = pending.take_due(now) {
                // The request may have been given up meanwhile.
                let _given_up = alarm.ring.send(());
            }
            let next = pending.alarms.peek().map(|Reverse(first)| first.due);
            pending = match next {
                Some(due) => {
                    let wait = due.saturating_duration_since(Instant::now());
                    let woken = self.changed.wait_timeout(pending, wait);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(pending)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Pending {
    fn take_due(&mut self, now: Instant) -> Option<Alarm> {
        if self.alarms.peek()?.0.due > now {
            return None;
        }
        self.alarms.pop().map(|Reverse(alarm)| alarm)
    }
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_alarm_rings_after_its_instant_and_earlier_ones_overtake() {
        let alarms = Alarms::start().unwrap();
        let start = Instant::now();
        let late = start + Duration::from_millis(60);
        let early = start + Duration::from_millis(20);
        let (woken_late, woken_early) = tokio::join!(
            async {
                alarms.until(late).await;
                Instant::now()
            },
            async {
                alarms.until(early).await;
                Instant::now()
            }
        );
        assert!(woken_early >= early && woken_early < woken_late);
        assert!(woken_late >= late);
    }

    #[tokio::test]
    async fn an_instant_in_the_past_does_not_wait() {
        let alarms = Alarms::start().unwrap();
        alarms.until(Instant::now()).await;
    }
}
