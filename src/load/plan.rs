//! What a run is to do, decided before it starts (pure).

use std::time::Duration;

use super::{
    prompt::Prompts,
    request::Shape,
    schedule::{Arrival, Rate, Schedule},
};
use crate::slo::Gate;

/// How load is put on the server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// So many users, each sending when its last answer has ended.
    Closed { concurrency: u32 },
    /// Requests at their time, whatever the server does.
    Open {
        rate: Rate,
        arrival: Arrival,
        in_flight_max: u32,
    },
}

/// When to stop starting requests; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    pub requests: Option<u64>,
    pub duration: Option<Duration>,
}

#[derive(Debug, Clone)]
pub struct Plan {
    pub pace: Pace,
    pub amount: Amount,
    /// Requests sent before, and not measured.
    pub warm_up: u64,
    pub seed: u64,
    pub shape: Shape,
    pub prompts: Prompts,
    pub gates: Vec<Gate>,
}

/// Streams that one sending thread serves; one core paces 512 of 100 tokens a second.
const STREAMS_PER_THREAD: u32 = 256;

/// Requests a second that one sending thread starts.
const RATE_PER_THREAD: f64 = 1000.0;

impl Plan {
    /// Threads to send from: as few as will do, since the server may need the cores.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rates are at most a million"
    )]
    pub fn threads(&self, cores: u32) -> u32 {
        let wanted = match self.pace {
            Pace::Closed { concurrency } => concurrency.div_ceil(STREAMS_PER_THREAD),
            Pace::Open { rate, .. } => (rate.per_second() / RATE_PER_THREAD).ceil() as u32,
        };
        wanted.clamp(1, cores.max(1))
    }

    /// The due times of an open loop, each with its index.
    pub fn due(&self) -> Option<impl Iterator<Item = (u64, Duration)> + use<>> {
        let Pace::Open { rate, arrival, .. } = self.pace else {
            return None;
        };
        let Amount { requests, duration } = self.amount;
        let schedule = Schedule::new(rate, arrival, self.seed);
        Some(
            (0..requests.unwrap_or(u64::MAX))
                .zip(schedule)
                .take_while(move |(_, due)| duration.is_none_or(|end| *due < end)),
        )
    }
}

/// What `index` of `count` gets of `total`.
pub(super) fn share(total: u64, index: u32, count: u32) -> u64 {
    let (index, count) = (u64::from(index), u64::from(count));
    total / count + u64::from(index < total % count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::request::Api;

    fn plan(pace: Pace, requests: Option<u64>, seconds: Option<u64>) -> Plan {
        Plan {
            pace,
            amount: Amount {
                requests,
                duration: seconds.map(Duration::from_secs),
            },
            warm_up: 0,
            seed: 1,
            shape: Shape {
                api: Api::Chat,
                model: "m".to_owned(),
                stream: true,
                output_tokens: None,
                ignore_eos: false,
            },
            prompts: Prompts::Generated { words: 1, seed: 1 },
            gates: Vec::new(),
        }
    }

    fn open(rate: &str) -> Pace {
        Pace::Open {
            rate: rate.parse().unwrap(),
            arrival: Arrival::Constant,
            in_flight_max: 8,
        }
    }

    #[test]
    fn requests_or_duration_end_the_schedule_whichever_is_first() {
        let count = |requests, seconds| plan(open("10"), requests, seconds).due().unwrap().count();
        assert_eq!(count(Some(7), None), 7);
        assert_eq!(count(None, Some(3)), 30);
        assert_eq!(count(Some(7), Some(3)), 7);
        assert_eq!(count(Some(70), Some(3)), 30);
    }

    #[test]
    fn a_closed_loop_has_no_schedule() {
        assert!(
            plan(Pace::Closed { concurrency: 4 }, Some(1), None)
                .due()
                .is_none()
        );
    }

    #[test]
    fn threads_grow_with_the_load_up_to_the_cores() {
        let threads = |pace| plan(pace, None, None).threads(4);
        assert_eq!(threads(Pace::Closed { concurrency: 1 }), 1);
        assert_eq!(threads(Pace::Closed { concurrency: 512 }), 2);
        assert_eq!(threads(Pace::Closed { concurrency: 5000 }), 4);
        assert_eq!(threads(open("1500")), 2);
    }

    #[test]
    fn shares_add_up() {
        assert_eq!([0, 1, 2].map(|index| share(8, index, 3)), [3, 3, 2]);
    }
}
