//! `drive` on a simulated clock, with fake measures, a fake split and a fake fleet.
//! The clock is the fake measure's: it moves on by a fifth of a second each time.

use std::sync::Mutex;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{
    Drive, Ending, Error, Event, Fleet, Measure, Observed, Reading, Stopped, Traffic, Verdict,
    journal::Journal,
    plan::{Asked, OnInterrupt, OnUndecided, Plan, tests::asked},
    sample::{Arm, Felt},
};
use crate::{
    interrupt::{EndedBy, Interrupt, Trigger},
    name::VersionId,
    traffic::{self, Change, Split},
    weight::Weight,
};

fn version(digit: u8) -> VersionId {
    format!("v00000000{digit}").parse().unwrap()
}

/// A split in memory that keeps every write.
struct FakeTraffic {
    split: Mutex<Split>,
    writes: Mutex<Vec<Change>>,
}

impl FakeTraffic {
    fn new() -> Self {
        Self {
            split: Mutex::new(Split {
                live: version(1),
                candidate: None,
                weight: Weight::ZERO,
                token: "0".to_owned(),
                journal: None,
            }),
            writes: Mutex::new(Vec::new()),
        }
    }

    fn now(&self) -> Split {
        self.split.lock().unwrap().clone()
    }

    fn weights(&self) -> Vec<u8> {
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
            token: (split.token.parse::<u32>().unwrap() + 1).to_string(),
            journal: change.journal.clone(),
        };
        self.writes.lock().unwrap().push(change.clone());
        Ok(split.clone())
    }

    fn name(&self) -> String {
        "chat".to_owned()
    }
}

/// Draws requests at a fixed rate, split as the fake traffic says, on its own clock.
struct FakeMeasure<'a> {
    traffic: &'a FakeTraffic,
    elapsed_ms: u64,
    random: ChaCha8Rng,
    requests_per_s: u64,
    slower: f64,
    failing: f64,
    /// How much of the asked share really arrives.
    obeyed: f64,
    at_s: Option<(u64, Box<dyn FnOnce() + Send + 'a>)>,
}

impl<'a> FakeMeasure<'a> {
    fn new(traffic: &'a FakeTraffic) -> Self {
        Self {
            traffic,
            elapsed_ms: 0,
            random: ChaCha8Rng::seed_from_u64(7),
            requests_per_s: 50,
            slower: 1.0,
            failing: 0.0,
            obeyed: 1.0,
            at_s: None,
        }
    }

    fn now_ms(&self) -> u64 {
        1_000_000 + self.elapsed_ms
    }

    fn observed(&mut self, at_ms: u64) -> Observed {
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
            pinned: false,
            diverted: false,
        }
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
            ..Reading::default()
        })
    }
}

/// Remembers what it was told.
#[derive(Default)]
struct FakeFleet(Mutex<Vec<String>>);

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

struct Scene {
    traffic: FakeTraffic,
    fleet: FakeFleet,
    trigger: Trigger,
    interrupt: Interrupt,
    asked: Asked,
    on_terminal: bool,
    again: std::time::Duration,
    events: Mutex<Vec<Event>>,
}

impl Scene {
    fn new(weights: &[u8]) -> Self {
        let (trigger, interrupt) = Interrupt::pair();
        let mut asked = asked(weights);
        asked.probe_rate = 0.0;
        Self {
            traffic: FakeTraffic::new(),
            fleet: FakeFleet::default(),
            trigger,
            interrupt,
            asked,
            on_terminal: false,
            again: std::time::Duration::from_millis(20),
            events: Mutex::new(Vec::new()),
        }
    }

    fn journal(&self) -> Journal {
        Journal {
            run_id: "c1".to_owned(),
            live: version(1),
            candidate: version(2),
            step: 0,
            original_weight: Weight::ZERO,
            original_candidate: None,
            started_ms: 0,
            updated_ms: 0,
            deadline_ms: 0,
            frozen: false,
            held: false,
            plan: Plan::new(&self.asked).unwrap(),
        }
    }

