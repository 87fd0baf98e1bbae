//! The progress of each layer: counted by the threads that move bytes, read by the readout.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    event::{Act, Event, Progress},
    stream::Watch,
};
use crate::interrupt::Interrupt;

/// How often progress is reported.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// One layer's counters.
#[derive(Debug)]
pub(super) struct Gauge {
    label: String,
    bytes: u64,
    hashed: AtomicU64,
    moved: AtomicU64,
    /// It is there: it no longer counts as work.
    settled_without_move: AtomicBool,
    needs_hash: AtomicBool,
}

/// All layers of a job, and whether it is to stop.
#[derive(Debug)]
pub(super) struct Gauges {
    act: Act,
    layers: Vec<Gauge>,
    stop: watch::Sender<bool>,
    started: Instant,
}

impl Gauge {
    pub(super) fn add_hashed(&self, bytes: u64) {
        self.needs_hash.store(true, Relaxed);
        self.hashed.fetch_add(bytes, Relaxed);
    }

    pub(super) fn add_moved(&self, bytes: u64) {
        self.moved.fetch_add(bytes, Relaxed);
    }

    /// Uploads can fall back: the store reports how far they are.
    pub(super) fn set_moved(&self, bytes: u64) {
        self.moved.store(bytes, Relaxed);
    }

    pub(super) fn is_there(&self) {
        self.settled_without_move.store(true, Relaxed);
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    fn moving(&self) -> Option<(u64, u64)> {
        let there = self.settled_without_move.load(Relaxed);
        (!there).then(|| (self.moved.load(Relaxed), self.bytes))
    }

    fn hashing(&self) -> Option<(u64, u64)> {
        let needed = self.needs_hash.load(Relaxed);
        needed.then(|| (self.hashed.load(Relaxed), self.bytes))
    }
}

impl Gauges {
    pub(super) fn new(act: Act, layers: impl IntoIterator<Item = (String, u64)>) -> Self {
        let layers = layers.into_iter().map(|(label, bytes)| Gauge {
            label,
            bytes,
            hashed: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            settled_without_move: AtomicBool::new(false),
            needs_hash: AtomicBool::new(false),
        });
        Self {
            act,
            layers: layers.collect(),
            stop: watch::channel(false).0,
            started: Instant::now(),
        }
    }

    pub(super) fn layer(&self, number: usize) -> &Gauge {
        &self.layers[number]
    }

    /// Whatever moves bytes ends at its next buffer.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    pub(super) async fn stopped(&self) {
        // The sender is `self`: it outlives this call.
        drop(self.stop.subscribe().wait_for(|stop| *stop).await);
    }

    /// Waits for the work, reports how far it is, and stops it when a signal comes.
    pub(super) async fn watch<T>(
        &self,
        work: impl Future<Output = T>,
        interrupt: &Interrupt,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> T {
        tokio::pin!(work);
        let mut ticks = tokio::time::interval(PROGRESS_INTERVAL);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = interrupt.any(), if !self.is_stopped() => self.stop(),
                _ = ticks.tick() => on_event(Event::Progress(self.progress())),
            }
        }
    }

    /// What moves now; hashing is shown as long as nothing else moves.
    pub(super) fn progress(&self) -> Progress {
        let moving = sum(self.layers.iter().filter_map(Gauge::moving));
        let (act, (done_bytes, total_bytes), current) = if moving.0 > 0 {
            (self.act, moving, self.nearest_end(Gauge::moving))
        } else {
            let hashing = sum(self.layers.iter().filter_map(Gauge::hashing));
            (Act::Hash, hashing, self.nearest_end(Gauge::hashing))
        };
        Progress {
            act,
            done_bytes,
            total_bytes,
            elapsed: self.started.elapsed(),
            current,
        }
    }

    fn nearest_end(
        &self,
        read: impl Fn(&Gauge) -> Option<(u64, u64)>,
    ) -> Option<(String, u64, u64)> {
        let under_way = self.layers.iter().filter_map(|layer| {
            let (done, bytes) = read(layer)?;
            (done > 0 && done < bytes).then_some((layer, done, bytes))
        });
        under_way
            .min_by_key(|(_, done, bytes)| bytes - done)
            .map(|(layer, done, bytes)| (layer.label.clone(), done, bytes))
    }
}

/// A stream that moves the layer of this number.
pub(super) struct Moved<'a>(pub(super) &'a Gauges, pub(super) usize);

impl Watch for Moved<'_> {
    fn passed(&self, bytes: u64) {
        self.0.layer(self.1).add_moved(bytes);
    }

    fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}

/// A stream that only hashes it.
pub(super) struct Hashed<'a>(pub(super) &'a Gauges, pub(super) usize);

impl Watch for Hashed<'_> {
    fn passed(&self, bytes: u64) {
        self.0.layer(self.1).add_hashed(bytes);
    }

    fn is_stopped(&self) -> bool {
        self.0.is_stopped()
    }
}

fn sum(pairs: impl Iterator<Item = (u64, u64)>) -> (u64, u64) {
    pairs.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_already_is_no_work_and_the_layer_nearest_its_end_is_named() {
        let names = [("a", 100), ("b", 50), ("c", 10)];
        let gauges = Gauges::new(
            Act::Upload,
            names.map(|(name, bytes)| (name.to_owned(), bytes)),
        );
        gauges.layer(0).add_hashed(40);
        assert_eq!(gauges.progress().act, Act::Hash);
        gauges.layer(0).add_moved(60);
        gauges.layer(1).set_moved(30);
        gauges.layer(2).is_there();
        let progress = gauges.progress();
        assert_eq!(progress.act, Act::Upload);
        assert_eq!((progress.done_bytes, progress.total_bytes), (90, 150));
        assert_eq!(progress.current, Some(("b".to_owned(), 30, 50)));
    }
}
