//! llama.cpp's real server with a tiny model: what `infer` meets in an engine.

mod canary;

use std::{env, ffi::OsString, path::Path};

use serde_json::{Value, json};

use crate::support::{
    gguf::tiny_llama,
    infer::{Ran, Workplace},
    llama::LlamaServer,
    setup,
};

/// A server with a model of its own, and the folder that holds it.
fn server() -> (LlamaServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("tiny.gguf");
    std::fs::write(&model, tiny_llama(2, 1)).expect("a written file");
    (LlamaServer::start(&model), folder)
}

#[tokio::test]
async fn it_is_healthy_names_its_model_and_streams_tokens() {
    let (server, _folder) = server();
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let response = client.get(format!("{}{path}", server.url)).send().await;
        response.expect("an answer")
    };
    assert_eq!(get("/health").await.status(), 200);
    let models: Value = get("/v1/models").await.json().await.expect("JSON");
    assert_eq!(models["data"][0]["id"], "tiny", "{models}");

    let chat = json!({"messages": [{"role": "user", "content": "hello there"}],
        "stream": true, "max_tokens": 24, "stream_options": {"include_usage": true}});
    let response = client.post(format!("{}/v1/chat/completions", server.url));
    let response = response.json(&chat).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let text = response.text().await.expect("a body");
    assert!(text.trim_end().ends_with("data: [DONE]"), "{text}");
    let tokens = text.matches(r#""content":"#).count();
    assert!(tokens > 5, "{text}");
}

#[test]
fn it_hangs_up_after_a_stream_and_no_request_of_a_load_test_is_lost_by_that() {
    let (server, _folder) = server();
    let place = Workplace::new();
    let options = [
        "-n",
        "200",
        "-c",
        "4",
        "--output-tokens",
        "4",
        "--input-tokens",
        "4",
    ];
    let words = ["--output", "json", "load", &server.url];
    let load = place.run(words.iter().chain(&options)).result();
    assert_eq!(load["requests"]["ok"], 200, "{load}");
}

/// A folder with a tiny model and an `infer.yaml` that serves it; what it deployed goes
/// with it, also when a test fails.
struct Release(Workplace);

impl Release {
    fn new() -> Self {
        let place = Workplace::new().env("PATH", &path_with_llama_server());
        place.write("tiny.gguf", tiny_llama(2, 1));
        place.write(
            "infer.yaml",
            "name: tiny\n\
             model: {source: tiny.gguf, image: \"oci:./image\"}\n\
             engine: {kind: llama.cpp, args: {threads: 1, parallel: 4}}\n",
        );
        Self(place)
    }

    /// Runs `infer` and returns its JSON result.
    fn result(&self, args: &[&str]) -> Value {
        self.run(args).expect_code(0).result()
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.0.run(["--output", "json"].iter().chain(args))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // Nothing to delete is fine; a test that failed has said why already.
        drop(self.0.command(["delete", "tiny", "--yes"]).output());
    }
}

fn path_with_llama_server() -> String {
    let program = setup::llama_server();
    let folder = program.parent().map(Path::to_path_buf);
    let path = env::var_os("PATH").unwrap_or_default();
    let joined = env::join_paths(folder.into_iter().chain(env::split_paths(&path)));
    joined
        .unwrap_or_else(|_| OsString::new())
        .to_string_lossy()
        .into_owned()
}

#[test]
fn it_is_packed_deployed_and_load_tested() {
    let release = Release::new();
    release.result(&["pack"]);
    let deployed = release.result(&["deploy"]);
    assert_eq!(deployed["simulated"], false, "{deployed}");
    let endpoint = deployed["endpoint"].as_str().expect("an endpoint");
    let load = release.run(&[
        "load",
        endpoint,
        "--concurrency",
        "2",
        "--requests",
        "200",
        "--input-tokens",
        "20",
        "--output-tokens",
        "16",
    ]);
    // 4: a machine full of other tests may be too slow to judge latencies, which are not judged here.
    assert!([0, 4].contains(&load.code()), "{}", load.stderr());
    let load = load.result();
    // It hangs up after a stream, which no user of the gateway may feel.
    assert_eq!(load["requests"]["ok"], 200, "{load}");
    assert_ne!(load["simulated"], true, "{load}");
    assert!(
        load["ttft_ms"]["p50"].as_f64().is_some_and(|ms| ms > 0.0),
        "{load}"
    );
    assert!(
        load["tokens"]["output"]
            .as_u64()
            .is_some_and(|tokens| tokens > 100),
        "{load}"
    );
    release.result(&["delete", "tiny", "--yes"]);
}
