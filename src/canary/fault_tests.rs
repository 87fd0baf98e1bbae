//! `drive` where its ports fail or hang, and a signal comes at the worst moment.

use std::time::Duration;

use super::{
    CanaryResult, Error, Event, RunEnd, Verdict, fakes::*, journal::Journal, plan::OnInterrupt,
};
use crate::{
    explain::{Explain as _, Kind},
    interrupt::EndedBy,
};

/// Presses Ctrl-C, or terminates, once the fleet or the split has come to where it hangs.
async fn once(reached: impl Fn() -> bool, act: impl FnOnce()) {
    while !reached() {
        tokio::task::yield_now().await;
    }
    act();
}

/// A run over 5, 50 and 100% that is asked to make room `call` times, then hangs.
fn hanging_in_room(call: usize) -> Scene {
    let scene = Scene::new(&[5, 50, 100]);
    scene.fleet.ready.add(call, Fault::Hangs);
    scene
}

async fn driven_until(scene: &Scene, calls: usize, act: impl FnOnce()) -> RunEnd {
    let mut measure = FakeMeasure::new(&scene.traffic);
    let asked = || scene.fleet().len() >= calls;
    let (stopped, ()) = tokio::join!(scene.drive(&mut measure), once(asked, act));
    stopped.unwrap()
}

fn ending(stopped: RunEnd) -> CanaryResult {
    match stopped {
        RunEnd::Ended(ending) => *ending,
        RunEnd::Frozen { .. } => panic!("frozen"),
    }
}

#[tokio::test]
async fn a_termination_while_room_is_made_rolls_back() {
    for (call, weights) in [(2, vec![5, 0]), (3, vec![5, 50, 0])] {
        let scene = hanging_in_room(call);
        let stopped = driven_until(&scene, call, || scene.trigger.end(EndedBy::Terminate)).await;
        let ending = ending(stopped);
        assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
        assert!(ending.interrupted && ending.reason == "interrupted by SIGTERM");
        assert_eq!(scene.traffic.weights(), weights);
        assert_eq!(scene.traffic.now().candidate, None);
        assert_eq!(scene.fleet().last().unwrap(), "refused v000000002");
    }
}

#[tokio::test]
async fn ctrl_c_while_room_is_made_freezes_the_share_in_force_and_a_later_run_goes_on() {
    for (call, weight, step) in [(2, 5, 0), (3, 50, 1)] {
        let mut scene = hanging_in_room(call);
        scene.on_terminal = true;
        let stopped = driven_until(&scene, call, || scene.trigger.interrupt()).await;
        assert!(matches!(stopped, RunEnd::Frozen { weight: w, .. } if w.percent() == weight));
        let split = scene.traffic.now();
        assert_eq!(split.weight.percent(), weight);
        let journal = Journal::read(&split.journal.unwrap()).unwrap();
        assert!(journal.frozen && journal.step == step, "{journal:?}");

        let mut later = Scene::new(&[5, 50, 100]);
        later.traffic = scene.traffic;
        let mut measure = FakeMeasure::new(&later.traffic);
        let stopped = later.drive_journal(&journal, &mut measure).await.unwrap();
        assert_eq!(ending(stopped).verdict, Verdict::Promoted);
    }
}

#[tokio::test]
async fn a_second_ctrl_c_rolls_back_also_while_the_first_one_is_being_written() {
    for fault in [Fault::Hangs, Fault::HangsAfterwards] {
        let mut scene = hanging_in_room(2);
        scene.on_terminal = true;
        // The write that freezes.
        scene.traffic.faults.add(2, fault);
        let once_more = once(|| scene.fleet().len() >= 2, || scene.trigger.interrupt());
        let mut measure = FakeMeasure::new(&scene.traffic);
        let again = async {
            once_more.await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            scene.trigger.interrupt();
        };
        let (stopped, ()) = tokio::join!(scene.drive(&mut measure), again);
        let ending = ending(stopped.unwrap());
        assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
        assert_eq!(ending.reason, "interrupted twice");
        assert_eq!(scene.traffic.now().candidate, None);
    }
}

#[tokio::test]
async fn a_signal_while_the_weight_is_raised_takes_the_share_back_whether_it_was_written_or_not() {
    for call in [1, 2] {
        for fault in [Fault::Hangs, Fault::HangsAfterwards] {
            let scene = Scene::new(&[5, 50, 100]);
            scene.traffic.faults.add(call, fault);
            let stopped =
                driven_until(&scene, call, || scene.trigger.end(EndedBy::Terminate)).await;
            let ending = ending(stopped);
            assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
            assert_eq!(scene.traffic.now().candidate, None, "{call} {fault:?}");
            assert_eq!(scene.traffic.weights().last(), Some(&0));
        }
    }
}

