//! What goes wrong on the server or on the command line, and what is never shown.

use super::{FINISH, Sim, TOKEN, chat, load, requests};
use crate::support::{
    canned::{Canned, models, response},
    infer::Workplace,
};

#[test]
fn faults_are_named_by_type() {
    let place = Workplace::new();
    for (fault, name) in [
        (vec!["--truncate-rate", "1"], "truncated"),
        (vec!["--stream-error-rate", "1"], "stream_error"),
        (
            vec!["--error-rate", "1", "--error-status", "429"],
            "http_429",
        ),
        (
            vec!["--error-rate", "1", "--error-status", "503"],
            "http_5xx",
        ),
        (vec!["--hang-rate", "1"], "timeout_first"),
    ] {
        let mut options = vec!["--base", "1ms", "--per-token", "1ms"];
        options.extend(fault);
        let sim = Sim::start(&place, &options);
        let options = [
            "-n",
            "3",
            "--warmup",
            "0",
            "--timeout",
            "first=500ms",
            "--slo",
            "error_rate<1%",
        ];
        let ran = load(&place, &sim.url, &options).expect_code(3);
        assert_eq!(
            ran.result()["requests"]["errors"][name],
            3,
            "{}",
            ran.stdout()
        );
        assert_eq!(ran.result()["gates"][0]["value"], 1.0);
    }
}

#[test]
fn a_stream_that_just_ends_is_no_success() {
    let place = Workplace::new();
    let server = Canned::start(&[models(&["m"]), chat(&[TOKEN, TOKEN])]);
    let ran = load(&place, server.url(), &["-n", "2", "--warmup", "0"]).expect_code(1);
    assert!(
        ran.result()["message"]
            .as_str()
            .is_some_and(|text| text.contains("none of the 2"))
    );
    assert!(
        requests(&ran)
            .iter()
            .all(|request| request["error"] == "truncated")
    );
}

#[test]
fn a_failing_warm_up_says_why_and_measures_nothing() {
    let place = Workplace::new();
    let refused = (
        "/v1/chat/completions",
        response(
            "401 Unauthorized",
            "application/json",
            r#"{"error":{"message":"no key"}}"#,
        ),
    );
    let server = Canned::start(&[models(&["m"]), refused]);
    let ran = place.run(["load", server.url(), "-n", "2"]).expect_code(1);
    assert!(
        ran.stderr().contains("401 Unauthorized: no key"),
        "{}",
        ran.stderr()
    );
    assert!(ran.stderr().contains("--api-key-env"), "{}", ran.stderr());
}

#[test]
fn keys_are_sent_and_never_shown() {
    let place = Workplace::new().env("MY_KEY", "s3cret-key");
    let server = Canned::start(&[models(&["m"]), chat(&[TOKEN, FINISH])]);
    let options = [
        "-n",
        "1",
        "--api-key-env",
        "MY_KEY",
        "--header",
        "x-tenant: s3cret-tenant",
        "--report",
        "r.html",
    ];
    let ran = load(&place, server.url(), &options);
    let asked = server.requests();
    assert!(
        asked
            .iter()
            .all(|head| head.contains("Bearer s3cret-key") && head.contains("s3cret-tenant"))
    );
    for text in [ran.stdout(), ran.stderr(), place.read("r.html")] {
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[test]
fn ignore_eos_is_sent_only_to_engines_that_know_it() {
    let place = Workplace::new();
    let vllm = r#"{"data":[{"id":"m","owned_by":"vllm"}]}"#;
    let vllm = ("/v1/models", response("200 OK", "application/json", vllm));
    for (list, known) in [(vllm, true), (models(&["m"]), false)] {
        let server = Canned::start(&[list, chat(&[TOKEN, FINISH, "[DONE]"])]);
        load(&place, server.url(), &["-n", "1", "--output-tokens", "1"]);
        let sent = server
            .requests()
            .iter()
            .any(|request| request.contains("\"ignore_eos\":true"));
        assert_eq!(sent, known);
    }
}

#[test]
fn a_wrong_command_line_is_refused_before_anything_is_sent() {
    let place = Workplace::new();
    place.write("bad.jsonl", "\"a\"\n{\"text\":1}\n");
    place.write("folder/x", "");
    let server = Canned::start(&[models(&["a", "b"])]);
    let url = server.url().to_owned();
    for (args, code, part) in [
        (vec!["load"], 2, "address of a server"),
        (vec!["load", "localhost:1"], 2, "http://"),
        (vec!["load", &url], 2, "serves 2 models: a, b"),
        (
            vec!["load", &url, "--model", "a", "--prompts", "bad.jsonl"],
            2,
            "line 2",
        ),
        (
            vec!["load", &url, "--model", "a", "--prompts", "none.jsonl"],
            2,
            "none.jsonl",
        ),
        (
            vec!["load", &url, "--model", "a", "--report", "folder"],
            1,
            "cannot write",
        ),
        (vec!["load", &url, "--api-key-env", "UNSET"], 2, "UNSET"),
        (vec!["load", &url, "--slo", "ttft.p99"], 2, "comparison"),
        (vec!["load", &url, "--rate", "0"], 2, "not a rate"),
        (
            vec!["load", &url, "--arrival", "gamma:0"],
            2,
            "not an arrival",
        ),
        (vec!["load", &url, "--timeout", "last=3s"], 2, "no timeout"),
        (vec!["load", &url, "--duration", "5"], 2, "no duration"),
        (vec!["load", &url, "--ca", "bad.jsonl"], 2, "certificate"),
        (vec!["load", "http://127.0.0.1:1"], 1, "cannot reach"),
    ] {
        let ran = place.run(&args).expect_code(code);
        assert!(ran.stderr().contains(part), "{args:?}: {}", ran.stderr());
        assert!(ran.stdout().is_empty(), "{args:?}");
    }
    let posts = server
        .requests()
        .iter()
        .filter(|request| request.starts_with("POST"))
        .count();
    assert_eq!(posts, 0);
}
