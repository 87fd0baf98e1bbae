//! Fakes of the canary's ports: a split, measures and a fleet, on a simulated clock.
//! The clock is the fake measure's: it moves on by a fifth of a second each time.

use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    Chosen, Drive, Ending, Error, Event, Fleet, Look, Measure, Observed, Reading, Stopped, Traffic,
    journal::Journal,
    plan::{Asked, Plan, tests::asked},
    sample::{Arm, Felt},
};
use crate::{
    header_match::HeaderMatch,
    interrupt::{Interrupt, Trigger},
    name::VersionId,
    traffic::{self, Change, Split},
    weight::Weight,
};

pub(super) fn version(digit: u8) -> VersionId {
    format!("v00000000{digit}").parse().unwrap()
}

/// A split in memory that keeps every write.
pub(super) struct FakeTraffic {
    pub(super) split: Mutex<Split>,
    pub(super) writes: Mutex<Vec<Change>>,
}

impl FakeTraffic {
    pub(super) fn new() -> Self {
        Self {
            split: Mutex::new(Split {
                live: version(1),
                candidate: None,
                weight: Weight::ZERO,
                matches: None,
                token: "0".to_owned(),
                journal: None,
                writer: None,
            }),
            writes: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn now(&self) -> Split {
        self.split.lock().unwrap().clone()
    }

    pub(super) fn weights(&self) -> Vec<u8> {
        let writes = self.writes.lock().unwrap();
        writes
            .iter()
            .map(|change| change.weight.percent())
            .collect()
    }
}

impl Traffic for FakeTraffic {
    async fn read(&self) -> Result<Split, traffic::Error> {
        Ok(self.now())
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, traffic::Error> {
        let mut split = self.split.lock().unwrap();
        assert_eq!(split.token, read.token, "written on what was read");
        *split = Split {
            live: change.live.clone(),
            candidate: change.candidate.clone(),
            weight: change.weight,
            matches: change.matches.clone(),
            token: (split.token.parse::<u32>().unwrap() + 1).to_string(),
            journal: change.journal.clone(),
            writer: None,
        };
        self.writes.lock().unwrap().push(change.clone());
        Ok(split.clone())
    }

    fn name(&self) -> String {
        "chat".to_owned()
    }
}

/// Draws requests at a fixed rate, split as the fake traffic says, on its own clock.
pub(super) struct FakeMeasure<'a> {
    pub(super) traffic: &'a FakeTraffic,
    pub(super) elapsed_ms: u64,
    pub(super) random: ChaCha8Rng,
    pub(super) requests_per_s: u64,
    pub(super) slower: f64,
    pub(super) failing: f64,
    /// How much of the asked share really arrives.
    pub(super) obeyed: f64,
    /// The weight that looks are sent by, where there are looks.
    pub(super) looks_by: Option<u8>,
    /// Whether the gateway sends by the header of a match, where there are looks with it.
    pub(super) heeds_header: Option<bool>,
    pub(super) at_s: Option<(u64, Box<dyn FnOnce() + Send + 'a>)>,
}

impl<'a> FakeMeasure<'a> {
    pub(super) fn new(traffic: &'a FakeTraffic) -> Self {
        Self {
            traffic,
            elapsed_ms: 0,
            random: ChaCha8Rng::seed_from_u64(7),
            requests_per_s: 50,
            slower: 1.0,
            failing: 0.0,
            obeyed: 1.0,
            looks_by: None,
            heeds_header: None,
            at_s: None,
        }
    }

    fn looks(&self, now_ms: u64) -> Vec<Look> {
        let by_header = self.heeds_header.map(|heeds| {
            let (arm, weight) = if heeds {
                (Arm::Candidate, 100)
            } else {
                (Arm::Live, 0)
            };
            let with_it = Look {
                arm: Some(arm),
                matched: true,
                ..look(now_ms, weight)
            };
            [look(now_ms, 0), with_it]
        });
        let by_share = self.looks_by.map(|by| look(now_ms, by));
        by_share
            .into_iter()
            .chain(by_header.into_iter().flatten())
            .collect()
    }

    pub(super) fn now_ms(&self) -> u64 {
        1_000_000 + self.elapsed_ms
    }

    pub(super) fn observed(&mut self, at_ms: u64) -> Observed {
        let weight = self.traffic.now().weight.fraction() * self.obeyed;
        let candidate = self.random.random_bool(weight);
        let failed = candidate && self.random.random_bool(self.failing);
        let normal: f64 = StandardNormal.sample(&mut self.random);
        let slower = if candidate { self.slower } else { 1.0 };
        Observed {
            started_ms: at_ms,
            ended_ms: at_ms,
            arm: if candidate { Arm::Candidate } else { Arm::Live },
            felt: Felt {
                failed,
                ttft_ms: (!failed).then(|| 200.0 * slower * (0.3 * normal).exp()),
                tpot_ms: (!failed).then(|| 10.0 * (0.05 * normal).exp()),
            },
            output_tokens: 20,
            chosen: Chosen::BySplit,
        }
    }
}

fn look(started_ms: u64, by: u8) -> Look {
    Look {
        started_ms,
        arm: Some(Arm::Live),
        weight: Some(by),
        matched: false,
    }
}

impl Measure for FakeMeasure<'_> {
    async fn history(&mut self) -> Result<Reading, Error> {
        let now_ms = self.now_ms();
        let count = self.requests_per_s * 120;
        let requests = (0..count)
            .map(|n| self.observed(now_ms - 120_000 + n * 120_000 / count))
            .collect();
        Ok(Reading {
            now_ms,
            requests,
            ..Reading::default()
        })
    }

    async fn next(&mut self) -> Result<Reading, Error> {
        tokio::task::yield_now().await;
        self.elapsed_ms += 200;
        let now_ms = self.now_ms();
        if self
            .at_s
            .as_ref()
            .is_some_and(|(at_s, _)| self.elapsed_ms >= at_s * 1_000)
            && let Some((_, act)) = self.at_s.take()
        {
            act();
        }
        let count = self.requests_per_s / 5;
        Ok(Reading {
            now_ms,
            requests: (0..count).map(|_| self.observed(now_ms)).collect(),
            looks: self.looks(now_ms),
            ..Reading::default()
        })
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub(super) struct FakeFleet(pub(super) Mutex<Vec<String>>);

impl Fleet for FakeFleet {
    async fn ready(&self, _: &VersionId, weight: Weight) -> Result<(), Error> {
        self.0.lock().unwrap().push(format!("ready for {weight}"));
        Ok(())
    }

    async fn promoted(&self, candidate: &VersionId) -> Result<(), Error> {
        self.0.lock().unwrap().push(format!("promoted {candidate}"));
        Ok(())
    }

    async fn refused(&self, candidate: &VersionId) -> Result<(), Error> {
        self.0.lock().unwrap().push(format!("refused {candidate}"));
        Ok(())
    }
}

pub(super) struct Scene {
    pub(super) traffic: FakeTraffic,
    pub(super) fleet: FakeFleet,
    pub(super) trigger: Trigger,
    pub(super) interrupt: Interrupt,
    pub(super) asked: Asked,
    /// The match of before the run.
    pub(super) before: Option<HeaderMatch>,
    pub(super) on_terminal: bool,
    pub(super) again: std::time::Duration,
    pub(super) events: Mutex<Vec<Event>>,
}

impl Scene {
    pub(super) fn new(weights: &[u8]) -> Self {
        let (trigger, interrupt) = Interrupt::pair();
        let mut asked = asked(weights);
        asked.probe_rate = 0.0;
        Self {
            traffic: FakeTraffic::new(),
            fleet: FakeFleet::default(),
            trigger,
            interrupt,
            asked,
            before: None,
            on_terminal: false,
            again: std::time::Duration::from_millis(20),
            events: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn journal(&self) -> Journal {
        Journal {
            run_id: "c1".to_owned(),
            live: version(1),
            candidate: version(2),
            step: 0,
            original_weight: Weight::ZERO,
            original_match: self.before.clone(),
            original_candidate: None,
            started_ms: 0,
            updated_ms: 0,
            deadline_ms: 0,
            frozen: false,
            held: false,
            plan: Plan::new(&self.asked).unwrap(),
        }
    }

    pub(super) async fn drive(&self, measure: &mut FakeMeasure<'_>) -> Result<Stopped, Error> {
        let drive = Drive {
            traffic: &self.traffic,
            measure,
            fleet: &self.fleet,
            interrupt: &self.interrupt,
            on_terminal: self.on_terminal,
            again: self.again,
            simulated: true,
            on_event: &|event| self.events.lock().unwrap().push(event),
        };
        let ended = drive.run(&self.journal(), self.traffic.now()).await;
        ended.map(|(stopped, _)| stopped)
    }

    pub(super) async fn ending(&self, measure: &mut FakeMeasure<'_>) -> Ending {
        match self.drive(measure).await.unwrap() {
            Stopped::Ended(ending) => *ending,
            Stopped::Frozen { .. } => panic!("frozen"),
        }
    }

    pub(super) fn fleet(&self) -> Vec<String> {
        self.fleet.0.lock().unwrap().clone()
    }
}
