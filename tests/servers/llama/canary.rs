//! The real engine's versions under a canary: an equal one, and one many times slower.
//!
//! Two busy cores are noisier than any GPU: of the equal version it is only asked that it
//! is not rolled back, and the slow one is slower by far more than noise.

use serde_json::Value;

use super::Release;
use crate::support::{gguf::tiny_llama, process::Process};

/// What users send meanwhile; less than one core's work for either version.
const USERS: [&str; 8] = [
    "--rate",
    "4",
    "--duration",
    "10m",
    "--input-tokens",
    "8",
    "--output-tokens",
    "8",
];

fn users(release: &Release) -> Process {
    let words = ["--quiet", "--output", "json", "load"];
    let mut users = Process::start(&mut release.0.command(words.iter().chain(&USERS)));
    users.event("warmed-up");
    users
}

/// Runs a canary that starts at half the traffic, to its answer.
fn canary(release: &Release, options: &[&str]) -> (i32, Value) {
    let fixed = ["canary", "--weight", "50", "--probe-rate", "4"];
    let words: Vec<_> = fixed.iter().chain(options).copied().collect();
    let ran = release.run(&words);
    (ran.code(), ran.result())
}

#[test]
fn an_equal_version_is_not_rolled_back_and_one_that_is_much_slower_is() {
    let release = Release::new();
    release.result(&["pack"]);
    release.result(&["deploy"]);
    let live = release.result(&["status"])["live"].clone();
    let _users = users(&release);

    let equal = ["--set", "engine.env.REVISION=2", "--for", "40s"];
    let (code, result) = canary(&release, &equal);
    let verdict = result["verdict"].as_str().expect("a verdict").to_owned();
    match verdict.as_str() {
        "held" => assert_eq!(code, 0, "{result}"),
        "undecided" => assert_eq!(code, 4, "{result}"),
        other => panic!("{other}: {result}"),
    }
    assert_eq!(result["simulated"], false, "{result}");
    for version in ["live", "candidate"] {
        let measured = &result["versions"][version];
        let tokens = measured["tpot_ms"]["p50"].as_f64();
        assert!(tokens.is_some_and(|ms| ms > 0.0), "{version}: {result}");
        assert_eq!(measured["errors"], 0, "{version}: {result}");
    }
    if verdict == "held" {
        release.result(&["canary", "abort"]);
    }
    assert_eq!(release.result(&["status"])["live"], live);

    // Twelve times the blocks of the live one.
    release.0.write("tiny.gguf", tiny_llama(24, 2));
    release.result(&["pack"]);
    let (code, result) = canary(&release, &["--for", "5m"]);
    assert_eq!(result["verdict"], "rolled-back", "{result}");
    assert_eq!(code, 3, "{result}");
    assert_eq!(result["weight"], 0, "{result}");
    let first = |version: &str| {
        let first = &result["versions"][version]["ttft_ms"]["p50"];
        first.as_f64().expect("it was measured")
    };
    assert!(first("candidate") > 2.0 * first("live"), "{result}");
    let after = release.result(&["status"]);
    assert_eq!(
        (&after["live"], &after["candidate"]),
        (&live, &Value::Null),
        "{after}"
    );
}
