//! Runs cut off after every single write: the same command again reaches what an undisturbed
//! run reaches, and users are never sent to what is not Ready meanwhile.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use infer::for_tests::{canary::Verdict, release::lifecycle::Goal, spec::Surge};
use serde_json::Value;
use tokio::time::timeout;

use crate::support::fake_canary::Canary;
use crate::support::fake_release::{Deploy, FAULTS, FakeRelease, Fault, ONE, THREE, TWO};

type Act<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// Runs at a time: most of what one does is wait.
const AT_ONCE: usize = 24;

/// Longest time for a run and its repetition.
const RUN_MAX: Duration = Duration::from_mins(1);

/// One command, and what stands before it.
struct Case {
    name: &'static str,
    before: &'static [Deploy],
    /// Nothing serves for a while, and that is meant.
    downtime: bool,
    /// Whether the same command again has nothing to do.
    again: bool,
    act: for<'a> fn(&'a FakeRelease) -> Act<'a>,
}

fn deploy(fake: &FakeRelease, deploy: Deploy) -> Act<'_> {
    Box::pin(async move {
        let deployed = fake.deploy(&deploy).await;
        deployed.map(drop).map_err(|error| format!("{error:?}"))
    })
}

fn canary<'a>(
    fake: &'a FakeRelease,
    steps: &'static [u8],
    slower: f64,
    wanted: Verdict,
) -> Act<'a> {
    Box::pin(async move {
        let verdict = fake.canary(Canary { steps, slower }).await?;
        if verdict == wanted {
            Ok(())
        } else {
            Err(format!("the verdict is {verdict:?}"))
        }
    })
}

const PAIR: Deploy = Deploy {
    replicas: 2,
    ..Deploy::of(ONE)
};

const CASES: &[Case] = &[
    Case {
        name: "first deploy",
        before: &[],
        downtime: false,
        again: true,
        act: |fake| deploy(fake, Deploy::of(ONE)),
    },
    Case {
        name: "first deploy without a gateway",
        before: &[],
        downtime: false,
        again: true,
        act: |fake| {
            let one = Deploy {
                gateway: false,
                ..Deploy::of(ONE)
            };
            deploy(fake, one)
        },
    },
    Case {
        name: "first deploy without traffic",
        before: &[],
        downtime: false,
        again: true,
        act: |fake| {
            let one = Deploy {
                goal: Goal::Wait,
                ..Deploy::of(ONE)
            };
            deploy(fake, one)
        },
    },
    Case {
        name: "replace",
        before: &[Deploy::of(ONE), Deploy::of(TWO)],
        downtime: false,
        again: true,
        act: |fake| deploy(fake, Deploy::of(THREE)),
    },
    Case {
        name: "replace without a gateway",
        before: &[Deploy {
            gateway: false,
            ..Deploy::of(ONE)
        }],
        downtime: false,
        again: true,
        act: |fake| {
            let two = Deploy {
                gateway: false,
                ..Deploy::of(TWO)
            };
            deploy(fake, two)
        },
    },
    Case {
        name: "more replicas",
        before: &[Deploy::of(ONE)],
        downtime: false,
        again: true,
        act: |fake| deploy(fake, PAIR),
    },
    Case {
        name: "hand over replica by replica",
        before: &[PAIR],
        downtime: false,
        again: true,
        act: |fake| {
            let two = Deploy {
                replicas: 2,
                surge: Surge::None,
                ..Deploy::of(TWO)
            };
            deploy(fake, two)
        },
    },
    Case {
        name: "hand over with downtime",
        before: &[Deploy::of(ONE)],
        downtime: true,
        again: true,
        act: |fake| {
            let two = Deploy {
                surge: Surge::None,
                allow_downtime: true,
                ..Deploy::of(TWO)
            };
            deploy(fake, two)
        },
    },
    Case {
        name: "deploy without traffic",
        before: &[Deploy::of(ONE)],
        downtime: false,
        again: true,
        act: |fake| {
            let two = Deploy {
                goal: Goal::Wait,
                ..Deploy::of(TWO)
            };
            deploy(fake, two)
        },
    },
    Case {
        name: "deploy of what waits",
        before: &[
            Deploy::of(ONE),
            Deploy {
                goal: Goal::Wait,
                ..Deploy::of(TWO)
            },
        ],
        downtime: false,
        again: true,
        act: |fake| deploy(fake, Deploy::of(TWO)),
    },
    Case {
        name: "rollback",
        before: &[Deploy::of(ONE), Deploy::of(TWO), Deploy::of(THREE)],
        downtime: false,
        again: false,
        act: |fake| {
            Box::pin(async move {
                let back = fake.rollback().await;
                back.map(drop).map_err(|error| format!("{error:?}"))
            })
        },
    },
    Case {
        name: "delete",
        before: &[Deploy::of(ONE), Deploy::of(TWO)],
        downtime: false,
        again: false,
        act: |fake| {
            Box::pin(async move {
                let deleted = fake.delete().await;
                deleted.map_err(|error| format!("{error:?}"))
            })
        },
    },
];

const CANARIES: &[Case] = &[
    Case {
        name: "canary that is held",
        before: &[Deploy::of(ONE)],
        downtime: false,
        again: true,
        act: |fake| canary(fake, &[10], 1.0, Verdict::Held),
    },
    Case {
        name: "canary that is raised and promoted",
        before: &[Deploy::of(ONE)],
        downtime: false,
        again: true,
        act: |fake| canary(fake, &[10, 50, 100], 1.0, Verdict::Promoted),
    },
    Case {
        name: "canary that is rolled back",
        before: &[Deploy::of(ONE)],
        downtime: false,
        again: true,
        act: |fake| canary(fake, &[10], 2.0, Verdict::RolledBack),
    },
];