    async fn drive(&self, measure: &mut FakeMeasure<'_>) -> Result<Stopped, Error> {
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

    async fn ending(&self, measure: &mut FakeMeasure<'_>) -> Ending {
        match self.drive(measure).await.unwrap() {
            Stopped::Ended(ending) => *ending,
            Stopped::Frozen { .. } => panic!("frozen"),
        }
    }

    fn fleet(&self) -> Vec<String> {
        self.fleet.0.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn an_equal_candidate_is_held_at_its_weight_and_the_journal_stays_open() {
    let scene = Scene::new(&[10]);
    let ending = scene.ending(&mut FakeMeasure::new(&scene.traffic)).await;
    assert_eq!(ending.verdict, Verdict::Held, "{}", ending.reason);
    assert_eq!((ending.weight, ending.release.as_str()), (10, "chat"));
    let split = scene.traffic.now();
    assert_eq!((split.weight.percent(), split.run()), (10, Some("c1")));
    assert_eq!(split.journal.unwrap()["held"], true);
    assert_eq!(scene.fleet(), ["ready for 10%"]);
    let [low, high] = ending.split.ci95.unwrap();
    assert!(low < 0.1 && 0.1 < high, "{low} {high}");
}

#[tokio::test]
async fn steps_that_end_in_100_promote_in_one_write_and_retire_the_old_version() {
    let scene = Scene::new(&[10, 50, 100]);
    let ending = scene.ending(&mut FakeMeasure::new(&scene.traffic)).await;
    assert_eq!(ending.verdict, Verdict::Promoted, "{}", ending.reason);
    assert_eq!(ending.weight, 100);
    assert_eq!(scene.traffic.weights(), [10, 50, 0]);
    let split = scene.traffic.now();
    assert_eq!((split.live, split.candidate), (version(2), None));
    assert_eq!(split.journal, None);
    assert_eq!(
        scene.fleet(),
        ["ready for 10%", "ready for 50%", "promoted v000000002"]
    );
}

#[tokio::test]
async fn a_slower_candidate_is_rolled_back_in_one_write_that_leaves_live_alone() {
    let scene = Scene::new(&[10]);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.slower = 1.5;
    let ending = scene.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::RolledBack);
    assert!(
        ending.reason.starts_with("ttft worse by"),
        "{}",
        ending.reason
    );
    assert_eq!(scene.traffic.weights(), [10, 0]);
    let split = scene.traffic.now();
    assert_eq!((split.live, split.candidate), (version(1), None));
    assert_eq!(scene.fleet().last().unwrap(), "refused v000000002");
    assert!(ending.seconds < 120.0, "{}", ending.seconds);
}

#[tokio::test]
async fn a_failing_candidate_is_rolled_back_within_seconds() {
    let scene = Scene::new(&[10]);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.failing = 0.5;
    let ending = scene.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::RolledBack);
    assert!(ending.reason.contains("errors"), "{}", ending.reason);
    assert!(ending.seconds <= 11.0, "{}", ending.seconds);
}

#[tokio::test]
async fn out_of_time_goes_back_to_the_weight_of_before_or_stays_on_demand() {
    for (on_undecided, weight) in [(OnUndecided::Restore, 0), (OnUndecided::Hold, 10)] {
        let mut scene = Scene::new(&[10]);
        scene.asked.step_limit = std::time::Duration::from_secs(15);
        scene.asked.on_undecided = on_undecided;
        let mut measure = FakeMeasure::new(&scene.traffic);
        measure.slower = 1.1;
        let ending = scene.ending(&mut measure).await;
        assert_eq!(
            (ending.verdict, ending.weight),
            (Verdict::Undecided, weight)
        );
        assert!(
            ending.reason.contains("not decided within 15 s"),
            "{}",
            ending.reason
        );
        assert_eq!(scene.traffic.now().weight.percent(), weight);
    }
}

#[tokio::test]
async fn too_few_requests_are_undecided_at_once_and_nothing_moves() {
    let scene = Scene::new(&[10]);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.requests_per_s = 1;
    let ending = scene.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::Undecided);
    assert!(
        ending.reason.contains("0.2 are needed"),
        "{}",
        ending.reason
    );
    assert!(scene.traffic.weights().is_empty());
}

