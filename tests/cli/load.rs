//! `infer load`: what it measures, how it judges, how it fails, how it ends.
//!
//! Times are compared with the simulator's law by ratio, never with the clock of a
//! machine that may be busy; where a busy machine makes the client invalid, the
//! verdict is "undecided", and tests that hit this say so.

use serde_json::Value;

use crate::support::{
    canned::{Canned, models, response},
    infer::{Ran, Workplace},
    process::Process,
};

/// A simulator without noise, so that its law is arithmetic.
struct Sim {
    _process: Process,
    url: String,
}

impl Sim {
    fn start(place: &Workplace, options: &[&str]) -> Self {
        let mut args = vec!["--output", "json", "sim", "--port", "0", "--noise", "0"];
        args.extend(options);
        let mut process = Process::start(&mut place.command(args));
        let url = process.event("listening")["url"]
            .as_str()
            .expect("a URL")
            .to_owned();
        Self {
            _process: process,
            url,
        }
    }
}

fn load(place: &Workplace, url: &str, options: &[&str]) -> Ran {
    let mut args = vec!["--output", "json", "load", url];
    args.extend(options);
    place.run(args)
}

fn requests(ran: &Ran) -> Vec<Value> {
    ran.events()
        .into_iter()
        .filter(|event| event["event"] == "request")
        .collect()
}

fn chat(events: &[&str]) -> (&'static str, String) {
    let body = format!("data: {}\n\n", events.join("\n\ndata: "));
    (
        "/v1/chat/completions",
        response("200 OK", "text/event-stream", &body),
    )
}

const TOKEN: &str = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
const FINISH: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;

#[test]
fn help_has_an_example_and_the_exit_codes() {
    let ran = Workplace::new().run(["load", "--help"]).expect_code(0);
    for part in ["Examples:", "--slo", "Exit codes", "compare"] {
        assert!(ran.stdout().contains(part), "{part}: {}", ran.stdout());
    }
}

#[test]
fn what_is_measured_is_the_law_of_the_server() {
    let place = Workplace::new();
    let sim = Sim::start(
        &place,
        &["--base", "80ms", "--prefill", "1ms", "--per-token", "10ms"],
    );
    let options = [
        "-n",
        "60",
        "-c",
        "4",
        "--input-tokens",
        "20",
        "--output-tokens",
        "12",
    ];
    let result = load(&place, &sim.url, &options).result();
    let tokens = &result["tokens"];
    assert_eq!(
        (&tokens["output"], &tokens["source"]),
        (&720.into(), &"usage".into())
    );
    let prompt = tokens["prompt"].as_f64().expect("usage") / 60.0;
    for (figure, law) in [
        ("ttft_ms", 80.0 + prompt),
        ("ttfo_ms", 80.0 + prompt),
        ("tpot_ms", 10.0),
        ("e2e_ms", 80.0 + prompt + 110.0),
    ] {
        let ratio = result[figure]["p50"].as_f64().expect("a figure") / law;
        assert!((0.95..1.6).contains(&ratio), "{figure}: {ratio} of the law");
    }
    assert_eq!(result["chunk_gap_ms"]["n"], 60 * 11);
    assert_eq!(result["simulated"], true);
}

#[test]
fn the_result_has_exactly_the_promised_fields() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "1ms", "--per-token", "1ms"]);
    let options = ["-n", "5", "--output-tokens", "3", "--slo", "error_rate<1%"];
    let ran = load(&place, &sim.url, &options);
    let result = ran.result();
    let keys = |value: &Value| {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let sorted = |text: &str| {
        let mut words: Vec<_> = text.split(' ').collect();
        words.sort_unstable();
        words.join(" ")
    };
    assert_eq!(
        sorted(&keys(&result)),
        "chunk_gap_ms client delivered duration_s e2e_ms event gates offered_rps output_tokens_per_s \
         requests requests_per_s simulated tokens tpot_ms ttfo_ms ttft_ms verb"
    );
    assert_eq!(
        sorted(&keys(&result["ttft_ms"])),
        "ci95 max mean n p50 p90 p95 p99"
    );
    assert_eq!(result["ttft_ms"]["p99"], Value::Null);
    assert_eq!(result["requests"]["ok"], 5);
    assert_eq!(result["gates"][0]["pass"], true);
    assert_eq!(result["offered_rps"], Value::Null);
    assert_eq!(ran.events()[0]["event"], "start");
}

#[test]
fn the_same_seed_gives_the_same_schedule_and_prompts() {
    let place = Workplace::new();
    let answers = [models(&["m"]), chat(&[TOKEN, FINISH, "[DONE]"])];
    let due = |seed: &str| -> (Vec<Value>, Vec<String>) {
        let server = Canned::start(&answers);
        let options = ["-n", "20", "--rate", "200", "--seed", seed, "--warmup", "0"];
        let ran = load(&place, server.url(), &options);
        let due = requests(&ran)
            .into_iter()
            .map(|request| request["intended_s"].clone());
        let mut bodies: Vec<_> = server
            .requests()
            .into_iter()
            .filter_map(|request| Some(request.split_once("\r\n\r\n")?.1.to_owned()))
            .filter(|body| !body.is_empty())
            .collect();
        bodies.sort_unstable();
        let mut due: Vec<_> = due.collect();
        due.sort_unstable_by(|a, b| a.as_f64().partial_cmp(&b.as_f64()).expect("times"));
        (due, bodies)
    };
    let (first, again, other) = (due("7"), due("7"), due("8"));
    assert_eq!(first, again);
    assert_eq!(first.1.len(), 20);
    assert_ne!(first.1, other.1);
}

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
        (vec!["load", &url, "--rate", "0"], 2, "no rate"),
        (vec!["load", &url, "--arrival", "gamma:0"], 2, "no arrival"),
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

