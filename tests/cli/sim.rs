//! `infer sim`: what it answers, how precisely, how it fails on demand, how it ends.

use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::support::{
    infer::Workplace,
    process::{LIMIT, Process},
};

/// One request has a slot.
const RUNNING: &str = r#"vllm:num_requests_running{engine="0",model_name="infer-sim"} 1.0"#;

struct Sim {
    process: Process,
    url: String,
    _place: Workplace,
}

impl Sim {
    fn start(options: &[&str]) -> Self {
        let place = Workplace::new();
        let mut args = vec!["--output", "json", "sim", "--port", "0"];
        args.extend(options);
        let mut process = Process::start(&mut place.command(args));
        let url = process.event("listening")["url"]
            .as_str()
            .expect("a URL")
            .to_owned();
        Self {
            process,
            url,
            _place: place,
        }
    }

    async fn get(&self, path: &str) -> Response {
        let response = Client::new().get(format!("{}{path}", self.url)).send();
        response.await.expect("an answer")
    }

    async fn post(&self, path: &str, body: Value) -> reqwest::Result<Response> {
        let request = Client::new().post(format!("{}{path}", self.url));
        request.json(&body).send().await
    }

    /// Waits until the metrics have this line's part.
    async fn says(&self, part: &str) {
        let start = Instant::now();
        loop {
            let metrics = self.get("/metrics").await.text().await.expect("text");
            if metrics.contains(part) {
                return;
            }
            assert!(start.elapsed() < LIMIT, "no {part} in {metrics}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A streamed completion of `tokens` tokens as text.
    async fn stream(&self, tokens: u32) -> String {
        let body = json!({"prompt": "one two", "stream": true, "max_tokens": tokens});
        let response = self.post("/v1/completions", body).await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.text().await.expect("a whole body")
    }
}

fn events(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_chat_stream_is_whole_and_says_it_is_simulated() {
    let sim = Sim::start(&[
        "--base",
        "1ms",
        "--per-token",
        "1ms",
        "--served-model-name",
        "m",
    ]);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "a b c"}],
        "stream": true, "max_tokens": 3, "stream_options": {"include_usage": true}});
    let response = sim
        .post("/v1/chat/completions", body)
        .await
        .expect("an answer");
    assert_eq!(response.headers()["x-infer-simulated"], "true");
    let text = response.text().await.expect("a body");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let events = events(&text);
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(events[1]["choices"][0]["delta"]["content"], "No");
    assert_eq!(events[4]["choices"][0]["finish_reason"], "length");
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6});
    assert_eq!(events[5]["usage"], usage);
    assert_eq!(events.len(), 6);
}

