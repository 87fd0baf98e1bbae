//! llama.cpp's real server with a tiny model: what `infer` meets in an engine.

use serde_json::{Value, json};

use crate::support::{gguf::tiny_llama, llama::LlamaServer};

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