#[tokio::test]
async fn a_candidate_without_room_for_its_next_share_is_held_with_the_diagnosis() {
    for (call, weight, lacking) in [(2, 5, "50%"), (3, 50, "100%")] {
        let scene = Scene::new(&[5, 50, 100]);
        scene.fleet.ready.add(call, Fault::Fails);
        let ending = scene.ending(&mut FakeMeasure::new(&scene.traffic)).await;
        assert_eq!((ending.verdict, ending.weight), (Verdict::Held, weight));
        let said = format!(
            "; no room for {lacking}: Deployment demo/chat-v000000002 did not start: \
             0 of 4 nodes have a free GPU"
        );
        assert!(
            ending.reason.starts_with("not worse by 20%"),
            "{}",
            ending.reason
        );
        assert!(ending.reason.ends_with(&said), "{}", ending.reason);
        let split = scene.traffic.now();
        assert_eq!(split.weight.percent(), weight);
        assert_eq!(split.journal.unwrap()["held"], true);
        let events = scene.events.lock().unwrap();
        let told = events.iter().find_map(|event| match event {
            Event::NoRoom { evidence, next, .. } => Some((evidence.clone(), next.clone())),
            _ => None,
        });
        let (evidence, next) = told.unwrap();
        assert_eq!(
            evidence,
            [
                "pod chat-v000000002-x, on gpu-3",
                "Insufficient nvidia.com/gpu"
            ]
        );
        assert_eq!(next, ["free a GPU"]);
    }
}

#[tokio::test]
async fn a_candidate_without_room_for_its_first_share_is_a_failure_that_leaves_nothing() {
    for (brought_up, ended) in [(true, true), (false, false)] {
        let mut scene = Scene::new(&[5, 50, 100]);
        scene.brought_up = brought_up;
        scene.fleet.ready.add(1, Fault::Fails);
        let mut measure = FakeMeasure::new(&scene.traffic);
        let error = scene.drive(&mut measure).await.unwrap_err();
        assert!(error.to_string().contains("free GPU"), "{error}");
        assert_eq!(error.evidence().unwrap().texts().len(), 2);
        assert!(scene.traffic.weights().is_empty());
        let told = scene.fleet();
        assert_eq!(told.contains(&"refused v000000002".to_owned()), ended);
    }
}

#[tokio::test]
async fn a_resumed_share_that_its_candidate_cannot_carry_is_given_up() {
    let scene = Scene::new(&[5, 50]);
    let mut journal = scene.journal();
    raise(&scene, &mut journal, 5);
    scene.fleet.ready.add(1, Fault::Fails);
    let mut measure = FakeMeasure::new(&scene.traffic);
    let stopped = scene.drive_journal(&journal, &mut measure).await.unwrap();
    let ending = ending(stopped);
    assert_eq!((ending.verdict, ending.weight), (Verdict::Undecided, 0));
    assert!(ending.reason.contains("free GPU"), "{}", ending.reason);
    assert_eq!(scene.traffic.now().candidate, None);
}

/// A run left behind at `weight`, as a killed process leaves it.
fn raise(scene: &Scene, journal: &mut Journal, weight: u8) {
    let mut split = scene.traffic.split.lock().unwrap();
    split.candidate = Some(version(2));
    split.weight = crate::weight::Weight::try_from(weight).unwrap();
    split.journal = Some(journal.to_value());
}

#[tokio::test]
async fn a_resumed_run_that_is_interrupted_at_once_is_frozen_or_taken_back() {
    let scene = |on_terminal| {
        let mut scene = Scene::new(&[10]);
        scene.on_terminal = on_terminal;
        raise(&scene, &mut scene.journal(), 10);
        scene
    };
    let person = scene(true);
    person.trigger.interrupt();
    let mut measure = FakeMeasure::new(&person.traffic);
    let stopped = person.drive_journal(&person.journal(), &mut measure).await;
    assert!(matches!(stopped.unwrap(), RunEnd::Frozen { weight, .. } if weight.percent() == 10));
    let split = person.traffic.now();
    assert_eq!(
        (split.weight.percent(), &split.journal.unwrap()["frozen"]),
        (10, &true.into())
    );

    let impatient = scene(true);
    impatient.trigger.interrupt();
    impatient.trigger.interrupt();
    let nobody = scene(false);
    nobody.trigger.end(EndedBy::HangUp);
    for scene in [impatient, nobody] {
        let mut measure = FakeMeasure::new(&scene.traffic);
        let stopped = scene.drive_journal(&scene.journal(), &mut measure).await;
        let ending = ending(stopped.unwrap());
        assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
        assert_eq!(scene.traffic.now().candidate, None);
    }
}