#[tokio::test]
async fn answers_in_one_piece_models_and_metrics_are_served() {
    let sim = Sim::start(&["--base", "1ms", "--per-token", "1ms"]);
    let models: Value = sim.get("/v1/models").await.json().await.expect("JSON");
    assert_eq!(models["data"][0]["owned_by"], "infer-sim");
    let chat = json!({"messages": [{"role": "user", "content": "a"}], "max_tokens": 2});
    let chat = sim
        .post("/v1/chat/completions", chat)
        .await
        .expect("an answer");
    let chat: Value = chat.json().await.expect("JSON");
    assert_eq!(chat["choices"][0]["message"]["content"], "No model");
    let embeddings = json!({"input": ["a", "b c"], "dimensions": 4});
    let embeddings = sim
        .post("/v1/embeddings", embeddings)
        .await
        .expect("an answer");
    let embeddings: Value = embeddings.json().await.expect("JSON");
    assert_eq!(
        embeddings["data"][1]["embedding"].as_array().map(Vec::len),
        Some(4)
    );
    let metrics = sim.get("/metrics").await.text().await.expect("text");
    for line in [
        r#"vllm:request_success_total{engine="0",finished_reason="length",model_name="infer-sim"} 1.0"#,
        r#"vllm:prompt_tokens_total{engine="0",model_name="infer-sim"} 4.0"#,
        r#"vllm:num_requests_running{engine="0",model_name="infer-sim"} 0.0"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[tokio::test]
async fn the_second_request_waits_for_the_only_slot() {
    let sim = Sim::start(&[
        "--slots",
        "1",
        "--base",
        "100ms",
        "--per-token",
        "1ms",
        "--noise",
        "0",
    ]);
    let start = Instant::now();
    tokio::join!(sim.stream(1), sim.stream(1));
    assert!(start.elapsed() >= Duration::from_millis(200));
    let metrics = sim.get("/metrics").await.text().await.expect("text");
    let first = r#"vllm:time_to_first_token_seconds_bucket{engine="0",le="0.1",model_name="infer-sim"} 0.0"#;
    assert!(metrics.contains(first), "{metrics}");
}

#[tokio::test]
async fn faults_come_on_demand() {
    let errors = Sim::start(&["--error-rate", "1", "--error-status", "429"]);
    let body = json!({"prompt": "a"});
    let refused = errors
        .post("/v1/completions", body.clone())
        .await
        .expect("an answer");
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-infer-simulated"], "true");

    let fast = ["--base", "1ms", "--per-token", "1ms"];
    let truncated = Sim::start(&[&fast[..], &["--truncate-rate", "1"]].concat());
    let text = truncated.stream(4).await;
    assert_eq!(events(&text).len(), 2, "{text}");
    assert!(!text.contains("[DONE]"));

    let failing = Sim::start(&[&fast[..], &["--stream-error-rate", "1"]].concat());
    let text = failing.stream(4).await;
    assert!(
        text.contains(r#"data: {"error":"#) && text.ends_with("[DONE]\n\n"),
        "{text}"
    );

    let reset = Sim::start(&[&fast[..], &["--reset-rate", "1"]].concat());
    let streamed = json!({"prompt": "a", "stream": true, "max_tokens": 4});
    // A busy client learns of the reset before it has read the head.
    if let Ok(response) = reset.post("/v1/completions", streamed).await {
        assert!(response.text().await.is_err());
    }
}

#[tokio::test]
async fn a_hang_keeps_its_slot_until_the_client_leaves() {
    let sim = Sim::start(&["--hang-rate", "1"]);
    let body = json!({"prompt": "a"});
    // The client leaves once its request has the slot.
    tokio::select! {
        answer = sim.post("/v1/completions", body) => panic!("{answer:?}"),
        () = sim.says(RUNNING) => {}
    }
    let aborted = r#"finished_reason="abort",model_name="infer-sim"} 1.0"#;
    sim.says(aborted).await;
}

#[tokio::test]
async fn health_is_503_until_ready() {
    let sim = Sim::start(&["--startup", "3s"]);
    assert_eq!(sim.get("/health").await.status(), 503);
    let early = sim.post("/v1/completions", json!({"prompt": "a"})).await;
    assert_eq!(early.expect("an answer").status(), 503);
    let start = Instant::now();
    while sim.get("/health").await.status() != 200 {
        assert!(start.elapsed() < LIMIT, "never ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn sigterm_lets_streams_finish_and_takes_no_new_ones() {
    let mut sim = Sim::start(&["--base", "50ms", "--per-token", "20ms", "--noise", "0"]);
    let (text, ()) = tokio::join!(sim.stream(100), async {
        sim.says(RUNNING).await;
        sim.process.terminate();
        let health = format!("{}/health", sim.url);
        let start = Instant::now();
        while Client::new().get(&health).send().await.is_ok() {
            assert!(start.elapsed() < LIMIT, "it still listens");
        }
        let refused = sim.post("/v1/completions", json!({"prompt": "a"})).await;
        assert!(refused.expect_err("nobody listens").is_connect());
    });
    assert!(text.ends_with("[DONE]\n\n"), "{text}");
    let result = sim.process.event("result");
    assert_eq!(result["simulated"], true);
    assert_eq!(
        (&result["answered"], &result["connections_cut"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(sim.process.exit_code(), Some(0));
}

#[tokio::test]
async fn a_stream_that_outlives_the_drain_limit_is_cut() {
    let mut sim = Sim::start(&["--base", "1ms", "--per-token", "1s", "--drain", "100ms"]);
    let body = json!({"prompt": "a", "stream": true, "max_tokens": 30});
    let response = sim.post("/v1/completions", body).await.expect("an answer");
    sim.process.terminate();
    assert!(response.text().await.is_err());
    assert_eq!(sim.process.event("result")["connections_cut"], 1);
    assert_eq!(sim.process.exit_code(), Some(0));
}

#[tokio::test]
async fn a_crash_and_a_failed_start_exit_with_1() {
    let mut sim = Sim::start(&["--crash-after", "1", "--base", "1ms", "--per-token", "1ms"]);
    sim.stream(1).await;
    let body = json!({"prompt": "a"});
    assert!(sim.post("/v1/completions", body).await.is_err());
    assert_eq!(sim.process.exit_code(), Some(1));
    let mut failing = Sim::start(&["--fail-start", "--startup", "50ms"]);
    assert_eq!(failing.process.exit_code(), Some(1));
}

#[test]
fn help_states_the_law_as_a_formula() {
    let help = Workplace::new()
        .run(["sim", "--help"])
        .expect_code(0)
        .stdout();
    assert!(
        help.contains(
            "first token   start + (base + prefill × prompt tokens) × load × drift × noise"
        ),
        "{help}"
    );
    assert!(help.contains("Example:\n  infer sim"), "{help}");
}

#[test]
fn wrong_options_are_usage_errors_that_name_the_option() {
    for (args, reason) in [
        (["--per-token", "5"], "5 is not a time; write 250ms"),
        (["--noise", "9"], "noise must be from 0 to 2, not 9"),
        (
            ["--error-rate", "2"],
            "error-rate must be from 0 to 1, not 2",
        ),
        (["--model", "nowhere"], "there are no weights at nowhere"),
    ] {
        let ran = Workplace::new().run(["sim", "--port", "0", args[0], args[1]]);
        let ran = ran.expect_code(2);
        assert!(ran.stderr().contains(reason), "{}", ran.stderr());
    }
}

#[test]
fn options_come_from_the_environment_too() {
    let ran = Workplace::new()
        .env("INFER_SIM_NOISE", "9")
        .run(["sim", "--port", "0"])
        .expect_code(2);
    assert!(ran.stderr().contains("not 9"), "{}", ran.stderr());
}

#[test]
fn a_port_in_use_is_named_with_the_way_out() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = taken.local_addr().expect("an address");
    let ran = Workplace::new()
        .run(["sim", "--port", &addr.port().to_string()])
        .expect_code(1);
    let stderr = ran.stderr();
    assert!(
        stderr.contains(&format!("cannot listen on {addr}")),
        "{stderr}"
    );
    assert!(stderr.contains("--port"), "{stderr}");
}
