//! Which tests use the bed at the same time. Most of what they do is wait, so many may; a few
//! at a time send traffic, so that two cores do not slow what is measured; and who stops a
//! part of the bed has it alone.

use std::sync::{Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Tests that send traffic at once.
const BUSY_MAX: usize = 4;

static ALL: RwLock<()> = RwLock::new(());
static BUSY: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// A test's turn, for as long as it is kept.
pub enum Turn {
    /// It only waits for what the cluster does.
    Waits {
        _shared: RwLockReadGuard<'static, ()>,
    },
    /// It sends traffic.
    Busy {
        _place: Place,
        _shared: RwLockReadGuard<'static, ()>,
    },
    /// It stops a part of the bed.
    Alone {
        _alone: RwLockWriteGuard<'static, ()>,
    },
}

impl Turn {
    pub fn waits() -> Self {
        Self::Waits { _shared: shared() }
    }

    pub fn busy() -> Self {
        Self::Busy {
            _place: Place::take(),
            _shared: shared(),
        }
    }

    pub fn alone() -> Self {
        // A test that failed in its turn has let its component go on.
        let alone = ALL.write().unwrap_or_else(PoisonError::into_inner);
        Self::Alone { _alone: alone }
    }
}

fn shared() -> RwLockReadGuard<'static, ()> {
    ALL.read().unwrap_or_else(PoisonError::into_inner)
}

/// One of the places of those that send traffic.
pub struct Place(());

impl Place {
    fn take() -> Self {
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let free = FREED.wait_while(busy, |busy| *busy >= BUSY_MAX);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *BUSY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