#[test]
fn an_interrupt_prints_what_there_is_and_exits_130() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "20ms", "--per-token", "1ms"]);
    let args = [
        "--output",
        "json",
        "load",
        &sim.url,
        "-c",
        "2",
        "--duration",
        "10m",
        "--output-tokens",
        "5",
    ];
    let mut process = Process::start(&mut place.command(args));
    process.event("request");
    process.interrupt();
    let result = process.event("result");
    assert_eq!(process.exit_code(), Some(130));
    assert!(
        result["requests"]["ok"].as_u64().is_some_and(|ok| ok > 0),
        "{result}"
    );
    assert_eq!(result["verb"], "load");
}

#[test]
fn the_report_and_the_test_cases_tell_the_gates() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "50ms", "--per-token", "2ms"]);
    let options = [
        "-n",
        "20",
        "--rate",
        "50",
        "--output-tokens",
        "5",
        "--slo",
        "e2e.max<1ms",
        "--slo",
        "ttft.p99<9s",
        "--report",
        "out/r.html",
        "--junit",
        "out/j.xml",
    ];
    let ran = load(&place, &sim.url, &options);
    let gates = ran.result()["gates"].clone();
    assert_eq!(
        (&gates[1]["pass"], &gates[1]["n_needed"]),
        (&Value::Null, &299.into())
    );
    let report = place.read("out/r.html");
    for part in [
        "<svg",
        "ttft.p99&lt;9s",
        "prefers-color-scheme:dark",
        "no model is run",
        "&quot;intended_s&quot;",
    ] {
        assert!(report.contains(part), "{part}");
    }
    assert!(!report.contains("<script") && !report.contains("src=\"http"));
    let cases = place.read("out/j.xml");
    assert!(
        cases.contains("tests=\"4\"") && cases.contains("e2e.max&lt;1ms"),
        "{cases}"
    );
    if ran.result()["client"]["valid"] == true {
        assert_eq!(ran.code(), 3);
        assert!(cases.contains("<failure"), "{cases}");
    } else {
        assert_eq!(ran.code(), 4, "a busy machine leaves it undecided");
    }
}

#[test]
fn embeddings_and_whole_answers_have_no_first_token() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "5ms", "--per-token", "1ms"]);
    for options in [
        ["--api", "embeddings"],
        ["--api", "chat"],
        ["--api", "completions"],
    ] {
        let mut all = vec!["-n", "6", "--output-tokens", "4", "--no-stream"];
        all.extend(options);
        let result = load(&place, &sim.url, &all).result();
        assert_eq!(result["requests"]["ok"], 6, "{result}");
        assert_eq!(
            (&result["ttft_ms"]["n"], &result["ttft_ms"]["mean"]),
            (&0.into(), &Value::Null)
        );
        assert!(
            result["e2e_ms"]["p50"].as_f64().is_some_and(|ms| ms >= 4.9),
            "{result}"
        );
    }
}

#[test]
fn the_answer_for_people_is_a_table_on_stdout() {
    let place = Workplace::new();
    let sim = Sim::start(&place, &["--base", "5ms", "--per-token", "1ms"]);
    let ran = place.run([
        "load",
        &sim.url,
        "-n",
        "6",
        "--output-tokens",
        "4",
        "--seed",
        "3",
    ]);
    for part in [
        "TTFT  ms",
        "TPOT  ms",
        "6 requests",
        "client adds",
        "simulated: no model is run",
    ] {
        assert!(ran.stdout().contains(part), "{part}: {}", ran.stdout());
    }
    assert!(ran.stderr().contains("seed 3"), "{}", ran.stderr());
}

#[test]
fn two_runs_are_compared_by_their_files() {
    let place = Workplace::new();
    let line = |ttft: u32, at: u32| {
        format!(
            "{{\"event\":\"request\",\"intended_s\":{at},\"ttft_ms\":{ttft},\"tpot_ms\":10,\"e2e_ms\":500,\"error\":null}}\n"
        )
    };
    let run = |add: u32| {
        (0..400)
            .map(|at| line(100 + add + at * 7 % 20, at))
            .collect::<String>()
    };
    place.write("a.ndjson", run(0));
    place.write("same.ndjson", run(0));
    place.write("slow.ndjson", run(40));
    place.write("empty.ndjson", "{\"event\":\"start\"}\n");
    let compare = |b: &str| place.run(["load", "compare", "a.ndjson", b]);
    assert!(
        compare("same.ndjson")
            .expect_code(0)
            .stdout()
            .contains("B is not worse")
    );
    let slow = compare("slow.ndjson").expect_code(3);
    assert!(
        slow.stdout().contains("ttft.p50") && slow.stdout().contains("B is worse"),
        "{}",
        slow.stdout()
    );
    let empty = compare("empty.ndjson").expect_code(2);
    assert!(
        empty.stderr().contains("--output json"),
        "{}",
        empty.stderr()
    );
}
