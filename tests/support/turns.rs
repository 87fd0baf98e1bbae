//! Which tests use the bed at the same time. Most of what they do is wait, so many may; a few
//! at a time send traffic, so that two cores do not slow what is measured; and who stops a
//! part of the bed has it alone, once nobody else waits for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Tests that send traffic at once.
const BUSY_MAX: usize = 4;

#[derive(Clone, Copy)]
struct Tests {
    running: usize,
    busy: usize,
    /// Those that want to be busy.
    queued: usize,
    alone: bool,
}

static TESTS: Mutex<Tests> = Mutex::new(Tests {
    running: 0,
    busy: 0,
    queued: 0,
    alone: false,
});
static CHANGED: Condvar = Condvar::new();

/// A test's turn, for as long as it is kept.
pub enum Turn {
    /// It only waits for what the cluster does.
    Waits,
    /// It sends traffic.
    Busy,
    /// It stops a part of the bed.
    Alone,
}

impl Turn {
    pub fn waits() -> Self {
        let mut tests = once(|tests| !tests.alone);
        tests.running += 1;
        Self::Waits
    }

    pub fn busy() -> Self {
        now().queued += 1;
        let mut tests = once(|tests| !tests.alone && tests.busy < BUSY_MAX);
        tests.queued -= 1;
        tests.busy += 1;
        tests.running += 1;
        Self::Busy
    }

    pub fn alone() -> Self {
        let mut tests = once(|tests| !tests.alone && tests.running == 0 && tests.queued == 0);
        tests.alone = true;
        Self::Alone
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut tests = now();
        match self {
            Self::Waits => tests.running -= 1,
            Self::Busy => {
                tests.running -= 1;
                tests.busy -= 1;
            }
            Self::Alone => tests.alone = false,
        }
        CHANGED.notify_all();
    }
}

fn now() -> MutexGuard<'static, Tests> {
    TESTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The tests, once they are as wanted.
fn once(wanted: impl Fn(Tests) -> bool) -> MutexGuard<'static, Tests> {
    let tests = CHANGED.wait_while(now(), |tests| !wanted(*tests));
    tests.unwrap_or_else(PoisonError::into_inner)
}
