//! `drive` over fake ports: every verdict and every interrupt.

use super::{
    Event, RunEnd, Verdict,
    fakes::*,
    journal::Journal,
    plan::{OnInterrupt, OnUndecided},
};
use crate::{
    explain::{Explain, Kind},
    interrupt::EndedBy,
    weight::Weight,
};

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
        [
            "ready for 10%",
            "ready for 50%",
            "ready for 100%",
            "promoted v000000002"
        ]
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
            ending.reason.contains("not decided within 15 s")
                && ending.reason.contains(" of 300 for not worse"),
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
async fn a_gateway_that_follows_an_older_write_is_noticed_and_never_held() {
    let mut scene = Scene::new(&[20]);
    scene.asked.step_limit = std::time::Duration::from_mins(1);
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.probes_by = Some(5);
    let ending = scene.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::Undecided);
    assert!(ending.reason.contains("not 20%"), "{}", ending.reason);
}

#[tokio::test]
async fn a_signal_before_anything_moves_leaves_everything_as_it_is() {
    let scene = Scene::new(&[10]);
    scene.trigger.interrupt();
    let ending = scene.ending(&mut FakeMeasure::new(&scene.traffic)).await;
    assert_eq!((ending.verdict, ending.weight), (Verdict::Aborted, 0));
    assert!(ending.interrupted && scene.traffic.weights().is_empty());
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
    assert!(matches!(stopped, RunEnd::Frozen { weight, .. } if weight.percent() == 10));
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
    assert!(matches!(stopped, RunEnd::Frozen { .. }));
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
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
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

#[tokio::test]
async fn a_b_by_a_header_moves_no_share_and_is_left_as_it_was_by_a_later_run() {
    let mut scene = Scene::new(&[0]);
    let beta = "header:x-beta=1".parse().ok();
    (scene.asked.hold, scene.asked.matches) = (true, beta.clone());
    scene.asked.step_limit = std::time::Duration::from_secs(30);
    let ending = scene.ending(&mut FakeMeasure::new(&scene.traffic)).await;
    assert_eq!((ending.verdict, ending.weight), (Verdict::Held, 0));
    assert_eq!((ending.split.asked, &ending.split.matches), (None, &beta));
    let held = scene.traffic.now();
    assert_eq!((held.weight, &held.matches), (Weight::ZERO, &beta));
    assert_eq!(held.journal.unwrap()["held"], true);

    let mut later = Scene::new(&[10]);
    later.traffic = scene.traffic;
    later.before = beta.clone();
    later.asked.step_limit = std::time::Duration::from_secs(15);
    let mut measure = FakeMeasure::new(&later.traffic);
    measure.slower = 1.1;
    let ending = later.ending(&mut measure).await;
    assert_eq!(ending.verdict, Verdict::Undecided, "{}", ending.reason);
    let after = later.traffic.now();
    assert_eq!((after.weight, after.matches), (Weight::ZERO, beta));
    assert!(
        ending.reason.ends_with("header:x-beta=1 is back"),
        "{}",
        ending.reason
    );
}

fn by_header() -> Scene {
    let mut scene = Scene::new(&[0]);
    scene.asked.hold = true;
    scene.asked.matches = "header:x-beta=1".parse().ok();
    scene.asked.step_limit = std::time::Duration::from_secs(40);
    scene
}

#[tokio::test]
async fn a_gateway_that_does_not_heed_the_header_is_said_in_the_result() {
    for (heeds, said) in [(false, "match-wrong"), (true, "match-proven")] {
        let scene = by_header();
        let mut measure = FakeMeasure::new(&scene.traffic);
        measure.heeds_header = Some(heeds);
        let ending = scene.ending(&mut measure).await;
        let told = ending
            .reason
            .contains("does not route requests by header:x-beta=1");
        assert_eq!(told, !heeds, "{}", ending.reason);
        let events = scene.events.lock().unwrap();
        let news: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::MatchWrong { .. } => Some("match-wrong"),
                Event::MatchProven { .. } => Some("match-proven"),
                _ => None,
            })
            .collect();
        assert_eq!(news, [said]);
    }
}

#[tokio::test]
async fn a_match_that_is_frozen_stays_and_is_resumed_and_a_signal_ends_it() {
    let mut scene = by_header();
    scene.on_terminal = true;
    let mut measure = FakeMeasure::new(&scene.traffic);
    measure.at_s = Some((3, Box::new(|| scene.trigger.interrupt())));
    let stopped = scene.drive(&mut measure).await.unwrap();
    assert!(matches!(
        stopped,
        RunEnd::Frozen {
            matches: Some(_),
            ..
        }
    ));
    drop(measure);
    let frozen = scene.traffic.now();
    assert_eq!(frozen.matches, scene.asked.matches);

    let mut later = by_header();
    later.traffic = scene.traffic;
    let journal = Journal::read(&frozen.journal.unwrap()).unwrap();
    assert_eq!(journal.plan, later.journal().plan);
    let mut measure = FakeMeasure::new(&later.traffic);
    measure.at_s = Some((3, Box::new(|| later.trigger.end(EndedBy::Terminate))));
    let ending = later.ending(&mut measure).await;
    assert!(ending.interrupted);
    let split = later.traffic.now();
    assert_eq!((split.candidate, split.matches), (None, None));
}
