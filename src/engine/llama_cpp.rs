//! llama.cpp's server.

use super::{
    ArgumentError, CACHE_PATH, Engine, ImageRule, MetricNames, PROBE_TIMEOUT_S, Weights,
    argv::model,
};

pub(super) const ENGINE: Engine = Engine {
    name: "llama.cpp",
    weights: Weights::GgufFile,
    gpus: 0,
    shm: |_| super::SHM_DEFAULT,
    image: Some(ImageRule {
        repository: "ghcr.io/ggml-org/llama.cpp",
        tag_prefix: "server-b",
    }),
    binary: "llama-server",
    binary_is_its_own: true,
    install: "get llama-server from https://github.com/ggml-org/llama.cpp/releases",
    arguments: |process| {
        let folder = model(process)?.trim_end_matches('/');
        let file = process.file.ok_or(ArgumentError::NoFile)?;
        let path = format!("{folder}/{file}");
        let words = [
            "--model",
            &path,
            "--alias",
            process.served_name,
            "--metrics",
        ];
        Ok(words.map(str::to_owned).into())
    },
    command_words: 1,
    reserved_flags: &[
        "-m",
        "--model",
        "--host",
        "--port",
        "--alias",
        "-a",
        "--metrics",
    ],
    slice_flags: |_| Vec::new(),
    // Its workers are another program (rpc-server), which not every image has.
    spanning: None,
    port: 8080,
    health_path: "/health",
    metrics_path: "/metrics",
    probe_timeout_s: PROBE_TIMEOUT_S,
    startup_s: 10 * 60,
    drain_flag: None,
    environment: &[("HOME", CACHE_PATH)],
    memory_variable: |memory_bytes| {
        Some((
            "LLAMA_ARG_CACHE_RAM",
            prompt_cache_mib(memory_bytes).to_string(),
        ))
    },
    metrics: MetricNames {
        running: &["llamacpp:requests_processing"],
        waiting: &["llamacpp:requests_deferred"],
        // Exported by old versions only (LLMKube#1386).
        kv_cache_usage: &["llamacpp:kv_cache_usage_ratio"],
        ttft_seconds: &[],
        tpot_seconds: &[],
        token_gap_seconds: &[],
        output_tokens: &["llamacpp:tokens_predicted_total"],
        responses: &[],
    },
    knows_ignore_eos: true,
    owned_by: &["llamacpp", "llama.cpp"],
    server: Some("llama.cpp"),
};

/// llama-server keeps prompts of up to 8 GiB in memory, whatever the container may have, and
/// is killed for it. A quarter is its share; a version that does not know the variable ignores
/// it, and `engine.args.cache_ram` overrides it.
fn prompt_cache_mib(memory_bytes: u128) -> u128 {
    memory_bytes / 4 / (1 << 20)
}
