//! The last requests through the gateway, for `infer canary` and the view.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use super::control::{Observation, Observations};

/// Requests remembered: at 100 a second a reader may be eleven minutes late.
const OBSERVATIONS_MAX: usize = 65_536;

/// Handed out at once: some 3 MB of JSON.
const PAGE_MAX: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Ring(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Before the first.
    base: u64,
    /// Of the newest; `base` before the first.
    last_seq: u64,
    kept: VecDeque<Observation>,
}

impl Ring {
    /// Numbers its first observation `base` + 1: beyond any number that an earlier
    /// `infer serve` has given, so that its readers go on without seeing one twice.
    pub(super) fn starting_after(base: u64) -> Self {
        Self(Mutex::new(Inner {
            base,
            last_seq: base,
            kept: VecDeque::new(),
        }))
    }

    /// Adds one and numbers it.
    pub(super) fn push(&self, mut observation: Observation) {
        let mut inner = self.inner();
        inner.last_seq += 1;
        observation.seq = inner.last_seq;
        if inner.kept.len() == OBSERVATIONS_MAX {
            inner.kept.pop_front();
        }
        inner.kept.push_back(observation);
    }

    /// A page of those after number `after`.
    pub(super) fn page(&self, after: u64) -> Observations {
        let inner = self.inner();
        let restarted = after != 0 && !(inner.base..=inner.last_seq).contains(&after);
        let known = if restarted || after == 0 {
            inner.base
        } else {
            after
        };
        let first = inner.kept.front().map_or(inner.last_seq + 1, |o| o.seq);
        let lost = if after == 0 {
            0
        } else {
            (first - 1) - known.min(first - 1)
        };
        let after = known;
        let skip = usize::try_from((after + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        let observations: Vec<_> = inner
            .kept
            .iter()
            .skip(skip)
            .take(PAGE_MAX)
            .cloned()
            .collect();
        Observations {
            next: observations.last().map_or(after, |last| last.seq),
            observations,
            lost,
            restarted,
        }
    }

    /// Those that arrived at `since_ms` or later.
    pub(super) fn since(&self, since_ms: u64) -> Vec<Observation> {
        let inner = self.inner();
        let newest = inner.kept.iter().rev();
        // They are in the order of their ends; an hour-long stream may hide behind a short one.
        newest
            .take(PAGE_MAX)
            .filter(|observation| observation.at_ms >= since_ms)
            .cloned()
            .collect()
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation() -> Observation {
        Observation {
            seq: 0,
            at_ms: 5,
            version: "v012345678".parse().unwrap(),
            pinned: false,
            diverted: false,
            status: 200,
            failed: None,
            ttft_ms: None,
            tpot_ms: None,
            e2e_ms: 1.0,
            output_tokens: None,
            streamed: false,
            path: "/v1/chat/completions".to_owned(),
        }
    }

    #[test]
    fn a_reader_gets_every_request_once_and_in_order() {
        let ring = Ring::default();
        for _ in 0..PAGE_MAX + 5 {
            ring.push(observation());
        }
        let first = ring.page(0);
        let second = ring.page(first.next);
        let seqs: Vec<u64> = [first, second]
            .into_iter()
            .flat_map(|page| page.observations)
            .map(|observation| observation.seq)
            .collect();
        assert_eq!(seqs, (1..=PAGE_MAX as u64 + 5).collect::<Vec<_>>());
        assert_eq!(ring.page(PAGE_MAX as u64 + 5).observations, []);
    }

    #[test]
    fn a_slow_reader_is_told_how_many_are_lost() {
        let ring = Ring::default();
        for _ in 0..OBSERVATIONS_MAX + 10 {
            ring.push(observation());
        }
        let page = ring.page(4);
        assert_eq!((page.lost, page.observations[0].seq), (6, 11));
        assert_eq!(ring.page(10).lost, 0);
    }

    #[test]
    fn a_reader_of_an_earlier_ring_is_told_so_and_gets_all_of_the_new_one() {
        let ring = Ring::starting_after(1000);
        for _ in 0..3 {
            ring.push(observation());
        }
        let page = ring.page(90);
        assert!(page.restarted);
        assert_eq!(
            (page.lost, page.observations.len(), page.next),
            (0, 3, 1003)
        );
        assert!(!ring.page(1001).restarted);
        assert_eq!(ring.page(0).observations.len(), 3);
    }
}
