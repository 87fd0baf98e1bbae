//! Fakes of the canary's ports: a split, measures and a fleet, on a simulated clock.
//! The clock is the fake measure's: it moves on by a fifth of a second each time.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    CanaryResult, CanaryRun, Chosen, Error, Event, Measure, Observed, Reading, RunEnd, SplitProbe,
    Traffic,
    journal::Journal,
    pair::Arm,
    plan::{Asked, Plan, tests::asked},
    ports::Fleet,
    sample::Outcome,
};
use crate::{
    cluster::{
        self,
        diagnosis::{Code, Finding},
    },
    header_match::HeaderMatch,
    interrupt::{Interrupt, Trigger},
    name::VersionId,
    release,
    traffic::{self, Change, Split},
    weight::Weight,
};

pub(super) fn version(digit: u8) -> VersionId {
    format!("v00000000{digit}").parse().unwrap()
}

/// What the n-th call of a port does in place of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Fails and changes nothing.
    Fails,
    /// Takes effect; its answer is lost.
    FailsAfterwards,
    /// Changes nothing and never answers.
    Hangs,
    /// Takes effect and never answers.
    HangsAfterwards,
    /// Refused: another writer was first.
    Conflicts,
}

/// Faults by the number of the call, from 1.
#[derive(Debug, Default)]
pub(super) struct Faults {
    calls: AtomicUsize,
    at: Mutex<Vec<(usize, Fault)>>,
}

impl Faults {
    pub(super) fn add(&self, call: usize, fault: Fault) {
        self.at.lock().unwrap().push((call, fault));
    }

    fn next(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let at = self.at.lock().unwrap();
        at.iter()
            .find(|(faulty, _)| *faulty == call)
            .map(|(_, fault)| *fault)
    }
}

/// A pod that no node has room for, as a cluster's fleet says it.
pub(super) fn no_room() -> Error {
    let finding = Finding {
        code: Code::GpuInsufficient,
        cause: "0 of 4 nodes have a free GPU".to_owned(),
        pod: Some("chat-v000000002-x".to_owned()),
        container: None,
        node: Some("gpu-3".to_owned()),
        evidence: vec!["Insufficient nvidia.com/gpu".to_owned()],
        fix: vec!["free a GPU".to_owned()],
    };
    Error::Release(release::Error::Cluster(cluster::Error::NotStarted {
        object: "Deployment demo/chat-v000000002".to_owned(),
        finding: Box::new(finding),
    }))
}

/// An API server that is away.
fn unreachable() -> Error {
    Error::Release(release::Error::Cluster(cluster::Error::TimedOut {
        act: "write".to_owned(),
        server: "https://api".to_owned(),
        seconds: 15,
    }))
}

/// A split in memory that keeps every write.
pub(super) struct FakeTraffic {
    pub(super) split: Mutex<Split>,
    pub(super) writes: Mutex<Vec<Change>>,
    pub(super) faults: Faults,
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
            faults: Faults::default(),
        }
    }

    fn apply(&self, change: &Change) -> Split {
        let mut split = self.split.lock().unwrap();
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
        split.clone()
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
    async fn read(&self) -> Result<Split, Error> {
        Ok(self.now())
    }

    async fn write(&self, read: &Split, change: &Change) -> Result<Split, Error> {
        assert_eq!(self.now().token, read.token, "written on what was read");
        match self.faults.next() {
            None => Ok(self.apply(change)),
            Some(Fault::Fails) => Err(unreachable()),
            Some(Fault::FailsAfterwards) => {
                self.apply(change);
                Err(unreachable())
            }
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::HangsAfterwards) => {
                self.apply(change);
                std::future::pending().await
            }
            Some(Fault::Conflicts) => Err(Error::Traffic(traffic::Error::Conflict {
                object: "chat".to_owned(),
                who: "another run".to_owned(),
            })),
        }
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
    /// The weight that split probes are sent by, where there are any.
    pub(super) probes_by: Option<u8>,
    /// Whether the gateway sends by the header of a match, where split probes carry it.
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
            probes_by: None,
            heeds_header: None,
            at_s: None,
        }
    }

    fn split_probes(&self, now_ms: u64) -> Vec<SplitProbe> {
        let by_header = self.heeds_header.map(|heeds| {
            let (arm, weight) = if heeds {
                (Arm::Candidate, 100)
            } else {
                (Arm::Live, 0)
            };
            let with_it = SplitProbe {
                arm: Some(arm),
                matched: true,
                ..split_probe(now_ms, weight)
            };
            [split_probe(now_ms, 0), with_it]
        });
        let by_share = self.probes_by.map(|by| split_probe(now_ms, by));
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
            outcome: Outcome {
                failed,
                ttft_ms: (!failed).then(|| 200.0 * slower * (0.3 * normal).exp()),
                tpot_ms: (!failed).then(|| 10.0 * (0.05 * normal).exp()),
            },
            output_tokens: 20,
            chosen: Chosen::BySplit,
        }
    }
}