#[tokio::test]
async fn a_split_that_is_not_what_was_asked_is_noticed_and_never_held() {
    let mut scene = Scene::new(&[20]);
    scene.asked.step_limit = std::time::Duration::from_mins(2);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.obeyed = 0.5;
    let ending = scene.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::Undecided);
    assert!(ending.reason.contains("not 20%"), "{}", ending.reason);
    let events = scene.events.lock().unwrap();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::SplitWrong { .. }))
    );
}

#[tokio::test]
async fn without_a_terminal_a_signal_rolls_back() {
    let scene = Scene::new(&[10]);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((3, Box::new(|| scene.trigger.end(EndedBy::Terminate))));
    let ending = scene.ending(&mut measure).await;
    assert!(ending.interrupted);
    assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
    assert_eq!(ending.reason, "interrupted by SIGTERM");
    assert_eq!(scene.traffic.now().candidate, None);
}

#[tokio::test]
async fn without_a_terminal_a_signal_freezes_on_demand() {
    let mut scene = Scene::new(&[10]);
    scene.asked.on_interrupt = OnInterrupt::Freeze;
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((3, Box::new(|| scene.trigger.end(EndedBy::Terminate))));
    let stopped = scene.drive(&mut measure).await.unwrap();
    assert!(matches!(stopped, Stopped::Frozen { weight } if weight.percent() == 10));
    let journal = scene.traffic.now().journal.unwrap();
    assert_eq!(journal["frozen"], true);
}

#[tokio::test]
async fn at_a_terminal_the_first_ctrl_c_freezes() {
    let mut scene = Scene::new(&[10]);
    scene.on_terminal = true;
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((3, Box::new(|| scene.trigger.interrupt())));
    let stopped = scene.drive(&mut measure).await.unwrap();
    assert!(matches!(stopped, Stopped::Frozen { .. }));
    assert_eq!(scene.traffic.now().weight.percent(), 10);
    assert!(
        scene
            .fleet()
            .iter()
            .all(|told| !told.starts_with("refused"))
    );
}

#[tokio::test]
async fn at_a_terminal_the_second_ctrl_c_rolls_back() {
    let mut scene = Scene::new(&[10]);
    scene.on_terminal = true;
    scene.again = std::time::Duration::from_secs(30);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((3, Box::new(|| scene.trigger.interrupt())));
    let again = async {
        let frozen = |event: &Event| matches!(event, Event::Frozen { .. });
        while !scene.events.lock().unwrap().iter().any(frozen) {
            tokio::task::yield_now().await;
        }
        scene.trigger.interrupt();
    };
    let (ending, ()) = tokio::join!(scene.ending(&mut measure), again);
    assert!(ending.interrupted);
    assert_eq!(ending.reason, "interrupted twice");
    assert_eq!(scene.traffic.now().weight, Weight::ZERO);
}

#[tokio::test]
async fn a_split_that_somebody_else_wrote_is_left_to_them() {
    let scene = Scene::new(&[10]);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((
        3,
        Box::new(|| scene.traffic.split.lock().unwrap().weight = Weight::ALL),
    ));
    let error = scene.drive(&mut measure).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert_eq!(scene.traffic.weights(), [10]);
}

#[tokio::test]
async fn an_a_b_run_acts_on_no_ruling() {
    let mut scene = Scene::new(&[10]);
    scene.asked.hold = true;
    scene.asked.step_limit = std::time::Duration::from_mins(1);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.slower = 2.0;
    let ending = scene.ending(&mut measure).await;
    assert_eq!((ending.verdict, ending.weight), (Verdict::Held, 10));
    assert!(ending.reason.contains("worse by"), "{}", ending.reason);
    assert!((ending.seconds - 60.0).abs() < 1.0);
}
