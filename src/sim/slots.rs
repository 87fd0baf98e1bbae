//! Admission: slots and KV blocks, first come, first served.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::law::Law;

#[derive(Debug)]
pub(super) struct Slots {
    seats: Arc<Semaphore>,
    blocks: Arc<Semaphore>,
    blocks_total: u32,
    running: Arc<AtomicU32>,
    waiting: Arc<AtomicU32>,
}

/// A request that is being answered; dropping it frees its slot and blocks.
#[derive(Debug)]
pub(super) struct Seat {
    /// Requests with a seat when this one got its own, itself included.
    pub(super) running: u32,
    /// Whether it had to queue.
    pub(super) waited: bool,
    _counted: Counted,
    _slot: OwnedSemaphorePermit,
    _blocks: OwnedSemaphorePermit,
}

/// One in a gauge for as long as it lives.
#[derive(Debug)]
struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(gauge: &Arc<AtomicU32>) -> (Self, u32) {
        let now = gauge.fetch_add(1, Ordering::Relaxed) + 1;
        (Self(Arc::clone(gauge)), now)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Slots {
    pub(super) fn new(law: &Law) -> Self {
        Self {
            seats: Arc::new(Semaphore::new(law.slots as usize)),
            blocks: Arc::new(Semaphore::new(law.kv_blocks as usize)),
            blocks_total: law.kv_blocks,
            running: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Waits for a slot and `blocks` KV blocks; tokio's semaphores are fair.
    ///
    /// `blocks` must not exceed the total, or this never returns.
    pub(super) async fn seat(&self, blocks: u32) -> Seat {
        let (waits, _) = Counted::new(&self.waiting);
        let mut waited = false;
        let slot = if let Ok(slot) = Arc::clone(&self.seats).try_acquire_owned() {
            slot
        } else {
            waited = true;
            let slot = Arc::clone(&self.seats).acquire_owned().await;
            slot.expect("the semaphore is never closed")
        };
        let free = Arc::clone(&self.blocks).try_acquire_many_owned(blocks);
        let blocks = if let Ok(blocks) = free {
            blocks
        } else {
            waited = true;
            let blocks = Arc::clone(&self.blocks).acquire_many_owned(blocks).await;
            blocks.expect("the semaphore is never closed")
        };
        drop(waits);
        let (counted, running) = Counted::new(&self.running);
        Seat {
            running,
            waited,
            _counted: counted,
            _slot: slot,
            _blocks: blocks,
        }
    }

    pub(super) fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Share of KV blocks held, `0.0..=1.0`.
    pub(super) fn kv_usage(&self) -> f64 {
        let free = u32::try_from(self.blocks.available_permits()).unwrap_or(self.blocks_total);
        f64::from(self.blocks_total.saturating_sub(free)) / f64::from(self.blocks_total)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::join};

    use super::*;

    fn slots(slots: u32, kv_blocks: u32) -> Slots {
        Slots::new(&Law {
            slots,
            kv_blocks,
            ..Law::default()
        })
    }

    #[tokio::test]
    async fn the_second_waits_for_the_only_slot() {
        let slots = slots(1, 100);
        let first = slots.seat(25).await;
        assert_eq!((slots.running(), slots.waiting()), (1, 0));
        assert!(!first.waited);
        assert!((slots.kv_usage() - 0.25).abs() < 1e-9);
        let mut second = Box::pin(slots.seat(1));
        assert!(second.as_mut().now_or_never().is_none());
        assert_eq!(slots.waiting(), 1);
        let ((), second) = join(async { drop(first) }, second).await;
        assert!(second.waited);
        assert_eq!(
            (second.running, slots.running(), slots.waiting()),
            (1, 1, 0)
        );
    }

    #[tokio::test]
    async fn full_kv_memory_makes_a_request_wait_and_giving_up_leaves_nothing_behind() {
        let slots = slots(4, 10);
        let first = slots.seat(8).await;
        let mut second = Box::pin(slots.seat(4));
        assert!(second.as_mut().now_or_never().is_none());
        drop(second);
        assert_eq!(slots.waiting(), 0);
        drop(first);
        assert_eq!(slots.seat(10).await.running, 1);
    }
}