fn split_probe(started_ms: u64, by: u8) -> SplitProbe {
    SplitProbe {
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

    fn now_ms(&self) -> u64 {
        Self::now_ms(self)
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
            split_probes: self.split_probes(now_ms),
            ..Reading::default()
        })
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub(super) struct FakeFleet {
    told: Mutex<Vec<String>>,
    pub(super) ready: Faults,
    pub(super) ends: Faults,
}

impl FakeFleet {
    async fn act(&self, faults: &Faults, told: String) -> Result<(), Error> {
        self.told.lock().unwrap().push(told);
        match faults.next() {
            None => Ok(()),
            Some(Fault::Hangs | Fault::HangsAfterwards) => std::future::pending().await,
            Some(_) => Err(no_room()),
        }
    }
}

impl Fleet for FakeFleet {
    async fn ready(&self, _: &VersionId, weight: Weight) -> Result<(), Error> {
        self.act(&self.ready, format!("ready for {weight}")).await
    }

    async fn promoted(&self, candidate: &VersionId) -> Result<(), Error> {
        self.act(&self.ends, format!("promoted {candidate}")).await
    }

    async fn refused(&self, candidate: &VersionId, _: super::Verdict) -> Result<(), Error> {
        self.act(&self.ends, format!("refused {candidate}")).await
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
    pub(super) brought_up: bool,
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
            brought_up: false,
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
            started_ms: 0,
            updated_ms: 0,
            deadline_ms: 0,
            frozen: false,
            held: false,
            plan: Plan::new(&self.asked).unwrap(),
        }
    }

    pub(super) async fn drive(&self, measure: &mut FakeMeasure<'_>) -> Result<RunEnd, Error> {
        self.drive_journal(&self.journal(), measure).await
    }

    /// Drives a run that another process began.
    pub(super) async fn drive_journal(
        &self,
        journal: &Journal,
        measure: &mut FakeMeasure<'_>,
    ) -> Result<RunEnd, Error> {
        let drive = CanaryRun {
            traffic: &self.traffic,
            measure,
            fleet: &self.fleet,
            interrupt: &self.interrupt,
            on_terminal: self.on_terminal,
            again: self.again,
            brought_up: self.brought_up,
            simulated: true,
            on_event: &|event| self.events.lock().unwrap().push(event),
        };
        let ended = drive.run(journal, self.traffic.now()).await;
        ended.map(|(stopped, _)| stopped)
    }

    pub(super) async fn ending(&self, measure: &mut FakeMeasure<'_>) -> CanaryResult {
        match self.drive(measure).await.unwrap() {
            RunEnd::Ended(ending) => *ending,
            RunEnd::Frozen { .. } => panic!("frozen"),
        }
    }

    pub(super) fn fleet(&self) -> Vec<String> {
        self.fleet.told.lock().unwrap().clone()
    }
}
