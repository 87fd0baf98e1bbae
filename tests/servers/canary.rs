//! A canary on the local target: killed, contested, ended by a signal.

use serde_json::{Value, json};

use crate::support::{infer::Workplace, process::Process, weights};

/// What makes another version of the same weights.
const CANDIDATE: &str = "engine.env.REVISION=2";

/// A deployed release; ends with everything it started.
struct Deployed(Workplace);

impl Deployed {
    fn new() -> Self {
        let place = Workplace::new();
        weights::tiny_safetensors(&place.join("model"));
        for words in [
            "init chat --model ./model --image oci:./image --engine sim --target local",
            "pack",
            "deploy",
        ] {
            place.run(words.split(' ')).expect_code(0);
        }
        Self(place)
    }

    /// Starts a canary and waits until its weight is set.
    fn canary(&self) -> Process {
        let words = [
            "--output", "json", "canary", "--set", CANDIDATE, "--weight", "10", "--for", "10m",
        ];
        let mut canary = Process::start(&mut self.0.command(words));
        canary.event("weight-set");
        canary
    }

    fn status(&self, code: i32) -> Value {
        self.0
            .run(["--output", "json", "status", "chat"])
            .expect_code(code)
            .result()
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        self.0.run(["delete", "chat", "--yes", "--drain", "0"]);
    }
}

#[test]
fn killed_with_9_its_weight_stays_and_status_says_abandoned_until_it_is_aborted() {
    let release = Deployed::new();
    let live = release.status(0)["live"].clone();
    release.canary().kill();
    let left = release.status(4);
    assert_eq!(left["weight"], 10);
    assert_eq!(left["canary"]["state"], "abandoned");
    release.0.run(["deploy"]).expect_code(5);
    release.0.run(["canary", "abort"]).expect_code(0);
    let after = release.status(0);
    assert_eq!(after["live"], live);
    assert!(
        after["candidate"].is_null() && after["canary"].is_null(),
        "{after}"
    );
}

#[test]
fn a_second_operator_is_refused_and_a_termination_rolls_back() {
    let release = Deployed::new();
    let live = release.status(0)["live"].clone();
    let mut canary = release.canary();
    for words in [
        "canary --set engine.env.REVISION=3 --weight 5",
        "deploy",
        "delete --yes",
    ] {
        release.0.run(words.split(' ')).expect_code(5);
    }
    canary.terminate();
    assert_eq!(canary.exit_code(), Some(130));
    let after = release.status(0);
    assert_eq!(after["live"], live);
    assert!(
        after["candidate"].is_null() && after["weight"] == 0,
        "{after}"
    );
}

#[test]
fn the_live_version_is_nothing_to_canary() {
    let release = Deployed::new();
    let ran = release.0.run(["canary", "--weight", "10"]).expect_code(2);
    assert!(
        ran.stderr().contains("nothing to canary"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_killed_one_is_promoted_without_the_judge_on_demand_and_rollback_goes_back() {
    let release = Deployed::new();
    release.canary().kill();
    let candidate = release.status(4)["candidate"].clone();
    release.0.run(["canary", "promote"]).expect_code(0);
    let after = release.status(0);
    assert_eq!(after["live"], candidate);
    release.0.run(["rollback"]).expect_code(0);
    assert_ne!(release.status(0)["live"], candidate);
}

#[test]
fn a_killed_one_is_resumed_by_the_next_operator() {
    let release = Deployed::new();
    release.canary().kill();
    let words = ["--output", "json", "canary", "resume"];
    let mut resumed = Process::start(&mut release.0.command(words));
    resumed.event("begun");
    let driven = release.status(0);
    assert_eq!(driven["canary"]["state"], "running");
    assert_eq!(driven["weight"], 10);
    resumed.terminate();
    assert_eq!(resumed.exit_code(), Some(130));
    assert_eq!(release.status(0)["weight"], 0);
}

#[test]
fn the_same_command_takes_over_a_killed_one_and_another_plan_does_not() {
    let release = Deployed::new();
    release.canary().kill();
    let other = ["canary", "--set", CANDIDATE, "--weight", "20"];
    release.0.run(other).expect_code(5);
    assert_eq!(release.status(4)["weight"], 10);
    let mut again = release.canary();
    let driven = release.status(0);
    assert_eq!(driven["canary"]["state"], "running");
    assert_eq!(driven["weight"], 10);
    again.terminate();
    assert_eq!(again.exit_code(), Some(130));
    assert_eq!(release.status(0)["weight"], 0);
}

#[test]
fn by_a_header_its_senders_alone_meet_the_candidate_until_it_is_promoted() {
    let release = Deployed::new();
    let status = release.status(0);
    let (live, endpoint) = (status["live"].clone(), status["endpoint"].clone());
    let line =
        format!("--output json canary --set {CANDIDATE} --hold --match header:x-beta=1 --for 8s");
    let held = release.0.run(line.split(' ')).expect_code(0).result();
    assert_eq!(held["verdict"], "held", "{held}");
    assert_eq!(
        (
            &held["weight"],
            &held["split"]["asked"],
            &held["split"]["match"]
        ),
        (&json!(0), &json!(null), &json!("header:x-beta=1"))
    );
    let candidate = held["versions"]["candidate"]["version"].clone();
    assert_eq!(release.status(0)["canary"]["match"], "header:x-beta=1");
    assert_eq!(who(&endpoint, Some("1")), candidate);
    assert_eq!(who(&endpoint, Some("2")), live);
    assert_eq!(who(&endpoint, None), live);
    release.0.run(["canary", "promote"]).expect_code(0);
    let after = release.status(0);
    assert_eq!(after["live"], candidate);
    assert!(after["canary"].is_null(), "{after}");
    assert_eq!(who(&endpoint, None), candidate);
}

/// The version that answers a request with this `x-beta`.
fn who(endpoint: &Value, beta: Option<&str>) -> Value {
    let url = format!("{}/v1/models", endpoint.as_str().expect("an endpoint"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut request = reqwest::Client::new().get(url);
        if let Some(beta) = beta {
            request = request.header("x-beta", beta);
        }
        let answer = request.send().await.expect("an answer");
        let version = answer.headers().get("x-infer-version").expect("a version");
        json!(version.to_str().expect("text"))
    })
}