#[tokio::test]
async fn a_run_that_moves_nothing_ends_the_candidate_that_it_brought_up_and_no_other() {
    for brought_up in [true, false] {
        let mut quiet = Scene::new(&[10]);
        quiet.brought_up = brought_up;
        let mut measure = FakeMeasure::new(&quiet.traffic);
        measure.requests_per_s = 1;
        assert_eq!(quiet.ending(&mut measure).await.verdict, Verdict::Undecided);
        let mut stopped = Scene::new(&[10]);
        stopped.brought_up = brought_up;
        stopped.trigger.interrupt();
        let ending = stopped
            .ending(&mut FakeMeasure::new(&stopped.traffic))
            .await;
        assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
        for scene in [&quiet, &stopped] {
            assert_eq!(scene.fleet() == ["refused v000000002"], brought_up);
            assert!(scene.traffic.weights().is_empty());
        }
    }
}

/// Each write of a promotion, a hold and a rollback, by number: what stands when it fails.
#[tokio::test]
async fn a_write_that_fails_is_the_error_and_no_version_is_ended_for_it() {
    let writes = [
        // Steps, slower, the write that fails, the weights in force then.
        (&[5, 50, 100][..], 1.0, 1, 0),
        (&[5, 50, 100][..], 1.0, 2, 5),
        (&[5, 50, 100][..], 1.0, 3, 50),
        (&[10][..], 1.0, 2, 10),
        (&[10][..], 1.5, 2, 10),
    ];
    for (steps, slower, call, weight) in writes {
        for fault in [Fault::Fails, Fault::Conflicts] {
            let scene = Scene::new(steps);
            scene.traffic.faults.add(call, fault);
            let mut measure = FakeMeasure::new(&scene.traffic);
            measure.slower = slower;
            let error = scene.drive(&mut measure).await.unwrap_err();
            assert_eq!(
                error.kind() == Kind::Conflict,
                fault == Fault::Conflicts,
                "{error}"
            );
            assert_eq!(scene.traffic.now().weight.percent(), weight);
            let told = scene.fleet();
            assert!(
                told.iter().all(|told| told.starts_with("ready")),
                "{told:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_first_write_whose_answer_is_lost_leaves_the_candidate_up() {
    let mut scene = Scene::new(&[10]);
    scene.brought_up = true;
    scene.traffic.faults.add(1, Fault::FailsAfterwards);
    let mut measure = FakeMeasure::new(&scene.traffic);
    assert!(scene.drive(&mut measure).await.is_err());
    assert_eq!(scene.traffic.now().weight.percent(), 10);
    assert_eq!(scene.fleet(), ["ready for 10%"]);
}

#[tokio::test]
async fn a_promotion_that_is_interrupted_after_its_write_is_a_promotion() {
    let mut scene = Scene::new(&[10, 100]);
    scene.on_terminal = true;
    scene.traffic.faults.add(2, Fault::HangsAfterwards);
    let stopped = driven_until(&scene, 2, || scene.trigger.interrupt()).await;
    let ending = ending(stopped);
    assert_eq!((ending.verdict, ending.weight), (Verdict::Promoted, 100));
    assert_eq!(scene.fleet().last().unwrap(), "promoted v000000002");
}

#[tokio::test]
async fn a_loser_that_does_not_end_holds_no_one_up_who_presses_ctrl_c() {
    let scene = Scene::new(&[10, 100]);
    scene.fleet.ends.add(1, Fault::Hangs);
    let stopped = driven_until(&scene, 3, || scene.trigger.interrupt()).await;
    let ending = ending(stopped);
    assert_eq!(ending.verdict, Verdict::Promoted);
    assert!(ending.interrupted);
    let events = scene.events.lock().unwrap();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Warning { .. }))
    );
}

#[tokio::test]
async fn a_rollback_that_cannot_be_written_is_left_after_two_more_signals() {
    let mut scene = Scene::new(&[10]);
    scene.asked.on_interrupt = OnInterrupt::RollBack;
    scene.traffic.faults.add(2, Fault::Hangs);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.slower = 1.5;
    let ruled = || {
        let events = scene.events.lock().unwrap();
        events
            .iter()
            .any(|event| matches!(event, Event::Decided { .. }))
    };
    let press = async {
        once(ruled, || scene.trigger.interrupt()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        scene.trigger.interrupt();
    };
    let (ended, ()) = tokio::join!(scene.drive(&mut measure), press);
    assert!(matches!(ended, Err(Error::LeftAt { .. })), "{ended:?}");
}