/// What stands before the command, played once for each case.
struct Stage {
    objects: BTreeMap<String, Value>,
    /// The end state of an undisturbed run, and its writes.
    wanted: Value,
    writes: Vec<String>,
}

fn on_stage(case: &Case, objects: &BTreeMap<String, Value>) -> FakeRelease {
    let fake = FakeRelease::start(None);
    for (path, object) in objects {
        fake.server.put(path, object.clone());
    }
    fake.faults.lock().unwrap().downtime = case.downtime;
    fake
}

async fn stage(case: &Case) -> Stage {
    let fake = FakeRelease::start(None);
    for before in case.before {
        fake.deploy(before).await.unwrap();
    }
    let objects = fake.server.objects();
    let fake = on_stage(case, &objects);
    (case.act)(&fake).await.unwrap();
    let seen = std::mem::take(&mut fake.faults.lock().unwrap().seen);
    let astray = std::mem::take(&mut fake.faults.lock().unwrap().astray);
    assert_eq!(astray, Vec::<String>::new(), "{}", case.name);
    // A finished state plans nothing: the same command again changes nothing.
    let wanted = fake.state();
    if case.again {
        (case.act)(&fake).await.unwrap();
        assert_eq!(fake.state(), wanted, "{} twice", case.name);
    }
    Stage {
        objects,
        wanted,
        writes: seen,
    }
}

async fn cut_off(case: &Case, stage: &Stage, at: usize, fault: Fault) -> Result<(), String> {
    let fake = on_stage(case, &stage.objects);
    fake.arm(at, fault);
    let first = fake.run((case.act)(&fake)).await;
    fake.heal();
    // Whatever the fault, a run that says that it has done it is done; but for a lock that it
    // was not let give back, which ends by itself.
    let kept = fault == Fault::Refuse && at == stage.writes.len();
    if kept || !matches!(first, Some(Ok(()))) {
        let again = (case.act)(&fake).await;
        again.map_err(|error| format!("the same command again: {error}\nfirst: {first:?}"))?;
    }
    let astray = std::mem::take(&mut fake.faults.lock().unwrap().astray);
    if !astray.is_empty() {
        let seen = fake.faults.lock().unwrap().seen.clone();
        return Err(format!("{astray:?}\nfirst: {first:?}\nthen: {seen:#?}"));
    }
    fake.heal();
    let (found, wanted) = (fake.state(), &stage.wanted);
    if found == *wanted {
        return Ok(());
    }
    let paths: BTreeSet<_> = [wanted, &found]
        .into_iter()
        .flat_map(|objects| objects.as_object().unwrap().keys())
        .collect();
    let differing: Vec<_> = paths
        .into_iter()
        .filter(|path| wanted.get(path) != found.get(path))
        .map(|path| {
            let (wanted, found) = (&wanted[path.as_str()], &found[path.as_str()]);
            format!("{path}\n  wanted {wanted}\n  found  {found}")
        })
        .collect();
    Err(format!("first: {first:?}\n{}", differing.join("\n")))
}

/// Every fault at every write of a case; what went wrong, and how many were tried.
async fn every_write_of(case: &Case) -> (usize, Vec<String>) {
    let stage = stage(case).await;
    let mut cuts = Vec::new();
    for fault in FAULTS {
        for (number, write) in stage.writes.iter().enumerate() {
            // Killed after its last write, the lock's release, a run has done all.
            if fault != Fault::Kill || number + 1 < stage.writes.len() {
                cuts.push((fault, number + 1, write));
            }
        }
    }
    let tried = cuts.len();
    let stage = &stage;
    let wrong: Vec<_> = stream::iter(cuts)
        .map(|(fault, at, write)| async move {
            let cut = timeout(RUN_MAX, cut_off(case, stage, at, fault)).await;
            let why = match cut {
                Ok(Ok(())) => return None,
                Ok(Err(why)) => why,
                Err(late) => late.to_string(),
            };
            Some(format!("{}: {fault:?} at {at} ({write}): {why}", case.name))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|wrong| async { wrong })
        .collect()
        .await;
    (tried, wrong)
}

/// Cuts each case off after each of its writes; how many runs that were, case by case.
async fn all_are_finished(cases: &[Case]) -> (usize, Vec<String>) {
    let mut tried = 0;
    let (mut told, mut wrong) = (Vec::new(), Vec::new());
    for case in cases {
        let (count, failed) = every_write_of(case).await;
        told.push(format!("{}: {count} runs cut off", case.name));
        tried += count;
        wrong.extend(failed);
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    (tried, told)
}

#[tokio::test]
async fn a_run_cut_off_after_any_write_is_finished_by_the_same_command() {
    let (tried, told) = all_are_finished(CASES).await;
    println!("{}", told.join("\n"));
    assert!(tried > 500, "generated from the writes: {tried}");
}

#[tokio::test]
async fn a_canary_cut_off_after_any_write_is_finished_by_the_same_command() {
    let (tried, told) = all_are_finished(CANARIES).await;
    println!("{}", told.join("\n"));
    assert!(tried > 150, "generated from the writes: {tried}");
}
