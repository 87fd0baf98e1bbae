//! Runs cut off after every single write: the same command again reaches what an undisturbed
//! run reaches, and users are never sent to what is not Ready meanwhile.
#![expect(clippy::unwrap_used, reason = "where the fake breaks, its test ends")]

use std::{future::Future, pin::Pin};

use infer::{release::lifecycle::Goal, spec::Surge};
use serde_json::Value;

use crate::support::fake_release::{Deploy, FAULTS, FakeRelease, Fault, ONE, THREE, TWO};

type Act<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

/// One command, and what stands before it.
struct Case {
    name: &'static str,
    before: &'static [Deploy],
    /// Nothing serves for a while, and that is meant.
    downtime: bool,
    act: for<'a> fn(&'a FakeRelease) -> Act<'a>,
}

fn deploy(fake: &FakeRelease, deploy: Deploy) -> Act<'_> {
    Box::pin(async move {
        let deployed = fake.deploy(&deploy).await;
        deployed.map(drop).map_err(|error| format!("{error:?}"))
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
        act: |fake| deploy(fake, Deploy::of(ONE)),
    },
    Case {
        name: "first deploy without a gateway",
        before: &[],
        downtime: false,
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
        act: |fake| deploy(fake, Deploy::of(THREE)),
    },
    Case {
        name: "replace without a gateway",
        before: &[Deploy {
            gateway: false,
            ..Deploy::of(ONE)
        }],
        downtime: false,
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
        act: |fake| deploy(fake, PAIR),
    },
    Case {
        name: "hand over replica by replica",
        before: &[PAIR],
        downtime: false,
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
        act: |fake| deploy(fake, Deploy::of(TWO)),
    },
    Case {
        name: "rollback",
        before: &[Deploy::of(ONE), Deploy::of(TWO), Deploy::of(THREE)],
        downtime: false,
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
        act: |fake| {
            Box::pin(async move {
                let deleted = fake.delete().await;
                deleted.map_err(|error| format!("{error:?}"))
            })
        },
    },
];

async fn stage(case: &Case) -> FakeRelease {
    let fake = FakeRelease::start(None);
    for before in case.before {
        fake.deploy(before).await.unwrap();
    }
    fake.faults.lock().unwrap().downtime = case.downtime;
    fake.heal();
    fake
}

/// The end state of an undisturbed run, and its writes.
async fn undisturbed(case: &Case) -> (Value, Vec<String>) {
    let fake = stage(case).await;
    (case.act)(&fake).await.unwrap();
    let seen = std::mem::take(&mut fake.faults.lock().unwrap().seen);
    assert_eq!(
        fake.faults.lock().unwrap().astray,
        Vec::<String>::new(),
        "{}",
        case.name
    );
    // A finished state plans nothing: the same command again changes nothing.
    let state = fake.state();
    if case.name != "rollback" && case.name != "delete" {
        (case.act)(&fake).await.unwrap();
        assert_eq!(fake.state(), state, "{} twice", case.name);
    }
    (state, seen)
}

async fn cut_off(case: &Case, at: usize, fault: Fault) -> Result<(), String> {
    let fake = stage(case).await;
    fake.arm(at, fault);
    let first = fake.run((case.act)(&fake)).await;
    fake.heal();
    let again = match (&first, fault) {
        // Whatever the fault, a run that says that it has done it is done.
        (Some(Ok(())), _) => Ok(()),
        _ => (case.act)(&fake).await,
    };
    let astray = std::mem::take(&mut fake.faults.lock().unwrap().astray);
    again.map_err(|error| format!("the same command again: {error}\nfirst: {first:?}"))?;
    if !astray.is_empty() {
        return Err(format!("{astray:?}\nfirst: {first:?}"));
    }
    fake.heal();
    let (wanted, _) = undisturbed(case).await;
    let state = fake.state();
    if state == wanted {
        return Ok(());
    }
    let differing: Vec<_> = wanted
        .as_object()
        .unwrap()
        .iter()
        .chain(state.as_object().unwrap())
        .filter(|(path, _)| wanted.get(path) != state.get(path))
        .map(|(path, _)| {
            format!(
                "{path}\n  wanted {}\n  found  {}",
                wanted[path], state[path]
            )
        })
        .collect();
    Err(format!("first: {first:?}\n{}", differing.join("\n")))
}

async fn every_write_of(case: &Case) -> (usize, Vec<String>) {
    let (_, writes) = undisturbed(case).await;
    let mut wrong = Vec::new();
    for fault in FAULTS {
        for (number, write) in writes.iter().enumerate() {
            // Killed after its last write, the lock's release, a run has done all.
            if fault == Fault::Kill && number + 1 == writes.len() {
                continue;
            }
            if let Err(why) = cut_off(case, number + 1, fault).await {
                wrong.push(format!(
                    "{}: {fault:?} at {} ({write}): {why}",
                    case.name,
                    number + 1
                ));
            }
        }
    }
    (writes.len() * FAULTS.len() - 1, wrong)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_cut_off_after_any_write_is_finished_by_the_same_command() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for case in CASES {
        let (count, failed) = every_write_of(case).await;
        tried += count;
        wrong.extend(failed);
    }
    println!("{tried} runs cut off");
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(
        tried > 300,
        "the table is generated from the writes: {tried}"
    );
}
