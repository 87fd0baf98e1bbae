//! `infer load`: what it measures, how it judges, how it fails, how it ends.
//!
//! Times are compared with the simulator's law by ratio, never with the clock of a
//! machine that may be busy; where a busy machine makes the client invalid, the
//! verdict is "undecided", and tests that hit this say so.

mod answers;
mod faults;

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
